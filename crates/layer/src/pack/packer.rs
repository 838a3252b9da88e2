//! One walk, written down member by member.

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ch_linux::file::{self, Kind, OFlags, Status, Time};
use ch_linux::namespace::Identity;
use ch_ownership::{OVERRIDE_STAT, Override, Owner, Owners};

use super::attributes::Attributes;
use super::content::Copier;
use super::{Ownership, PackError, PackOptions, Packed};
use crate::tar::{self, Member, Writer};
use crate::unpack::{OPAQUE_MEMBER, RootAttributes, WHITEOUT_PREFIX};
use crate::walk::{Met, Seen, Walk};

/// What an archive is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Layer,
    Tree,
    Plain,
}

/// An archive that is being written.
pub(super) struct Packer<'a, W> {
    form: Form,
    /// What lies beside the layers, as the walk counts them; none for a plain tree.
    owners: &'a [&'a Owners],
    latest: Option<i64>,
    ownership: Ownership,
    caller: Identity,
    writer: Writer<W>,
    /// First names of files with several: by layer, file system and inode.
    names: HashMap<(usize, u64, u64), Vec<u8>>,
    copier: Copier,
    packed: Packed,
}

impl<'a, W: Write> Packer<'a, W> {
    pub(super) fn new(
        form: Form,
        owners: &'a [&'a Owners],
        options: &PackOptions,
        output: W,
    ) -> Self {
        Self {
            form,
            owners,
            latest: options.latest,
            ownership: options.ownership,
            caller: Identity::current(),
            writer: Writer::new(output),
            names: HashMap::new(),
            copier: Copier::new(),
            packed: Packed::default(),
        }
    }

    /// Writes everything that `walk` meets; of layers the root is what `root` says.
    pub(super) fn run(
        mut self,
        mut walk: Walk,
        root: Option<&RootAttributes>,
    ) -> Result<Packed, PackError> {
        while let Some(met) = walk.advance()? {
            match met {
                Met::Enter(seen) if seen.path.as_os_str().is_empty() => self.root(&seen, root)?,
                Met::Enter(seen) => {
                    self.check_name(seen.path)?;
                    let member = self.describe_open(&seen, seen.directory)?;
                    self.directory(member, seen.path, seen.opaque)?;
                }
                Met::Object(seen) => {
                    self.check_name(seen.path)?;
                    self.object(&seen)?;
                }
                Met::Whiteout(seen) if self.form == Form::Layer => self.whiteout(seen.path)?,
                Met::Whiteout(_) | Met::Leave(_) => {}
            }
        }
        self.writer.finish().map_err(PackError::Write)?;
        Ok(self.packed)
    }

    fn root(&mut self, seen: &Seen<'_>, root: Option<&RootAttributes>) -> Result<(), PackError> {
        let member = match root {
            Some(root) => Some(self.described_root(root)),
            None if self.form == Form::Plain => Some(self.describe_open(seen, seen.directory)?),
            None => None,
        };
        match member {
            Some(member) => self.directory(member, seen.path, seen.opaque),
            None if seen.opaque => self.opaque_mark(seen.path),
            None => Ok(()),
        }
    }

    /// The root of layers, whose own directories do not say what it is.
    fn described_root(&self, root: &RootAttributes) -> Member {
        let mut attributes = Attributes::beside(self.beside(0, Path::new("")));
        for (name, value) in &root.attributes {
            attributes.add(name, value, self.caller);
        }
        let believed = root.attributes.get(OVERRIDE_STAT);
        let believed = believed.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        let plain = Override {
            uid: 0,
            gid: 0,
            mode: root.mode,
            kind: ch_ownership::Kind::Directory,
        };
        self.member(
            Path::new(""),
            believed.unwrap_or(plain),
            root.modified,
            attributes,
        )
    }

    /// A directory, and whether it hides what is below.
    fn directory(
        &mut self,
        mut member: Member,
        path: &Path,
        opaque: bool,
    ) -> Result<(), PackError> {
        member.kind = tar::Kind::Directory;
        if member.path.is_empty() {
            member.path.push(b'.');
        }
        member.path.push(b'/');
        self.write(&member)?;
        if opaque {
            self.opaque_mark(path)?;
        }
        Ok(())
    }

    fn opaque_mark(&mut self, directory: &Path) -> Result<(), PackError> {
        if self.form == Form::Layer {
            self.empty(directory, OPAQUE_MEMBER)?;
        }
        Ok(())
    }

    fn whiteout(&mut self, path: &Path) -> Result<(), PackError> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().unwrap_or_default().as_bytes();
        self.empty(parent, &[WHITEOUT_PREFIX, name].concat())
    }

    /// An empty file that only means something; nobody's, of no time.
    fn empty(&mut self, directory: &Path, name: &[u8]) -> Result<(), PackError> {
        let nobodys = Override {
            uid: 0,
            gid: 0,
            mode: 0,
            kind: ch_ownership::Kind::File,
        };
        let path = directory.join(std::ffi::OsStr::from_bytes(name));
        let member = self.member(&path, nobodys, Time::default(), Attributes::default());
        self.write(&member)
    }

    /// Anything but a directory.
    fn object(&mut self, seen: &Seen<'_>) -> Result<(), PackError> {
        let name = seen.path.file_name().unwrap_or_default();
        let failed = |source| PackError::read(seen.path, source);
        match seen.status.kind {
            Kind::Socket => {
                self.packed.sockets += 1;
                return Ok(());
            }
            Kind::File => {
                let file = file::open_at(seen.directory, name, OFlags::RDONLY).map_err(failed)?;
                // A plain tree may change; of what is open the status stays true.
                let status = file::status(&file).map_err(failed)?;
                let seen = Seen {
                    status: &status,
                    ..*seen
                };
                return self.file(&seen, file);
            }
            _ => {}
        }
        let mut member = self.describe(seen, None, Attributes::default());
        if self.is_left_out(&member) {
            return Ok(());
        }
        if seen.status.kind == Kind::Symlink {
            let target = file::read_link_at(seen.directory, name).map_err(failed)?;
            member.kind = tar::Kind::Symlink(target.as_os_str().as_bytes().to_vec());
        }
        self.is_another_name(&mut member, seen);
        self.write(&member)
    }

    /// A regular file, or what an override says it is.
    fn file(&mut self, seen: &Seen<'_>, file: OwnedFd) -> Result<(), PackError> {
        let mut member = self.describe_open(seen, &file)?;
        if self.is_left_out(&member) {
            return Ok(());
        }
        if self.is_another_name(&mut member, seen) || member.kind != tar::Kind::File {
            return self.write(&member);
        }
        member.size = seen.status.size;
        self.write(&member)?;
        self.copier
            .copy(file, seen.status, seen.path, &mut self.writer)
    }

    /// Whether the member is a device that is not wanted; counts those.
    fn is_left_out(&mut self, member: &Member) -> bool {
        let is_device = matches!(member.kind, tar::Kind::Character(_) | tar::Kind::Block(_));
        let left_out = is_device && self.ownership == Ownership::Root;
        self.packed.devices += u64::from(left_out);
        left_out
    }

    fn write(&mut self, member: &Member) -> Result<(), PackError> {
        self.writer.member(member).map_err(PackError::Write)
    }

    /// Makes `member` a hard link if the object was met under another name.
    fn is_another_name(&mut self, member: &mut Member, seen: &Seen<'_>) -> bool {
        if seen.status.links < 2 {
            return false;
        }
        let key = (seen.layer, seen.status.filesystem, seen.status.inode);
        if let Some(first) = self.names.get(&key) {
            member.kind = tar::Kind::HardLink(first.clone());
            member.attributes.clear();
            return true;
        }
        self.names.insert(key, member.path.clone());
        false
    }

    /// A member for something that can carry attributes and is open.
    fn describe_open(&self, seen: &Seen<'_>, object: &OwnedFd) -> Result<Member, PackError> {
        let carried = match ch_ownership::read(object) {
            // Foreign trees may have what they like.
            Err(_) if self.form == Form::Plain => None,
            read => read.map_err(|source| PackError::Override {
                path: seen.path.to_owned(),
                source,
            })?,
        };
        let attributes = Attributes::of(object, self.caller)
            .map_err(|source| PackError::read(seen.path, source))?;
        Ok(self.describe(seen, carried, attributes))
    }

    /// A member for an object that carries this much itself.
    fn describe(
        &self,
        seen: &Seen<'_>,
        carried: Option<Override>,
        mut attributes: Attributes,
    ) -> Member {
        let owner = self.beside(seen.layer, seen.path);
        attributes.complete(owner);
        let believed = carried.or_else(|| owner?.believed);
        let plain = self.plain(seen.status);
        let believed = believed.map_or(plain, |believed| match believed.kind {
            // The short form without a type says nothing about the kind.
            ch_ownership::Kind::File => Override {
                kind: plain.kind,
                ..believed
            },
            _ => believed,
        });
        self.member(seen.path, believed, seen.status.modified, attributes)
    }

    /// What lies beside an object.
    fn beside(&self, layer: usize, path: &Path) -> Option<&'a Owner> {
        self.owners.get(layer)?.get(path.as_os_str().as_bytes())
    }

    /// What an object is of which nothing is remembered.
    fn plain(&self, status: &Status) -> Override {
        let (uid, gid) = match self.form {
            Form::Layer | Form::Tree => (0, 0),
            Form::Plain => {
                let own = |id, caller| if id == caller { 0 } else { id };
                (
                    own(status.uid, self.caller.uid),
                    own(status.gid, self.caller.gid),
                )
            }
        };
        Override {
            uid,
            gid,
            mode: status.mode,
            kind: ch_ownership::kind_on_disk(status),
        }
    }

    /// A member for what is believed of an object, without content or link.
    fn member(
        &self,
        path: &Path,
        believed: Override,
        modified: Time,
        attributes: Attributes,
    ) -> Member {
        let (believed, attributes) = match self.ownership {
            Ownership::Faithful => (believed, attributes),
            Ownership::Root => (roots(believed), attributes.without_security()),
        };
        Member {
            offset: 0,
            path: path.as_os_str().as_bytes().to_vec(),
            kind: match believed.kind {
                ch_ownership::Kind::Character(device) => tar::Kind::Character(device),
                ch_ownership::Kind::Block(device) => tar::Kind::Block(device),
                ch_ownership::Kind::Pipe => tar::Kind::Fifo,
                _ => tar::Kind::File,
            },
            mode: believed.mode,
            uid: believed.uid,
            gid: believed.gid,
            modified: self.time(modified),
            size: 0,
            attributes: attributes.into_list(),
        }
    }

    /// The time that a member gets: rounded down, since other tools keep no more, and no two would agree.
    fn time(&self, modified: Time) -> Time {
        if self.form == Form::Plain {
            return modified;
        }
        let seconds = self
            .latest
            .map_or(modified.seconds, |latest| modified.seconds.min(latest));
        Time {
            seconds,
            nanoseconds: 0,
        }
    }

    /// Refuses a file that would be taken for a whiteout.
    fn check_name(&self, path: &Path) -> Result<(), PackError> {
        let name = path.file_name().unwrap_or_default().as_bytes();
        if self.form == Form::Layer && name.starts_with(WHITEOUT_PREFIX) {
            return Err(PackError::Reserved {
                path: path.to_owned(),
            });
        }
        Ok(())
    }
}

/// The same as root's, with no more than the permission bits and the sticky bit.
fn roots(believed: Override) -> Override {
    Override {
        uid: 0,
        gid: 0,
        mode: believed.mode & 0o1777,
        ..believed
    }
}
