//! Images: records of what is stored under a name.
//!
//! A record is found by what its name *means* (`debian`, `debian:latest` and `docker.io/library/debian` are one
//! image), and keeps the spelling of the user. So the file is named by the meaning, in file form: replacing an
//! image is one `rename(2)` whatever the spelling. A record is renamed in only after every layer and
//! blob that it names was marked as being on disk.

mod deleted;
mod index;
mod name;
mod pattern;
mod record;

use std::fs::File;

use ch_linux::SyscallError;
use ch_linux::sync;
use ch_linux::tree::{Directory, Kind};
use ch_oci::{PartialDigest, Reference};

pub use deleted::UndeleteError;
pub(crate) use name::record_name;
pub use record::{ImageLayer, ImageOrigin, ImageRecord};

use crate::durability::UNMARKED;
use crate::opening::names;
use crate::sealed::{self, Damage, Sealed};
use crate::{LayerError, LayerId, PublishError, Storage};
use pattern::Pattern;

const EXTENSION: &str = ".json";

/// Fewer digits than this find nothing.
const SHORTEST_DIGEST: usize = 6;

/// Why an image can't be looked at. One that is not there is no error.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The system says no.
    #[error("can't read image records: {path}")]
    Read {
        /// Path below the storage directory.
        path: String,
        /// What failed.
        source: SyscallError,
    },
    /// The record is there and not what was written.
    #[error("storage: can't parse {}:{}", .0.path, .0.damage.line())]
    Damaged(#[source] DamagedRecord),
    /// The image has lost a layer.
    #[error("storage: layer {layer} is missing, needed by {name}")]
    LayerMissing {
        /// The layer.
        layer: LayerId,
        /// Name of the image.
        name: String,
    },
    /// One of its layers can't be looked at.
    #[error(transparent)]
    Layer(#[from] LayerError),
}

impl RecordError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Damaged(record) => Some(record.hint()),
            Self::LayerMissing { name, .. } => Some(format!("pull or build again: {name}")),
            Self::Read { .. } | Self::Layer(_) => None,
        }
    }
}

/// A record that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{damage}")]
pub struct DamagedRecord {
    /// Its path below the storage directory.
    pub path: String,
    /// What is wrong with it.
    pub damage: Damage,
}

impl DamagedRecord {
    /// The image, as far as the name of the file tells it.
    pub fn name(&self) -> String {
        let stem = self.stem();
        Reference::parse(stem).map_or_else(|_| stem.to_owned(), |name| name.to_string())
    }

    /// What the user can do.
    pub fn hint(&self) -> String {
        let name = self.name();
        if self.path.starts_with(deleted::PATH) {
            return format!("pull or build again: {name}");
        }
        format!("pull or build again: {name}; or remove it: ch-image delete {name}")
    }

    /// The name of its file without extension.
    fn stem(&self) -> &str {
        let file = self.file();
        file.strip_suffix(EXTENSION).unwrap_or(file)
    }

    /// The name of its file.
    pub(crate) fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// All records of one kind.
#[derive(Debug, Default)]
pub struct Listing {
    /// Sorted by the file form of their names.
    pub images: Vec<ImageRecord>,
    /// What is there and can't be read.
    pub damaged: Vec<DamagedRecord>,
}

/// The images of a storage directory.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    storage: &'a Storage,
}

impl<'a> Images<'a> {
    pub(crate) fn new(storage: &'a Storage) -> Self {
        Self { storage }
    }

    /// The image that `reference` means, or nothing. A digest, or a unique beginning of one, also finds an image
    /// of the same repository that was pulled by another name.
    pub fn get(&self, reference: &Reference) -> Result<Option<ImageRecord>, RecordError> {
        let file = file_of(reference);
        let failed = |source| RecordError::Read {
            path: format!("{}/{file}", names::IMAGES),
            source,
        };
        match read(self.storage, &file).map_err(failed)? {
            Some(Ok(record)) => Ok(Some(record)),
            Some(Err(damaged)) => Err(RecordError::Damaged(damaged)),
            None => match reference.digest() {
                Some(digest) if digest.hex().len() >= SHORTEST_DIGEST => {
                    self.with_digest(&name::repository(reference), digest)
                }
                _ => Ok(None),
            },
        }
    }

    fn with_digest(
        &self,
        repository: &str,
        digest: &PartialDigest,
    ) -> Result<Option<ImageRecord>, RecordError> {
        let mut found = self.list()?.images.into_iter().filter(|image| {
            let mut digests = image.manifest.iter().chain(&image.index);
            name::repository(&image.name) == repository
                && digests.any(|descriptor| digest.is_prefix_of(&descriptor.digest))
        });
        let Some(first) = found.next() else {
            return Ok(None);
        };
        let unique = found.all(|other| other.manifest == first.manifest);
        Ok(unique.then_some(first))
    }

    /// Makes sure that all layers of `record` are there.
    pub fn check_layers(&self, record: &ImageRecord) -> Result<(), RecordError> {
        for layer in &record.layers {
            if !self.storage.layers().contains(&layer.id)? {
                let (layer, name) = (layer.id.clone(), record.name.to_string());
                return Err(RecordError::LayerMissing { layer, name });
            }
        }
        Ok(())
    }

