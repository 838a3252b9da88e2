//! Layers that an image has lost, made again from the blobs in which they came. No registry is asked.

use ch_storage::{ImageRecord, Key, LayerId, Storage};

use super::PullError;
use super::layers::{Planned, settle};
use super::one::{self, Fetched, Place};
use crate::event::LayerLabel;

/// Unpacks the layers of `image` that are missing, as far as their blobs are in `storage`; says whether all
/// layers are there now.
pub fn restore(storage: &Storage, image: &ImageRecord) -> Result<bool, PullError> {
    let place = Place {
        storage,
        unpack: &ch_layer::Options::default(),
    };
    let mut below: Vec<LayerId> = Vec::new();
    for (at, layer) in image.layers.iter().enumerate() {
        if !storage.layers().contains(&layer.id)? {
            let (Some(blob), Some(diff_id)) = (&layer.blob, &layer.diff_id) else {
                return Ok(false);
            };
            let planned = Planned {
                label: LayerLabel {
                    index: at + 1,
                    count: image.layers.len(),
                    digest: blob.digest.clone(),
                },
                blob: blob.clone(),
                diff_id: diff_id.clone(),
                chained: layer.id.clone(),
            };
            if made_again(place, &planned, &below)? != Some(layer.id.clone()) {
                return Ok(false);
            }
        }
        below.push(layer.id.clone());
    }
    Ok(true)
}

/// Unpacks a layer; `None` without its blob.
fn made_again(
    place: Place<'_>,
    layer: &Planned,
    below: &[LayerId],
) -> Result<Option<LayerId>, PullError> {
    let digest = &layer.blob.digest;
    let lock = place.storage.once(&Key::Blob(digest));
    let _lock = lock.map_err(PullError::Lock)?;
    let Some(blob) = place.storage.blobs().open(digest)? else {
        return Ok(None);
    };
    let draft = place.storage.draft()?;
    let unpacked = one::unpack(place, &layer.label, &draft, blob)?;
    Ok(Some(match one::publish_layer(layer, draft, unpacked)? {
        Fetched::Existing(id) | Fetched::Unpacked { id, .. } => id,
        Fetched::Unsettled(unsettled) => settle(place.storage, layer, unsettled, below)?,
    }))
}
