//! From a registry into a plain directory of the host.
//!
//! The image comes as in any pull and its blobs and layers stay in the storage directory, so that the
//! next pull of it is quick; but it gets no name there.

use std::path::Path;

use ch_oci::Reference;
use ch_registry::Client;
use ch_storage::Storage;

use super::{Pull, PullError, PullOptions};
use crate::directory::{Flattened, Place, flatten};
use crate::event::Event;

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
    let place = Place::find(directory, storage, &options.unfinished)?;
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
