//! Why an image could not be exported.

use std::io;
use std::path::{Path, PathBuf};

use ch_layer::PackError;
use ch_linux::SyscallError;
use ch_oci::Digest;
use ch_rootfs::ContentError;
use ch_storage::{BlobError, LeaseError, PublishError};

use crate::AssembleError;
use crate::assemble::damaged_hint;
use crate::beside::NoPlace;
use crate::directory::DirectoryError;

/// Why an image could not be exported. What was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It would take the place of something else.
    #[error("can't export: exists: {}", .0.display())]
    Exists(PathBuf),
    /// It belongs to the storage directory.
    #[error("can't export: {} is in the storage directory", .0.display())]
    InStorage(PathBuf),
    /// It has no name that could be given to another file.
    #[error("can't export: {} can't be replaced", .0.display())]
    Nameless(PathBuf),
    /// A stream is no directory.
    #[error("can't export a directory to a stream")]
    DirectoryToStream,
    /// The place can't be reached or written.
    #[error("can't export to {}", path.display())]
    Place {
        /// As the user said it.
        path: PathBuf,
        /// What failed.
        source: SyscallError,
    },
    /// There is an OCI layout that can't be understood.
    #[error("can't export: not an OCI image layout: {}", path.display())]
    Layout {
        /// As the user said it.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The result can't be written.
    #[error("can't write {place}")]
    Write {
        /// Where it was to go, as the user said it.
        place: String,
        /// What failed.
        source: io::Error,
    },
    /// A blob of the storage directory can't be read.
    #[error("storage: can't read blob {digest}")]
    Read {
        /// Which.
        digest: Digest,
        /// What failed.
        source: io::Error,
    },
    /// A blob of the storage directory is not what it was.
    #[error("storage: blob {0} is damaged")]
    Damaged(Digest),
    /// The files can't be packed.
    #[error("can't pack the image")]
    Pack(#[source] PackError),
    /// The image can't be made complete.
    #[error("can't export")]
    Assemble(#[from] AssembleError),
    /// The directory can't be made.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A layer can't be read.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A layer went away.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A blob can't be read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// There is no place for work in progress.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl ExportError {
    /// Whether it is the place of the result that made difficulties, and not the storage directory.
    pub fn is_of_target(&self) -> bool {
        matches!(
            self,
            Self::Place { .. } | Self::Write { .. } | Self::Directory(_)
        )
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Damaged(digest) => Some(damaged_hint(digest)),
            _ => None,
        }
    }

    /// That `place`, as the user said it, can't be written.
    pub(super) fn write(place: impl std::fmt::Display) -> impl Fn(io::Error) -> Self {
        let place = place.to_string();
        move |source| Self::Write {
            place: place.clone(),
            source,
        }
    }

    /// That the files can't be packed, for `place` as the user said it.
    pub(super) fn pack(place: &str, error: PackError) -> Self {
        match error {
            PackError::Write(source) => Self::write(place)(source),
            error => Self::Pack(error),
        }
    }

    pub(super) fn read(digest: &Digest, source: io::Error) -> Self {
        let digest = digest.clone();
        Self::Read { digest, source }
    }

    pub(super) fn no_place(path: &Path, problem: NoPlace) -> Self {
        match problem {
            NoPlace::InStorage => Self::InStorage(path.to_owned()),
            NoPlace::Nameless => Self::Nameless(path.to_owned()),
            NoPlace::Unreachable(source) => Self::place(path)(source),
        }
    }

    pub(super) fn place(path: &Path) -> impl Fn(SyscallError) -> Self {
        let path = path.to_owned();
        move |source| Self::Place {
            path: path.clone(),
            source,
        }
    }
}
