//! From a registry into a plain directory of the host.
//!
//! The image comes as in any pull and its blobs and layers stay in the storage directory, so that the
//! next pull of it is quick; but it gets no name there. Its layers are copied into a new directory
//! beside the wanted one, which takes its place when it is complete.
//!
//! Invariants: the wanted directory is the old one or the new one, whole, whenever it is looked at;
//! nothing that is neither empty nor an image is replaced.

mod description;
mod error;
mod place;

use std::path::Path;

use ch_linux::sync;
use ch_oci::{ImageConfig, Reference};
use ch_registry::Client;
use ch_storage::{ImageRecord, Storage};

use super::{Pull, PullError, PullOptions, Tell};
use crate::event::Event;
pub use error::DirectoryError;
use place::Place;

/// An image that was put into a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flattened {
    /// What would be stored if it had a name.
    pub record: ImageRecord,
    /// Files and directories of the image.
    pub entries: u64,
}

/// Brings the image that `reference` names into `directory`, which does not exist, is empty, or is an
/// image that is replaced. `options.destination` is not used: it has no name here.
pub fn pull_directory(
    storage: &Storage,
    client: &Client,
    reference: &Reference,
    directory: &Path,
    options: &PullOptions,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Flattened, PullError> {
    let place = Place::find(directory, storage.path())?;
    let pull = Pull::new(storage, client, reference, options, tell)?;
    tell(Event::Pulling(reference.clone()));
    tell(Event::DestinationDirectory(directory.to_owned()));
    if place.has_image() {
        tell(Event::Replacing(directory.to_owned()));
    }
    let arrived = pull.bring()?;
    pull.tell_arrival(&arrived, arrived.unpacked.is_empty());
    let flattened = flatten(storage, arrived.record, &place, tell)?;
    tell(Event::Done);
    Ok(flattened)
}

/// Makes the directory of an image whose layers are all here.
fn flatten(
    storage: &Storage,
    record: ImageRecord,
    place: &Place,
    tell: Tell<'_>,
) -> Result<Flattened, DirectoryError> {
    let layers = record.layer_ids();
    // Nobody else knows that they are still needed.
    let _lease = storage.lease(&layers)?;
    let draft = place.draft()?;
    let root = draft.root();
    let copied =
        ch_rootfs::flatten(storage, &layers, root).map_err(|error| place.explain(error))?;
    if copied.left_out > 0 {
        let left_out = copied.left_out;
        tell(Event::Warning(format!(
            "sockets and devices left out: {left_out}"
        )));
    }
    let complete = |source| DirectoryError::Complete {
        directory: place.path().to_owned(),
        source,
    };
    ch_rootfs::furnish(root).map_err(complete)?;
    let config = ImageConfig::parse(&record.config).unwrap_or_default();
    let warnings = description::write(root, &record, &config, &copied.owners).map_err(complete)?;
    for warning in warnings {
        tell(Event::Warning(warning));
    }
    if !sync::describe(root).map_err(complete)?.in_memory {
        sync::file_system(root).map_err(complete)?;
    }
    draft.publish()?;
    Ok(Flattened {
        record,
        entries: copied.entries,
    })
}
