//! `ch-image pull`: an image from a registry into the storage directory, or into a plain directory.

use std::path::{Path, PathBuf};

use ch_oci::{Platform, Reference, RegistryDefaults, Wanted};
use ch_registry::Client;
use ch_storage::Storage;
use ch_transfer::{Event, PullError, PullOptions, Pulled, Unfinished};
use clap::Args;

use super::common::CacheMode;
use super::context::reference;
use super::json::{self, FormatArgs};
use super::ledger::{How, Ledger};
use super::{Context, Done, platform, transfer};
use crate::failure::{Failure, advised};
use crate::terminal::{Terminal, Transfers};

/// Layers that are fetched at once, if nothing else is said.
const JOBS: u8 = 6;

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    #[command(flatten)]
    format: FormatArgs,

    /// Downloads at a time
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,

    /// Unpack only the first N layers
    #[arg(long, value_name = "N")]
    last_layer: Option<usize>,

    /// Only print how IMAGE_REF is understood
    #[arg(long)]
    parse_only: bool,

    /// Image to pull, e.g. debian:bookworm
    #[arg(value_name = "IMAGE_REF")]
    image: String,

    /// Other name for the image here, or with / a directory to put it into; if that is an image, it is replaced
    #[arg(value_name = "DEST_REF|IMAGE_DIR")]
    destination: Option<String>,

    /// Name for the image here, whatever it looks like
    #[arg(long = "as", value_name = "REF", conflicts_with_all = ["destination", "directory"])]
    name: Option<String>,

    /// Directory to put the image into, whatever it looks like; an image in it is replaced
    #[arg(long = "dir", value_name = "DIR", conflicts_with = "destination")]
    directory: Option<PathBuf>,
}

/// Where the image goes.
enum Destination {
    /// Into the storage directory, under the name it was asked for by or another one.
    Name(Option<Reference>),
    /// Only into a directory.
    Directory(PathBuf),
}

impl PullArgs {
    fn destination(&self) -> Result<Destination, Failure> {
        let text = self.name.as_deref().or(self.destination.as_deref());
        Ok(match (&self.directory, text) {
            (Some(directory), _) => Destination::Directory(directory.clone()),
            (None, Some(text)) if self.name.is_none() && is_directory(text) => {
                Destination::Directory(text.into())
            }
            (None, text) => Destination::Name(text.map(reference).transpose()?),
        })
    }

    /// The second operand, if it was taken for a name and there is a directory of that name.
    fn ambiguous(&self) -> Option<&str> {
        let text = self.destination.as_deref()?;
        (!is_directory(text) && Path::new(text).is_dir()).then_some(text)
    }
}

/// Pulls, or says how the reference is understood.
pub(super) fn run(arguments: &PullArgs, context: &Context) -> Done {
    let image = reference(&arguments.image)?;
    let destination = arguments.destination()?;
    if arguments.parse_only {
        return context.terminal.output(format!("{}\n", image.report()));
    }
    if let Some(text) = arguments.ambiguous() {
        context.terminal.warning(format_args!(
            "\"{text}\" is taken as an image name; write ./{text} for the directory"
        ));
    }
    let is_json = arguments.format.is_json(context);
    if is_json && matches!(destination, Destination::Directory(_)) {
        return Err(Failure::not_yet("pull --json into a directory"));
    }
    let mode = context.common.cache_mode(&context.environment)?;
    let usual = Puller::new(context)?;
    let puller = Puller {
        always_download: usual.always_download || mode == CacheMode::Disabled,
        jobs: arguments.jobs.into(),
        ..usual
    };
    let storage = context.storage()?;
    let last_layer = arguments.last_layer;
    let pulled = match destination {
        Destination::Name(name) => puller.pull(&image, name, last_layer, &storage).map(Some),
        Destination::Directory(path) => puller
            .pull_directory(&image, &path, last_layer, &storage)
            .map(|()| None),
    };
    let pulled = pulled.map_err(|error| match error {
        error @ PullError::Directory(_) => advised(error).of_another_directory(),
        error => advised(error),
    })?;
    storage.commit()?;
    match pulled {
        Some(pulled) if is_json => {
            let ledger = &puller.ledger;
            let document = ledger.document(&pulled.record, How::Existing, &storage)?;
            json::print("pull", &document, context)
        }
        _ => Ok(()),
    }
}

/// What pulling needs beside the storage directory.
pub(super) struct Puller<'c> {
    client: Client,
    defaults: RegistryDefaults,
    wanted: Wanted,
    host: Platform,
    unfinished: Unfinished,
    /// What is in the storage directory is not used.
    always_download: bool,
    /// Layers that are fetched at once.
    jobs: usize,
    ledger: Ledger,
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
            unfinished: context.interrupt.unfinished().clone(),
            always_download: context.common.registry.always_download,
            jobs: JOBS.into(),
            ledger: Ledger::new(),
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
        let options = self.options(destination, last_layer);
        self.showing(|tell| {
            storage.with_space(|| ch_transfer::pull(storage, &self.client, image, &options, tell))
        })
    }

    /// Puts one image into a directory.
    fn pull_directory(
        &self,
        image: &Reference,
        path: &Path,
        last_layer: Option<usize>,
        storage: &Storage,
    ) -> Result<(), PullError> {
        let options = self.options(None, last_layer);
        self.showing(|tell| {
            ch_transfer::pull_directory(storage, &self.client, image, path, &options, tell)
        })
        .map(|_| ())
    }

    fn options(&self, destination: Option<Reference>, last_layer: Option<usize>) -> PullOptions {
        PullOptions {
            destination,
            defaults: self.defaults.clone(),
            wanted: self.wanted.clone(),
            host: self.host.clone(),
            last_layer,
            always_download: self.always_download,
            jobs: self.jobs,
            unpack: ch_layer::Options::default(),
            unfinished: self.unfinished.clone(),
        }
    }

    /// Does `work`, and shows how it goes on.
    fn showing<T>(&self, work: impl FnOnce(&(dyn Fn(Event) + Sync)) -> T) -> T {
        let transfers = Transfers::new(self.terminal);
        work(&|event| {
            self.ledger.note(&event);
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
