//! Deleted images: records that were moved to `images/deleted/`, the last of each name, until a collection.

use std::io;

use ch_linux::SyscallError;
use ch_linux::tree::Directory;
use ch_oci::Reference;

use super::{
    DamagedRecord, ImageRecord, Images, Listing, RecordError, file_of, index, list_in, read,
    read_in,
};
use crate::PublishError;
use crate::opening::names;
use crate::sweep::remove_if_there;

/// Where they are, as messages call it.
pub(super) const PATH: &str = "images/deleted";

/// Why a deleted image does not come back.
#[derive(Debug, thiserror::Error)]
pub enum UndeleteError {
    /// There is an image of that name.
    #[error("image exists; will not overwrite")]
    Exists,
    /// No image of that name was deleted, or it was collected since.
    #[error("image not in cache")]
    NotDeleted,
    /// Its record, or one of its layers, can't be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What it is made of can't be taken to disk.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl UndeleteError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Record(error) => error.hint(),
            Self::Exists | Self::NotDeleted | Self::Publish(_) => None,
        }
    }
}

impl Images<'_> {
    /// Takes away the image that `reference` means; says whether there was one. It can come back: the last one
    /// of a name is kept in `images/deleted/`.
    pub fn delete(&self, reference: &Reference) -> Result<bool, RecordError> {
        let file = file_of(reference);
        let failed = |source| RecordError::Read {
            path: format!("{}/{file}", names::IMAGES),
            source,
        };
        let inner = self.storage.inner();
        let deleted = inner
            .images
            .ensure_directory(names::DELETED)
            .map_err(failed)?;
        // A collection that has decided takes an older one away by its name, before this one gets it.
        let gate = self.storage.enter_claims().map_err(failed)?;
        match inner.images.rename(&file, &deleted, &file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(failed)?,
        }
        // A collection goes by the time of deletion.
        if let Err(error) = deleted.touch(&file) {
            tracing::debug!("the time of deletion is not noted: {error}");
        }
        drop(gate);
        self.records_changed().map_err(failed)?;
        Ok(true)
    }

    /// Takes away the image that `reference` means; says whether there was one. It can't come back, but what was
    /// deleted under that name earlier can.
    pub fn remove(&self, reference: &Reference) -> Result<bool, RecordError> {
        let file = file_of(reference);
        let failed = |source| RecordError::Read {
            path: format!("{}/{file}", names::IMAGES),
            source,
        };
        match self.storage.inner().images.remove_file(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(failed)?,
        }
        self.records_changed().map_err(failed)?;
        Ok(true)
    }

    /// Takes away the image that `reference` means, and the deleted one of that name; says whether there was an
    /// image.
    pub fn purge(&self, reference: &Reference) -> Result<bool, RecordError> {
        let file = file_of(reference);
        if !self.remove(reference)? {
            return Ok(false);
        }
        let forget = || match self.deleted_directory()? {
            Some(deleted) => remove_if_there(&deleted, &file),
            None => Ok(()),
        };
        forget().map_err(|source| RecordError::Read {
            path: format!("{PATH}/{file}"),
            source,
        })?;
        Ok(true)
    }

    /// Takes away a record that can't be read; says whether it was there. It can't come back, so it does not take
    /// the place of one that can.
    pub fn delete_damaged(&self, damaged: &DamagedRecord) -> Result<bool, RecordError> {
        let inner = self.storage.inner();
        match inner.images.remove_file(damaged.file()) {
            Ok(()) => {
                inner.durability.record_changed();
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(RecordError::Read {
                path: damaged.path.clone(),
                source,
            }),
        }
    }

    /// The images that were deleted and can come back.
    pub fn deleted(&self) -> Result<Listing, RecordError> {
        let list = || match self.deleted_directory()? {
            Some(directory) => list_in(&directory, PATH),
            None => Ok(Listing::default()),
        };
        list().map_err(|source| RecordError::Read {
            path: PATH.to_owned(),
            source,
        })
    }

    /// Brings back the last deleted image that `reference` means.
    pub fn undelete(&self, reference: &Reference) -> Result<(), UndeleteError> {
        let file = file_of(reference);
        let failed = |source| RecordError::Read {
            path: format!("{PATH}/{file}"),
            source,
        };
        if read(self.storage, &file).map_err(failed)?.is_some() {
            return Err(UndeleteError::Exists);
        }
        let Some((deleted, record)) = self.deleted_record(&file).map_err(failed)? else {
            return Err(UndeleteError::NotDeleted);
        };
        let record = record.map_err(RecordError::Damaged)?;
        // From here on no collection takes the layers.
        self.check_layers(&record)?;
        self.require_parts(&record)?;
        self.storage.checkpoint().map_err(PublishError::Commit)?;
        match deleted.rename_new(&file, &self.storage.inner().images, &file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(UndeleteError::Exists);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(UndeleteError::NotDeleted);
            }
            other => other.map_err(failed)?,
        }
        self.records_changed().map_err(failed)?;
        Ok(())
    }

    /// Whether the image that `record` tells of is there, deleted or not.
    pub(crate) fn has(&self, record: &ImageRecord) -> Result<bool, SyscallError> {
        let file = file_of(&record.name);
        let image = read(self.storage, &file)?;
        let deleted = self.deleted_record(&file)?.map(|(_, record)| record);
        let mut found = [image, deleted].into_iter().flatten().flatten();
        Ok(found.any(|found| found.says_the_same(record)))
    }

    fn deleted_record(&self, file: &str) -> Result<Option<Deleted>, SyscallError> {
        let Some(directory) = self.deleted_directory()? else {
            return Ok(None);
        };
        let record = read_in(&directory, PATH, file)?;
        Ok(record.map(|record| (directory, record)))
    }

    pub(crate) fn deleted_directory(&self) -> Result<Option<Directory>, SyscallError> {
        self.storage.inner().images.try_directory(names::DELETED)
    }

    /// Notes that a record has left its place, or has come to it.
    fn records_changed(&self) -> Result<(), SyscallError> {
        self.storage.inner().durability.record_changed();
        index::update(self.storage)
    }
}

/// A record and the directory that it is in.
type Deleted = (Directory, Result<ImageRecord, DamagedRecord>);
