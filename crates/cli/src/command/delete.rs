//! `ch-image delete`: removes images by name or pattern.

use ch_builder::similar_image;
use ch_storage::Storage;
use clap::Args;

use super::{Context, Done};
use crate::failure::{Failure, advised};

/// Arguments of `delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
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
    let mut invalid = 0;
    for glob in &arguments.globs {
        let deleted = match &storage {
            Some(storage) => delete(glob, storage, context)?,
            None => 0,
        };
        if deleted == 0 {
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
    }
    if invalid > 0 {
        return Err(Failure::new(format_args!(
            "unable to delete {invalid} invalid image(s)"
        )));
    }
    Ok(())
}

/// Deletes what `glob` describes and says how many images that were.
fn delete(glob: &str, storage: &Storage, context: &Context) -> Result<usize, Failure> {
    let images = storage.images();
    let matching = images.matching(glob).map_err(advised)?;
    let mut deleted = 0;
    for image in &matching.images {
        // Another command may have been faster.
        if images.delete(&image.name).map_err(advised)? {
            context
                .terminal
                .info(format_args!("deleting image: {}", image.name));
            deleted += 1;
        }
    }
    for damaged in &matching.damaged {
        if images.delete_damaged(damaged).map_err(advised)? {
            context
                .terminal
                .info(format_args!("deleting damaged image: {}", damaged.name()));
            deleted += 1;
        }
    }
    Ok(deleted)
}
