//! Key locks: what two commands, or two threads, want at the same time is made once.
//!
//! Take the lock, look again whether the thing exists, and only then make it. The file `tmp/locks/<kind>-<key>`
//! is unlinked before the lock is let go. Nobody may wait for a second key while holding one. An image
//! has none: its layers have, and of two records the last one wins, whole.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;

use ch_linux::SyscallError;
use ch_linux::lock;
use ch_linux::tree::Directory;
use ch_oci::Digest;

use crate::opening::names;
use crate::{StateId, Storage};

/// What is made once.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    /// A blob and what comes of it.
    Blob(&'a Digest),
    /// The result of a build step.
    State(&'a StateId),
}

/// The name of the lock file.
impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(digest) => {
                write!(f, "blob-{}-{}", digest.algorithm().name(), digest.hex())
            }
            Self::State(id) => write!(f, "state-{id}"),
        }
    }
}

/// A key lock, held until dropped.
#[derive(Debug)]
pub struct KeyLock {
    directory: Directory,
    name: String,
    _file: File,
}

impl Storage {
    /// Waits until nobody else makes the thing that `key` stands for, then keeps others waiting.
    pub fn once(&self, key: &Key<'_>) -> Result<KeyLock, SyscallError> {
        let directory = self.inner().tmp.ensure_directory(names::LOCKS)?;
        let name = key.to_string();
        let mut tell = |file: &File| {
            let processes = lock::holders(file);
            tracing::info!("waiting for {name}, which another ch-image makes: {processes:?}");
        };
        let file = lock::lock_name(&directory, OsStr::new(&name), Some(&mut tell))?
            .expect("waits until it has the lock");
        Ok(KeyLock {
            directory,
            name,
            _file: file,
        })
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        if let Err(error) = self.directory.remove_file(&self.name) {
            tracing::debug!("left to the next sweep: {error}");
        }
    }
}
