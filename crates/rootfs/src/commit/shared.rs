//! Files of a new layer that are those of an older one, by hard link.
//!
//! Layers never change, so they may share files. Two layers of one stack must not, nor two paths of one layer: a
//! program in the image would see hard links that are none. So a file is shared only at the same path, and only with
//! a layer that the new one stands in for. A link can't be made through the mount; it is made in the upper directory
//! when nobody mounts that any more, whose entry then hides what the layers below have there.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use ch_linux::file::{self, OFlags};
use ch_linux::{SyscallError, in_root};
use ch_storage::{Layer, Lease};

use super::CommitError;
use crate::flat::{Extra, copy_file};

/// More threads than this only wait for the file system's journal.
const MOST_THREADS: usize = 4;

/// Files that a new layer has from an older one.
#[derive(Debug)]
pub struct Shared {
    older: Layer,
    /// Keeps others from freeing it.
    _lease: Lease,
    /// Names, by directory below the root.
    directories: BTreeMap<PathBuf, Vec<OsString>>,
}

impl Shared {
    /// None yet, of a layer that is in no stack with the new one.
    pub fn new(older: Layer, lease: Lease) -> Self {
        Self {
            older,
            _lease: lease,
            directories: BTreeMap::new(),
        }
    }

    /// Adds the regular file `name` in `directory`, which is relative to the root and will be in the upper directory.
    pub fn add(&mut self, directory: &Path, name: OsString) {
        match self.directories.get_mut(directory) {
            Some(names) => names.push(name),
            None => drop(self.directories.insert(directory.to_owned(), vec![name])),
        }
    }

    /// Links everything into `upper`, which nobody mounts any more.
    pub(super) fn link(&self, upper: impl AsFd + Sync) -> Result<(), CommitError> {
        let older = self.older.files().map_err(crate::StackError::from)?;
        let todo = Mutex::new(self.directories.iter());
        let next = || todo.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some((path, names)) = next() {
                link_directory(&older, &upper, path, names)?;
            }
            Ok(())
        };
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = threads.min(MOST_THREADS).min(self.directories.len());
        thread::scope(|scope| {
            let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let helpers: Vec<_> = (1..threads).map_while(start).collect();
            let own = work();
            let join = |helper: thread::ScopedJoinHandle<'_, _>| {
                helper
                    .join()
                    .unwrap_or_else(|it| std::panic::resume_unwind(it))
            };
            helpers.into_iter().map(join).fold(own, Result::and)
        })
    }
}

/// Links files of one directory, and lets it have its time again.
fn link_directory(
    older: impl AsFd,
    upper: impl AsFd,
    path: &Path,
    names: &[OsString],
) -> Result<(), CommitError> {
    let failed = |source| CommitError::File {
        path: path.display().to_string(),
        source,
    };
    let from = open(older, path).map_err(failed)?;
    let to = open(upper, path).map_err(failed)?;
    let before = file::status(&to).map_err(failed)?;
    for name in names {
        link(&from, &to, name).map_err(|source| CommitError::File {
            path: path.join(name).display().to_string(),
            source,
        })?;
    }
    file::set_modified(&to, before.modified).map_err(failed)
}

fn open(root: impl AsFd, path: &Path) -> Result<OwnedFd, SyscallError> {
    in_root::open(root, path, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn link(from: &OwnedFd, to: &OwnedFd, name: &OsStr) -> Result<(), SyscallError> {
    match file::hard_link_at(from, name, to, name) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            // A whiteout, or what an earlier source of the same copy had there.
            file::remove_file_at(to, name)?;
            link(from, to, name)
        }
        // Too many links, say: the same file is as good.
        Err(_) => copy(from, to, name),
        linked => linked,
    }
}

fn copy(from: &OwnedFd, to: &OwnedFd, name: &OsStr) -> Result<(), SyscallError> {
    let status = file::status_at(from, name)?;
    // What it can't carry a shared file does not have.
    copy_file(from, name, &status, to, Extra::default()).map(drop)
}
