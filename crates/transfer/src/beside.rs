//! What will have a name outside the storage directory, while it is made.
//!
//! ```text
//! PARENT/.NAME.ch-image.XXXX/    locked while its maker lives, else swept by the next one
//!        `- new                  filled, then renamed to NAME
//! PARENT/NAME
//! ```
//!
//! Invariant: whoever looks at NAME sees what was there before or what is there afterwards, whole.
//! A process that ends by a signal throws away what it had begun ([`Unfinished::abandon`]).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ch_linux::lock::{self, Sharing};
use ch_linux::tree::{self, Budget, Directory, Kind};
use ch_linux::{SyscallError, boot, sync};
use ch_oci::Digest;
use ch_storage::Storage;

/// Name of what is under construction in its holder.
pub(crate) const NEW: &str = "new";

/// Longer names are not repeated in that of the holder, which must not become too long.
const LONGEST: usize = 128;
/// Directories and files that a signal waits for.
const MOST: u64 = 1_000_000;

/// Why something can't be made at a path.
#[derive(Debug)]
pub(crate) enum NoPlace {
    /// It belongs to the storage directory.
    InStorage,
    /// It has no name that could be given to something else.
    Nameless,
    /// It can't be reached.
    Unreachable(SyscallError),
}

impl From<SyscallError> for NoPlace {
    fn from(error: SyscallError) -> Self {
        Self::Unreachable(error)
    }
}

/// What a process is making outside the storage directory. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Unfinished(Arc<Mutex<Vec<(Directory, OsString)>>>);

impl Unfinished {
    /// Throws it away, as far as that takes no longer than `time`; the process must end then.
    pub fn abandon(&self, time: Duration) {
        let mut budget = Budget::new(MOST, time);
        for (parent, name) in self.holders().iter() {
            if let Err(error) = tree::remove(parent, name, &mut budget) {
                tracing::debug!("left to the next one: {error}");
            }
        }
    }

    fn holders(&self) -> std::sync::MutexGuard<'_, Vec<(Directory, OsString)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name in an open directory.
#[derive(Debug)]
pub(crate) struct Name {
    /// The directory.
    pub(crate) parent: Directory,
    /// The name; there need not be anything of it.
    pub(crate) name: OsString,
    unfinished: Unfinished,
}

impl Name {
    /// The name that `path` leads to, outside of `storage`.
    pub(crate) fn find(
        path: &Path,
        storage: &Storage,
        unfinished: &Unfinished,
    ) -> Result<Self, NoPlace> {
        let real = real(path)?;
        if is_below(&real, storage)? {
            return Err(NoPlace::InStorage);
        }
        let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(NoPlace::Nameless);
        };
        Ok(Self::of(
            Directory::open(parent)?,
            name.to_owned(),
            unfinished,
        ))
    }

    /// The name `name` in `parent`.
    pub(crate) fn of(parent: Directory, name: OsString, unfinished: &Unfinished) -> Self {
        Self {
            parent,
            name,
            unfinished: unfinished.clone(),
        }
    }

    /// Makes a holder beside the name, and removes those that killed processes left.
    pub(crate) fn holder(&self) -> Result<Holder<'_>, SyscallError> {
        self.sweep()?;
        loop {
            let mut name = self.prefix();
            name.push(boot::unique());
            let parent = self.parent.try_clone()?;
            let directory = match self.parent.make_directory(&name, 0o700) {
                // A sweep saw it before it was open, and removed it.
                Err(error)
                    if error.call() == "openat" && error.kind() == io::ErrorKind::NotFound =>
                {
                    continue;
                }
                made => made?,
            };
            self.unfinished.holders().push((parent, name.clone()));
            let holder = Holder {
                place: self,
                name,
                directory,
            };
            match lock::try_lock(&holder.directory, Sharing::Exclusive) {
                // A sweep saw it before it was locked.
                Ok(false) => continue,
                Err(error) if !lock::is_unsupported(&error) => return Err(error),
                Ok(true) | Err(_) => {}
            }
            if self.parent.try_attributes_of(&holder.name)?.is_some() {
                return Ok(holder);
            }
            // The sweep was quicker.
        }
    }

    /// What every holder's name begins with.
    fn prefix(&self) -> OsString {
        let mut prefix = OsString::from(".");
        if self.name.len() > LONGEST {
            prefix.push(Digest::of(self.name.as_bytes()).short());
        } else {
            prefix.push(&self.name);
        }
        prefix.push(".ch-image.");
        prefix
    }

    /// Removes holders whose makers live no more.
    fn sweep(&self) -> Result<(), SyscallError> {
        let prefix = self.prefix();
        let entries = match self.parent.entries() {
            // One may make things in it and not look.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let is_holder = entry.kind == Kind::Directory
                && entry.name.as_bytes().starts_with(prefix.as_bytes());
            if !is_holder {
                continue;
            }
            // Gone, or somebody else's: no matter.
            let Ok(holder) = self.parent.directory(&entry.name) else {
                continue;
            };
            if matches!(lock::try_lock(&holder, Sharing::Exclusive), Ok(true)) {
                remove(&self.parent, &entry.name);
            }
        }
        Ok(())
    }
}

/// A directory beside a name, for what will have it; gone when dropped.
#[derive(Debug)]
pub(crate) struct Holder<'a> {
    place: &'a Name,
    name: OsString,
    /// Open as long as this lives, and so locked.
    pub(crate) directory: Directory,
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        remove(&self.place.parent, &self.name);
        let mut holders = self.place.unfinished.holders();
        holders.retain(|(_, name)| *name != self.name);
    }
}

/// Removes a holder with all that is in it; what cannot be removed is left to the next sweep.
fn remove(parent: &Directory, name: &OsStr) {
    if let Err(error) = tree::remove(parent, name, &mut Budget::UNLIMITED.clone()) {
        tracing::warn!(
            "can't remove {}: {error}",
            parent.path().join(name).display()
        );
    }
}

/// Takes an open file, or the names in an open directory, to disk, as far as `storage` does that.
pub(crate) fn sync(object: impl AsFd, storage: &Storage) -> Result<(), SyscallError> {
    match storage.syncs() && !sync::describe(&object)?.in_memory {
        true => sync::file(object),
        false => Ok(()),
    }
}

/// Takes everything on the file system of `object` to disk, likewise.
pub(crate) fn sync_all(object: impl AsFd, storage: &Storage) -> Result<(), SyscallError> {
    match storage.syncs() && !sync::describe(&object)?.in_memory {
        true => sync::file_system(object),
        false => Ok(()),
    }
}

/// Whether `real`, a path without links, lies in the storage directory, whatever that is called.
fn is_below(real: &Path, storage: &Storage) -> Result<bool, SyscallError> {
    let directory = storage.directory().attributes()?.identity;
    let is_storage = |path: &Path| {
        let found = fs::metadata(path);
        found.is_ok_and(|found| (found.dev(), found.ino()) == directory)
    };
    Ok(real.ancestors().any(is_storage))
}

/// `path` without links; the last component need not exist.
fn real(path: &Path) -> Result<PathBuf, SyscallError> {
    let failed = |path: &Path| {
        let shown = format!("{path:?}");
        move |error| SyscallError::new("realpath", shown, error)
    };
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map_err(failed(path)),
    }
    // A link to nowhere is something that is there.
    let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
        return fs::canonicalize(path).map_err(failed(path));
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let parent = fs::canonicalize(parent).map_err(failed(parent))?;
    Ok(parent.join(name))
}
