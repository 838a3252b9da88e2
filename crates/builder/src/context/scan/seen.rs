//! What was seen in an operand: enough to make its part of the key, and to copy just that.

use std::ffi::OsString;
use std::path::PathBuf;

use ch_linux::file::Status;
use ch_ownership::Override;

use super::Attribute;
use crate::context::contents::Holding;
use crate::context::original::Origin;

/// Everything in one operand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whose it is.
    pub(crate) origin: Origin,
    /// The operand itself; a directory is the first of `directories`.
    pub(crate) top: Object,
    /// All directories, in no order but that an operand that is one comes first.
    pub(crate) directories: Vec<Directory>,
}

impl Seen {
    /// Whether nothing is in the directory that it is.
    pub(crate) fn is_empty_directory(&self) -> bool {
        match self.top {
            Object::Directory(number) => self.directories[number].entries.is_empty(),
            _ => false,
        }
    }
}

/// A directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    /// Path in the context, for messages and the index.
    pub(crate) path: PathBuf,
    pub(crate) status: Status,
    pub(crate) believed: Override,
    pub(crate) attributes: Vec<Attribute>,
    /// Sorted by name.
    pub(crate) entries: Vec<Entry>,
}

/// A name and what it stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: OsString,
    pub(crate) object: Object,
}

/// What stands under a name. Sockets are left out: they are nothing that could be copied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// Its number in [`Seen::directories`].
    Directory(usize),
    File(FileSeen),
    Symlink {
        target: PathBuf,
        status: Status,
        believed: Override,
    },
    /// A FIFO or a device.
    Special {
        status: Status,
        believed: Override,
    },
}

/// A file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileSeen {
    pub(crate) status: Status,
    pub(crate) believed: Override,
    pub(crate) holding: Holding,
    /// While the status stays, so does what it holds.
    pub(crate) settled: bool,
}
