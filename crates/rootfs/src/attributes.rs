//! Attributes of a directory, taken from one place and given to another.
//!
//! Overlayfs shows the attributes of the topmost directory of a name, changed or not. So whoever puts
//! a directory above the image's own (the root of every upper directory, a parent in the cover) must
//! give it the attributes that the image's one has.

use std::os::fd::AsFd;

use ch_linux::file::{self, Time};
use ch_linux::{SyscallError, xattr};
use ch_storage::RootAttributes;

/// Attributes that the kernel keeps for itself in an upper directory; an image's own of that prefix
/// are escaped once more.
const KERNEL: &[u8] = b"user.overlay.";
const ESCAPED: &[u8] = b"user.overlay.overlay.";
const ACCESS_LISTS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];

/// A root that no layer says anything of: 0755, owned by root, of no particular time.
pub(crate) fn default_root() -> RootAttributes {
    RootAttributes {
        mode: 0o755,
        mtime: 0,
        mtime_nanoseconds: 0,
        xattrs: Default::default(),
    }
}

/// Attributes of an open directory, as it has them on disk.
pub(crate) fn capture(directory: impl AsFd) -> Result<RootAttributes, SyscallError> {
    let status = file::status(&directory)?;
    let mut found = RootAttributes {
        mode: status.mode,
        mtime: status.modified.seconds,
        mtime_nanoseconds: status.modified.nanoseconds,
        xattrs: Default::default(),
    };
    for name in xattr::names(&directory)? {
        if is_carried(&name)
            && let Ok(name) = String::from_utf8(name)
            && let Some(value) = xattr::get(&directory, name.as_bytes())?
        {
            found.xattrs.insert(name, value);
        }
    }
    Ok(found)
}

/// Gives an open directory these attributes. Its time comes last, so fill it first.
pub(crate) fn apply(directory: impl AsFd, wanted: &RootAttributes) -> Result<(), SyscallError> {
    file::set_mode(&directory, wanted.mode & 0o3777 | 0o700)?;
    for (name, value) in &wanted.xattrs {
        match xattr::set(&directory, name.as_bytes(), value) {
            // A list of someone who does not exist in this namespace.
            Err(error) if !xattr::is_refusal(&error) => return Err(error),
            _ => {}
        }
    }
    apply_time(directory, wanted)
}

/// Gives an open directory the modification time of `wanted`.
pub(crate) fn apply_time(
    directory: impl AsFd,
    wanted: &RootAttributes,
) -> Result<(), SyscallError> {
    let time = Time {
        seconds: wanted.mtime,
        nanoseconds: wanted.mtime_nanoseconds,
    };
    file::set_modified(directory, time)
}

/// Whether an attribute on disk goes with its object.
pub(crate) fn is_carried(name: &[u8]) -> bool {
    let of_user = name.starts_with(b"user.") && !name.starts_with(KERNEL);
    of_user || name.starts_with(ESCAPED) || ACCESS_LISTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_captured_can_be_applied_elsewhere() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [from, to] = [&from, &to].map(|dir| file::open_directory(dir.path()).unwrap());
        xattr::set(&from, b"user.containers.override_stat", b"1:2:0555:dir").unwrap();
        xattr::set(&from, b"user.overlay.overlay.opaque", b"y").unwrap();
        file::set_mode(&from, 0o1777).unwrap();
        file::set_modified(
            &from,
            Time {
                seconds: -5,
                nanoseconds: 7,
            },
        )
        .unwrap();
        let wanted = capture(&from).unwrap();
        xattr::set(&from, b"user.overlay.impure", b"y").unwrap();
        assert_eq!(
            capture(&from).unwrap(),
            wanted,
            "the kernel's own are left out"
        );
        apply(&to, &wanted).unwrap();
        assert_eq!(capture(&to).unwrap(), wanted);
        assert_eq!(
            (wanted.mode, wanted.mtime, wanted.xattrs.len()),
            (0o1777, -5, 2)
        );
    }
}
