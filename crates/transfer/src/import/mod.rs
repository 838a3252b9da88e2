//! From a directory or an archive into the storage directory: an image of one layer.
//!
//! A directory goes through the same way as an archive: it is packed on another thread and unpacked
//! while it is packed, so that there is one place where owners, devices and attributes are kept. The
//! digest of that archive is what later builds take the image for, together with whether a top directory was
//! taken out of it.

mod config;
mod error;
mod owners;
mod source;
mod top;

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use ch_layer::{Destination, Stack, Unpacked};
use ch_linux::tree::Directory;
use ch_oci::{Digest, Platform, Reference};
use ch_storage::{
    Draft, ImageLayer, ImageOrigin, ImageRecord, LayerDraft, LayerId, LayerMeta, Storage,
};

use crate::event::Event;
use crate::meta;
pub use config::described;
pub use error::ImportError;
use source::Opened;
pub use source::Source;

/// How an image is imported.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// What it is for, unless it says so itself.
    pub platform: Platform,
    /// How it is unpacked.
    pub unpack: ch_layer::Options,
}

/// An image that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What is stored under its name.
    pub record: ImageRecord,
    /// Whether it brought a configuration; else it has defaults.
    pub configured: bool,
}

/// Brings `source` into `storage` as the image `name`, in place of one that had the name.
pub fn import(
    storage: &Storage,
    source: Source,
    name: &Reference,
    options: &ImportOptions,
    tell: &dyn Fn(Event),
) -> Result<Imported, ImportError> {
    tell(Event::Importing(source.to_string()));
    tell(Event::ImportDestination(name.clone()));
    let imported = gather(storage, source, name, options, tell, Purpose::Keep)?;
    storage.images().put(&imported.record)?;
    tell(Event::Done);
    Ok(imported)
}

/// Fails unless `directory` looks like an image.
pub fn check_image_directory(directory: &Path) -> Result<(), ImportError> {
    let not_found = || ImportError::NotFound {
        path: directory.to_owned(),
    };
    let opened = ch_linux::file::open_directory(directory).map_err(|_| not_found())?;
    let opened = Directory::from_descriptor(opened, directory);
    match &ch_rootfs::missing_directories(&opened)[..] {
        [] => Ok(()),
        _ => Err(not_found()),
    }
}

/// The image that `directory` is; it gets no name in `storage`. What a directory image has for the sake of `ch-run`
/// is left out.
pub fn gather_directory(
    storage: &Storage,
    directory: &Path,
    name: &Reference,
    options: &ImportOptions,
    tell: &dyn Fn(Event),
) -> Result<ImageRecord, ImportError> {
    let source = Source::Path(directory.to_owned());
    Ok(gather(storage, source, name, options, tell, Purpose::Pass)?.record)
}

/// What an image is gathered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// It gets a name.
    Keep,
    /// It is passed on. Another time the same files are the same layer, whose archive is there already.
    Pass,
}

/// Makes a layer of `source`, and the record of an image that has it.
fn gather(
    storage: &Storage,
    source: Source,
    name: &Reference,
    options: &ImportOptions,
    tell: &dyn Fn(Event),
    purpose: Purpose,
) -> Result<Imported, ImportError> {
    let label = source.to_string();
    let opened = source.open()?;
    let is_archive = matches!(opened, Opened::Archive(_));
    let draft = storage.draft()?;
    let layer = draft.layer()?;
    let mut unpacked = unpack(storage, opened, &label, &layer, options, tell)?;
    ch_layer::settle(layer.files.as_fd(), &mut unpacked, &Stack::new([])).map_err(|error| {
        ImportError::Settle {
            place: label,
            source: error,
        }
    })?;
    let mut meta = meta::of(&unpacked);
    let stripped = if is_archive {
        source::refuse_image_archives(&layer.files)?;
        top::strip(&layer, &mut meta).map_err(ImportError::Layer)?
    } else {
        false
    };
    owners::restore(&layer).map_err(ImportError::Layer)?;
    let found = config::take(&layer.files)?;
    let configured = found.is_some();
    if configured && purpose == Purpose::Pass {
        ch_rootfs::unfurnish(&layer.files).map_err(ImportError::Layer)?;
    }
    let config = config::complete(found, &options.platform);
    let identity = identity(&unpacked.diff_id, stripped, &config);
    for warning in &unpacked.warnings {
        tell(Event::Warning(warning.clone()));
    }
    let id = match purpose {
        Purpose::Keep => LayerId::random(),
        Purpose::Pass => LayerId::gathered(&unpacked.diff_id),
    };
    let layers = publish(&draft, &id, &meta)?;
    let record = ImageRecord {
        name: name.clone(),
        origin: ImageOrigin::Import,
        identity,
        config,
        manifest: None,
        index: None,
        source: None,
        mirror: None,
        state: None,
        layers,
        created: jiff::Timestamp::now(),
        incomplete: false,
    };
    Ok(Imported { record, configured })
}

fn publish(draft: &Draft, id: &LayerId, meta: &LayerMeta) -> Result<Vec<ImageLayer>, ImportError> {
    let id = draft.publish_layer(id, meta)?;
    Ok(vec![ImageLayer::made(id)])
}

/// What a build upon the image depends on. The same archive makes two images, with its top directory and without.
fn identity(content: &Digest, stripped: bool, config: &[u8]) -> String {
    let config = Digest::of(&config::without_times(config));
    let stripped = if stripped { " stripped" } else { "" };
    format!(
        "imported:{}",
        Digest::of(format!("{content} {config}{stripped}").as_bytes())
    )
}

fn unpack(
    storage: &Storage,
    opened: Opened,
    label: &str,
    layer: &LayerDraft,
    options: &ImportOptions,
    tell: &dyn Fn(Event),
) -> Result<Unpacked, ImportError> {
    let read = |input: &mut (dyn Read + Send)| {
        let destination = Destination {
            files: layer.files.as_fd(),
            beside: layer.directory.as_fd(),
        };
        ch_layer::unpack(input, destination, &options.unpack)
            .map_err(|error| error::explain(storage.path(), label, error))
    };
    match opened {
        Opened::Archive(mut input) => read(&mut input),
        Opened::Directory(directory) => {
            let (unpacked, packed) = through_pipe(&directory, label, read)?;
            if packed.sockets > 0 {
                tell(Event::Warning(format!(
                    "sockets left out: {}",
                    packed.sockets
                )));
            }
            Ok(unpacked)
        }
    }
}

/// Packs `directory` on another thread for `read`.
fn through_pipe(
    directory: &Directory,
    label: &str,
    read: impl FnOnce(&mut (dyn Read + Send)) -> Result<Unpacked, ImportError>,
) -> Result<(Unpacked, ch_layer::Packed), ImportError> {
    let (mut output, input) = io::pipe().map_err(ImportError::Pipe)?;
    std::thread::scope(|scope| {
        let packer = std::thread::Builder::new()
            .spawn_scoped(scope, move || ch_layer::pack_plain(directory, input))
            .map_err(ImportError::Thread)?;
        let unpacked = read(&mut output);
        // A packer that still writes must notice that nobody reads.
        drop(output);
        match (packer.join().expect("packing does not panic"), unpacked) {
            // When writing failed, reading has the reason.
            (Err(ch_layer::PackError::Write(_)), Err(error)) => Err(error),
            (Err(error), _) => Err(ImportError::Pack {
                directory: label.to_owned(),
                source: error,
            }),
            (Ok(packed), unpacked) => Ok((unpacked?, packed)),
        }
    })
}

#[cfg(test)]
mod tests;
