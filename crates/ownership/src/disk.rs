//! Overrides on open files and directories.

use std::os::fd::AsFd;

use ch_linux::file::{self, Status};
use ch_linux::{SyscallError, xattr};

use crate::{Kind, OVERRIDE_STAT, Override, ParseOverrideError};

/// Where an override went.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The object carries it, or needs none.
    Object,
    /// The object cannot carry it: it belongs into the layer's owners file.
    Owners,
}

/// Why the override of an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The kernel refused.
    #[error("can't read the attribute user.containers.override_stat")]
    Attribute(#[source] SyscallError),
    /// There is one, but not of ours.
    #[error("malformed attribute user.containers.override_stat")]
    Malformed(#[source] ParseOverrideError),
}

/// The override that an open file or directory carries.
pub fn read(fd: impl AsFd) -> Result<Option<Override>, ReadError> {
    let Some(value) = xattr::get(fd, OVERRIDE_STAT).map_err(ReadError::Attribute)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&value);
    text.parse().map(Some).map_err(ReadError::Malformed)
}

/// What an image believes of an open file or directory with this `status`.
pub fn believed(fd: impl AsFd, status: &Status) -> Result<Override, ReadError> {
    let plain = Override {
        uid: 0,
        gid: 0,
        mode: status.mode,
        kind: kind_on_disk(status),
    };
    Ok(match read(fd)? {
        // The short form without a type says nothing about the kind.
        Some(found) if found.kind == Kind::File => Override {
            kind: plain.kind,
            ..found
        },
        Some(found) => found,
        None => plain,
    })
}

/// The kind that an object has by what is on disk.
pub fn kind_on_disk(status: &Status) -> Kind {
    match status.kind {
        file::Kind::Directory => Kind::Directory,
        file::Kind::Symlink => Kind::Symlink,
        file::Kind::Fifo => Kind::Pipe,
        file::Kind::Socket => Kind::Socket,
        file::Kind::Character => Kind::Character(status.device),
        file::Kind::Block => Kind::Block(status.device),
        file::Kind::File | file::Kind::Unknown => Kind::File,
    }
}

/// Lets an open file or directory be believed to be `believed`: its mode on disk, and an override if
/// it needs one; an earlier override is replaced or removed.
pub fn remember(fd: impl AsFd, believed: &Override) -> Result<Place, SyscallError> {
    if believed.is_plain() {
        xattr::remove(&fd, OVERRIDE_STAT)?;
    }
    remember_new(fd, believed)
}

/// Like [`remember`], for an object just made: there is no earlier override.
pub fn remember_new(fd: impl AsFd, believed: &Override) -> Result<Place, SyscallError> {
    file::set_mode(&fd, believed.disk_mode())?;
    if believed.is_plain() {
        return Ok(Place::Object);
    }
    match xattr::set(fd, OVERRIDE_STAT, believed.to_string().as_bytes()) {
        Ok(()) => Ok(Place::Object),
        Err(error) if xattr::is_refusal(&error) => Ok(Place::Owners),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_remembered_is_read_back_and_forgotten_when_plain() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("f")).unwrap();
        let setuid = Override {
            uid: 1000,
            gid: 8,
            mode: 0o4511,
            kind: Kind::File,
        };
        assert_eq!(remember_new(&file, &setuid).unwrap(), Place::Object);
        assert_eq!(read(&file).unwrap(), Some(setuid));
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o7777,
            0o711
        );
        assert_eq!(
            believed(&file, &file::status(&file).unwrap()).unwrap(),
            setuid
        );

        let plain = Override {
            uid: 0,
            gid: 0,
            mode: 0o640,
            kind: Kind::File,
        };
        assert_eq!(remember(&file, &plain).unwrap(), Place::Object);
        assert_eq!(read(&file).unwrap(), None);
        assert_eq!(
            believed(&file, &file::status(&file).unwrap()).unwrap(),
            plain
        );
    }

    #[test]
    fn short_form_of_other_tools_takes_the_kind_from_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let fd = file::open_directory(directory.path()).unwrap();
        xattr::set(&fd, OVERRIDE_STAT, b"3:4:0555").unwrap();
        let found = believed(&fd, &file::status(&fd).unwrap()).unwrap();
        assert_eq!(
            found,
            Override {
                uid: 3,
                gid: 4,
                mode: 0o555,
                kind: Kind::Directory
            }
        );
    }

    #[test]
    fn garbage_is_an_error_that_quotes_it() {
        let file = tempfile::tempfile().unwrap();
        xattr::set(&file, OVERRIDE_STAT, b"nonsense").unwrap();
        let error = read(&file).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("nonsense"), "{cause}");
    }
}
