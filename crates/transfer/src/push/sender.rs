//! The parts of an image on their way: each is sent if the repository lacks it, several at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use ch_oci::{Descriptor, Digest};
use ch_registry::{Begun, Client, Content, Mount, Pusher, UploadError};
use ch_storage::{ImageLayer, ImageRecord, Storage};
use crossbeam_channel::{Receiver as Waiting, Sender as Queue, unbounded};

use super::{Part, PartEvent, PushError, PushEvent, original};
use crate::assemble::{Receiver, Stopped};
use crate::event::{Event, LayerLabel, Tell};
use crate::export::checked::digest_of;
use crate::{AssembleError, Assembled};

/// Bytes between two reports of progress.
const REPORT: u64 = 512 * 1024;
/// Most uploads at once.
const MOST_JOBS: usize = 32;

/// A layer that is ready to be sent: its number among so many, and its blob.
type Ready = ((usize, usize), Descriptor);

/// Sends the parts of one image.
pub(super) struct Sender<'a> {
    storage: &'a Storage,
    pusher: &'a Pusher,
    reader: &'a Client,
    record: &'a ImageRecord,
    tell: Tell<'a>,
    /// Layers that are in the repository, by number.
    done: Mutex<HashSet<usize>>,
    started: Once,
    /// Something has failed: nothing else matters.
    stop: AtomicBool,
    failure: Mutex<Option<PushError>>,
    sent: AtomicU64,
}

impl<'a> Sender<'a> {
    pub(super) fn new(
        storage: &'a Storage,
        pusher: &'a Pusher,
        reader: &'a Client,
        record: &'a ImageRecord,
        tell: Tell<'a>,
    ) -> Self {
        Self {
            storage,
            pusher,
            reader,
            record,
            tell,
            done: Mutex::default(),
            started: Once::new(),
            stop: AtomicBool::new(false),
            failure: Mutex::default(),
            sent: AtomicU64::new(0),
        }
    }

    /// Bytes that were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Lets `work` make the image for a receiver that sends each layer at once, up to `jobs` at a time; returns when
    /// all are there.
    pub(super) fn sending<T>(
        &self,
        jobs: usize,
        work: impl FnOnce(&dyn Receiver) -> Result<T, AssembleError>,
    ) -> Result<T, PushError> {
        let (queue, waiting) = unbounded();
        let result = thread::scope(|scope| {
            let jobs = jobs.min(self.record.layers.len()).min(MOST_JOBS);
            for _ in 0..jobs {
                let waiting = waiting.clone();
                let send = move || self.send_all(&waiting);
                // With too many processes there are fewer at a time; this thread is always there.
                if thread::Builder::new().spawn_scoped(scope, send).is_err() {
                    break;
                }
            }
            let shipper = Shipper {
                sender: self,
                queue,
            };
            let result = work(&shipper);
            drop(shipper);
            let made = match result {
                Ok(made) => Some(made),
                // Why it stopped is known.
                Err(AssembleError::Stopped(_)) => None,
                Err(error) => {
                    self.fail(PushError::Assemble(error));
                    None
                }
            };
            self.send_all(&waiting);
            made
        });
        match (held(&self.failure).take(), result) {
            (Some(error), _) => Err(error),
            (None, made) => Ok(made.expect("without a failure everything was made")),
        }
    }

    /// Sends the config of the image.
    pub(super) fn send_config(&self, image: &Assembled) -> Result<(), PushError> {
        let part = Part::Config(image.config.digest.clone());
        let content = || Ok(Content::Bytes(image.config_bytes.clone()));
        self.send(&part, &image.config, &[], content)
    }

    fn send_all(&self, waiting: &Waiting<Ready>) {
        for (number, blob) in waiting {
            if self.stop.load(Ordering::Relaxed) {
                continue;
            }
            if let Err(error) = self.send_layer(number, &blob) {
                self.fail(error);
            }
        }
    }

    /// Remembers the first failure; what fails afterwards fails because it is told to stop.
    fn fail(&self, error: PushError) {
        if !self.stop.swap(true, Ordering::Relaxed) {
            *held(&self.failure) = Some(error);
        }
    }

    fn send_layer(
        &self,
        (index, count): (usize, usize),
        blob: &Descriptor,
    ) -> Result<(), PushError> {
        let part = Part::Layer(LayerLabel {
            index,
            count,
            digest: blob.digest.clone(),
        });
        let layer = &self.record.layers[index - 1];
        self.send(&part, blob, &layer.repositories, || {
            self.content(blob, &layer.repositories)
        })?;
        held(&self.done).insert(index);
        Ok(())
    }

