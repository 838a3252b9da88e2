//! `ch-image reset`: empties the storage directory.

use ch_linux::tree::Budget;
use ch_storage::Storage;

use super::{Context, Done};
use crate::failure::advised;

/// Starts the storage directory again. What it held is deleted after success is certain.
pub(super) fn run(context: &Context) -> Done {
    let path = context.storage_path()?;
    let storage = Storage::reset(&path, context.storage_options()).map_err(advised)?;
    storage.empty_trash(Budget::UNLIMITED)?;
    Ok(())
}
