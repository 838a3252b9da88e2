//! What the tests of pull and import share.

use std::sync::Mutex;

use ch_oci::Reference;
use ch_storage::Storage;

use crate::Event;

/// A storage directory of a test's own.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn storage(&self) -> Storage {
        let path = self.directory.path().join("storage");
        Storage::open(&path, ch_storage::Options::default()).unwrap()
    }

    /// Everything of the layer `number`, from 0, of an image.
    pub(crate) fn files(&self, name: &str, number: usize) -> std::path::PathBuf {
        let record = self
            .storage()
            .images()
            .get(&reference(name))
            .unwrap()
            .unwrap();
        let id = record.layers[number].id.to_string();
        self.directory
            .path()
            .join("storage/layers")
            .join(id)
            .join("fs")
    }
}

pub(crate) fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

/// Collects the lines of events.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub(crate) fn add(&self, event: Event) {
        let mut lines = self.0.lock().unwrap();
        let warning = matches!(event, Event::Warning(_));
        lines.extend(event.phases());
        lines.extend(event.line().map(|line| {
            if warning {
                format!("warning: {line}")
            } else {
                line
            }
        }));
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// An error and all its causes.
pub(crate) fn full_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
