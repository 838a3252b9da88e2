//! How much a storage directory holds.

use ch_linux::SyscallError;
use ch_linux::tree::Directory;

use crate::Storage;
use crate::measure::Measured;
use crate::opening::names;

/// How many things of one kind there are, and how large they are together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// Number of things.
    pub count: usize,
    /// Length of their files in bytes.
    pub apparent: u64,
    /// What they take on the disk, in bytes; files with several names count once.
    pub on_disk: u64,
}

impl Space {
    fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            apparent: self.apparent + other.apparent,
            on_disk: self.on_disk + other.on_disk,
        }
    }
}

/// What a storage directory holds, kind by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Layers.
    pub layers: Space,
    /// Blobs.
    pub blobs: Space,
    /// States of the build cache.
    pub states: Space,
    /// Cache mounts.
    pub mounts: Space,
    /// Images that can come back: their records.
    pub deleted: Space,
    /// What commands are making, or have left, and the trash.
    pub temporary: Space,
    /// Number of files of layers, blobs and states.
    pub files: u64,
}

impl Usage {
    /// What layers, blobs and states take on the disk, in bytes.
    pub fn on_disk(&self) -> u64 {
        self.layers.on_disk + self.blobs.on_disk + self.states.on_disk
    }
}

impl Storage {
    /// Measures everything; this takes a `stat` of each file.
    pub fn usage(&self) -> Result<Usage, SyscallError> {
        let inner = self.inner();
        let (layers, in_layers) = measure(&inner.layers)?;
        let (states, in_states) = measure(&inner.states)?;
        let mut usage = Usage {
            layers,
            states,
            files: in_layers + in_states,
            ..Usage::default()
        };
        for algorithm in inner.blobs.entries()? {
            if let Some(directory) = inner.blobs.try_directory(&algorithm.name)? {
                let (blobs, in_blobs) = measure(&directory)?;
                usage.blobs = usage.blobs.and(blobs);
                usage.files += in_blobs;
            }
        }
        if let Some(mounts) = inner.root.try_directory(names::MOUNTS)? {
            usage.mounts = measure(&mounts)?.0;
        }
        if let Some(deleted) = self.images().deleted_directory()? {
            usage.deleted = measure(&deleted)?.0;
        }
        usage.temporary = measure(&inner.tmp)?.0;
        Ok(usage)
    }
}

/// What is in `directory`, and how many files that is.
fn measure(directory: &Directory) -> Result<(Space, u64), SyscallError> {
    let mut measured = Measured::default();
    measured.add_all(directory)?;
    let space = Space {
        count: directory.entries()?.len(),
        apparent: measured.apparent,
        on_disk: measured.on_disk,
    };
    Ok((space, measured.files))
}
