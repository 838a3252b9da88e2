//! Objects of the container, and what is believed of them.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use ch_linux::behalf::{self, Statx};
use ch_linux::file::{Device, OFlags};
use ch_linux::{Errno, xattr};
use ch_ownership::{Kind, Override};

use super::Supervisor;
use super::caller::joined;
use super::path::of_descriptor;
use super::remembered::Remembered;

/// [`ch_ownership::OVERRIDE_STAT`], for the kernel.
pub(super) const OVERRIDE: &CStr = c"user.containers.override_stat";
/// Longer than any override's text.
const LONGEST: usize = 128;

/// Something that is open, if only to be looked at.
pub(super) struct Object {
    pub(super) descriptor: OwnedFd,
    pub(super) status: Statx,
    /// The descriptor is no more than a path, so that its attributes have to be asked for by one.
    only_path: bool,
}

impl Object {
    /// Something opened with `O_PATH`.
    pub(super) fn new(descriptor: OwnedFd) -> Result<Self, Errno> {
        Ok(Self {
            status: Statx::of(&descriptor, 0, behalf::BASIC_STATS)?,
            descriptor,
            only_path: true,
        })
    }

    /// Something of which a caller has such a descriptor; an error if he has it for its path alone.
    pub(super) fn opened(descriptor: OwnedFd) -> Result<Self, Errno> {
        if behalf::is_only_path(&descriptor)? {
            return Err(Errno::BADF);
        }
        Ok(Self {
            only_path: false,
            ..Self::new(descriptor)?
        })
    }

    /// What is at `name` of this directory itself.
    pub(super) fn at(&self, name: &CStr) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        Self::new(behalf::open_at(&self.descriptor, name, flags)?)
    }

    /// Its kind on disk.
    pub(super) fn kind(&self) -> Kind {
        kind_on_disk(&self.status)
    }

    /// Whether it can have extended attributes of users.
    pub(super) fn carries_attributes(&self) -> bool {
        carries_attributes(&self.status)
    }

    pub(super) fn path(&self) -> std::ffi::CString {
        of_descriptor(&self.descriptor)
    }

    /// Its attribute `name` on disk; the length of the value.
    pub(super) fn attribute(&self, name: &CStr, value: &mut [u8]) -> Result<usize, Errno> {
        match self.only_path {
            true => behalf::attribute(&self.path(), true, name, value),
            false => behalf::attribute_of(&self.descriptor, name, value),
        }
    }

    /// The names of its attributes on disk; the length of the list.
    pub(super) fn attributes(&self, list: &mut [u8]) -> Result<usize, Errno> {
        match self.only_path {
            true => behalf::attributes(&self.path(), true, list),
            false => behalf::attributes_of(&self.descriptor, list),
        }
    }

    /// Sets one, with `XATTR_*` flags.
    pub(super) fn set_attribute(&self, name: &CStr, value: &[u8], flags: u32) -> Result<(), Errno> {
        match self.only_path {
            true => behalf::set_attribute(&self.path(), name, value, flags),
            false => behalf::set_attribute_of(&self.descriptor, name, value, flags),
        }
    }

    /// Removes one.
    pub(super) fn remove_attribute(&self, name: &CStr) -> Result<(), Errno> {
        match self.only_path {
            true => behalf::remove_attribute(&self.path(), name),
            false => behalf::remove_attribute_of(&self.descriptor, name),
        }
    }

    /// Sets its mode on disk.
    pub(super) fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        match self.only_path {
            true => behalf::set_mode(&self.path(), mode),
            false => behalf::set_mode_of(&self.descriptor, mode),
        }
    }

    /// The override that it carries; the error says that it carries none, or why that is not known.
    fn carried(&self) -> Result<Override, Errno> {
        let mut text = [0; LONGEST];
        let length = self.attribute(OVERRIDE, &mut text)?;
        parsed(&text[..length])
    }
}

/// Whether an object of this status can have extended attributes of users.
pub(super) fn carries_attributes(status: &Statx) -> bool {
    matches!(kind_on_disk(status), Kind::File | Kind::Directory)
}

/// What stands for owners that the user namespace does not know: root of the machine, for `/proc` and `/sys`.
pub(super) const UNKNOWN: u32 = 65_534;

/// What a status says by itself.
pub(super) fn on_disk(status: &Statx) -> Override {
    let known = |id: u32| if id == UNKNOWN { 0 } else { id };
    let (uid, gid) = status.owner();
    Override {
        uid: known(uid),
        gid: known(gid),
        mode: status.mode() & 0o7777,
        kind: kind_on_disk(status),
    }
}

