//! Why an image could not be pushed.

use std::error::Error;
use std::fmt;

use ch_linux::SyscallError;
use ch_oci::Digest;
use ch_registry::{RegistrySays, UploadError};
use ch_storage::{BlobError, PublishError};

use super::Part;
use crate::AssembleError;

/// Why an image could not be pushed. The tag means what it meant before; what was uploaded stays, and is found by the
/// next push.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// Not all of its layers were pulled.
    #[error("can't push: image is incomplete (--last-layer)")]
    Incomplete,
    /// The image can't be made complete.
    #[error("can't push")]
    Assemble(#[source] AssembleError),
    /// The registry is no help, whatever is sent to it.
    #[error(transparent)]
    Registry(UploadError),
    /// A part is more than the registry takes.
    #[error("registry refused {part} ({size:.1} MiB): too large")]
    TooLarge {
        /// Which.
        part: String,
        /// Its size in MiB.
        size: f64,
        /// What the registry said.
        source: Option<RegistrySays>,
    },
    /// A part can't be uploaded.
    #[error(transparent)]
    Part(Box<PartError>),
    /// A blob of the storage directory is not what it was.
    #[error("storage: blob {0} is damaged")]
    Damaged(Digest),
    /// A layer is neither in the storage directory nor in a registry that is known to have had it.
    #[error("storage: blob {0} is missing")]
    Gone(Digest),
    /// A blob of the storage directory can't be looked at.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// What was fetched again can't be stored.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Another process that fetches the same could not be waited for.
    #[error("can't lock in storage directory")]
    Lock(#[source] SyscallError),
}

impl PushError {
    /// What the user can do, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Incomplete => Some("pull it again without --last-layer".to_owned()),
            Self::Registry(error) => error.hint(),
            Self::TooLarge { .. } => Some(
                "a proxy before the registry may have a limit, as nginx's client_max_body_size"
                    .to_owned(),
            ),
            Self::Part(error) => error.error.hint(),
            Self::Damaged(digest) => Some(crate::assemble::damaged_hint(digest)),
            _ => None,
        }
    }

    /// That `part`, of so many bytes, could not be uploaded.
    pub(super) fn of(part: &Part, size: u64, error: UploadError) -> Self {
        let name = part.name();
        match error {
            UploadError::TooLarge { source } => Self::TooLarge {
                part: name,
                #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
                size: size as f64 / f64::from(1 << 20),
                source,
            },
            UploadError::Digest { .. }
            | UploadError::Damaged { .. }
            | UploadError::Read { .. }
            | UploadError::Broken { .. } => Self::Part(Box::new(PartError { part: name, error })),
            UploadError::Request(_)
            | UploadError::Denied { .. }
            | UploadError::NoRepository { .. }
            | UploadError::Manifest { .. }
            | UploadError::NoLocation { .. } => Self::Registry(error),
        }
    }
}

/// Why a part of an image could not be uploaded.
#[derive(Debug)]
pub struct PartError {
    /// Which.
    pub part: String,
    /// What is wrong.
    pub error: UploadError,
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.error)
    }
}

impl Error for PartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
