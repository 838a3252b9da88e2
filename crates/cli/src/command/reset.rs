//! `ch-image reset`: empties the storage directory.

use ch_linux::tree::Budget;
use ch_storage::Storage;

use super::{Context, Done};
use crate::failure::advised;

/// Starts the storage directory again. What it held is deleted after success is certain.
pub(super) fn run(context: &Context) -> Done {
    let path = context.storage_path()?;
    let images = images(context);
    let storage = Storage::reset(&path, context.storage_options()).map_err(advised)?;
    storage.empty_trash(Budget::UNLIMITED)?;
    if let Some(images) = images {
        let text = format_args!("images deleted: {images}");
        context.terminal.info(text);
    }
    Ok(())
}

/// How many images there are; damage that keeps from counting them is a reason for a reset.
fn images(context: &Context) -> Option<usize> {
    let listing = context.existing_storage().ok()??.images().list().ok()?;
    Some(listing.images.len() + listing.damaged.len())
}
