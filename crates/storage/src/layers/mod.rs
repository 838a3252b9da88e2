//! Layers: directories of files that never change, and what is known of each.

mod archived;
mod id;
mod meta;

use ch_linux::SyscallError;
use ch_linux::tree::{Attributes, Directory};
use ch_oci::Digest;

pub use archived::Archived;
pub use id::{LayerId, NotALayerId};
pub use meta::{Engine, LayerMeta, RootAttributes, WhiteoutEncoding};

use crate::Storage;
use crate::claims::Claim;
use crate::durability::{MARKED, Object};
use crate::opening::names;
use crate::read_only::is_read_only;
use crate::sealed::{self, Sealed};
use crate::storage::lock;

/// Why a layer can't be looked at. One that is not there is no error.
#[derive(Debug, thiserror::Error)]
#[error("storage: can't read layer {layer}")]
pub struct LayerError {
    /// Which.
    pub layer: LayerId,
    source: SyscallError,
}

/// A layer that exists and may be believed.
#[derive(Debug)]
pub struct Layer {
    /// Its name.
    pub id: LayerId,
    /// What is known of it.
    pub meta: LayerMeta,
    directory: Directory,
}

impl Layer {
    /// `layers/<id>`, where `owners` may lie beside the files.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// `layers/<id>/fs`, the root of its files.
    pub fn files(&self) -> Result<Directory, LayerError> {
        self.directory
            .directory(names::FILES)
            .map_err(|source| LayerError {
                layer: self.id.clone(),
                source,
            })
    }
}

/// What is found under the name of a layer.
#[derive(Debug)]
pub(crate) enum Look {
    /// A layer to be believed.
    Good(Box<Layer>),
    /// Nothing, or nothing any more.
    Absent,
    /// A layer that another machine made and has not marked yet.
    AnotherMachines,
}

/// What a collection wants to know of a layer.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Size of its files.
    pub(crate) bytes: u64,
    /// Archives that were made of it.
    pub(crate) archives: Vec<Digest>,
}

/// The layers of a storage directory.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    storage: &'a Storage,
}

impl<'a> Layers<'a> {
    pub(crate) fn new(storage: &'a Storage) -> Self {
        Self { storage }
    }

    /// The layer `id`, or nothing: not there, torn, or written before a power cut and not marked. What is of
    /// no use any more goes to the trash.
    pub fn get(&self, id: &LayerId) -> Result<Option<Layer>, LayerError> {
        Ok(match self.look(id)? {
            Look::Good(layer) => Some(*layer),
            Look::Absent | Look::AnotherMachines => None,
        })
    }

    /// [`Layers::get`], with the reason why there is nothing. What is found is claimed.
    pub(crate) fn look(&self, id: &LayerId) -> Result<Look, LayerError> {
        self.storage
            .claiming(&Claim::Layer(id), || self.read(id))
            .map_err(|source| LayerError {
                layer: id.clone(),
                source,
            })
    }

    /// Whether [`Layers::get`] would find it. Looked up once per process.
    pub fn contains(&self, id: &LayerId) -> Result<bool, LayerError> {
        if lock(&self.storage.inner().known_layers).contains(id) {
            return Ok(true);
        }
        Ok(self.get(id)?.is_some())
    }

    fn read(&self, id: &LayerId) -> Result<Look, SyscallError> {
        let inner = self.storage.inner();
        let Some(directory) = inner.layers.try_directory(id.as_str())? else {
            return Ok(Look::Absent);
        };
        let mode = directory
            .try_attributes_of(names::META)?
            .map_or(0, |found| found.mode);
        let bytes = directory.try_read(names::META)?.unwrap_or_default();
        let meta = match sealed::unseal::<LayerMeta>(&bytes) {
            Ok(Sealed { origin, value }) if mode == MARKED || origin == inner.origin => value,
            Ok(Sealed { origin, .. }) if origin.host != inner.origin.host => {
                return Ok(Look::AnotherMachines);
            }
            Ok(_) | Err(_) => {
                tracing::info!("layer {id} did not survive; to the trash");
                self.drop_unusable(id, &directory)?;
                return Ok(Look::Absent);
            }
        };
        lock(&inner.known_layers).insert(id.clone());
        Ok(Look::Good(Box::new(Layer {
            id: id.clone(),
            meta,
            directory,
        })))
    }

    /// Size of the files of the layer `id` in bytes, if it is there.
    pub fn size(&self, id: &LayerId) -> Result<Option<u64>, LayerError> {
        let found = self.peek(id).map_err(|source| LayerError {
            layer: id.clone(),
            source,
        })?;
        Ok(found.map(|(found, _)| found.bytes))
    }

    /// What a collection wants to know of the layer `id`, good or not; nothing is changed.
    pub(crate) fn peek(&self, id: &LayerId) -> Result<Option<(Found, Attributes)>, SyscallError> {
        let Some(directory) = self.storage.inner().layers.try_directory(id.as_str())? else {
            return Ok(None);
        };
        let attributes = directory.attributes()?;
        let meta = directory.try_read(names::META)?.unwrap_or_default();
        let meta = sealed::unseal::<LayerMeta>(&meta).ok();
        let found = Found {
            bytes: meta.map_or(0, |meta| meta.value.bytes),
            archives: archived::digests(&directory),
        };
        Ok(Some((found, attributes)))
    }

    /// A read-only storage keeps what it has; it is not believed all the same.
    fn drop_unusable(&self, id: &LayerId, judged: &Directory) -> Result<(), SyscallError> {
        let identity = judged.attributes()?.identity;
        let layers = &self.storage.inner().layers;
        match self.storage.discard_only(layers, id.as_str(), identity) {
            Err(error) if is_read_only(&error) => Ok(()),
            other => other,
        }
    }

    /// Makes the layer `id` pending, unless it was seen on disk.
    pub(crate) fn take_to_disk(&self, id: &LayerId) -> Result<(), SyscallError> {
        if self.is_marked(id)? {
            return Ok(());
        }
        self.storage.publish(Object::Layer(id.clone()), || Ok(()))
    }

    /// Whether the layer carries the mark of being on disk; a layer that is not there does not.
    fn is_marked(&self, id: &LayerId) -> Result<bool, SyscallError> {
        let inner = self.storage.inner();
        if inner.durability.is_pending(&Object::Layer(id.clone())) {
            return Ok(false);
        }
        let Some(directory) = inner.layers.try_directory(id.as_str())? else {
            return Ok(false);
        };
        let meta = directory.try_attributes_of(names::META)?;
        Ok(meta.is_some_and(|meta| meta.mode == MARKED))
    }
}
