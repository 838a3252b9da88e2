//! `ch-image push`: an image of the storage directory, or a directory, to a registry.

use std::path::{Path, PathBuf};

use ch_layer::Ownership;
use ch_oci::{Format, Reference};
use ch_registry::Client;
use ch_storage::{ImageRecord, Storage};
use ch_transfer::{AssembleOptions, Event, FormatChoice, PushEvent, PushOptions, Pushed};
use clap::{Args, ValueEnum};

use super::context::{image_or, reference};
use super::output::{Making, annotation};
use super::{Context, Done, platform, transfer};
use crate::failure::{Failure, advised};
use crate::terminal::Transfers;

/// Arguments of `push`.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Push the image in this directory instead of one in the storage directory
    #[arg(long = "image", value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Give the image this tag as well (repeatable)
    #[arg(long, value_name = "TAG")]
    also_tag: Vec<String>,

    /// Annotation of the manifest (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,

    /// How layers that were made here are compressed: gzip, zstd or uncompressed
    #[arg(long, value_name = "NAME")]
    compression: Option<String>,

    /// How much is done to make them small: 0 to 9 for gzip, 1 to 19 for zstd; needs --compression
    #[arg(long, value_name = "N", requires = "compression")]
    compression_level: Option<i32>,

    /// Compress the layers of base images anew, too
    #[arg(long)]
    force_compression: bool,

    /// Write the digest of what was pushed to FILE
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,

    /// Media types: oci or docker (default: those of the image that was pulled, else oci)
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,

    /// Uploads at a time
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,

    /// Whose the files of layers that were made here are
    #[arg(long, value_enum, default_value_t = OwnershipArg::Faithful)]
    ownership: OwnershipArg,

    /// Image to push; with --image its name there
    #[arg(value_name = "IMAGE_REF")]
    image: String,

    /// Other name for it there
    #[arg(value_name = "DEST_REF")]
    destination: Option<String>,
}

/// Whose files are.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum OwnershipArg {
    /// Whose the image says
    Faithful,
    /// All root's, without set-ID bits, devices and capabilities
    Root,
}

/// Pushes one image.
pub(super) fn run(arguments: &PushArgs, context: &Context) -> Done {
    let name = reference(&arguments.image)?;
    let other = arguments.destination.as_deref().map(reference);
    let other = other.transpose()?;
    let destination = other.as_ref().unwrap_or(&name);
    if destination.digest().is_some() {
        return Err(Failure::new(format_args!(
            "can't push to a digest: {destination}"
        )));
    }
    let also = arguments.also_tag.iter().map(|text| tag(text));
    let also = also.collect::<Result<Vec<_>, _>>()?;
    let making = arguments.making()?;
    let destination = destination.remote(&context.registry_defaults()?);
    let client = context.authenticated_client()?;
    tell(context, PushEvent::Pushing(name.clone()));
    if let Some(directory) = &arguments.directory {
        check(directory, context)?;
        ch_transfer::authenticate(&client, &destination).map_err(advised)?;
    }
    let (storage, record) = arguments.find(&name, context)?;
    platform::check(&record, context)?;
    if let Some(other) = other {
        tell(context, PushEvent::Destination(other));
    }
    let options = PushOptions {
        destination,
        also,
        assemble: assemble_options(&making, &record)?,
        jobs: usize::from(arguments.jobs),
    };
    let pushed = send(&storage, &client, &record, &options, context)?;
    storage.commit()?;
    if let Some(path) = &arguments.digestfile {
        write_digest(path, &pushed)?;
    }
    let done = Event::Done.line();
    context.terminal.info(done.unwrap_or_default());
    Ok(())
}

impl PushArgs {
    /// How the image is made.
    fn making(&self) -> Result<Making, Failure> {
        let format = match self.format.as_deref() {
            None => None,
            Some("oci") => Some(Format::Oci),
            Some("docker") => Some(Format::Docker),
            Some(other) => {
                let failure = Failure::new(format_args!("unknown format: {other}"));
                return Err(failure.with_hint("there are oci and docker"));
            }
        };
        let annotations = self.annotation.iter().map(|text| annotation(text));
        Ok(Making {
            compression: self.compression.clone(),
            level: self.compression_level,
            recompress: self.force_compression,
            ownership: match self.ownership {
                OwnershipArg::Faithful => Ownership::Faithful,
                OwnershipArg::Root => Ownership::Root,
            },
            format,
            annotations: annotations.collect::<Result<_, _>>()?,
        })
    }

    /// The image, and where its layers are.
    fn find(&self, name: &Reference, context: &Context) -> Result<(Storage, ImageRecord), Failure> {
        if let Some(directory) = &self.directory {
            return gathered(directory, name, context);
        }
        let storage = context.existing_storage()?;
        let record = image_or(name, storage.as_ref(), "can't push: no image")?;
        Ok((context.storage_or_read_only()?, record))
    }
}

/// Fails unless `directory` looks like an image.
fn check(directory: &Path, context: &Context) -> Done {
    ch_transfer::check_image_directory(directory).map_err(|_| {
        let directory = directory.display();
        Failure::new(format_args!(
            "can't push: {directory} does not appear to be an image"
        ))
    })?;
    tell(context, PushEvent::ImagePath(directory.to_owned()));
    Ok(())
}

/// The image that a directory is, as a layer of the storage directory.
fn gathered(
    directory: &Path,
    name: &Reference,
    context: &Context,
) -> Result<(Storage, ImageRecord), Failure> {
    let terminal = &*context.terminal;
    let storage = context.storage()?;
    let options = ch_transfer::ImportOptions {
        platform: platform::host(terminal),
        unpack: ch_layer::Options::default(),
    };
    let transfers = Transfers::new(terminal);
    let show = |event| transfer::show(&event, &transfers, terminal);
    let record = storage
        .with_space(|| ch_transfer::gather_directory(&storage, directory, name, &options, &show));
    Ok((storage.clone(), record.map_err(advised)?))
}

fn assemble_options(making: &Making, record: &ImageRecord) -> Result<AssembleOptions, Failure> {
    let came = record.manifest.as_ref();
    let came = came.and_then(|manifest| Format::of_manifest(&manifest.media_type));
    making.assemble(FormatChoice::Usual(came.unwrap_or(Format::Oci)), None, None)
}

/// Sends it, and shows how that goes on.
fn send(
    storage: &Storage,
    client: &Client,
    record: &ImageRecord,
    options: &PushOptions,
    context: &Context,
) -> Result<Pushed, Failure> {
    let terminal = &*context.terminal;
    let reader = context.client()?;
    let transfers = Transfers::new(terminal);
    let show = |event| transfer::show(&event, &transfers, terminal);
    let pushed = ch_transfer::push(storage, client, &reader, record, options, &show);
    pushed.map_err(advised)
}

fn tell(context: &Context, event: PushEvent) {
    context.terminal.info(event.line().unwrap_or_default());
}

/// A tag without a name.
fn tag(text: &str) -> Result<String, Failure> {
    let known = Reference::parse(&format!("x:{text}"));
    match known.as_ref().map(|known| known.tag()) {
        Ok(Some(tag)) if tag == text => Ok(text.to_owned()),
        _ => Err(Failure::new(format_args!("--also-tag: not a tag: {text}"))),
    }
}

fn write_digest(path: &Path, pushed: &Pushed) -> Result<(), Failure> {
    let written = std::fs::write(path, pushed.manifest.digest.to_string());
    written.map_err(|error| {
        let message = format_args!("can't write {}", path.display());
        Failure::caused(message, &error).of_another_directory()
    })
}
