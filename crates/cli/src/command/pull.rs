//! `ch-image pull`: an image from a registry into the storage directory.

use std::path::Path;

use ch_oci::{Platform, Reference, RegistryDefaults, Wanted};
use ch_registry::Client;
use ch_storage::Storage;
use ch_transfer::{PullError, PullOptions, Pulled};
use clap::Args;

use super::context::reference;
use super::{Context, Done, platform, transfer};
use crate::failure::{Failure, advised};
use crate::terminal::{Terminal, Transfers};

/// Layers that are fetched at once.
const JOBS: usize = 6;

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
    if context.common.says_no_cache() {
        return Err(Failure::not_yet("pull --no-cache"));
    }
    if let Some(text) = arguments.destination.as_deref()
        && Path::new(text).is_dir()
    {
        context.terminal.warning(format_args!(
            "\"{text}\" is taken as an image name; write ./{text} for the directory"
        ));
    }
    let puller = Puller::new(context)?;
    let storage = context.storage()?;
    puller
        .pull(&image, destination, arguments.last_layer, &storage)
        .map_err(advised)?;
    storage.commit()?;
    Ok(())
}

/// What pulling needs beside the storage directory.
pub(super) struct Puller<'c> {
    client: Client,
    defaults: RegistryDefaults,
    wanted: Wanted,
    host: Platform,
    terminal: &'c Terminal,
}

impl<'c> Puller<'c> {
    /// As options and environment say.
    pub(super) fn new(context: &'c Context) -> Result<Self, Failure> {
        let terminal = &*context.terminal;
        Ok(Self {
            client: context.client()?,
            defaults: context.registry_defaults()?,
            wanted: platform::wanted(context.arch().as_deref(), terminal)?,
            host: platform::host(terminal),
            terminal,
        })
    }

    /// Brings one image, and shows how that goes on.
    pub(super) fn pull(
        &self,
        image: &Reference,
        destination: Option<Reference>,
        last_layer: Option<usize>,
        storage: &Storage,
    ) -> Result<Pulled, PullError> {
        let options = PullOptions {
            destination,
            defaults: self.defaults.clone(),
            wanted: self.wanted.clone(),
            host: self.host.clone(),
            last_layer,
            jobs: JOBS,
            unpack: ch_layer::Options::default(),
        };
        let transfers = Transfers::new(self.terminal);
        ch_transfer::pull(storage, &self.client, image, &options, &|event| {
            transfer::show(&event, &transfers, self.terminal);
        })
    }
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
