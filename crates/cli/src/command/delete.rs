//! `ch-image delete`: removes images by name or pattern.

use ch_builder::similar_image;
use ch_storage::{ImageRecord, Selection, Storage};
use clap::Args;

use super::{Context, Done};
use crate::failure::{Failure, advised};

/// Arguments of `delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Delete for good, with everything that only these images need
    #[arg(long)]
    purge: bool,

    /// Images to delete; *, ?, [abc] and [!abc] are wildcards
    #[arg(value_name = "IMAGE_GLOB", required = true)]
    globs: Vec<String>,
}

/// Deletes what each operand describes; one that describes nothing does not keep the others.
pub(super) fn run(arguments: &DeleteArgs, context: &Context) -> Done {
    // A directory that is not there is not made only to find nothing in it.
    let storage = match context.existing_storage()? {
        Some(_) => Some(context.storage()?),
        None => None,
    };
    let mut purged = Vec::new();
    let mut invalid = 0;
    for glob in &arguments.globs {
        let deleted = match &storage {
            Some(storage) => delete(glob, arguments.purge, storage, context)?,
            None => Deleted::default(),
        };
        if arguments.purge {
            purged.extend(deleted.images);
        }
        if deleted.count == 0 {
            let message = format_args!("no matching image, can't delete: {glob}");
            let near = storage.as_ref().and_then(|it| similar_image(it, glob));
            let hint = near.map(|near| format!("did you mean {near}?"));
            let failure = Failure::new(message).with_any_hint(hint);
            context.terminal.error(&failure);
            invalid += 1;
        }
    }
    if let Some(storage) = storage {
        storage.commit()?;
        if !purged.is_empty() {
            free(purged, &storage, context);
        }
    }
    if invalid > 0 {
        return Err(Failure::new(format_args!(
            "unable to delete {invalid} invalid image(s)"
        )));
    }
    Ok(())
}

/// What was deleted.
#[derive(Default)]
struct Deleted {
    images: Vec<ImageRecord>,
    /// With those that can't be read.
    count: usize,
}

/// Deletes what `glob` describes; for good, if `purge` says so.
fn delete(
    glob: &str,
    purge: bool,
    storage: &Storage,
    context: &Context,
) -> Result<Deleted, Failure> {
    let images = storage.images();
    let matching = images.matching(glob).map_err(advised)?;
    let mut deleted = Deleted::default();
    for image in matching.images {
        let gone = if purge {
            images.purge(&image.name)
        } else {
            images.delete(&image.name)
        };
        // Another command may have been faster.
        if gone.map_err(advised)? {
            context
                .terminal
                .info(format_args!("deleting image: {}", image.name));
            deleted.images.push(image);
        }
    }
    deleted.count = deleted.images.len();
    for damaged in &matching.damaged {
        if images.delete_damaged(damaged).map_err(advised)? {
            context
                .terminal
                .info(format_args!("deleting damaged image: {}", damaged.name()));
            deleted.count += 1;
        }
    }
    Ok(deleted)
}

/// Frees what only the purged images needed. They are deleted, whatever becomes of that.
fn free(records: Vec<ImageRecord>, storage: &Storage, context: &Context) {
    let reason = match storage.collect(&Selection::purged(records)) {
        Ok(freed) if freed.in_use == 0 => return,
        Ok(_) => "others use them".to_owned(),
        Err(error) => error.to_string(),
    };
    context.terminal.warning(format_args!(
        "files are left to the next collection: {reason}"
    ));
}
