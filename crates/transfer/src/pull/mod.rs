//! From a registry into the storage directory.
//!
//! The manifest is always asked for; everything else only if it is not here. Layers come in parallel,
//! each in one pass from the network to files. A layer whose content depends on those below it is
//! settled on them afterwards, the lowest first.

mod directory;
mod error;
mod layers;
mod look;
mod one;
mod restore;
#[cfg(test)]
mod tests;

use ch_oci::{
    Descriptor, Document, ImageConfig, Manifest, Platform, Reference, RegistryDefaults,
    RemoteReference, Wanted,
};
use ch_registry::{Client, FetchError, Fetched};
use ch_storage::{Draft, ImageLayer, ImageOrigin, ImageRecord, Storage};

use crate::beside::Unfinished;
use crate::event::{Event, LayerLabel, Tell};
pub use directory::pull_directory;
pub use error::{LayerDownloadError, PullError};
pub use look::{Looked, look};
pub use restore::restore;

/// Indexes may name indexes so deep.
const DEEPEST_INDEX: usize = 4;
/// Layers that an image may have.
const MOST_LAYERS: usize = 1000;
/// Largest manifest that is taken from the storage directory, as from a registry.
const LARGEST_MANIFEST: u64 = 4 << 20;
/// Largest config.
const LARGEST_CONFIG: u64 = 8 << 20;

/// How an image is pulled.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// Another name for it here.
    pub destination: Option<Reference>,
    /// The registry of references without one.
    pub defaults: RegistryDefaults,
    /// For which platform.
    pub wanted: Wanted,
    /// This machine's platform.
    pub host: Platform,
    /// Only so many layers, the lowest; the image is then incomplete.
    pub last_layer: Option<usize>,
    /// Everything is downloaded, whatever is here. What is here and good stays all the same: equal names are
    /// equal bytes.
    pub always_download: bool,
    /// Layers at once.
    pub jobs: usize,
    /// How layers are unpacked.
    pub unpack: ch_layer::Options,
    /// What is being made outside the storage directory.
    pub unfinished: Unfinished,
}

/// An image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// What is stored under its name.
    pub record: ImageRecord,
    /// Whether anything was downloaded or unpacked.
    pub changed: bool,
}

/// Brings the image that `reference` names into `storage`.
pub fn pull(
    storage: &Storage,
    client: &Client,
    reference: &Reference,
    options: &PullOptions,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Pulled, PullError> {
    let pull = Pull::new(storage, client, reference, options, tell)?;
    tell(Event::Pulling(reference.clone()));
    if let Some(destination) = &options.destination {
        tell(Event::Destination(destination.clone()));
    }
    let mut arrived = pull.bring()?;
    let known = storage.images().get(pull.name())?;
    let known = known.filter(|known| arrived.is_like(known));
    pull.tell_arrival(&arrived, known.is_some());
    if let Some(known) = known {
        // Nothing else may differ because time has passed.
        arrived.record.created = known.created;
    }
    let record = arrived.record;
    let stored = storage.images().put(&record)?;
    tell(Event::Done);
    let changed = if reference.is_scratch() {
        stored
    } else {
        !arrived.unpacked.is_empty()
    };
    Ok(Pulled { record, changed })
}

/// One pull.
struct Pull<'a> {
    storage: &'a Storage,
    client: &'a Client,
    reference: &'a Reference,
    remote: RemoteReference,
    options: &'a PullOptions,
    tell: Tell<'a>,
    /// For manifests and configs.
    draft: Draft,
}

/// An image all of whose layers are here. Its record is not stored.
struct Arrived {
    record: ImageRecord,
    /// None: there was nothing to ask for.
    config: Option<ImageConfig>,
    /// The layers that were not here before.
    unpacked: Vec<LayerLabel>,
    warnings: Vec<String>,
}

impl Arrived {
    /// Whether nothing but time has passed since `known` was pulled.
    fn is_like(&self, known: &ImageRecord) -> bool {
        self.unpacked.is_empty()
            && known.manifest == self.record.manifest
            && known.layer_ids() == self.record.layer_ids()
    }
}