/// Whether an object can be what is believed of it: its number may be that of another one by now.
fn fits(believed: &Override, status: &Statx) -> bool {
    match (believed.kind, kind_on_disk(status)) {
        (Kind::Character(_) | Kind::Block(_), on_disk) => {
            matches!(on_disk, Kind::File | Kind::Character(_) | Kind::Block(_))
        }
        (believed, on_disk) => believed == on_disk,
    }
}

pub(super) fn kind_on_disk(status: &Statx) -> Kind {
    let (major, minor) = status.device();
    let device = Device { major, minor };
    match status.mode() & 0o170_000 {
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Symlink,
        0o010_000 => Kind::Pipe,
        0o140_000 => Kind::Socket,
        0o060_000 => Kind::Block(device),
        0o020_000 => Kind::Character(device),
        _ => Kind::File,
    }
}

/// The override that the object at `path` carries; the error says that it carries none, or why that is not known.
pub(super) fn carried(path: &CStr, follow: bool) -> Result<Override, Errno> {
    let mut text = [0; LONGEST];
    let length = behalf::attribute(path, follow, OVERRIDE, &mut text)?;
    parsed(&text[..length])
}

/// The same for `path` below an open directory; or for that itself, if the path is empty.
pub(super) fn carried_at(
    directory: &OwnedFd,
    path: &CStr,
    follow: bool,
) -> Result<Override, Errno> {
    let mut text = [0; LONGEST];
    match behalf::attribute_at(directory, path, follow, OVERRIDE, &mut text) {
        Ok(length) => parsed(&text[..length]),
        // Before Linux 6.13, or where somebody keeps it from us; and of `O_PATH` ones.
        Err(Errno::NOSYS | Errno::PERM | Errno::BADF) if path.is_empty() => {
            carried(&of_descriptor(directory), true)
        }
        Err(Errno::NOSYS | Errno::PERM) => {
            carried(&joined(&of_descriptor(directory), path), follow)
        }
        Err(other) => Err(other),
    }
}

fn parsed(text: &[u8]) -> Result<Override, Errno> {
    let text = std::str::from_utf8(text).map_err(|_| Errno::NODATA)?;
    text.parse().map_err(|_| Errno::NODATA)
}

/// An override whose text may leave out that it is of a directory.
pub(super) fn with_kind_of(carried: Override, status: &Statx) -> Override {
    match carried.kind {
        Kind::File => Override {
            kind: kind_on_disk(status),
            ..carried
        },
        _ => carried,
    }
}

impl Supervisor {
    /// What is believed of an object.
    pub(super) fn believed(&self, object: &Object) -> Override {
        if self.is_host(object) {
            return self.host.told(&object.status);
        }
        if object.carries_attributes()
            && let Ok(carried) = object.carried()
        {
            return with_kind_of(carried, &object.status);
        }
        self.beside(&object.status)
    }

    /// What is believed of an object that carries nothing.
    pub(super) fn beside(&self, status: &Statx) -> Override {
        self.remembered
            .get(status.identity())
            .filter(|believed| fits(believed, status))
            .unwrap_or_else(|| on_disk(status))
    }

    /// Lets it be believed of an object: its mode on disk, and what it can't say by itself beside it.
    pub(super) fn believe(&self, object: &Object, believed: &Override) -> Result<(), Errno> {
        let identity = object.status.identity();
        let ours = object.status.owner() == (0, 0);
        let mode = believed.disk_mode();
        let has_mode = object.kind() != Kind::Symlink;
        let mut plain = believed.is_plain() && ours;
        if has_mode && object.status.mode() & 0o7777 != mode {
            match object.set_mode(mode) {
                // The host's, bound into the container.
                Err(Errno::PERM) if !ours => plain = false,
                other => other?,
            }
        }
        if object.carries_attributes() {
            let done = if plain {
                match object.remove_attribute(OVERRIDE) {
                    Err(Errno::NODATA) => Ok(()),
                    other => other,
                }
            } else {
                let text = believed.to_string();
                object.set_attribute(OVERRIDE, text.as_bytes(), 0)
            };
            match done {
                Ok(()) => {
                    self.remembered.remove(identity);
                    return Ok(());
                }
                // No room for attributes, or none at all.
                Err(errno) if xattr::means_refusal(errno) => {}
                Err(other) => return Err(other),
            }
        }
        // Also that it is as it looks, if it was otherwise: a lower layer says that it was.
        if !plain || self.remembered.get(identity).is_some() {
            // So that it is in this step's layer: whatever is changed is copied there.
            let _ = behalf::touch(&object.descriptor);
            let path = behalf::link_target(&behalf::open(c".", OFlags::PATH)?, &object.path())?;
            let believed = *believed;
            self.remembered
                .insert(identity, Remembered { path, believed });
        }
        Ok(())
    }
}
