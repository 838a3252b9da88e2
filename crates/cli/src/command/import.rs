//! `ch-image import`.
use super::{Context, Done};
use crate::failure::Failure;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Directory or archive; - is standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Name of the image
    #[arg(value_name = "IMAGE_REF")]
    image: String,
}
pub(super) fn run(_: &ImportArgs, _: &Context) -> Done {
    Err(Failure::new("x"))
}
