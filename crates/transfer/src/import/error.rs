//! Why an image could not be imported.

use std::io;
use std::path::{Path, PathBuf};

use ch_layer::{FormatError, PackError, SettleError, UnpackError};
use ch_linux::SyscallError;
use ch_oci::DocumentError;
use ch_storage::{NoSpace, PublishError};

/// Why an image could not be imported. An earlier image of the name is still there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is nothing of that name.
    #[error("can't copy: not found: {}", path.display())]
    NotFound {
        /// What was named.
        path: PathBuf,
    },
    /// A form of image that comes later.
    #[error("not yet supported: {form}")]
    NotYet {
        /// What it is.
        form: String,
    },
    /// The source can't be opened.
    #[error("can't open {}", path.display())]
    Open {
        /// What was named.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The directory can't be read whole.
    #[error("can't import directory {directory}")]
    Pack {
        /// What was named.
        directory: String,
        /// What is wrong.
        source: PackError,
    },
    /// The archive can't be unpacked.
    #[error("can't import {place}")]
    Unpack {
        /// What was named.
        place: String,
        /// What is wrong.
        source: UnpackError,
    },
    /// The archive has hard links to nothing.
    #[error("can't import {place}")]
    Settle {
        /// What was named.
        place: String,
        /// What is wrong.
        source: SettleError,
    },
    /// There is not enough room.
    #[error("no space left in storage directory: {}", directory.display())]
    NoSpace {
        /// The storage directory.
        directory: PathBuf,
        /// What was noticed.
        source: UnpackError,
    },
    /// The configuration in the image makes no sense.
    #[error("malformed {path} in image")]
    Config {
        /// Where it is in the image.
        path: &'static str,
        /// What is wrong.
        source: DocumentError,
    },
    /// No pipe between packing and unpacking.
    #[error("can't make a pipe")]
    Pipe(#[source] io::Error),
    /// No thread for packing.
    #[error("can't start a thread")]
    Thread(#[source] io::Error),
    /// The new layer can't be looked at or changed.
    #[error("can't complete the layer")]
    Layer(#[source] SyscallError),
    /// Something could not be stored.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl ImportError {
    /// What the user can do, where that can be said.
    pub fn hint(&self) -> Option<&str> {
        matches!(self, Self::NoSpace { .. }).then_some(NoSpace::HINT)
    }
}

/// Whose fault it is that `place` could not be unpacked.
pub(super) fn explain(storage: &Path, place: &str, error: UnpackError) -> ImportError {
    match error {
        UnpackError::Format(FormatError::NotYet(compression)) => ImportError::NotYet {
            form: format!("import of archives compressed with {compression}"),
        },
        error if error.is_no_space() => ImportError::NoSpace {
            directory: storage.to_owned(),
            source: error,
        },
        error => ImportError::Unpack {
            place: place.to_owned(),
            source: error,
        },
    }
}
