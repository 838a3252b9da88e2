//! `ch-image list`.
use super::{Context, Done};
use crate::failure::Failure;
use clap::Args;

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Also print when images changed
    #[arg(short, long)]
    long: bool,

    /// Image to print details of
    #[arg(value_name = "IMAGE_REF")]
    image: Option<String>,

    /// Ask no registry
    #[arg(long)]
    local: bool,
}
pub(super) fn run(_: &ListArgs, _: &Context) -> Done {
    Err(Failure::new("x"))
}
