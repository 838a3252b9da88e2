//! The lock of the whole directory: shared while a command works, exclusive to lay out or to reset.

use std::fs::File;
use std::time::{Duration, Instant};

use ch_linux::SyscallError;
use ch_linux::lock::{self, Sharing};
use ch_linux::tree::Directory;

use super::error::io as failed;
use super::{OpenError, names};
use crate::read_only::is_read_only;
use crate::{Holders, Notice, Options};

/// After so long the user is told what is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
const SHORTEST_NAP: Duration = Duration::from_millis(1);
const LONGEST_NAP: Duration = Duration::from_millis(50);

/// The lock on `tmp/lock`, held until dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Locks out whoever wants the directory for himself. Nothing where it is read-only and was never
    /// locked: nobody can change anything there.
    pub(super) fn shared(root: &Directory, options: &Options) -> Result<Option<Self>, OpenError> {
        let open = || root.ensure_directory(names::TMP)?.ensure_file(names::LOCK);
        let file = match open() {
            Err(error) if is_read_only(&error) => {
                match Self::existing(root).map_err(failed(root.path()))? {
                    Some(file) => file,
                    None => return Ok(None),
                }
            }
            other => other.map_err(failed(root.path()))?,
        };
        wait_for(root, &file, Sharing::Shared, options)?;
        Ok(Some(Self { _file: file }))
    }

    /// Makes sure that the file system has locks: who works below `tmp/` needs them, whatever the options say.
    pub(crate) fn require_support(root: &Directory) -> Result<(), OpenError> {
        let tried = root
            .ensure_directory(names::TMP)
            .and_then(|tmp| tmp.ensure_file(names::LOCK))
            .and_then(|file| lock::try_lock(file, Sharing::Shared));
        tried.map(drop).map_err(failed(root.path()))
    }

    /// The file to lock, without making it.
    pub(crate) fn existing(root: &Directory) -> Result<Option<File>, SyscallError> {
        match root.try_directory(names::TMP)? {
            Some(tmp) => tmp.try_file(names::LOCK),
            None => Ok(None),
        }
    }

    /// Locks everybody out. Honours `Options::locking` only as far as not to wait.
    pub(super) fn exclusive(root: &Directory, options: &Options) -> Result<Self, OpenError> {
        let failed = failed(root.path());
        let tmp = root.directory(names::TMP).map_err(&failed)?;
        let file = tmp.ensure_file(names::LOCK).map_err(failed)?;
        if options.locking {
            wait_for(root, &file, Sharing::Exclusive, options)?;
        }
        Ok(Self { _file: file })
    }
}

fn wait_for(
    root: &Directory,
    file: &File,
    sharing: Sharing,
    options: &Options,
) -> Result<(), OpenError> {
    let mut wait = Waiting::new(options);
    while !lock::try_lock(file, sharing).map_err(failed(root.path()))? {
        wait.nap(|| Holders::of(file))?;
    }
    Ok(())
}

/// Patience of one wait: naps that grow, a notice after two seconds, an error at the end.
pub(super) struct Waiting<'a> {
    options: &'a Options,
    since: Instant,
    nap: Duration,
    told: bool,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Self {
            options,
            since: Instant::now(),
            nap: SHORTEST_NAP,
            told: false,
        }
    }

    /// Sleeps a little, or says that it was long enough.
    pub(super) fn nap(&mut self, holders: impl FnOnce() -> Holders) -> Result<(), OpenError> {
        let waited = self.since.elapsed();
        if waited >= self.options.lock_timeout {
            return Err(OpenError::InUse { holders: holders() });
        }
        if waited >= PATIENCE && !self.told {
            self.told = true;
            self.options.notify.send(&Notice::WaitingForLock(holders()));
        }
        std::thread::sleep(self.nap.min(self.options.lock_timeout - waited));
        self.nap = (self.nap * 2).min(LONGEST_NAP);
        Ok(())
    }
}
