//! The layers of an image: several at once, then the few that depend on others.

use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use ch_layer::Stack;
use ch_oci::{Descriptor, Digest, ImageConfig, Manifest, media_type};
use ch_storage::{ImageLayer, LayerId, Storage};

use super::one::{self, Fetched, Unsettled};
use super::{MOST_LAYERS, Pull, PullError};
use crate::event::{Event, LayerEvent, LayerLabel};
use crate::meta;

/// A layer that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) label: LayerLabel,
    pub(super) blob: Descriptor,
    pub(super) diff_id: Digest,
    /// Its name if its content depends on the layers below.
    pub(super) chained: LayerId,
}

/// What became of all layers.
pub(super) struct Outcome {
    pub(super) layers: Vec<ImageLayer>,
    /// Those that were not here.
    pub(super) unpacked: Vec<LayerLabel>,
    pub(super) warnings: Vec<String>,
}

impl Pull<'_> {
    /// Which layers are wanted, the lowest first. Tells of those that are not.
    pub(super) fn plan_layers(
        &self,
        manifest: &Manifest,
        config: &ImageConfig,
    ) -> Result<Vec<Planned>, PullError> {
        let diff_ids = &config.rootfs.diff_ids;
        let count = manifest.layers.len();
        if count > MOST_LAYERS {
            return Err(PullError::ManyLayers {
                count,
                limit: MOST_LAYERS,
            });
        }
        if diff_ids.len() != count {
            return Err(PullError::LayerCount {
                diff_ids: diff_ids.len(),
                layers: count,
            });
        }
        let mut planned = Vec::new();
        let mut chain: Option<Digest> = None;
        for (at, (blob, diff_id)) in manifest.layers.iter().zip(diff_ids).enumerate() {
            let label = LayerLabel {
                index: at + 1,
                count,
                digest: blob.digest.clone(),
            };
            if self.options.last_layer.is_some_and(|last| at >= last) {
                (self.tell)(Event::Layer(label, LayerEvent::Skipped));
                continue;
            }
            if media_type::layer_compression(&blob.media_type).is_none() {
                let media_type = blob.media_type.clone();
                return Err(PullError::MediaType {
                    index: at + 1,
                    count,
                    media_type,
                });
            }
            // As the image specification computes it.
            let above = match chain {
                Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
                None => diff_id.clone(),
            };
            let (blob, diff_id) = (blob.clone(), diff_id.clone());
            planned.push(Planned {
                label,
                blob,
                diff_id,
                chained: LayerId::chained(&above),
            });
            chain = Some(above);
        }
        Ok(planned)
    }
}

/// Makes sure that all `layers` are in the storage directory.
pub(super) fn fetch(pull: &Pull<'_>, layers: &[Planned]) -> Result<Outcome, PullError> {
    let fetched = fetch_all(pull, layers)?;
    let mut outcome = Outcome {
        layers: Vec::new(),
        unpacked: Vec::new(),
        warnings: Vec::new(),
    };
    let mut ids: Vec<LayerId> = Vec::new();
    for (layer, fetched) in layers.iter().zip(fetched) {
        let id = match fetched {
            Fetched::Existing(id) => id,
            Fetched::Unpacked { id, warnings } => {
                outcome.unpacked.push(layer.label.clone());
                outcome.warnings.extend(about(layer, warnings));
                id
            }
            Fetched::Unsettled(unsettled) => {
                outcome.unpacked.push(layer.label.clone());
                let warnings = unsettled.unpacked.warnings.clone();
                outcome.warnings.extend(about(layer, warnings));
                settle(pull.storage, layer, unsettled, &ids)?
            }
        };
        outcome.layers.push(ImageLayer {
            id: id.clone(),
            diff_id: Some(layer.diff_id.clone()),
            blob: Some(layer.blob.clone()),
            repositories: vec![one::repository(&pull.remote)],
        });
        ids.push(id);
    }
    Ok(outcome)
}

fn about(layer: &Planned, warnings: Vec<String>) -> impl Iterator<Item = String> {
    let LayerLabel { index, count, .. } = layer.label;
    warnings
        .into_iter()
        .map(move |warning| format!("layer {index}/{count}: {warning}"))
}

/// Fetches what is missing on several threads; the first failure stops all.
fn fetch_all(pull: &Pull<'_>, layers: &[Planned]) -> Result<Vec<Fetched>, PullError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failure: Mutex<Option<PullError>> = Mutex::new(None);
    let results: Vec<Mutex<Option<Fetched>>> = layers.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(layer) = layers.get(at) else { break };
            match one::fetch(pull, layer, &stop) {
                Ok(fetched) => *held(&results[at]) = Some(fetched),
                Err(error) => {
                    // What fails afterwards fails because it is told to stop.
                    if !stop.swap(true, Ordering::Relaxed) {
                        *held(&failure) = Some(error);
                    }
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..pull.options.jobs.clamp(1, layers.len().max(1)) {
            // With too many processes there are fewer at a time; this thread is always there.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    if let Some(error) = held(&failure).take() {
        return Err(error);
    }
    let taken = |result: Mutex<Option<Fetched>>| {
        let result = result
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        result.expect("without a failure every layer was fetched")
    };
    Ok(results.into_iter().map(taken).collect())
}

/// A thread that panics takes the whole program with it, so nothing half done is ever seen.
fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Adjusts a layer to those below it and publishes it.
pub(super) fn settle(
    storage: &Storage,
    layer: &Planned,
    unsettled: Box<Unsettled>,
    below: &[LayerId],
) -> Result<LayerId, PullError> {
    let LayerLabel { index, count, .. } = layer.label;
    let Unsettled {
        draft,
        files,
        mut unpacked,
    } = *unsettled;
    let mut lower = Vec::new();
    for id in below.iter().rev() {
        if let Some(layer) = storage.layers().get(id)? {
            lower.push(layer.files()?);
        }
    }
    let stack = Stack::new(lower.iter().map(AsFd::as_fd));
    ch_layer::settle(files.as_fd(), &mut unpacked, &stack).map_err(|source| PullError::Settle {
        index,
        count,
        source,
    })?;
    let mut meta = meta::of(&unpacked);
    meta.diff_id = Some(layer.diff_id.clone());
    meta.parent = below.last().cloned();
    Ok(draft.publish_layer(&layer.chained, &meta)?)
}