/// The manifest of the image, and how it was found.
struct Found {
    manifest: Box<Manifest>,
    descriptor: Descriptor,
    index: Option<Descriptor>,
    /// The mirror that answered.
    mirror: Option<String>,
}

impl<'a> Pull<'a> {
    fn new(
        storage: &'a Storage,
        client: &'a Client,
        reference: &'a Reference,
        options: &'a PullOptions,
        tell: Tell<'a>,
    ) -> Result<Self, PullError> {
        Ok(Self {
            storage,
            client,
            reference,
            remote: reference.remote(&options.defaults),
            options,
            tell,
            draft: storage.draft()?,
        })
    }

    /// Brings everything that is not here yet.
    fn bring(&self) -> Result<Arrived, PullError> {
        (self.tell)(Event::Requesting(self.options.wanted.architecture_name()));
        if self.reference.is_scratch() {
            return Ok(self.scratch());
        }
        let found = self.manifest()?;
        found.manifest.require_image(&self.remote)?;
        let config_bytes = self.config(&found.manifest.config)?;
        let config = ImageConfig::parse(&config_bytes)?;
        self.check_platform(&found, &config)?;
        let layers = self.plan_layers(&found.manifest, &config)?;
        let outcome = layers::fetch(self, &layers)?;
        let mut record = self.record(&found, config_bytes, outcome.layers);
        record.incomplete = record.layers.len() < found.manifest.layers.len();
        Ok(Arrived {
            record,
            config: Some(config),
            unpacked: outcome.unpacked,
            warnings: outcome.warnings,
        })
    }

