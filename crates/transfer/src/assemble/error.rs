//! Why an image could not be made complete.

use ch_layer::PackError;
use ch_linux::SyscallError;
use ch_oci::{Digest, DocumentError};
use ch_rootfs::ContentError;
use ch_storage::{BlobError, LayerError, LeaseError, PublishError};

/// Why an image could not be made complete.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// Not all of its layers were pulled.
    #[error("image is incomplete (--last-layer)")]
    Incomplete,
    /// Docker has no name for it.
    #[error(
        "no layer of a docker image can be of type {}",
        ch_oci::shown(media_type)
    )]
    Format {
        /// What it is of.
        media_type: String,
    },
    /// Nobody wants it any more.
    #[error(transparent)]
    Stopped(#[from] super::Stopped),
    /// A layer went away.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A layer can't be read.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A layer can't be looked at.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A layer can't be packed.
    #[error("can't pack layer {index}/{count}")]
    Pack {
        /// Its number, from 1 for the lowest.
        index: usize,
        /// How many there are.
        count: usize,
        /// What is wrong.
        source: PackError,
    },
    /// A blob can't be read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A blob was there a moment ago.
    #[error("storage: blob {0} is missing")]
    BlobGone(Digest),
    /// A blob can't be stored.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Others can't be kept from doing the same.
    #[error("can't lock a layer")]
    Lock(#[source] SyscallError),
    /// The manifest or the config is not what it was.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

/// What to do about a blob of the storage directory that is not what it was.
pub(crate) fn damaged_hint(digest: &Digest) -> String {
    format!(
        "remove blobs/{}/{} from the storage directory, and try again; what was pulled is to be pulled again before",
        digest.algorithm().name(),
        digest.hex()
    )
}