    /// The blob of a layer, fetched again if it is here no more.
    fn content(&self, blob: &Descriptor, repositories: &[String]) -> Result<Content, PushError> {
        let open = || self.storage.blobs().open(&blob.digest);
        if let Some(file) = open()? {
            return Ok(Content::File(file));
        }
        original::fetch(self.storage, self.reader, blob, repositories)?;
        let file = open()?.ok_or_else(|| PushError::Gone(blob.digest.clone()))?;
        Ok(Content::File(file))
    }

    /// Has the repository have a part; `content` is asked for only if it is to be sent.
    fn send(
        &self,
        part: &Part,
        blob: &Descriptor,
        repositories: &[String],
        content: impl FnOnce() -> Result<Content, PushError>,
    ) -> Result<(), PushError> {
        let failed = |error| PushError::of(part, blob.size, error);
        self.started
            .call_once(|| (self.tell)(Event::Push(PushEvent::Starting)));
        self.about(part, PartEvent::Checking);
        if self.pusher.has_blob(blob).map_err(failed)? {
            self.about(part, PartEvent::Present);
            return Ok(());
        }
        let mut begun: Option<Begun> = None;
        for from in original::beside(self.pusher.reference(), repositories) {
            match self.pusher.mount(blob, &from).map_err(failed)? {
                Mount::Mounted => {
                    self.about(part, PartEvent::Mounted(from));
                    return Ok(());
                }
                Mount::Refused(instead) => begun = instead.or(begun),
            }
        }
        let content = content()?;
        self.upload(part, blob, begun, &content)
    }

    fn upload(
        &self,
        part: &Part,
        blob: &Descriptor,
        begun: Option<Begun>,
        content: &Content,
    ) -> Result<(), PushError> {
        self.about(part, PartEvent::Started { total: blob.size });
        let told = AtomicU64::new(0);
        let watch = |done: u64| {
            let before = told.load(Ordering::Relaxed);
            if done == blob.size || done.abs_diff(before) >= REPORT {
                told.store(done, Ordering::Relaxed);
                self.about(part, PartEvent::Progress { done });
            }
            !self.stop.load(Ordering::Relaxed)
        };
        let uploaded = self.pusher.upload(begun, blob, content, &watch);
        uploaded.map_err(|error| match (&error, content) {
            (UploadError::Damaged { .. }, Content::File(file)) if is_damaged(file, blob) => {
                PushError::Damaged(blob.digest.clone())
            }
            _ => PushError::of(part, blob.size, error),
        })?;
        self.sent.fetch_add(blob.size, Ordering::Relaxed);
        self.about(part, PartEvent::Uploaded);
        Ok(())
    }

    fn about(&self, part: &Part, event: PartEvent) {
        (self.tell)(Event::Push(PushEvent::Part(part.clone(), event)));
    }
}

/// Puts what is ready into the queue.
struct Shipper<'s, 'a> {
    sender: &'s Sender<'a>,
    queue: Queue<Ready>,
}

impl Receiver for Shipper<'_, '_> {
    /// A repository may have it, or give it.
    fn obtain(&self, layer: &ImageLayer, number: (usize, usize)) -> Result<bool, Stopped> {
        let Some(blob) = &layer.blob else {
            return Ok(false);
        };
        match self.sender.send_layer(number, blob) {
            Ok(()) => Ok(true),
            Err(PushError::Gone(_)) => Ok(false),
            Err(error) => {
                self.sender.fail(error);
                Err(Stopped)
            }
        }
    }

    fn take(&self, number: (usize, usize), blob: &Descriptor) -> Result<(), Stopped> {
        if self.sender.stop.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        if held(&self.sender.done).contains(&number.0) {
            return Ok(());
        }
        self.queue.send((number, blob.clone())).map_err(|_| Stopped)
    }
}

/// Whether the file is not what its name says.
fn is_damaged(file: &std::fs::File, blob: &Descriptor) -> bool {
    let digest = || -> std::io::Result<Digest> {
        let mut file = file.try_clone()?;
        std::io::Seek::rewind(&mut file)?;
        digest_of(file, &blob.digest)
    };
    digest().is_ok_and(|found| found != blob.digest)
}

/// Tells an event of making an image; of a layer that is packed, in the words of a push.
pub(super) fn tell_of_packing(event: Event, tell: Tell<'_>) {
    if let Event::Packing { index, count } = event {
        tell(Event::Push(PushEvent::Gathering { index, count }));
    }
    tell(event);
}

/// A thread that panics takes the whole program with it, so nothing half done is ever seen.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
