//! An image as a plain directory of the host.
//!
//! Its layers are copied into a new directory beside the wanted one, which takes its place when it is complete.
//!
//! Invariants: the wanted directory is the old one or the new one, whole, whenever it is looked at;
//! nothing that is neither empty nor an image is replaced.

mod description;
mod error;
mod place;

use ch_storage::{ImageRecord, Storage};

use crate::beside;
use crate::event::{Event, Tell};
pub(crate) use description::{DESCRIPTION, NO_ROOM, describe};
pub use error::DirectoryError;
pub(crate) use place::Place;

/// An image that was put into a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flattened {
    /// What would be stored if it had a name.
    pub record: ImageRecord,
    /// Files and directories of the image.
    pub entries: u64,
}

/// Makes the directory of an image whose layers are all here.
pub(crate) fn flatten(
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
    let warnings = describe(root, &record, &copied.owners).map_err(complete)?;
    for warning in warnings {
        tell(Event::Warning(warning));
    }
    beside::sync_all(root, storage).map_err(complete)?;
    draft.publish(storage)?;
    Ok(Flattened {
        record,
        entries: copied.entries,
    })
}
