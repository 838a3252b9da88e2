//! `ch-image pull`: an image from a registry into the storage directory.

use std::error::Error;
use std::path::Path;

use ch_oci::Reference;
use ch_storage::Storage;
use clap::Args;

use super::context::reference;
use super::{Context, Done};
use crate::failure::Failure;

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Unpack only the first N layers
    #[arg(long, value_name = "N")]
    last_layer: Option<usize>,

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

/// Pulls, or says how the reference is understood.
pub(super) fn run(arguments: &PullArgs, context: &Context) -> Done {
    let image = reference(&arguments.image)?;
    let destination = match arguments.destination.as_deref() {
        Some(text) if is_directory(text) => {
            return Err(Failure::not_yet(format_args!(
                "pull into a directory: {text}"
            )));
        }
        Some(text) => Some(reference(text)?),
        None => None,
    };
    if arguments.parse_only {
        return context.terminal.output(format!("{}\n", image.report()));
    }
    if let Some(text) = arguments.destination.as_deref()
        && Path::new(text).is_dir()
    {
        context.terminal.warning(format_args!(
            "\"{text}\" is taken as an image name; write ./{text} for the directory"
        ));
    }
    let _ = (destination, arguments.last_layer);
    Err(Failure::new("x"))
}

/// Brings the base image of a build.
pub(super) fn for_build(
    image: &Reference,
    storage: &Storage,
    context: &Context,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let _ = (image, storage, context);
    Err("not yet".into())
}

/// Whether the second operand means a directory: nothing that looks so is a reference.
fn is_directory(text: &str) -> bool {
    text.starts_with(['/'])
        || text.starts_with("./")
        || text.starts_with("../")
        || text.ends_with('/')
        || matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_told_from_names() {
        for text in ["/tmp/x", "./x", "../x", ".", "..", "x/", "a/b/"] {
            assert!(is_directory(text), "{text}");
        }
        for text in ["x", "a/b", "localhost:5000/x", ".x", "a..b"] {
            assert!(!is_directory(text), "{text}");
        }
    }
}
