//! Tests of the whole directory: what is published, what survives, who waits for whom.

mod durability;
mod publishing;
mod sharing;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ch_oci::{Digest, Reference};
use jiff::Timestamp;

use crate::*;

/// A storage directory of its own.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    _temporary: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        Self {
            path: temporary.path().join("storage"),
            _temporary: temporary,
        }
    }

    pub(crate) fn open(&self) -> Storage {
        self.open_with(impatient())
    }

    pub(crate) fn open_with(&self, options: Options) -> Storage {
        Storage::open(&self.path, options).unwrap()
    }

    /// As after a restart of the machine.
    pub(crate) fn after_reboot(&self) -> Storage {
        self.open_with(Options {
            boot: Some("another boot".to_owned()),
            ..impatient()
        })
    }

    /// Names in a directory below the storage directory, sorted.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path.join(path)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Options of a test: nobody is waited for.
pub(crate) fn impatient() -> Options {
    Options {
        lock_timeout: Duration::ZERO,
        ..Options::default()
    }
}

/// Options that collect the notices.
pub(crate) fn listening() -> (Options, Arc<Mutex<Vec<Notice>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    let notify = Notify::new(move |notice| hear.lock().unwrap().push(notice.clone()));
    (
        Options {
            notify,
            ..impatient()
        },
        heard,
    )
}

pub(crate) fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

pub(crate) fn state_id(text: &str) -> StateId {
    StateId::new(&Digest::of(text.as_bytes()))
}

/// Publishes a layer with one file.
pub(crate) fn make_layer(storage: &Storage, content: &str) -> LayerId {
    let draft = storage.draft().unwrap();
    let layer = draft.layer().unwrap();
    layer
        .files
        .write("file", 0o644, content.as_bytes())
        .unwrap();
    let id = LayerId::random();
    let bytes = content.len() as u64;
    draft
        .publish_layer(
            &id,
            &LayerMeta {
                entries: 1,
                bytes,
                ..LayerMeta::new()
            },
        )
        .unwrap();
    id
}

pub(crate) fn state_of(layers: &[LayerId]) -> StateRecord {
    StateRecord {
        parent: None,
        instruction: "RUN true".to_owned(),
        layers: layers.to_vec(),
        created: Timestamp::now(),
    }
}

pub(crate) fn image_of(name: &str, layers: &[LayerId]) -> ImageRecord {
    ImageRecord {
        name: reference(name),
        origin: ImageOrigin::Build,
        identity: "test".to_owned(),
        config: b"{\"architecture\":\"amd64\"}".to_vec(),
        manifest: None,
        index: None,
        source: None,
        mirror: None,
        state: None,
        layers: layers.iter().cloned().map(ImageLayer::made).collect(),
        created: Timestamp::now(),
        incomplete: false,
    }
}
