//! A stack of layers as one plain directory.
//!
//! ```text
//! layers, top first ──> merge ─> copy (reflink, else copy_file_range) ─> DIR ─> furnish
//! ```
//!
//! Each name is decided by the topmost layer that has it, so nothing is copied that something above
//! hides. What a plain directory cannot carry (owners of symbolic links, or of anything where the file
//! system has no extended attributes) is handed back as an owners file.
//!
//! Invariants: layers are only read; every name is looked up in an open directory, and no link is
//! followed, so nothing outside the target is written; directories are at least u+rwx, so that the
//! user can delete what he got; a directory's time is set when nothing in it changes any more.

mod furnish;
mod merge;
mod object;

use std::path::PathBuf;

use ch_linux::SyscallError;
use ch_linux::tree::Directory;
use ch_storage::{LayerId, Storage};

use crate::{ContentError, StackContent};
pub use furnish::{furnish, unfurnish};
pub(crate) use object::{Extra, copy_file};

/// Why layers could not be made one directory.
#[derive(Debug, thiserror::Error)]
pub enum FlattenError {
    /// A layer can't be read.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Something can't be copied.
    #[error("can't copy /{}", path.display())]
    Copy {
        /// Its path below the root.
        path: PathBuf,
        /// What failed.
        source: SyscallError,
    },
}

/// What was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flattened {
    /// Names, that of the root left out.
    pub entries: u64,
    /// Bytes of file content.
    pub bytes: u64,
    /// Sockets and devices, which cannot be copied.
    pub left_out: u64,
    /// Lines of an owners file: what the objects themselves cannot carry.
    pub owners: Vec<u8>,
}

/// Copies what `layers`, bottom first, together show into `target`, an empty directory.
pub fn flatten(
    storage: &Storage,
    layers: &[LayerId],
    target: &Directory,
) -> Result<Flattened, FlattenError> {
    let stack = StackContent::open(storage, layers)?;
    merge::Merge::new(&stack.layers, target).run(&stack.root)
}

#[cfg(test)]
mod tests;
