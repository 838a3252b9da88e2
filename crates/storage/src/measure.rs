//! How much space files take.

use std::collections::HashSet;
use std::ffi::OsStr;

use ch_linux::SyscallError;
use ch_linux::tree::{Directory, Kind};

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
        let name = name.as_ref();
        let Some(attributes) = directory.try_attributes_of(name)? else {
            return Ok(());
        };
        if !self.seen.insert(attributes.identity) {
            return Ok(());
        }
        self.files += 1;
        self.apparent += attributes.size;
        self.on_disk += attributes.allocated;
        if attributes.kind != Kind::Directory {
            return Ok(());
        }
        let Ok(below) = directory.directory(name) else {
            return Ok(());
        };
        self.add_all(&below)
    }

    /// Adds everything in `directory`, but not itself.
    pub(crate) fn add_all(&mut self, directory: &Directory) -> Result<(), SyscallError> {
        for entry in directory.entries()? {
            self.add(directory, &entry.name)?;
        }
        Ok(())
    }
}
