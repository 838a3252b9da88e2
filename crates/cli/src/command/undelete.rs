//! `ch-image undelete`: brings back an image that `delete` took away.

use ch_storage::UndeleteError;
use clap::Args;

use super::common::CacheMode;
use super::context::reference;
use super::{Context, Done};
use crate::failure::{Failure, advised};

/// Arguments of `undelete`.
#[derive(Debug, Args)]
pub(crate) struct UndeleteArgs {
    /// Image to bring back
    #[arg(value_name = "IMAGE_REF")]
    image: String,
}

/// Brings back the last deleted image of that name. There is nothing to tell.
pub(super) fn run(arguments: &UndeleteArgs, context: &Context) -> Done {
    let image = reference(&arguments.image)?;
    if context.common.cache_mode(&context.environment)? == CacheMode::Disabled {
        return Err(Failure::new("only available when cache is enabled"));
    }
    // A directory that is not there is not made only to find nothing in it.
    if context.existing_storage()?.is_none() {
        return Err(advised(UndeleteError::NotDeleted));
    }
    let storage = context.storage()?;
    storage.images().undelete(&image).map_err(advised)?;
    storage.commit()?;
    Ok(())
}
