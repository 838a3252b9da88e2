//! `layers/<id>/blob.json`: the archives that were made of a layer, so that each is made once.
//!
//! It may be lost or torn at any time; then an archive is made again, of the same bytes.

use ch_linux::SyscallError;
use ch_linux::tree::Directory;
use ch_oci::Digest;
use serde::{Deserialize, Serialize};

use super::Layer;
use crate::durability::UNMARKED;
use crate::sealed;
use crate::{PublishError, Storage};

/// Name of the file, beside the layer's `fs`.
const FILE: &str = "blob.json";

/// An archive that was made of a layer, as a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// Everything beside the layer that decided what its bytes are.
    pub recipe: String,
    /// Digest of the uncompressed archive.
    pub diff_id: Digest,
    /// The blob, which may have been pruned.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What is in the file.
#[derive(Default, Serialize, Deserialize)]
struct Archives {
    archives: Vec<Archived>,
}

impl Layer {
    /// The archive that was made of this layer by `recipe`, if that is remembered.
    pub fn archived(&self, recipe: &str) -> Option<Archived> {
        let mut archives = self.archives().archives.into_iter();
        archives.find(|archived| archived.recipe == recipe)
    }

    fn archives(&self) -> Archives {
        archives(&self.directory)
    }
}

/// Archives that were made of the layer in `directory`.
fn archives(directory: &Directory) -> Archives {
    let bytes = directory.try_read(FILE).ok().flatten();
    let sealed = bytes.and_then(|bytes| sealed::unseal(&bytes).ok());
    sealed.map_or_else(Archives::default, |sealed| sealed.value)
}

/// Digests of the archives that were made of the layer in `directory`.
pub(super) fn digests(directory: &Directory) -> Vec<Digest> {
    let archives = archives(directory).archives.into_iter();
    archives.map(|archived| archived.digest).collect()
}

impl Storage {
    /// Remembers that `archived` was made of `layer`. Of two processes that do so at once one may be forgotten.
    pub fn remember_archive(&self, layer: &Layer, archived: Archived) -> Result<(), PublishError> {
        let write = || -> Result<(), SyscallError> {
            let mut known = layer.archives();
            known.archives.retain(|it| it.recipe != archived.recipe);
            known.archives.push(archived.clone());
            let (scratch, draft) = (self.scratch()?, ch_linux::boot::unique());
            let bytes = sealed::seal(&known, &self.inner().origin);
            scratch.directory().write(&draft, UNMARKED, &bytes)?;
            scratch.directory().rename(&draft, &layer.directory, FILE)
        };
        write().map_err(|source| PublishError::Layer {
            layer: layer.id.clone(),
            source,
        })
    }
}
