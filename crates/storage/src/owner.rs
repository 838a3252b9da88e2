//! Owners: who is at work below `tmp/`, and whether he still lives.
//!
//! Invariant: while `tmp/<owner>/` exists and its process lives, `tmp/<owner>.lock` exists and is locked. It is
//! locked before the directory is made and unlinked after the directory is gone, so a directory without
//! a lock file has no owner.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::sync::{Arc, Mutex};

use ch_linux::SyscallError;
use ch_linux::lock;
use ch_linux::tree::Directory;

use crate::storage::{Inner, lock as held};
use crate::trash;

/// End of the names of owners' lock files.
pub(crate) const LOCK_SUFFIX: &str = ".lock";

/// With more than so many things left in it, a directory is not used again.
const MOST_LEFT: usize = 4;

/// A directory of our own below `tmp/`, gone when dropped.
#[derive(Debug)]
pub(crate) struct Owner {
    name: String,
    directory: Directory,
    tmp: Directory,
    trash: Directory,
    boot: String,
    /// Names of all owners of the handle.
    all: Arc<Mutex<HashSet<String>>>,
    _lock: File,
}

impl Owner {
    pub(crate) fn new(inner: &Inner) -> Result<Self, SyscallError> {
        let (tmp, trash) = (inner.tmp.try_clone()?, inner.trash.try_clone()?);
        let name = ch_linux::boot::unique();
        let lock = loop {
            // Only the sweep may be quicker than we are, and it unlinks what it locks.
            let lock_name = format!("{name}{LOCK_SUFFIX}");
            if let Some(lock) = lock::lock_name(&tmp, OsStr::new(&lock_name), None)? {
                break lock;
            }
        };
        let directory = tmp.make_directory(&name, 0o700)?;
        let all = Arc::clone(&inner.owners);
        held(&all).insert(name.clone());
        Ok(Self {
            name,
            all,
            directory,
            tmp,
            trash,
            boot: inner.origin.boot.clone(),
            _lock: lock,
        })
    }

    /// Name below `tmp/`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `tmp/<owner>`.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Empties the directory for the next use: what is left in it goes to the trash. Says no where that
    /// would be more work than a new owner.
    pub(crate) fn clear(&self) -> Result<bool, SyscallError> {
        let entries = self.directory.entries()?;
        if entries.len() > MOST_LEFT {
            return Ok(false);
        }
        for entry in entries {
            trash::discard_work(&self.trash, &self.boot, &self.directory, &entry.name)?;
        }
        Ok(true)
    }

    fn clear_away(&self) -> Result<(), SyscallError> {
        if self.tmp.remove_directory(&self.name).is_err() {
            trash::discard_work(&self.trash, &self.boot, &self.tmp, &self.name)?;
        }
        self.tmp.remove_file(format!("{}{LOCK_SUFFIX}", self.name))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        held(&self.all).remove(&self.name);
        if let Err(error) = self.clear_away() {
            tracing::debug!("left to the next sweep: {error}");
        }
    }
}
