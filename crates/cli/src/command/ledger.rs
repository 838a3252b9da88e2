//! What became of each layer of an image on its way: the result of `pull` and `import` as a document.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ch_storage::{ImageRecord, Storage};
use ch_transfer::{Event, LayerEvent};
use serde::Serialize;

use super::json;
use crate::failure::Failure;

/// What happened so far.
#[derive(Debug)]
pub(super) struct Ledger {
    since: Instant,
    /// By the number of the layer, from 1.
    downloaded: Mutex<BTreeMap<usize, u64>>,
}

/// How a layer came here.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum How {
    Downloaded,
    Existing,
    Made,
}

/// The result.
#[derive(Debug, Serialize)]
pub(super) struct Transferred {
    name: String,
    digest: Option<String>,
    config_digest: String,
    platform: Option<String>,
    layers: Vec<Layer>,
    bytes_transferred: u64,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Layer {
    digest: Option<String>,
    size: u64,
    diff_id: Option<String>,
    how: How,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            downloaded: Mutex::default(),
        }
    }

    /// Notes what matters of `event`.
    pub(super) fn note(&self, event: &Event) {
        if let Event::Layer(label, LayerEvent::Downloaded { total }) = event {
            self.downloaded().insert(label.index, *total);
        }
    }

    fn downloaded(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, u64>> {
        let held = self.downloaded.lock();
        held.unwrap_or_else(PoisonError::into_inner)
    }

    /// The result: `record`, whose layers were there, or were made, unless they were downloaded. The size of a layer
    /// is that of its archive, or of its files where there is none.
    pub(super) fn document(
        &self,
        record: &ImageRecord,
        otherwise: How,
        storage: &Storage,
    ) -> Result<Transferred, Failure> {
        let downloaded = self.downloaded();
        let mut layers = Vec::new();
        for (at, layer) in record.layers.iter().enumerate() {
            let size = match &layer.blob {
                Some(blob) => blob.size,
                None => storage.layers().size(&layer.id)?.unwrap_or(0),
            };
            let digest = layer.blob.as_ref().map(|blob| blob.digest.to_string());
            let how = if downloaded.contains_key(&(at + 1)) {
                How::Downloaded
            } else {
                otherwise
            };
            layers.push(Layer {
                digest,
                size,
                diff_id: layer.diff_id.as_ref().map(ToString::to_string),
                how,
            });
        }
        Ok(Transferred {
            name: record.name.to_string(),
            digest: json::digest(record).map(ToString::to_string),
            config_digest: json::config_digest(record).to_string(),
            platform: json::platform(record),
            layers,
            bytes_transferred: downloaded.values().sum(),
            seconds: self.since.elapsed().as_secs_f64(),
        })
    }
}
