//! Why an image could not be pulled.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use ch_layer::{SettleError, UnpackError};
use ch_linux::SyscallError;
use ch_oci::{Digest, DocumentError, NotAnImage, SelectError};
use ch_registry::FetchError;
use ch_storage::{LayerError, NoSpace, PublishError, RecordError};

use crate::directory::DirectoryError;

/// Why an image could not be pulled. An earlier image of the name is still there.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry did not give something.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What it gave is no image.
    #[error(transparent)]
    NotAnImage(#[from] NotAnImage),
    /// It has no image for the wanted platform.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// Another platform is wanted than that of the only image there is.
    #[error("image is architecture-unaware")]
    ArchitectureUnaware,
    /// Indexes name indexes name indexes.
    #[error("indexes are nested more than {0} deep")]
    Nested(usize),
    /// A manifest or config makes no sense.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// More layers than an image may have.
    #[error("image has {count} layers; at most {limit} are possible")]
    ManyLayers {
        /// How many it has.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Config and manifest are not of one image.
    #[error("config names {diff_ids} layers, manifest {layers}")]
    LayerCount {
        /// Layers in the config.
        diff_ids: usize,
        /// Layers in the manifest.
        layers: usize,
    },
    /// A layer of a kind that cannot be unpacked.
    #[error("can't unpack layer {index}/{count}: media type {}", media_type.escape_debug())]
    MediaType {
        /// Number of the layer, from 1.
        index: usize,
        /// How many there are.
        count: usize,
        /// What the manifest says of it.
        media_type: String,
    },
    /// What came is not the layer.
    #[error(transparent)]
    Download(#[from] LayerDownloadError),
    /// The layer is not what it should be inside.
    #[error("layer {index}/{count}: can't unpack")]
    Unpack {
        /// Number of the layer, from 1.
        index: usize,
        /// How many there are.
        count: usize,
        /// What is wrong.
        source: UnpackError,
    },
    /// There is not enough room.
    #[error("no space left in storage directory: {}", directory.display())]
    NoSpace {
        /// The storage directory.
        directory: PathBuf,
        /// What was noticed.
        source: UnpackError,
    },
    /// The layer unpacks to something else than the config says.
    #[error("layer {index}/{count}: diff ID mismatch")]
    DiffId {
        /// Number of the layer, from 1.
        index: usize,
        /// How many there are.
        count: usize,
        /// What it unpacks to.
        source: Received,
    },
    /// The layer does not fit on those below it.
    #[error("layer {index}/{count}: doesn't fit on the layers below")]
    Settle {
        /// Number of the layer, from 1.
        index: usize,
        /// How many there are.
        count: usize,
        /// What is wrong.
        source: SettleError,
    },
    /// Something could not be stored.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A blob of the storage directory could not be looked at.
    #[error(transparent)]
    StoredBlob(#[from] ch_storage::BlobError),
    /// A layer of the storage directory could not be looked at.
    #[error(transparent)]
    StoredLayer(#[from] LayerError),
    /// An image of the storage directory could not be looked at.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The image is here, but could not be put into a directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Another process that makes the same could not be waited for.
    #[error("can't lock in storage directory")]
    Lock(#[source] SyscallError),
}

impl PullError {
    /// What the user can do, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::NotAnImage(error) => error.hint().map(str::to_owned),
            Self::Select(error) => error.hint(),
            Self::ArchitectureUnaware => Some("consider --arch=yolo".to_owned()),
            Self::Download(error) => error.error.hint().map(str::to_owned),
            Self::NoSpace { .. } => Some(NoSpace::HINT.to_owned()),
            Self::Record(error) => error.hint(),
            _ => None,
        }
    }
}

/// What came instead.
#[derive(Debug, thiserror::Error)]
#[error("received {0}")]
pub struct Received(pub Digest);

/// Why the archive of a layer did not come as it should.
#[derive(Debug)]
pub struct LayerDownloadError {
    /// Number of the layer, from 1.
    pub index: usize,
    /// How many there are.
    pub count: usize,
    /// What is wrong.
    pub error: ch_registry::BlobError,
}

impl fmt::Display for LayerDownloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer {}/{}: {}", self.index, self.count, self.error)
    }
}

impl Error for LayerDownloadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