    /// An empty image: nobody needs to be asked for it.
    fn scratch(&self) -> Arrived {
        let config = ImageConfig::new(&self.options.host);
        let record = ImageRecord {
            name: self.name().clone(),
            origin: ImageOrigin::Pull,
            identity: "scratch".to_owned(),
            config: config.to_bytes(),
            manifest: None,
            index: None,
            source: None,
            mirror: None,
            state: None,
            layers: Vec::new(),
            created: jiff::Timestamp::now(),
            incomplete: false,
        };
        Arrived {
            record,
            config: None,
            unpacked: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Tells what came, unless nobody was asked.
    fn tell_arrival(&self, arrived: &Arrived, is_known: bool) {
        let Some(config) = &arrived.config else {
            return;
        };
        (self.tell)(if is_known {
            Event::Found
        } else {
            Event::Adding
        });
        if !arrived.unpacked.is_empty() {
            (self.tell)(Event::Unpacked(arrived.unpacked.clone()));
        }
        for warning in &arrived.warnings {
            (self.tell)(Event::Warning(warning.clone()));
        }
        self.tell_architecture(config);
    }

    /// The name of the image here.
    fn name(&self) -> &Reference {
        self.options.destination.as_ref().unwrap_or(self.reference)
    }

    /// Asks for the manifest, through indexes.
    fn manifest(&self) -> Result<Found, PullError> {
        (self.tell)(Event::Index);
        let mut fetched = self.client.manifest(&self.remote)?;
        let mirror = fetched.mirror.take();
        let mut index = None;
        let mut existing = false;
        for _ in 0..=DEEPEST_INDEX {
            self.draft.put_blob(&fetched.bytes)?;
            let descriptor = described(&fetched);
            let entry = match fetched.document {
                Document::Manifest(manifest) => {
                    (self.tell)(Event::Manifest { existing });
                    return Ok(Found {
                        manifest,
                        descriptor,
                        index,
                        mirror,
                    });
                }
                Document::Index(found) => found.select(&self.options.wanted)?.clone(),
            };
            index.get_or_insert(descriptor);
            (fetched, existing) = self.manifest_of(&entry)?;
        }
        Err(PullError::Nested(DEEPEST_INDEX))
    }

    /// The manifest that an index names; says whether it was here.
    fn manifest_of(&self, entry: &Descriptor) -> Result<(Fetched, bool), PullError> {
        let stored = self.stored("manifest", entry, LARGEST_MANIFEST)?;
        let Some(bytes) = stored else {
            return Ok((self.client.manifest_of(&self.remote, entry)?, false));
        };
        let document = Document::parse(&bytes, Some(&entry.media_type))?;
        let (digest, media_type) = (entry.digest.clone(), entry.media_type.clone());
        Ok((
            Fetched {
                bytes,
                digest,
                media_type,
                document,
                mirror: None,
            },
            true,
        ))
    }

    fn config(&self, descriptor: &Descriptor) -> Result<Vec<u8>, PullError> {
        let stored = self.stored("config", descriptor, LARGEST_CONFIG)?;
        (self.tell)(Event::Config {
            existing: stored.is_some(),
        });
        if let Some(bytes) = stored {
            return Ok(bytes);
        }
        let bytes = self.client.config(&self.remote, descriptor)?;
        self.draft.put_blob(&bytes)?;
        Ok(bytes)
    }

    /// The manifest or config that `wanted` describes, if it is here and may be used.
    fn stored(
        &self,
        what: &'static str,
        wanted: &Descriptor,
        most: u64,
    ) -> Result<Option<Vec<u8>>, PullError> {
        if self.options.always_download {
            return Ok(None);
        }
        let stored = self.storage.blobs().read(&wanted.digest, most)?;
        match stored.as_ref().map(|bytes| bytes.len() as u64) {
            Some(size) if size != wanted.size => {
                Err(FetchError::wrong_size(what, wanted.size, size).into())
            }
            _ => Ok(stored),
        }
    }

    /// Whether the image may be what was asked for.
    fn check_platform(&self, found: &Found, config: &ImageConfig) -> Result<(), PullError> {
        let wanted = match &self.options.wanted {
            Wanted::Yolo => return Ok(()),
            Wanted::Host { platform, .. } | Wanted::Exact(platform) => platform,
        };
        let image = config.platform();
        let was_asked = image.as_ref().is_some_and(|image| image.is_same_as(wanted));
        let warn = |text: String| (self.tell)(Event::Warning(text));
        match image {
            _ if was_asked => {}
            Some(image) if found.index.is_some() || is_host_or_amd64(&self.options.wanted) => {
                let compatible = found.index.is_some() && image.architecture == wanted.architecture;
                if !compatible {
                    warn(format!(
                        "image architecture does not match requested: {} != {}",
                        image.architecture_name(),
                        wanted.architecture_name()
                    ));
                }
            }
            None if found.index.is_some() => {}
            None if is_host_or_amd64(&self.options.wanted) => {
                warn("image is architecture-unaware".to_owned());
                let wanted = wanted.architecture_name();
                warn(format!("requested arch is {wanted}; using --arch=yolo"));
            }
            _ => return Err(PullError::ArchitectureUnaware),
        }
        Ok(())
    }

    fn tell_architecture(&self, config: &ImageConfig) {
        if let Some(image) = config.platform() {
            let host = &self.options.host;
            let foreign = image.os != host.os || image.architecture != host.architecture;
            let foreign_host = foreign.then(|| host.clone());
            (self.tell)(Event::Architecture {
                image,
                foreign_host,
            });
        }
    }

    fn record(&self, found: &Found, config: Vec<u8>, layers: Vec<ImageLayer>) -> ImageRecord {
        ImageRecord {
            name: self.name().clone(),
            origin: ImageOrigin::Pull,
            identity: format!("pulled:{}", found.descriptor.digest),
            config,
            manifest: Some(found.descriptor.clone()),
            index: found.index.clone(),
            source: Some(self.remote.to_string()),
            mirror: found.mirror.clone(),
            state: None,
            layers,
            created: jiff::Timestamp::now(),
            incomplete: false,
        }
    }
}

fn described(fetched: &Fetched) -> Descriptor {
    let size = fetched.bytes.len() as u64;
    Descriptor::new(fetched.media_type.clone(), fetched.digest.clone(), size)
}

fn is_host_or_amd64(wanted: &Wanted) -> bool {
    match wanted {
        Wanted::Host { .. } | Wanted::Yolo => true,
        Wanted::Exact(platform) => platform.architecture == "amd64",
    }
}
