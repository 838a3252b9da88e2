//! Sealed files in memory.
//!
//! A value that one process hands to another before it starts: the writer seals the file, so that the
//! reader knows that neither content nor size can change any more.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags};

use crate::SyscallError;

/// What makes a file immutable for ever.
const SEALED: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);

/// Makes a file in memory that holds `content` and can never change; `name` is what `/proc` shows.
pub fn sealed(name: &str, content: &[u8]) -> Result<OwnedFd, SyscallError> {
    let failed = |call: &'static str| {
        move |errno: rustix::io::Errno| SyscallError::new(call, format!("{name:?}"), errno)
    };
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let descriptor = rustix::fs::memfd_create(name, flags).map_err(failed("memfd_create"))?;
    let mut file = File::from(descriptor);
    file.write_all(content)
        .map_err(|error| SyscallError::new("write", format!("{name:?}"), error))?;
    rustix::fs::fcntl_add_seals(&file, SEALED).map_err(failed("F_ADD_SEALS"))?;
    Ok(file.into())
}

/// Tells whether `descriptor` is a file that [`sealed`] made.
pub fn is_sealed(descriptor: impl AsFd) -> bool {
    rustix::fs::fcntl_get_seals(descriptor).is_ok_and(|seals| seals.contains(SEALED))
}

/// Reads all of a sealed file from its beginning.
pub fn read(descriptor: OwnedFd) -> io::Result<Vec<u8>> {
    let mut file = File::from(descriptor);
    file.rewind()?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_survives_and_cannot_be_changed() {
        let file = sealed("request", b"hello").unwrap();
        assert!(is_sealed(&file));
        let mut writer = File::from(file.try_clone().unwrap());
        assert!(writer.write_all(b"x").is_err());
        assert_eq!(read(file).unwrap(), b"hello");
    }

    #[test]
    fn an_ordinary_file_is_not_sealed() {
        assert!(!is_sealed(tempfile::tempfile().unwrap()));
    }
}
