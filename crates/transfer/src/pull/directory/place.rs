//! Where the directory will be, and how it gets there.
//!
//! ```text
//! PARENT/.NAME.ch-image.XXXX/    locked while its maker lives, else swept by the next one
//!        `- new                  filled, then exchanged with NAME; then this is the old one
//! PARENT/NAME
//! ```

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ch_linux::file;
use ch_linux::lock::{self, Sharing};
use ch_linux::tree::{self, Budget, Directory, Kind};
use ch_linux::{SyscallError, boot};
use ch_rootfs::FlattenError;

use super::DirectoryError;

/// Name of the directory under construction in its holder.
const NEW: &str = "new";

/// What is where a directory is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Empty,
    Image,
}

/// Where a directory is wanted: a name in an open directory.
#[derive(Debug)]
pub(super) struct Place {
    parent: Directory,
    name: OsString,
    /// As the user said it.
    path: PathBuf,
    /// What was there at first.
    found: Found,
}

impl Place {
    /// Finds `path`, unless what is there must stay.
    pub(super) fn find(path: &Path, storage: &Path) -> Result<Self, DirectoryError> {
        let open = |source| DirectoryError::Open {
            directory: path.to_owned(),
            source,
        };
        let real = real(path).map_err(open)?;
        if fs::canonicalize(storage).is_ok_and(|storage| real.starts_with(storage)) {
            return Err(DirectoryError::InStorage(path.to_owned()));
        }
        let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(DirectoryError::Nameless(path.to_owned()));
        };
        let mut place = Self {
            parent: Directory::open(parent).map_err(open)?,
            name: name.to_owned(),
            path: path.to_owned(),
            found: Found::Nothing,
        };
        place.found = place.check()?;
        Ok(place)
    }

    /// Whether an image will be lost.
    pub(super) fn has_image(&self) -> bool {
        self.found == Found::Image
    }

    /// As the user said it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes an empty directory beside the wanted one, and removes those that killed processes left.
    pub(super) fn draft(&self) -> Result<Draft<'_>, DirectoryError> {
        let failed = |source| DirectoryError::Beside {
            directory: self.path.clone(),
            source,
        };
        self.sweep().map_err(failed)?;
        self.make_draft().map_err(failed)
    }

    /// The error that flattening ended with, as the user of this directory sees it.
    pub(super) fn explain(&self, source: FlattenError) -> DirectoryError {
        let directory = self.path.clone();
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        match &source {
            FlattenError::Copy { source: cause, .. } if full.contains(&cause.kind()) => {
                DirectoryError::NoSpace { directory, source }
            }
            _ => DirectoryError::Flatten { directory, source },
        }
    }

    /// What is there, if it may be replaced.
    fn check(&self) -> Result<Found, DirectoryError> {
        let open = |source| DirectoryError::Open {
            directory: self.path.clone(),
            source,
        };
        let Some(found) = self.parent.try_attributes_of(&self.name).map_err(open)? else {
            return Ok(Found::Nothing);
        };
        if found.kind != Kind::Directory {
            return Err(DirectoryError::NotADirectory(self.path.clone()));
        }
        let directory = self.parent.directory(&self.name).map_err(open)?;
        if ch_rootfs::missing_directories(&directory).is_empty() {
            Ok(Found::Image)
        } else if directory.entries().map_err(open)?.is_empty() {
            Ok(Found::Empty)
        } else {
            Err(DirectoryError::NotAnImage(self.path.clone()))
        }
    }

    /// What every holder's name begins with.
    fn prefix(&self) -> OsString {
        let mut prefix = OsString::from(".");
        prefix.push(&self.name);
        prefix.push(".ch-image.");
        prefix
    }

    fn make_draft(&self) -> Result<Draft<'_>, SyscallError> {
        loop {
            let mut name = self.prefix();
            name.push(boot::unique());
            let holder = self.parent.make_directory(&name, 0o700)?;
            match lock::try_lock(&holder, Sharing::Exclusive) {
                // A sweep saw it before it was locked.
                Ok(false) => continue,
                Err(error) if !lock::is_unsupported(&error) => return Err(error),
                Ok(true) | Err(_) => {}
            }
            match holder.make_directory(NEW, 0o700) {
                // The sweep was quicker.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                root => {
                    let draft = Draft {
                        place: self,
                        name,
                        holder,
                        root: root?,
                    };
                    return Ok(draft);
                }
            }
        }
    }

    /// Removes holders whose makers live no more.
    fn sweep(&self) -> Result<(), SyscallError> {
        let prefix = self.prefix();
        for entry in self.parent.entries()? {
            let is_holder = entry.kind == tree::Kind::Directory
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

/// A directory under construction; gone when dropped.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    place: &'a Place,
    name: OsString,
    /// Open as long as this lives, and so locked.
    holder: Directory,
    root: Directory,
}

impl Draft<'_> {
    /// What is to be filled.
    pub(super) fn root(&self) -> &Directory {
        &self.root
    }

    /// Lets it take its place; what was there is removed.
    pub(super) fn publish(self) -> Result<(), DirectoryError> {
        // Whoever made something else there meanwhile keeps it.
        let result = match self.place.check()? {
            Found::Empty | Found::Image => self.exchange(),
            Found::Nothing => {
                let Place { parent, name, .. } = self.place;
                self.holder.rename_new(NEW, parent, name)
            }
        };
        result.map_err(|source| DirectoryError::Replace {
            directory: self.place.path.clone(),
            source,
        })
    }

    fn exchange(&self) -> Result<(), SyscallError> {
        let Place { parent, name, .. } = self.place;
        let old = parent.directory(name)?;
        let mode = old.attributes()?.mode;
        if mode & 0o200 == 0 {
            // A directory that moves to another one must be writable: its `..` changes.
            old.set_mode(mode | 0o200)?;
        }
        if file::try_exchange_at(&self.holder, NEW, parent, name)? {
            return Ok(());
        }
        // For an instant there is nothing, where the file system knows no better.
        parent.rename(name, &self.holder, "old")?;
        self.holder.rename_new(NEW, parent, name)
    }
}

impl Drop for Draft<'_> {
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
