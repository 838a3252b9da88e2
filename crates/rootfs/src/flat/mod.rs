//! A stack of layers as one plain directory.
//!
//! ```text
//! layers, top first ──> merge ─> copy (reflink, else copy_file_range) ─> DIR ─> furnish
//! ```
//!
//! Each name is decided by the topmost layer that has it, so nothing is copied that something above
//! hides. What a plain directory cannot carry (owners of symbolic links, or of anything where the file
//! system has no extended attributes) is handed back as an owners file.
//!
//! Invariants: layers are only read; every name is looked up in an open directory, and no link is
//! followed, so nothing outside the target is written; directories are at least u+rwx, so that the
//! user can delete what he got; a directory's time is set when nothing in it changes any more.

mod furnish;
mod merge;
mod object;

use std::io::BufReader;
use std::path::PathBuf;

use ch_linux::SyscallError;
use ch_linux::tree::Directory;
use ch_ownership::{OWNERS_FILE, Owners, ParseOwnersError};
use ch_storage::{LayerError, LayerId, RootAttributes, Storage};

use crate::attributes;
pub use furnish::furnish;

/// Why layers could not be made one directory.
#[derive(Debug, thiserror::Error)]
pub enum FlattenError {
    /// A layer is not there.
    #[error("storage: layer {layer} is missing")]
    Missing {
        /// Which.
        layer: LayerId,
    },
    /// A layer can't be read.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The owners file of a layer can't be opened.
    #[error("can't open the owners file of layer {layer}")]
    OpenOwners {
        /// Which.
        layer: LayerId,
        /// What failed.
        source: SyscallError,
    },
    /// The owners file of a layer can't be understood.
    #[error("layer {layer}")]
    Owners {
        /// Which.
        layer: LayerId,
        /// What is wrong.
        source: ParseOwnersError,
    },
    /// Something can't be copied.
    #[error("can't copy /{}", path.display())]
    Copy {
        /// Its path below the root.
        path: PathBuf,
        /// What failed.
        source: SyscallError,
    },
}

/// What was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flattened {
    /// Names, that of the root left out.
    pub entries: u64,
    /// Bytes of file content.
    pub bytes: u64,
    /// Sockets and devices, which cannot be copied.
    pub left_out: u64,
    /// Lines of an owners file: what the objects themselves cannot carry.
    pub owners: Vec<u8>,
}

/// One layer, open.
struct Layer {
    files: Directory,
    owners: Owners,
}

/// Copies what `layers`, bottom first, together show into `target`, an empty directory.
pub fn flatten(
    storage: &Storage,
    layers: &[LayerId],
    target: &Directory,
) -> Result<Flattened, FlattenError> {
    let mut opened = Vec::with_capacity(layers.len());
    let mut root: Option<RootAttributes> = None;
    for id in layers.iter().rev() {
        let layer = storage.layers().get(id)?;
        let layer = layer.ok_or_else(|| FlattenError::Missing { layer: id.clone() })?;
        let owners = owners(&layer)?;
        opened.push(Layer {
            files: layer.files()?,
            owners,
        });
        root = root.or(layer.meta.root);
    }
    let root = root.unwrap_or_else(attributes::default_root);
    merge::Merge::new(&opened, target).run(&root)
}

/// What lies beside the files of `layer`.
fn owners(layer: &ch_storage::Layer) -> Result<Owners, FlattenError> {
    let file =
        layer
            .directory()
            .try_file(OWNERS_FILE)
            .map_err(|source| FlattenError::OpenOwners {
                layer: layer.id.clone(),
                source,
            })?;
    let Some(file) = file else {
        return Ok(Owners::default());
    };
    Owners::read(BufReader::new(file)).map_err(|source| FlattenError::Owners {
        layer: layer.id.clone(),
        source,
    })
}

#[cfg(test)]
mod tests;
