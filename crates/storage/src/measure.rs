//! How much space files take.

use std::collections::HashSet;
use std::ffi::OsStr;

use ch_linux::SyscallError;
use ch_linux::tree::{self, Directory, Kind};

/// What was measured so far; a file with several names is counted once.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Number of files, directories and other objects.
    pub(crate) files: u64,
    /// Their lengths in bytes.
    pub(crate) apparent: u64,
    /// What they take on the disk, in bytes.
    pub(crate) on_disk: u64,
    seen: HashSet<(u64, u64)>,
}

impl Measured {
    /// Adds `name` of `directory` and all that is in it. What is gone meanwhile, or closed, counts as nothing.
    pub(crate) fn add(
        &mut self,
        directory: &Directory,
        name: impl AsRef<OsStr>,
    ) -> Result<(), SyscallError> {
        match self.add_alone(directory, name.as_ref())? {
            Some(below) => self.add_all(&below),
            None => Ok(()),
        }
    }

    /// Adds everything in `directory`, but not itself.
    pub(crate) fn add_all(&mut self, directory: &Directory) -> Result<(), SyscallError> {
        tree::visit_all(directory, |directory, entry| {
            self.add_alone(directory, &entry.name)
        })
    }

    /// Adds `name`; the directory that it is, if what is in it counts too.
    fn add_alone(
        &mut self,
        directory: &Directory,
        name: &OsStr,
    ) -> Result<Option<Directory>, SyscallError> {
        let Some(attributes) = directory.try_attributes_of(name)? else {
            return Ok(None);
        };
        if !self.seen.insert(attributes.identity) {
            return Ok(None);
        }
        self.files += 1;
        self.apparent += attributes.size;
        self.on_disk += attributes.allocated;
        if attributes.kind != Kind::Directory {
            return Ok(None);
        }
        Ok(directory.directory(name).ok())
    }
}
