//! One layer, from the registry or from the blob that is here, into files.

use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use ch_layer::{Destination, UnpackError, Unpacked};
use ch_linux::tree::Directory;
use ch_oci::{Digest, RemoteReference};
use ch_registry::{Blob, BlobError, FetchError};
use ch_storage::{BlobDraft, Draft, Key, LayerId, PublishError, Storage};

use super::error::Received;
use super::layers::Planned;
use super::{LayerDownloadError, Pull, PullError, Tell};
use crate::event::{Event, LayerEvent, LayerLabel};
use crate::meta;

/// Bytes of a blob that are written at once.
const WRITE: usize = 256 * 1024;
/// Bytes between two reports of progress.
const REPORT: u64 = 512 * 1024;

/// What became of a layer.
pub(super) enum Fetched {
    /// It was here.
    Existing(LayerId),
    /// It is here now.
    Unpacked {
        /// Its name.
        id: LayerId,
        /// What could not be kept.
        warnings: Vec<String>,
    },
    /// Its files are here, but depend on the layers below.
    Unsettled(Box<Unsettled>),
}

/// A layer that has to be adjusted to those below it.
pub(super) struct Unsettled {
    pub(super) draft: Draft,
    pub(super) files: Directory,
    pub(super) unpacked: Unpacked,
}

/// Brings one layer into the storage directory, unless it is there.
pub(super) fn fetch(
    pull: &Pull<'_>,
    layer: &Planned,
    stop: &AtomicBool,
) -> Result<Fetched, PullError> {
    check_size(pull, layer)?;
    if let Some(id) = existing(pull, layer)? {
        return Ok(Fetched::Existing(id));
    }
    // Whoever else wants the same waits here, and then finds it.
    let _lock = pull
        .storage
        .once(&Key::Blob(&layer.blob.digest))
        .map_err(PullError::Lock)?;
    if let Some(id) = existing(pull, layer)? {
        return Ok(Fetched::Existing(id));
    }
    let mut draft = pull.storage.draft()?;
    let stored = if pull.options.always_download {
        None
    } else {
        pull.storage.blobs().open(&layer.blob.digest)?
    };
    let unpacked = match stored {
        Some(file) => {
            tell(pull.tell, &layer.label, LayerEvent::Existing);
            let input = Stopping { input: file, stop };
            unpack(pull.place(), &layer.label, &draft, input)?
        }
        None => {
            let blob = opened(layer, pull.client.blob(&pull.remote, &layer.blob))?;
            let doubt = blob.doubt();
            match download(pull, layer, &draft, blob, stop) {
                Err(PullError::Download(_)) if doubt.is_justified() => {
                    draft = pull.storage.draft()?;
                    let blob = pull.client.blob_of_registry(&pull.remote, &layer.blob);
                    download(pull, layer, &draft, opened(layer, blob)?, stop)?
                }
                downloaded => downloaded?,
            }
        }
    };
    publish_layer(layer, draft, unpacked)
}

/// Fails if the archive is here and has another size than the manifest promises.
fn check_size(pull: &Pull<'_>, layer: &Planned) -> Result<(), PullError> {
    let Some(received) = pull.storage.blobs().size(&layer.blob.digest)? else {
        return Ok(());
    };
    let expected = layer.blob.size;
    if received == expected {
        return Ok(());
    }
    Err(of_layer(
        &layer.label,
        BlobError::Size { expected, received },
    ))
}

/// Publishes a layer, unless it has to be adjusted first.
pub(super) fn publish_layer(
    layer: &Planned,
    draft: Draft,
    (files, unpacked): (Directory, Unpacked),
) -> Result<Fetched, PullError> {
    if unpacked.diff_id != layer.diff_id {
        let LayerLabel { index, count, .. } = layer.label;
        return Err(PullError::DiffId {
            index,
            count,
            source: Received(unpacked.diff_id),
        });
    }
    if unpacked.depends_on_lower() {
        return Ok(Fetched::Unsettled(Box::new(Unsettled {
            draft,
            files,
            unpacked,
        })));
    }
    let id = LayerId::pulled(&layer.diff_id);
    let mut meta = meta::of(&unpacked);
    meta.diff_id = Some(unpacked.diff_id);
    let id = draft.publish_layer(&id, &meta)?;
    Ok(Fetched::Unpacked {
        id,
        warnings: unpacked.warnings,
    })
}

