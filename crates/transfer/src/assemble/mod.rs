//! An image as registries and archives have it: manifest, config and blobs.
//!
//! What came from a registry and was not changed is given back byte for byte, and so are the layers below what was
//! built here. A layer that was made here is packed and compressed when it is first asked for, and the result is
//! kept among the blobs.

mod config;
mod error;
mod layer;
mod receiver;

use std::fs::File;

use ch_layer::{Compression, Ownership, PackOptions};
use ch_oci::{Descriptor, Digest, Document, Format, ImageConfig, Manifest, annotation};
use ch_storage::{ImageRecord, Storage};
use jiff::Timestamp;

use crate::event::Tell;
pub use error::AssembleError;
pub(crate) use error::damaged_hint;
pub(crate) use receiver::{Receiver, Stopped};

/// Largest manifest that is taken from the storage directory, as from a registry.
const LARGEST_MANIFEST: u64 = 4 << 20;

/// Whose media types an image gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatChoice {
    /// Those that it came with; if it was made here, these.
    Usual(Format),
    /// These, also if it came with others.
    Always(Format),
}

impl FormatChoice {
    /// The format of what is made.
    fn of_made(self) -> Format {
        match self {
            Self::Usual(format) | Self::Always(format) => format,
        }
    }

    /// Whether an image with a manifest of this type may stay as it is.
    fn allows(self, media_type: &str) -> bool {
        match self {
            Self::Usual(_) => true,
            Self::Always(format) => Format::of_manifest(media_type) == Some(format),
        }
    }
}

/// What an image is to be like.
#[derive(Debug, Clone)]
pub struct AssembleOptions {
    /// How layers that are made here are compressed.
    pub compression: Compression,
    /// Layers that came with a blob are compressed so as well.
    pub recompress: bool,
    /// Whose the files in layers that are made here are.
    pub ownership: Ownership,
    /// Whose media types it has.
    pub format: FormatChoice,
    /// No file in a layer that is made here is younger.
    pub latest: Option<Timestamp>,
    /// When the manifest says that the image was made, beside what its config says.
    pub created: Option<Timestamp>,
    /// Annotations of the manifest.
    pub annotations: Vec<(String, String)>,
}

impl AssembleOptions {
    /// Fails if there can be no such image.
    pub(crate) fn check(&self) -> Result<(), AssembleError> {
        let media_type = self.compression.media_type();
        match self.format.of_made().layer(media_type) {
            Some(_) => Ok(()),
            None => Err(AssembleError::Format {
                media_type: media_type.to_owned(),
            }),
        }
    }
}

/// An image, complete. Its layers are blobs of the storage directory.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// What the manifest is.
    pub manifest: Descriptor,
    /// The manifest itself.
    pub manifest_bytes: Vec<u8>,
    /// What the config is.
    pub config: Descriptor,
    /// The config itself.
    pub config_bytes: Vec<u8>,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
}

impl Assembled {
    /// Opens the blob of a layer.
    pub fn open(storage: &Storage, layer: &Descriptor) -> Result<File, AssembleError> {
        let digest = &layer.digest;
        let blob = storage.blobs().open(digest)?;
        blob.ok_or_else(|| AssembleError::BlobGone(digest.clone()))
    }
}

/// Makes everything of `record` that is not there yet.
pub fn assemble(
    storage: &Storage,
    record: &ImageRecord,
    options: &AssembleOptions,
    tell: Tell<'_>,
) -> Result<Assembled, AssembleError> {
    assemble_for(&receiver::Patient, storage, record, options, tell)
}

