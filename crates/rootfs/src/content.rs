//! Layers, open for reading.

use std::io::BufReader;

use ch_linux::SyscallError;
use ch_linux::tree::Directory;
use ch_ownership::{OWNERS_FILE, Owners, ParseOwnersError};
use ch_storage::{LayerError, LayerId, LayerMeta, RootAttributes, Storage};

use crate::attributes;

/// Why a layer can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It is not there.
    #[error("storage: layer {layer} is missing")]
    Missing {
        /// Which.
        layer: LayerId,
    },
    /// It can't be looked at.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// Its owners file can't be opened.
    #[error("can't open the owners file of layer {layer}")]
    OpenOwners {
        /// Which.
        layer: LayerId,
        /// What failed.
        source: SyscallError,
    },
    /// Its owners file can't be understood.
    #[error("layer {layer}")]
    Owners {
        /// Which.
        layer: LayerId,
        /// What is wrong.
        source: ParseOwnersError,
    },
}

/// One layer.
#[derive(Debug)]
pub struct LayerContent {
    /// The root of its files.
    pub files: Directory,
    /// What lies beside them.
    pub owners: Owners,
    /// What is known of it.
    pub meta: LayerMeta,
}

impl LayerContent {
    /// Opens the layer `id`.
    pub fn open(storage: &Storage, id: &LayerId) -> Result<Self, ContentError> {
        let layer = storage.layers().get(id)?;
        let layer = layer.ok_or_else(|| ContentError::Missing { layer: id.clone() })?;
        Ok(Self {
            files: layer.files()?,
            owners: owners(layer.directory(), id)?,
            meta: layer.meta,
        })
    }
}

/// A whole image.
#[derive(Debug)]
pub struct StackContent {
    /// Its layers, top first.
    pub layers: Vec<LayerContent>,
    /// What `/` is.
    pub root: RootAttributes,
}

impl StackContent {
    /// Opens `layers`, given bottom first.
    pub fn open(storage: &Storage, layers: &[LayerId]) -> Result<Self, ContentError> {
        let open = |id| LayerContent::open(storage, id);
        let layers = layers.iter().rev().map(open);
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        let root = layers.iter().find_map(|layer| layer.meta.root.clone());
        Ok(Self {
            root: root.unwrap_or_else(attributes::default_root),
            layers,
        })
    }
}

/// What lies beside the files of the layer `id` in `directory`.
pub(crate) fn owners(directory: &Directory, id: &LayerId) -> Result<Owners, ContentError> {
    let file = directory.try_file(OWNERS_FILE);
    let file = file.map_err(|source| ContentError::OpenOwners {
        layer: id.clone(),
        source,
    })?;
    let Some(file) = file else {
        return Ok(Owners::default());
    };
    Owners::read(BufReader::new(file)).map_err(|source| ContentError::Owners {
        layer: id.clone(),
        source,
    })
}
