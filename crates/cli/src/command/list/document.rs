//! `list --json`.

use std::collections::HashMap;

use ch_oci::{Document, Reference, RegistryDefaults};
use ch_registry::Fetched;
use ch_storage::{ImageOrigin, ImageRecord, LayerId, Listing, Storage};
use serde::Serialize;

use super::{is_image, state_of};
use crate::command::json::{self, Items};
use crate::failure::Failure;

/// One image here.
#[derive(Debug, Serialize)]
pub(super) struct Image {
    name: String,
    reference: String,
    digest: Option<String>,
    config_digest: String,
    platform: Option<String>,
    modified: String,
    size: u64,
    unique_size: u64,
    layers: usize,
    incomplete: bool,
    origin: ImageOrigin,
}

/// Everything about one image.
#[derive(Debug, Serialize)]
pub(super) struct Details {
    local: Option<Image>,
    state: Option<String>,
    remote_reference: String,
    remote: Option<Remote>,
    host_platform: String,
}

/// What the registry has.
#[derive(Debug, Serialize)]
struct Remote {
    index: Option<String>,
    platforms: Vec<RemotePlatform>,
}

/// One image of an index; or the only one, whose platform only its config knows.
#[derive(Debug, Serialize)]
struct RemotePlatform {
    platform: Option<String>,
    digest: String,
    size: u64,
}

/// The images of `listing`.
pub(super) fn images(
    listing: &Listing,
    storage: &Storage,
    defaults: &RegistryDefaults,
) -> Result<Items<Image>, Failure> {
    let sizes = Sizes::of(&listing.images, storage)?;
    let images = listing.images.iter();
    let damaged = listing.damaged.iter();
    Ok(Items {
        items: images
            .map(|record| sizes.describe(record, defaults))
            .collect(),
        errors: damaged
            .map(|damaged| format!("storage: can't parse {}", damaged.path))
            .collect(),
    })
}

/// Everything about the image that `name` means; `remote` is what the registry has, if it was asked and has it.
pub(super) fn details(
    name: &Reference,
    record: Option<&ImageRecord>,
    storage: Option<&Storage>,
    defaults: &RegistryDefaults,
    remote: Option<&Fetched>,
    host: &str,
) -> Result<Details, Failure> {
    let local = match (record, storage) {
        (Some(record), Some(storage)) => {
            let listing = storage.images().list().map_err(crate::failure::advised)?;
            let sizes = Sizes::of(&listing.images, storage)?;
            Some(sizes.describe(record, defaults))
        }
        _ => None,
    };
    Ok(Details {
        local,
        state: record.map(|record| state_of(record).to_string()),
        remote_reference: name.remote(defaults).to_string(),
        remote: remote.map(describe_remote),
        host_platform: host.to_owned(),
    })
}

fn describe_remote(fetched: &Fetched) -> Remote {
    match &fetched.document {
        Document::Manifest(_) => Remote {
            index: None,
            platforms: vec![RemotePlatform {
                platform: None,
                digest: fetched.digest.to_string(),
                size: fetched.bytes.len() as u64,
            }],
        },
        Document::Index(index) => {
            let entries = index.manifests.iter();
            let entries = entries.filter(|entry| entry.artifact_type.is_none());
            let platforms = entries.filter_map(|entry| {
                let platform = entry.platform.as_ref().filter(is_image)?;
                Some(RemotePlatform {
                    platform: Some(platform.to_string()),
                    digest: entry.digest.to_string(),
                    size: entry.size,
                })
            });
            Remote {
                index: Some(fetched.digest.to_string()),
                platforms: platforms.collect(),
            }
        }
    }
}

/// Sizes of layers, and how many images name each.
struct Sizes(HashMap<LayerId, (u64, usize)>);

impl Sizes {
    fn of(images: &[ImageRecord], storage: &Storage) -> Result<Self, Failure> {
        let mut sizes: HashMap<LayerId, (u64, usize)> = HashMap::new();
        for image in images {
            let mut layers = image.layer_ids();
            layers.sort_unstable();
            layers.dedup();
            for layer in layers {
                if let Some((_, images)) = sizes.get_mut(&layer) {
                    *images += 1;
                    continue;
                }
                let size = storage.layers().size(&layer)?.unwrap_or(0);
                sizes.insert(layer, (size, 1));
            }
        }
        Ok(Self(sizes))
    }

    fn describe(&self, record: &ImageRecord, defaults: &RegistryDefaults) -> Image {
        let sum = |most: usize| -> u64 {
            let layers = record.layers.iter();
            let known = layers.filter_map(|layer| self.0.get(&layer.id));
            known
                .filter(|(_, images)| *images <= most)
                .map(|(size, _)| size)
                .sum()
        };
        Image {
            name: record.name.to_string(),
            reference: record.name.remote(defaults).to_string(),
            digest: json::digest(record).map(ToString::to_string),
            config_digest: json::config_digest(record).to_string(),
            platform: json::platform(record),
            modified: json::seconds(record.created),
            size: sum(usize::MAX),
            unique_size: sum(1),
            layers: record.layers.len(),
            incomplete: record.incomplete,
            origin: record.origin,
        }
    }
}