    /// All images.
    pub fn list(&self) -> Result<Listing, RecordError> {
        list(self.storage).map_err(|source| RecordError::Read {
            path: names::IMAGES.to_owned(),
            source,
        })
    }

    /// The images that an operand of `delete` stands for: by meaning if it has no wildcard, else by file form;
    /// and the stages of such a build. Of a record that can't be read the name of its file decides.
    pub fn matching(&self, glob: &str) -> Result<Listing, RecordError> {
        let pattern = Pattern::new(glob);
        let mut listing = self.list()?;
        listing.images.retain(|image| pattern.matches(&image.name));
        listing
            .damaged
            .retain(|damaged| pattern.matches_record(damaged.stem()));
        Ok(listing)
    }

    /// Stores `record` under its name, in place of the image that had it; says whether anything changed.
    ///
    /// What it names is taken to disk first, unless it is there. An unchanged image costs nothing.
    pub fn put(&self, record: &ImageRecord) -> Result<bool, PublishError> {
        self.storage.with_space(|| self.put_once(record))
    }

    fn put_once(&self, record: &ImageRecord) -> Result<bool, PublishError> {
        let failed = |source| PublishError::Image {
            name: record.name.to_string(),
            source,
        };
        let file = file_of(&record.name);
        let inner = self.storage.inner();
        if let Ok(Some(Ok(old))) = read(self.storage, &file)
            && old.says_the_same(record)
        {
            // It may have been stored without being taken to disk.
            self.require_parts(record)?;
            return Ok(false);
        }
        let scratch = self.storage.scratch().map_err(failed)?;
        let draft = ch_linux::boot::unique();
        let bytes = sealed::seal(record, &inner.origin);
        scratch
            .directory()
            .write(&draft, UNMARKED, &bytes)
            .map_err(failed)?;
        self.require_parts(record)?;
        // The content of the record is on disk before its name, too.
        if !self.storage.checkpoint()? && inner.durability.is_enabled() {
            scratch
                .directory()
                .file(&draft)
                .and_then(|file: File| sync::file(file))
                .map_err(failed)?;
        }
        scratch
            .directory()
            .rename(&draft, &inner.images, &file)
            .map_err(failed)?;
        inner.durability.record_changed();
        index::update(self.storage).map_err(failed)?;
        Ok(true)
    }

    /// Makes pending what `record` names and nobody has seen on disk yet.
    fn require_parts(&self, record: &ImageRecord) -> Result<(), PublishError> {
        let failed = |source| PublishError::Image {
            name: record.name.to_string(),
            source,
        };
        for layer in &record.layers {
            if !self.storage.layers().contains(&layer.id)? {
                let (layer, name) = (layer.id.clone(), record.name.to_string());
                return Err(PublishError::LayerMissing { layer, name });
            }
            self.storage
                .layers()
                .take_to_disk(&layer.id)
                .map_err(failed)?;
        }
        for digest in record.blobs() {
            // Opening an unmarked blob makes it pending; one that was pruned is no harm.
            self.storage
                .blobs()
                .open(digest)
                .map_err(|error| PublishError::Image {
                    name: record.name.to_string(),
                    source: error.into_source(),
                })?;
        }
        Ok(())
    }
}

/// Name of the file of the image that `reference` means.
pub(crate) fn file_of(reference: &Reference) -> String {
    format!("{}{EXTENSION}", record_name(reference))
}

/// The record in `file`, or what is wrong with it, or nothing.
fn read(
    storage: &Storage,
    file: &str,
) -> Result<Option<Result<ImageRecord, DamagedRecord>>, SyscallError> {
    read_in(&storage.inner().images, names::IMAGES, file)
}

/// The record in `file` of `directory`, which messages call `path`.
fn read_in(
    directory: &Directory,
    path: &str,
    file: &str,
) -> Result<Option<Result<ImageRecord, DamagedRecord>>, SyscallError> {
    let Some(bytes) = directory.try_read(file)? else {
        return Ok(None);
    };
    Ok(Some(match sealed::unseal(&bytes) {
        Ok(Sealed { value, .. }) => Ok(value),
        Err(damage) => Err(DamagedRecord {
            path: format!("{path}/{file}"),
            damage,
        }),
    }))
}

fn list(storage: &Storage) -> Result<Listing, SyscallError> {
    list_in(&storage.inner().images, names::IMAGES)
}

/// The records in `directory`, which messages call `path`.
fn list_in(directory: &Directory, path: &str) -> Result<Listing, SyscallError> {
    let mut listing = Listing::default();
    for entry in directory.entries()? {
        let Some(file) = entry.name.to_str().filter(|name| name.ends_with(EXTENSION)) else {
            continue;
        };
        if entry.kind != Kind::File {
            continue;
        }
        match read_in(directory, path, file)? {
            Some(Ok(record)) => listing.images.push(record),
            Some(Err(damaged)) => listing.damaged.push(damaged),
            None => {}
        }
    }
    listing
        .images
        .sort_by_cached_key(|record| record.name.file_form());
    listing
        .damaged
        .sort_by(|one, other| one.path.cmp(&other.path));
    Ok(listing)
}
