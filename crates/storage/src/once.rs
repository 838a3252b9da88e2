//! Key locks: what two commands, or two threads, want at the same time is made once.
//!
//! Take the lock, look again whether the thing exists, and only then make it. The file `tmp/locks/<kind>-<key>`
//! is unlinked before the lock is let go. Nobody may wait for a second key while holding one. An image
//! has none: its layers have, and of two records the last one wins, whole.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::time::{Duration, Instant};

use ch_linux::SyscallError;
use ch_linux::lock::{self, Sharing};
use ch_linux::tree::Directory;
use ch_oci::Digest;

use crate::opening::names;
use crate::{Holders, LayerId, Notice, StateId, Storage};

/// After so long the user is told what is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks until then.
const NAP: Duration = Duration::from_millis(20);

/// What is made once.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    /// A blob and what comes of it.
    Blob(&'a Digest),
    /// The result of a build step.
    State(&'a StateId),
    /// The archive of a layer.
    Archive(&'a LayerId),
    /// Room: one collection at a time.
    Collection,
}

impl Key<'_> {
    /// What its holder does.
    fn work(&self) -> &'static str {
        match self {
            Self::Blob(_) => "that downloads this layer",
            Self::State(_) => "that executes this step",
            Self::Archive(_) => "that archives this layer",
            Self::Collection => "that collects garbage",
        }
    }
}

/// The name of the lock file.
impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(digest) => {
                write!(f, "blob-{}-{}", digest.algorithm().name(), digest.hex())
            }
            Self::State(id) => write!(f, "state-{id}"),
            Self::Archive(id) => write!(f, "archive-{id}"),
            Self::Collection => f.write_str("collection"),
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
        let mut wait = |file: &File| self.wait_a_little(file, key);
        let file = lock::lock_name(&directory, OsStr::new(&name), Some(&mut wait))?
            .expect("waits until it has the lock");
        Ok(KeyLock {
            directory,
            name,
            _file: file,
        })
    }

    /// Waits for the lock of `file` as long as nobody wonders about it; then tells who has it.
    fn wait_a_little(&self, file: &File, key: &Key<'_>) {
        let since = Instant::now();
        // An error comes again where it can be returned.
        while matches!(lock::try_lock(file, Sharing::Exclusive), Ok(false)) {
            if since.elapsed() >= PATIENCE {
                return self.tell_of_wait(file, key);
            }
            std::thread::sleep(NAP);
        }
    }

    fn tell_of_wait(&self, file: &File, key: &Key<'_>) {
        let (work, holders) = (key.work(), Holders::of(file));
        // Layers that are twice in an image are waited for by threads of one process.
        if !holders.processes.is_empty() || matches!(key, Key::State(_)) {
            let notice = Notice::WaitingForResult { work, holders };
            self.inner().options.notify.send(&notice);
        }
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        if let Err(error) = self.directory.remove_file(&self.name) {
            tracing::debug!("left to the next sweep: {error}");
        }
    }
}
