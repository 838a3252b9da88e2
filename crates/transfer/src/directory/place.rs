//! Where the directory will be, and how it takes the place of what is there.

use std::io;
use std::path::{Path, PathBuf};

use ch_linux::tree::{Directory, Kind};
use ch_linux::{SyscallError, file};
use ch_rootfs::FlattenError;
use ch_storage::Storage;

use super::DirectoryError;
use crate::beside::{self, Holder, NEW, Name, NoPlace, Unfinished};

/// What is where a directory is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Empty,
    Image,
}

/// Where a directory is wanted.
#[derive(Debug)]
pub(crate) struct Place {
    name: Name,
    /// As the user said it.
    path: PathBuf,
    /// What was there at first.
    found: Found,
}

impl Place {
    /// Finds `path`, unless what is there must stay.
    pub(crate) fn find(
        path: &Path,
        storage: &Storage,
        unfinished: &Unfinished,
    ) -> Result<Self, DirectoryError> {
        let name = Name::find(path, storage, unfinished).map_err(|problem| match problem {
            NoPlace::InStorage => DirectoryError::InStorage(path.to_owned()),
            NoPlace::Nameless => DirectoryError::Nameless(path.to_owned()),
            NoPlace::Unreachable(source) => DirectoryError::Open {
                directory: path.to_owned(),
                source,
            },
        })?;
        let mut place = Self {
            name,
            path: path.to_owned(),
            found: Found::Nothing,
        };
        place.found = place.check()?;
        Ok(place)
    }

    /// Whether an image will be lost.
    pub(crate) fn has_image(&self) -> bool {
        self.found == Found::Image
    }

    /// As the user said it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes an empty directory beside the wanted one.
    pub(super) fn draft(&self) -> Result<Draft<'_>, DirectoryError> {
        let make = || {
            let holder = self.name.holder()?;
            Ok(Draft {
                place: self,
                root: holder.directory.make_directory(NEW, 0o700)?,
                holder,
            })
        };
        make().map_err(|source| DirectoryError::Beside {
            directory: self.path.clone(),
            source,
        })
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
        let Name { parent, name, .. } = &self.name;
        let Some(found) = parent.try_attributes_of(name).map_err(open)? else {
            return Ok(Found::Nothing);
        };
        if found.kind != Kind::Directory {
            return Err(DirectoryError::NotADirectory(self.path.clone()));
        }
        let directory = parent.directory(name).map_err(open)?;
        if ch_rootfs::missing_directories(&directory).is_empty() {
            Ok(Found::Image)
        } else if directory.entries().map_err(open)?.is_empty() {
            Ok(Found::Empty)
        } else {
            Err(DirectoryError::NotAnImage(self.path.clone()))
        }
    }
}

/// A directory under construction; gone when dropped.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    place: &'a Place,
    holder: Holder<'a>,
    root: Directory,
}

impl Draft<'_> {
    /// What is to be filled.
    pub(super) fn root(&self) -> &Directory {
        &self.root
    }

    /// Lets it take its place; what was there is removed.
    pub(super) fn publish(self, storage: &Storage) -> Result<(), DirectoryError> {
        // Whoever made something else there meanwhile keeps it.
        let Name { parent, name, .. } = &self.place.name;
        let result = match self.place.check()? {
            Found::Empty | Found::Image => self.exchange(),
            Found::Nothing => self.holder.directory.rename_new(NEW, parent, name),
        };
        // The name, too, is on disk before anybody is told.
        let synced = result.and_then(|()| beside::sync(parent, storage));
        synced.map_err(|source| DirectoryError::Replace {
            directory: self.place.path.clone(),
            source,
        })
    }

    fn exchange(&self) -> Result<(), SyscallError> {
        let Name { parent, name, .. } = &self.place.name;
        let holder = &self.holder.directory;
        let old = parent.directory(name)?;
        let mode = old.attributes()?.mode;
        if mode & 0o200 == 0 {
            // A directory that moves to another one must be writable: its `..` changes.
            old.set_mode(mode | 0o200)?;
        }
        if file::try_exchange_at(holder, NEW, parent, name)? {
            return Ok(());
        }
        // For an instant there is nothing, where the file system knows no better.
        parent.rename(name, holder, "old")?;
        holder.rename_new(NEW, parent, name)
    }
}
