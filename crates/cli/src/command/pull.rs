//! `ch-image pull`.
use super::{Context, Done};
use crate::failure::Failure;
use clap::Args;

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Unpack only the first N layers
    #[arg(long, value_name = "N")]
    last_layer: Option<u32>,

    /// Only print how IMAGE_REF is understood
    #[arg(long)]
    parse_only: bool,

    /// Image to pull, e.g. debian:bookworm
    #[arg(value_name = "IMAGE_REF")]
    image: String,

    /// Other name for the image here
    #[arg(value_name = "DEST_REF")]
    destination: Option<String>,
}
pub(super) fn run(_: &PullArgs, _: &Context) -> Done {
    Err(Failure::new("x"))
}
