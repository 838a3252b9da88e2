//! What will have a name outside the storage directory, while it is made.
//!
//! ```text
//! PARENT/.NAME.ch-image.XXXX/    locked while its maker lives, else swept by the next one
//!        `- new                  filled, then renamed to NAME
//! PARENT/NAME
//! ```
//!
//! Invariant: whoever looks at NAME sees what was there before or what is there afterwards, whole.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ch_linux::lock::{self, Sharing};
use ch_linux::tree::{self, Budget, Directory, Kind};
use ch_linux::{SyscallError, boot};

/// Name of what is under construction in its holder.
pub(crate) const NEW: &str = "new";

/// A name in an open directory.
#[derive(Debug)]
pub(crate) struct Name {
    /// The directory.
    pub(crate) parent: Directory,
    /// The name; there need not be anything of it.
    pub(crate) name: OsString,
}

impl Name {
    /// The name that `real`, a path without links, ends in; `None` if there is no directory above.
    pub(crate) fn of(real: &Path) -> Result<Option<Self>, SyscallError> {
        let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            parent: Directory::open(parent)?,
            name: name.to_owned(),
        }))
    }

    /// Makes a holder beside the name, and removes those that killed processes left.
    pub(crate) fn holder(&self) -> Result<Holder<'_>, SyscallError> {
        self.sweep()?;
        loop {
            let mut name = self.prefix();
            name.push(boot::unique());
            let directory = self.parent.make_directory(&name, 0o700)?;
            match lock::try_lock(&directory, Sharing::Exclusive) {
                // A sweep saw it before it was locked.
                Ok(false) => continue,
                Err(error) if !lock::is_unsupported(&error) => return Err(error),
                Ok(true) | Err(_) => {}
            }
            if self.parent.try_attributes_of(&name)?.is_none() {
                // The sweep was quicker.
                continue;
            }
            return Ok(Holder {
                place: self,
                name,
                directory,
            });
        }
    }

    /// What every holder's name begins with.
    fn prefix(&self) -> OsString {
        let mut prefix = OsString::from(".");
        prefix.push(&self.name);
        prefix.push(".ch-image.");
        prefix
    }

    /// Removes holders whose makers live no more.
    fn sweep(&self) -> Result<(), SyscallError> {
        let prefix = self.prefix();
        for entry in self.parent.entries()? {
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

/// `path` without links; the last component need not exist.
pub(crate) fn real(path: &Path) -> Result<PathBuf, SyscallError> {
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
