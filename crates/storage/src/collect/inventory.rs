//! What a storage directory holds, and who names what.

use std::collections::{HashMap, HashSet};

use ch_linux::SyscallError;
use ch_linux::tree::{Attributes, Directory};
use ch_oci::{Digest, Document};

use super::CollectError;
use crate::claims::Claimed;
use crate::layers::Found;
use crate::measure::Measured;
use crate::opening::names;
use crate::{ImageRecord, LayerId, RecordError, StateId, StateRecord, Storage};

/// More than this is no manifest.
const LARGEST_MANIFEST: u64 = 16 << 20;

/// A thing with its size in bytes and its last use, in seconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Thing<T> {
    pub(crate) value: T,
    pub(crate) bytes: u64,
    pub(crate) used: i64,
}

/// A cache mount: the name of its directory.
pub(crate) type Mount = Thing<String>;

/// A record, and all blobs that belong to it.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) record: ImageRecord,
    pub(crate) blobs: Vec<Digest>,
}

/// Everything there is.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    pub(crate) layers: HashMap<LayerId, Thing<Found>>,
    pub(crate) blobs: HashMap<Digest, Thing<()>>,
    pub(crate) states: HashMap<StateId, Thing<StateRecord>>,
    /// Files in `states/` that hold no state.
    pub(crate) broken_states: Vec<String>,
    pub(crate) images: Vec<Image>,
    pub(crate) deleted: Vec<Thing<Image>>,
    /// Files in `images/deleted/` that hold no record.
    pub(crate) broken_deleted: Vec<String>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) claimed: Claimed,
}

impl Inventory {
    /// Layers and blobs first, then the claims, then the records; `mounts` were measured before.
    pub(crate) fn read(storage: &Storage, mounts: &[Mount]) -> Result<Self, CollectError> {
        let mut inventory = Self {
            layers: layers(storage)?,
            blobs: blobs(storage)?,
            mounts: mounts.to_vec(),
            ..Self::default()
        };
        inventory.claimed = storage.claimed()?;
        inventory.read_states(storage)?;
        let listing = storage.images().list()?;
        if let Some(damaged) = listing.damaged.into_iter().next() {
            return Err(RecordError::Damaged(damaged).into());
        }
        for record in listing.images {
            inventory.images.push(image(storage, record)?);
        }
        inventory.read_deleted(storage)?;
        Ok(inventory)
    }

    fn read_states(&mut self, storage: &Storage) -> Result<(), SyscallError> {
        for id in storage.states().names()? {
            let name = id.file_name();
            let Some(attributes) = storage.inner().states.try_attributes_of(&name)? else {
                continue;
            };
            match storage.states().peek(&id)? {
                Some(record) => {
                    self.states.insert(id, thing(record, &attributes));
                }
                None => self.broken_states.push(name),
            }
        }
        Ok(())
    }

    fn read_deleted(&mut self, storage: &Storage) -> Result<(), CollectError> {
        let Some(directory) = storage.images().deleted_directory()? else {
            return Ok(());
        };
        let listing = storage.images().deleted()?;
        for damaged in listing.damaged {
            self.broken_deleted.push(damaged.file().to_owned());
        }
        for record in listing.images {
            let file = crate::images::file_of(&record.name);
            if let Some(attributes) = directory.try_attributes_of(&file)? {
                let image = image(storage, record)?;
                self.deleted.push(thing(image, &attributes));
            }
        }
        Ok(())
    }

    /// Layers, blobs and states together.
    pub(crate) fn bytes(&self) -> u64 {
        let layers = self.layers.values().map(|thing| thing.bytes);
        let blobs = self.blobs.values().map(|thing| thing.bytes);
        let states = self.states.values().map(|thing| thing.bytes);
        layers.chain(blobs).chain(states).sum()
    }

