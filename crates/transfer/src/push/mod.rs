//! From the storage directory into a repository.
//!
//! ```text
//! authenticate ─> assemble ── each layer, when it is ready ─> uploads, several at once
//!                                                                 └─> config ─> manifest, last
//! ```
//!
//! Invariants: whoever must be asked for a password is asked before any work; a tag means the old image or the new
//! one, whole; a blob that the repository has is never sent.

mod error;
mod event;
mod original;
mod sender;

use ch_oci::{Descriptor, RemoteReference};
use ch_registry::Client;
use ch_storage::{ImageRecord, Storage};

use crate::assemble::{AssembleOptions, assemble_for};
use crate::event::{Event, Tell};
pub use error::{PartError, PushError};
pub use event::{Part, PartEvent, PushEvent};
use sender::Sender;

/// How an image is pushed.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// Where to; its tag, or `latest`, is what the image is called there.
    pub destination: RemoteReference,
    /// Other tags that it gets.
    pub also: Vec<String>,
    /// What it is to be like.
    pub assemble: AssembleOptions,
    /// Uploads at once.
    pub jobs: usize,
}

/// An image that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What the tag means now.
    pub manifest: Descriptor,
    /// Bytes of blobs that were sent.
    pub sent: u64,
}

/// Makes sure that `client` may speak to the registry, for whoever has work to do before [`push`].
pub fn authenticate(client: &Client, destination: &RemoteReference) -> Result<(), PushError> {
    let pusher = client.push_to(destination, &[]);
    pusher.authenticate().map_err(PushError::Registry)
}

/// Pushes `record`. `client` sends; `reader` fetches what is here no more.
pub fn push(
    storage: &Storage,
    client: &Client,
    reader: &Client,
    record: &ImageRecord,
    options: &PushOptions,
    tell: Tell<'_>,
) -> Result<Pushed, PushError> {
    if record.incomplete {
        return Err(PushError::Incomplete);
    }
    options.assemble.check().map_err(PushError::Assemble)?;
    let known: Vec<String> = record
        .layers
        .iter()
        .flat_map(|layer| layer.repositories.iter().cloned())
        .collect();
    let beside = original::beside(&options.destination, &known);
    let pusher = client.push_to(&options.destination, &beside);
    pusher.authenticate().map_err(PushError::Registry)?;
    let sender = Sender::new(storage, &pusher, reader, record, tell);
    let told = |event| sender::tell_of_packing(event, tell);
    let assembled = sender.sending(options.jobs, |receiver| {
        assemble_for(receiver, storage, record, &options.assemble, &told)
    })?;
    tell(Event::Push(PushEvent::PreparingMetadata));
    sender.send_config(&assembled)?;
    tell(Event::Push(PushEvent::Manifest));
    let tag = options.destination.tag().unwrap_or("latest");
    for tag in std::iter::once(tag).chain(options.also.iter().map(String::as_str)) {
        pusher
            .manifest(tag, &assembled.manifest, &assembled.manifest_bytes)
            .map_err(PushError::Registry)?;
    }
    tell(Event::Push(PushEvent::Digest(
        assembled.manifest.digest.clone(),
    )));
    tell(Event::Push(PushEvent::CleaningUp));
    Ok(Pushed {
        manifest: assembled.manifest,
        sent: sender.sent(),
    })
}
