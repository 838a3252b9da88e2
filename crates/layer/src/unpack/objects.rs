//! The objects of a layer, one function per kind.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use ch_linux::SyscallError;
use ch_linux::file::{self, Kind, OFlags};
use ch_ownership::{OVERRIDE_STAT, Override, Owner, remember, remember_new};

use super::attributes::{Attributes, Wanted, leftover, set_time};
use super::content;
use super::directories::Directory;
use super::error::MemberError;
use super::name::{self, AboveRoot, NameProblem, join};
use super::warnings::Reason;
use super::{PendingLink, RootAttributes, Unpacker, believed, carries_attributes};
use crate::tar::{self, Member, Reader};

/// Whether an object may have attributes from an earlier member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    New,
    Known,
}

impl Unpacker<'_> {
    /// The root itself.
    pub(super) fn root(&mut self, member: &Member) -> Result<(), MemberError> {
        if member.kind != tar::Kind::Directory {
            return Err(NameProblem::RootKind.into());
        }
        let root = self.directories.root();
        let mut attributes = self.describe(&root.fd, b"", member, Age::Known)?;
        let said = believed(member);
        if !said.is_plain() {
            attributes.insert(OVERRIDE_STAT.to_vec(), said.to_string().into_bytes());
        }
        let (mode, modified) = (said.disk_mode(), member.modified);
        self.directories.times.insert(Vec::new(), modified);
        self.root = Some(RootAttributes {
            mode,
            modified,
            attributes,
        });
        Ok(())
    }

    /// A directory, or new attributes for one that is there.
    pub(super) fn directory(
        &mut self,
        parent: &Directory,
        last: &[u8],
        member: &Member,
    ) -> Result<(), MemberError> {
        let path = join(&parent.path, last);
        let make = || file::make_directory_at(&parent.fd, OsStr::from_bytes(last), 0o700);
        let exists = |found: Option<Kind>| found == Some(Kind::Directory);
        let age = if exists(self.make(parent, last, make, exists)?) {
            Age::Known
        } else {
            Age::New
        };
        let fd = file::open_directory_at(&parent.fd, OsStr::from_bytes(last))?;
        self.describe(&fd, &path, member, age)?;
        self.directories.implied.remove(&path);
        self.directories.times.insert(path, member.modified);
        Ok(())
    }

    /// A regular file with its content.
    pub(super) fn file(
        &mut self,
        parent: &Directory,
        last: &[u8],
        member: &Member,
        reader: &mut Reader<&mut dyn BufRead>,
    ) -> Result<(), MemberError> {
        let file = self.new_file(parent, last)?;
        let mut written = 0;
        let room = &mut self.room;
        reader.content(|place, bytes| {
            let piece = content::write(&file, place, bytes)
                .map_err(|error| SyscallError::new("pwrite", place.to_string(), error))?;
            written = written.max(piece.end);
            room.take(piece.bytes).map_err(MemberError::from)
        })?;
        // Zeros at the end, in the archive or by its map, were not written.
        if written < member.size {
            file::set_size(&file, member.size)?;
        }
        self.bytes += member.size;
        let path = join(&parent.path, last);
        self.describe(&file, &path, member, Age::New)?;
        self.set_time(&file, &path, member)
    }

    /// A device: an empty file, and what it is meant to be beside it.
    pub(super) fn device(
        &mut self,
        parent: &Directory,
        last: &[u8],
        member: &Member,
    ) -> Result<(), MemberError> {
        let file = self.new_file(parent, last)?;
        let path = join(&parent.path, last);
        self.describe(&file, &path, member, Age::New)?;
        self.set_time(&file, &path, member)
    }

    /// A symbolic link that says whatever it says.
    pub(super) fn symlink(
        &mut self,
        parent: &Directory,
        last: &[u8],
        target: &[u8],
        member: &Member,
    ) -> Result<(), MemberError> {
        if target.is_empty() {
            return Err(NameProblem::EmptyTarget.into());
        }
        let (text, target) = (OsStr::from_bytes(last), OsStr::from_bytes(target));
        self.make(
            parent,
            last,
            || file::make_symlink_at(target, &parent.fd, text),
            |_| false,
        )?;
        file::set_modified_at(&parent.fd, text, member.modified)?;
        // A link has no permissions of its own.
        let said = Override {
            mode: 0o777,
            ..believed(member)
        };
        let plain = said.uid == 0 && said.gid == 0;
        self.describe_beside(&join(&parent.path, last), member, (!plain).then_some(said))
    }

    /// A FIFO.
    pub(super) fn fifo(
        &mut self,
        parent: &Directory,
        last: &[u8],
        member: &Member,
    ) -> Result<(), MemberError> {
        let (text, said) = (OsStr::from_bytes(last), believed(member));
        let make = || file::make_fifo_at(&parent.fd, text, said.disk_mode());
        self.make(parent, last, make, |_| false)?;
        file::set_modified_at(&parent.fd, text, member.modified)?;
        // The umask may have taken some of the mode.
        let on_disk = file::status_at(&parent.fd, text)?.mode;
        let plain = said.is_plain() && on_disk == said.mode;
        self.describe_beside(&join(&parent.path, last), member, (!plain).then_some(said))
    }

    /// Another name for a file, if that is there already.
    pub(super) fn hard_link(
        &mut self,
        parent: &Directory,
        last: &[u8],
        target: &[u8],
        member: &Member,
    ) -> Result<(), MemberError> {
        let target = name::clean(target, AboveRoot::Root)?.path;
        if target.is_empty() {
            return Err(NameProblem::LinkToDirectory.into());
        }
        if !self.try_link(parent, last, &target, member)? {
            // A name that is to come replaces what is there, as if it had come.
            self.clear(parent, last)?;
            let path = join(&parent.path, last);
            self.links.push(PendingLink {
                member: member.clone(),
                target,
                path,
            });
        }
        Ok(())
    }

    /// Links if the target is there; says whether it was.
    pub(super) fn try_link(
        &mut self,
        parent: &Directory,
        last: &[u8],
        target: &[u8],
        member: &Member,
    ) -> Result<bool, MemberError> {
        let (directory, target) = name::split(target);
        let Some(directory) = self.directories.find(directory)? else {
            return Ok(false);
        };
        let (text, target_text) = (OsStr::from_bytes(last), OsStr::from_bytes(target));
        let kind = match file::try_status_at(&directory.fd, target_text)? {
            None => return Ok(false),
            Some(found) if found.kind == Kind::Directory => {
                return Err(NameProblem::LinkToDirectory.into());
            }
            Some(found) => found.kind,
        };
        let itself = directory.path == parent.path && target == last;
        if !itself {
            let link = || file::hard_link_at(&directory.fd, target_text, &parent.fd, text);
            match self.make(parent, last, link, |_| false) {
                Err(error) if error.errno_is_mlink() => {
                    self.warnings.add(Reason::ManyLinks, &member.path);
                    let original = file::open_at(&directory.fd, target_text, OFlags::RDONLY)?;
                    let copy = self.new_file(parent, last)?;
                    copy_content(&original.into(), &copy)?;
                }
                other => {
                    other?;
                }
            }
        }
        self.describe_link(parent, last, kind, member)?;
        Ok(true)
    }

    /// The last header of an object decides, also if it comes with another name.
    fn describe_link(
        &mut self,
        parent: &Directory,
        last: &[u8],
        kind: Kind,
        member: &Member,
    ) -> Result<(), MemberError> {
        let (text, path) = (OsStr::from_bytes(last), join(&parent.path, last));
        if carries_attributes(kind) {
            let fd = file::open_at(&parent.fd, text, OFlags::RDONLY)?;
            // A device is a file here, and stays the device that it was.
            let was = ch_ownership::read(&fd)
                .ok()
                .flatten()
                .map(|found| found.kind);
            let mut member = member.clone();
            match was {
                Some(ch_ownership::Kind::Character(device)) => {
                    member.kind = tar::Kind::Character(device);
                }
                Some(ch_ownership::Kind::Block(device)) => member.kind = tar::Kind::Block(device),
                _ => {}
            }
            self.describe(&fd, &path, &member, Age::Known)?;
            return self.set_time(&fd, &path, &member);
        }
        file::set_modified_at(&parent.fd, text, member.modified)?;
        let kind = match kind {
            Kind::Symlink => ch_ownership::Kind::Symlink,
            _ => ch_ownership::Kind::Pipe,
        };
        let mode = if kind == ch_ownership::Kind::Symlink {
            0o777
        } else {
            member.mode
        };
        let said = Override {
            kind,
            mode,
            ..believed(member)
        };
        let plain = said.uid == 0 && said.gid == 0 && kind == ch_ownership::Kind::Symlink;
        self.describe_beside(&path, member, (!plain).then_some(said))
    }

    /// Runs `make`; if the name is taken, clears it and runs `make` again, unless what is there
    /// `stays`. Says what stayed.
    fn make<T>(
        &mut self,
        parent: &Directory,
        last: &[u8],
        make: impl Fn() -> Result<T, SyscallError>,
        stays: impl Fn(Option<Kind>) -> bool,
    ) -> Result<Option<Kind>, MakeError> {
        match make() {
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(MakeError(error)),
        }
        let text = OsStr::from_bytes(last);
        let found = file::status_at(&parent.fd, text).map_err(MakeError)?.kind;
        if stays(Some(found)) {
            return Ok(Some(found));
        }
        self.clear(parent, last).map_err(MakeError)?;
        make().map(|_| None).map_err(MakeError)
    }

    fn new_file(&mut self, parent: &Directory, last: &[u8]) -> Result<File, MemberError> {
        let text = OsStr::from_bytes(last);
        match file::create_at(&parent.fd, text, 0o600) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.clear(parent, last)?;
                Ok(file::create_at(&parent.fd, text, 0o600)?.into())
            }
            other => Ok(other?.into()),
        }
    }

    /// Removes what is called so, and what is remembered of it.
    fn clear(&mut self, parent: &Directory, last: &[u8]) -> Result<(), SyscallError> {
        if self.directories.clear(parent, last)? {
            self.owners.forget(&join(&parent.path, last))?;
        }
        Ok(())
    }

    /// Gives an open object the owner, mode and attributes of `member`; returns the attributes as
    /// they are on disk.
    fn describe(
        &mut self,
        fd: impl AsFd,
        path: &[u8],
        member: &Member,
        age: Age,
    ) -> Result<Attributes, SyscallError> {
        let said = believed(member);
        let place = match age {
            Age::New => remember_new(&fd, &said)?,
            Age::Known => remember(&fd, &said)?,
        };
        let wanted = Wanted::of(member);
        if wanted.has_forged() {
            self.warnings.add(Reason::ForgedAttribute, &member.path);
        }
        if age == Age::Known {
            wanted.remove_others(&fd)?;
        }
        let (refused, on_disk) = wanted.set(fd)?;
        let beside = leftover(place, said, refused);
        match age {
            Age::New => self.owners.remember(path, &beside)?,
            Age::Known => self.owners.replace(path, &beside)?,
        }
        Ok(on_disk)
    }

    /// Remembers owner and attributes of an object that cannot carry any.
    fn describe_beside(
        &mut self,
        path: &[u8],
        member: &Member,
        believed: Option<Override>,
    ) -> Result<(), MemberError> {
        let wanted = Wanted::of(member);
        if wanted.has_forged() {
            self.warnings.add(Reason::ForgedAttribute, &member.path);
        }
        Ok(self.owners.remember(
            path,
            &Owner {
                believed,
                attributes: wanted.kept(),
            },
        )?)
    }

    fn set_time(&mut self, fd: impl AsFd, path: &[u8], member: &Member) -> Result<(), MemberError> {
        if !set_time(fd, member.modified)? {
            self.warnings.add(Reason::Time, path);
        }
        Ok(())
    }
}

/// Why an object could not be made.
#[derive(Debug)]
struct MakeError(SyscallError);

impl MakeError {
    /// Whether the file has as many names as it may.
    fn errno_is_mlink(&self) -> bool {
        self.0.kind() == io::ErrorKind::TooManyLinks
    }
}

impl From<MakeError> for MemberError {
    fn from(error: MakeError) -> Self {
        Self::Kernel(error.0)
    }
}

fn copy_content(mut original: &File, mut copy: &File) -> Result<(), SyscallError> {
    io::copy(&mut original, &mut copy)
        .map(|_| ())
        .map_err(|error| SyscallError::new("copy_file_range", "", error))
}
