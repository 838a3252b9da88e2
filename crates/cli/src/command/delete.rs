//! `ch-image delete`.
use super::{Context, Done};
use crate::failure::Failure;
use clap::Args;

/// Arguments of `delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Images to delete; *, ?, [abc] and [!abc] are wildcards
    #[arg(value_name = "IMAGE_GLOB", required = true)]
    globs: Vec<String>,
}
pub(super) fn run(_: &DeleteArgs, _: &Context) -> Done {
    Err(Failure::new("x"))
}