    /// Archives that were made of the layers in `needed`.
    pub(crate) fn archives_of<'a>(
        &'a self,
        needed: &'a HashSet<LayerId>,
    ) -> impl Iterator<Item = &'a Digest> {
        let layers = self.layers.iter().filter(|(id, _)| needed.contains(id));
        layers.flat_map(|(_, layer)| &layer.value.archives)
    }
}

fn thing<T>(value: T, attributes: &Attributes) -> Thing<T> {
    Thing {
        value,
        bytes: attributes.size,
        used: attributes.modified,
    }
}

fn layers(storage: &Storage) -> Result<HashMap<LayerId, Thing<Found>>, SyscallError> {
    let directory = &storage.inner().layers;
    let mut layers = HashMap::new();
    for entry in directory.entries()? {
        let id = entry
            .name
            .to_str()
            .and_then(|name| name.parse::<LayerId>().ok());
        let Some(id) = id else { continue };
        if let Some((found, attributes)) = storage.layers().peek(&id)? {
            let bytes = found.bytes;
            let used = attributes.modified;
            layers.insert(
                id,
                Thing {
                    value: found,
                    bytes,
                    used,
                },
            );
        }
    }
    Ok(layers)
}

fn blobs(storage: &Storage) -> Result<HashMap<Digest, Thing<()>>, SyscallError> {
    let mut blobs = HashMap::new();
    for algorithm in storage.inner().blobs.entries()? {
        let Some(directory) = storage.inner().blobs.try_directory(&algorithm.name)? else {
            continue;
        };
        for entry in directory.entries()? {
            let text = format!(
                "{}:{}",
                algorithm.name.to_string_lossy(),
                entry.name.to_string_lossy()
            );
            let Ok(digest) = text.parse::<Digest>() else {
                continue;
            };
            if let Some(attributes) = directory.try_attributes_of(&entry.name)? {
                blobs.insert(digest, thing((), &attributes));
            }
        }
    }
    Ok(blobs)
}

/// Measures all cache mounts. That may take long, so nobody should have to wait for it.
pub(crate) fn measure_mounts(storage: &Storage) -> Result<Vec<Mount>, SyscallError> {
    let Some(directory) = storage.directory().try_directory(names::MOUNTS)? else {
        return Ok(Vec::new());
    };
    let mut mounts = Vec::new();
    for entry in directory.entries()? {
        let name = entry.name.to_string_lossy().into_owned();
        let Some(attributes) = directory.try_attributes_of(&entry.name)? else {
            continue;
        };
        let mut measured = Measured::default();
        measured.add(&directory, &entry.name)?;
        mounts.push(Thing {
            value: name,
            bytes: measured.on_disk,
            used: attributes.modified,
        });
    }
    Ok(mounts)
}

/// `record`, with the blobs that it and its manifest name.
fn image(storage: &Storage, record: ImageRecord) -> Result<Image, SyscallError> {
    let mut blobs: Vec<Digest> = record.blobs().cloned().collect();
    blobs.push(Digest::of(&record.config));
    if let Some(manifest) = &record.manifest {
        blobs.extend(named_by(&storage.inner().blobs, &manifest.digest)?);
    }
    Ok(Image { record, blobs })
}

/// The blobs that a manifest names, if it is here.
fn named_by(blobs: &Directory, manifest: &Digest) -> Result<Vec<Digest>, SyscallError> {
    let Some(directory) = blobs.try_directory(manifest.algorithm().name())? else {
        return Ok(Vec::new());
    };
    let attributes = directory.try_attributes_of(manifest.hex())?;
    if attributes.is_none_or(|found| found.size > LARGEST_MANIFEST) {
        return Ok(Vec::new());
    }
    let bytes = directory.try_read(manifest.hex())?.unwrap_or_default();
    Ok(match Document::parse(&bytes, None) {
        Ok(Document::Manifest(manifest)) => {
            let layers = manifest.layers.into_iter().map(|layer| layer.digest);
            layers.chain([manifest.config.digest]).collect()
        }
        Ok(Document::Index(_)) | Err(_) => Vec::new(),
    })
}