/// [`assemble`] for somebody who wants each layer as soon as it is ready.
pub(crate) fn assemble_for(
    receiver: &dyn Receiver,
    storage: &Storage,
    record: &ImageRecord,
    options: &AssembleOptions,
    tell: Tell<'_>,
) -> Result<Assembled, AssembleError> {
    if record.incomplete {
        return Err(AssembleError::Incomplete);
    }
    let came = manifest(storage, record)?;
    if let Some(came) = &came
        && let Some(assembled) = as_it_came(receiver, storage, record, came, options)?
    {
        return Ok(assembled);
    }
    // Nobody else knows that they are still needed.
    let _lease = storage.lease(&record.layer_ids())?;
    let packer = layer::Packer {
        receiver,
        storage,
        compression: options.compression,
        recompress: options.recompress,
        pack: PackOptions {
            latest: options.latest.map(Timestamp::as_second),
            ownership: options.ownership,
        },
        tell,
    };
    let format = options.format.of_made();
    let count = record.layers.len();
    let (mut diff_ids, mut layers) = (Vec::new(), Vec::new());
    for (at, layer) in record.layers.iter().enumerate() {
        let (diff_id, mut descriptor) = packer.blob(layer, (at + 1, count))?;
        let media_type = format.layer(&descriptor.media_type);
        let media_type = media_type.ok_or_else(|| AssembleError::Format {
            media_type: descriptor.media_type.clone(),
        })?;
        descriptor.media_type = media_type.to_owned();
        receiver.take((at + 1, count), &descriptor)?;
        diff_ids.push(diff_id);
        layers.push(descriptor);
    }
    let config_bytes = complete_config(record, diff_ids)?;
    let config = describe(format.config(), &config_bytes);
    let mut manifest = Manifest::new(format, config.clone(), layers.clone());
    if let Some((_, came)) = came
        && has_same_content(&came, &manifest)
    {
        // What others said of it holds for it in another spelling, too.
        manifest.annotations = came.annotations;
        manifest.rest = came.rest;
    }
    annotate(&mut manifest, options);
    let manifest_bytes = manifest.to_bytes();
    Ok(Assembled {
        manifest: describe(format.manifest(), &manifest_bytes),
        manifest_bytes,
        config,
        config_bytes,
        layers,
    })
}

fn describe(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64)
}

fn complete_config(record: &ImageRecord, diff_ids: Vec<Digest>) -> Result<Vec<u8>, AssembleError> {
    let config = ImageConfig::parse(&record.config)?;
    if config.rootfs.diff_ids == diff_ids && config::agrees(&config) {
        return Ok(record.config.clone());
    }
    Ok(config::complete(config, diff_ids).to_bytes())
}

fn annotate(manifest: &mut Manifest, options: &AssembleOptions) {
    let created = options.created.map(|created| created.to_string());
    let created = created.map(|created| (annotation::CREATED.to_owned(), created));
    for (key, value) in created
        .into_iter()
        .chain(options.annotations.iter().cloned())
    {
        let annotations = manifest.annotations.get_or_insert_default();
        annotations.insert(key, value);
    }
}

/// Whether two manifests are of the same config and layers.
fn has_same_content(one: &Manifest, other: &Manifest) -> bool {
    let digests = |manifest: &Manifest| -> Vec<Digest> {
        let parts = std::iter::once(&manifest.config).chain(&manifest.layers);
        parts.map(|part| part.digest.clone()).collect()
    };
    digests(one) == digests(other)
}

/// The manifest that the image was pulled by, if it is still here.
fn manifest(
    storage: &Storage,
    record: &ImageRecord,
) -> Result<Option<(Vec<u8>, Manifest)>, AssembleError> {
    let Some(manifest) = &record.manifest else {
        return Ok(None);
    };
    let Some(bytes) = storage.blobs().read(&manifest.digest, LARGEST_MANIFEST)? else {
        return Ok(None);
    };
    match Document::parse(&bytes, Some(&manifest.media_type))? {
        Document::Manifest(document) => Ok(Some((bytes, *document))),
        Document::Index(_) => Ok(None),
    }
}

/// The image as it was pulled, if nothing else is wanted and all of it is here.
fn as_it_came(
    receiver: &dyn Receiver,
    storage: &Storage,
    record: &ImageRecord,
    (bytes, came): &(Vec<u8>, Manifest),
    options: &AssembleOptions,
) -> Result<Option<Assembled>, AssembleError> {
    let media_type = record.manifest.as_ref().map(|it| it.media_type.as_str());
    let media_type = media_type.unwrap_or_default();
    let is_wanted = !options.recompress
        && options.format.allows(media_type)
        && options.created.is_none()
        && options.annotations.is_empty();
    if !is_wanted || Digest::of(&record.config) != came.config.digest {
        return Ok(None);
    }
    let count = came.layers.len();
    if record.layers.len() != count {
        return Ok(None);
    }
    for (at, (blob, layer)) in came.layers.iter().zip(&record.layers).enumerate() {
        let number = (at + 1, count);
        if !storage.blobs().contains(&blob.digest)? && !receiver.obtain(layer, number)? {
            return Ok(None);
        }
    }
    for (at, blob) in came.layers.iter().enumerate() {
        receiver.take((at + 1, count), blob)?;
    }
    Ok(Some(Assembled {
        // What an index said of it does not belong to it.
        manifest: describe(media_type, bytes),
        manifest_bytes: bytes.clone(),
        config: came.config.clone(),
        config_bytes: record.config.clone(),
        layers: came.layers.clone(),
    }))
}
