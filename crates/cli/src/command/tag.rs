//! `ch-image tag`: other names for an image.

use ch_oci::Reference;
use ch_storage::{ImageOrigin, ImageRecord, Storage};
use clap::Args;
use jiff::Timestamp;

use super::context::{image, reference};
use super::{Context, Done};
use crate::failure::{Failure, advised};

/// Arguments of `tag`.
#[derive(Debug, Args)]
pub(crate) struct TagArgs {
    /// Take SOURCE away afterwards: rename it
    #[arg(long = "move")]
    rename: bool,

    /// Image to give other names
    #[arg(value_name = "SOURCE")]
    source: String,

    /// New names; an image that has one of them is replaced
    #[arg(value_name = "DEST", required = true)]
    destinations: Vec<String>,
}

/// Stores the record of SOURCE under each DEST. There is nothing to tell.
pub(super) fn run(arguments: &TagArgs, context: &Context) -> Done {
    let source = reference(&arguments.source)?;
    let destinations = arguments.destinations.iter().map(|text| reference(text));
    let destinations: Vec<Reference> = destinations.collect::<Result<_, Failure>>()?;
    // A directory that is not there is not made only to find nothing in it.
    let existing = context.existing_storage()?;
    let record = image(&source, existing.as_ref())?;
    drop(existing);
    let storage = context.storage()?;
    for name in &destinations {
        put(&record, name, arguments.rename, &storage)?;
    }
    let stays = |name: &Reference| name.identity() == record.name.identity();
    if arguments.rename && !destinations.iter().any(stays) {
        take_away(&record, &storage)?;
    }
    storage.commit()?;
    Ok(())
}

fn put(record: &ImageRecord, name: &Reference, rename: bool, storage: &Storage) -> Done {
    let renamed = ImageRecord {
        name: name.clone(),
        origin: if rename {
            record.origin
        } else {
            ImageOrigin::Tag
        },
        created: if rename {
            record.created
        } else {
            Timestamp::now()
        },
        ..record.clone()
    };
    storage.with_space(|| storage.images().put(&renamed))?;
    Ok(())
}

/// Removes `record`, unless another command has put something else in its place.
fn take_away(record: &ImageRecord, storage: &Storage) -> Done {
    let images = storage.images();
    if images.get(&record.name).map_err(advised)?.as_ref() == Some(record) {
        images.remove(&record.name).map_err(advised)?;
    }
    Ok(())
}
