//! What waits until the whole archive was read: links to later members, whiteouts, times.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ch_linux::file::{self, Kind, Time};
use ch_linux::{SyscallError, xattr};

use super::directories::Directory;
use super::error::{MemberError, UnpackError};
use super::name::{self, NameProblem, join, path_buf, split};
use super::{Encoding, LowerLink, PendingLink, Unpacker};
use crate::stack;

/// Marks a directory through which nothing shows, or one with attribute whiteouts.
pub(crate) const OPAQUE: &[u8] = b"user.overlay.opaque";
/// Marks an empty file as a whiteout.
pub(crate) const WHITEOUT: &[u8] = b"user.overlay.whiteout";

impl Unpacker<'_> {
    /// Completes the layer.
    pub(super) fn finish(&mut self) -> Result<(), UnpackError> {
        self.link_the_rest()?;
        let complete = |path: &[u8]| {
            let path = path_buf(path);
            move |source| UnpackError::Complete { path, source }
        };
        if self.has_aufs_links {
            let root = self.directories.root();
            let cleared = self.directories.clear(&root, name::AUFS_LINKS);
            cleared.map_err(complete(name::AUFS_LINKS))?;
            self.owners
                .forget(name::AUFS_LINKS)
                .map_err(complete(name::AUFS_LINKS))?;
        }
        for (path, names) in std::mem::take(&mut self.whiteouts) {
            let made = self
                .make_whiteouts(&path, &names)
                .map_err(complete(&path))?;
            if made > 0 {
                self.whiteouts_made += made;
                self.whiteouts.insert(path, names);
            }
        }
        let set = self.directories.set_times();
        set.map_err(|(path, source)| UnpackError::Complete {
            path: path_buf(&path),
            source,
        })?;
        self.owners
            .finish()
            .map_err(complete(ch_ownership::OWNERS_FILE.as_bytes()))
    }

    /// Links what waits, as long as anything can be linked; the rest is for the layers below.
    fn link_the_rest(&mut self) -> Result<(), UnpackError> {
        loop {
            let waiting = std::mem::take(&mut self.links);
            let before = waiting.len();
            for link in waiting {
                match self.link_now(&link) {
                    Ok(true) => {}
                    Ok(false) => self.links.push(link),
                    Err(error) => return Err(error.of(&link.member)),
                }
            }
            if self.links.len() == before || self.links.is_empty() {
                break;
            }
        }
        for link in std::mem::take(&mut self.links) {
            let (directory, last) = split(&link.target);
            let removed = self
                .whiteouts
                .get(directory)
                .is_some_and(|names| names.contains(last));
            if removed {
                let error = MemberError::from(NameProblem::LinkToWhiteout);
                return Err(error.of(&link.member));
            }
            let (path, target) = (path_buf(&link.path), path_buf(&link.target));
            self.lower_links.push(LowerLink { path, target });
        }
        Ok(())
    }

    /// Says whether the target was there.
    fn link_now(&mut self, link: &PendingLink) -> Result<bool, MemberError> {
        let (directory, last) = split(&link.path);
        let directory = self.ensure(directory, link.member.modified)?;
        if file::try_status_at(&directory.fd, OsStr::from_bytes(last))?.is_some() {
            // A later member took the name.
            return Ok(true);
        }
        self.try_link(&directory, last, &link.target, &link.member)
    }

    /// Lets nothing of the lower layers show through a directory.
    pub(super) fn make_opaque(&mut self, path: &[u8], time: Time) -> Result<(), MemberError> {
        let directory = self.ensure(path, time)?;
        self.mark_opaque(&directory)?;
        Ok(())
    }

    fn mark_opaque(&mut self, directory: &Directory) -> Result<(), SyscallError> {
        xattr::set(&directory.fd, OPAQUE, b"y")?;
        self.opaque.insert(directory.path.clone());
        Ok(())
    }

    /// Makes the whiteouts of one directory; says how many.
    fn make_whiteouts<'n>(
        &mut self,
        path: &[u8],
        names: impl IntoIterator<Item = &'n Vec<u8>>,
    ) -> Result<u64, SyscallError> {
        // A later member may have replaced the directory, and with it what it hid; by a link, too, and
        // the names are not those of where that leads.
        let root = self.directories.root();
        let Some(fd) = stack::try_directory(&root.fd, &path_buf(path))? else {
            return Ok(0);
        };
        let directory = Directory {
            fd,
            path: path.to_vec(),
        };
        let mut made = 0;
        for name in names {
            let text = OsStr::from_bytes(name);
            match file::try_status_at(&directory.fd, text)?.map(|found| found.kind) {
                Some(Kind::Directory) => {
                    let fd = file::open_directory_at(&directory.fd, text)?;
                    self.mark_opaque(&Directory {
                        fd,
                        path: join(path, name),
                    })?;
                }
                // What this layer has of that name hides the lower one by itself.
                Some(_) => {}
                None => {
                    self.make_whiteout(&directory, text)?;
                    made += 1;
                }
            }
        }
        if made > 0 && self.encoding == Encoding::Attribute && !self.opaque.contains(path) {
            xattr::set(&directory.fd, OPAQUE, b"x")?;
        }
        Ok(made)
    }

    fn make_whiteout(&mut self, directory: &Directory, name: &OsStr) -> Result<(), SyscallError> {
        if self.encoding == Encoding::Device {
            match file::make_whiteout_at(&directory.fd, name) {
                // overlayfs, for one, makes no devices.
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    self.encoding = Encoding::Attribute;
                }
                other => return other,
            }
        }
        let file = file::create_at(&directory.fd, name, 0o600)?;
        xattr::set(file, WHITEOUT, b"y")
    }
}