/// The layer, if it is here in either form and may be used.
fn existing(pull: &Pull<'_>, layer: &Planned) -> Result<Option<LayerId>, PullError> {
    if pull.options.always_download {
        return Ok(None);
    }
    for id in [LayerId::pulled(&layer.diff_id), layer.chained.clone()] {
        if pull.storage.layers().contains(&id)? {
            tell(pull.tell, &layer.label, LayerEvent::Existing);
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Unpacks the blob while it comes, and keeps it.
fn download(
    pull: &Pull<'_>,
    layer: &Planned,
    draft: &Draft,
    input: Blob,
    stop: &AtomicBool,
) -> Result<(Directory, Unpacked), PullError> {
    let total = layer.blob.size;
    tell(pull.tell, &layer.label, LayerEvent::Started { total });
    let mut copy = BufWriter::with_capacity(WRITE, draft.blob()?);
    let input = Tee {
        input: Stopping { input, stop },
        copy: &mut copy,
        progress: Progress {
            tell: pull.tell,
            label: &layer.label,
            total,
            done: 0,
            told: 0,
        },
    };
    let unpacked = unpack(pull.place(), &layer.label, draft, input)?;
    publish(copy, &layer.blob.digest)?;
    tell(pull.tell, &layer.label, LayerEvent::Downloaded { total });
    Ok(unpacked)
}

/// What is wrong with a blob that was asked for is told of the layer.
fn opened(layer: &Planned, opened: Result<Blob, FetchError>) -> Result<Blob, PullError> {
    opened.map_err(|error| match error {
        FetchError::Body { what, source } => match source.downcast::<BlobError>() {
            Ok(error) => of_layer(&layer.label, error),
            Err(source) => FetchError::Body { what, source }.into(),
        },
        other => other.into(),
    })
}

fn publish(copy: BufWriter<BlobDraft<'_>>, digest: &Digest) -> Result<(), PullError> {
    let blob = copy.into_inner().map_err(|error| {
        let source = ch_linux::SyscallError::new("write", digest.to_string(), error.into_error());
        PublishError::Blob {
            digest: digest.clone(),
            source,
        }
    })?;
    Ok(blob.publish(digest)?)
}

/// Where layers are unpacked, and how.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) storage: &'a Storage,
    pub(super) unpack: &'a ch_layer::Options,
}

impl Pull<'_> {
    fn place(&self) -> Place<'_> {
        Place {
            storage: self.storage,
            unpack: &self.options.unpack,
        }
    }
}

pub(super) fn unpack(
    place: Place<'_>,
    label: &LayerLabel,
    draft: &Draft,
    input: impl Read + Send,
) -> Result<(Directory, Unpacked), PullError> {
    let made = draft.layer()?;
    let destination = Destination {
        files: made.files.as_fd(),
        beside: made.directory.as_fd(),
    };
    match ch_layer::unpack(input, destination, place.unpack) {
        Ok(unpacked) => Ok((made.files, unpacked)),
        Err(error) => Err(explain(place.storage, label, error)),
    }
}

/// Whose fault it is.
fn explain(storage: &Storage, label: &LayerLabel, error: UnpackError) -> PullError {
    let LayerLabel { index, count, .. } = *label;
    let error = match error {
        UnpackError::Read(error) => match error.downcast::<BlobError>() {
            Ok(error) => return of_layer(label, error),
            Err(error) => UnpackError::Read(error),
        },
        other => other,
    };
    if error.is_no_space() {
        return PullError::NoSpace {
            directory: storage.path().to_owned(),
            source: error,
        };
    }
    PullError::Unpack {
        index,
        count,
        source: error,
    }
}

fn of_layer(label: &LayerLabel, error: BlobError) -> PullError {
    let LayerLabel { index, count, .. } = *label;
    let error = LayerDownloadError {
        index,
        count,
        error,
    };
    error.into()
}

/// The repository that is known to have the layers now.
pub(super) fn repository(remote: &RemoteReference) -> String {
    format!(
        "{}:{}/{}",
        remote.host(),
        remote.port(),
        remote.repository()
    )
}

fn tell(tell: Tell<'_>, label: &LayerLabel, event: LayerEvent) {
    tell(Event::Layer(label.clone(), event));
}

/// A reader that fails once something else has failed.
struct Stopping<'a, R> {
    input: R,
    stop: &'a AtomicBool,
}

impl<R: Read> Read for Stopping<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped, because another layer failed"));
        }
        self.input.read(buffer)
    }
}

/// A reader that keeps a copy of what it reads, and tells how far it is.
struct Tee<'a, 'd> {
    input: Stopping<'a, Blob>,
    copy: &'a mut BufWriter<BlobDraft<'d>>,
    progress: Progress<'a>,
}

impl Read for Tee<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.copy.write_all(&buffer[..length])?;
        self.progress.add(length as u64);
        Ok(length)
    }
}

/// How much of a layer is here.
struct Progress<'a> {
    tell: Tell<'a>,
    label: &'a LayerLabel,
    total: u64,
    done: u64,
    told: u64,
}

impl Progress<'_> {
    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        let all = bytes > 0 && self.done == self.total;
        if self.done - self.told >= REPORT || all {
            self.told = self.done;
            let (done, total) = (self.done, self.total);
            tell(self.tell, self.label, LayerEvent::Progress { done, total });
        }
        if all {
            tell(self.tell, self.label, LayerEvent::Unpacking);
        }
    }
}
