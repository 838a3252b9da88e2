//! Why something could not be put into a registry, in the words a user reads.

use std::io;

use crate::error::Received;
use crate::{FetchError, RegistrySays};

/// Why a blob or manifest could not be put into a registry.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The registry can't be asked, or says something that does not help.
    #[error(transparent)]
    Request(#[from] FetchError),
    /// Not with these credentials, or not without any.
    #[error("not authorized to push: {reference}")]
    Denied {
        /// Where to, filled in.
        reference: String,
        /// Where the credentials came from.
        hint: Option<String>,
        /// What the registry said.
        source: Option<RegistrySays>,
    },
    /// The registry makes no repositories by itself.
    #[error("repository does not exist and can't be created: {repository}")]
    NoRepository {
        /// Its name.
        repository: String,
        /// What the registry said.
        source: Option<RegistrySays>,
    },
    /// More than the registry, or something before it, takes.
    #[error("too large")]
    TooLarge {
        /// What the registry said.
        source: Option<RegistrySays>,
    },
    /// The registry does not want such a manifest.
    #[error("registry refused the manifest: {reason}")]
    Manifest {
        /// Why.
        reason: String,
        /// What the registry said.
        source: Option<RegistrySays>,
    },
    /// The registry says that what it got is something else.
    #[error("digest mismatch")]
    Digest {
        /// What it has.
        source: Received,
    },
    /// The registry says that the bytes do not have their digest.
    #[error("registry says that the content is not what its digest says")]
    Damaged {
        /// What the registry said.
        source: Option<RegistrySays>,
    },
    /// The registry does not say where to upload to.
    #[error("registry names no place for an upload: {url}")]
    NoLocation {
        /// The address asked, without query.
        url: String,
    },
    /// The bytes to be sent can't be read.
    #[error("can't upload")]
    Read {
        /// What is wrong.
        source: io::Error,
    },
    /// The connection broke, and could not be taken up again.
    #[error("upload broke off at {sent} of {size} bytes")]
    Broken {
        /// What the registry had, as far as is known.
        sent: u64,
        /// All there is.
        size: u64,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl UploadError {
    /// What a user can do, where that can be said.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Request(error) => return error.hint(),
            Self::Denied { hint, .. } => return hint.clone(),
            Self::Manifest { .. } => "some registries only take --format docker",
            Self::NoRepository { .. } => {
                "create it with the registry's own tools, or check the name"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}
