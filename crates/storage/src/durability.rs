//! Durability: one `syncfs(2)` for everything, then the marks.
//!
//! `rename(2)` protects against being killed, not against a power cut: names reach the disk before the content
//! does. So what was published is remembered here until [`Storage::commit`], or the thread that runs every
//! minute, has seen it on disk; then its mode becomes 0444.

use std::collections::HashSet;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, Weak};
use std::time::Duration;

use ch_linux::SyscallError;
use ch_linux::sync;
use ch_linux::tree::Directory;
use ch_oci::Digest;

use crate::opening::names;
use crate::storage::{Inner, lock};
use crate::{LayerId, Notice, StateId, Storage};

/// Mode of what was published, and may be in memory only.
pub(crate) const UNMARKED: u32 = 0o644;
/// Mode of what was on disk before it got this mode.
pub(crate) const MARKED: u32 = 0o444;

const PATIENCE: Duration = Duration::from_secs(2);
/// A power cut costs a long command at most the work of so much time.
pub(crate) const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// Why what was made may not survive a power cut.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The disk says no.
    #[error("can't write storage directory to disk")]
    Sync(#[source] SyscallError),
    /// It is on disk, but can't be marked.
    #[error("can't mark what was written to disk")]
    Mark(#[source] SyscallError),
}

/// Something that carries a mark.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Object {
    Layer(LayerId),
    State(StateId),
    Blob(Digest),
}

/// What this process published and has not seen on disk yet.
#[derive(Debug)]
pub(crate) struct Durability {
    enabled: bool,
    pending: Mutex<HashSet<Object>>,
    /// Held during a checkpoint, so that the second one does not report success before the first.
    turn: Mutex<()>,
    records_changed: AtomicBool,
    syncs: AtomicU64,
}

impl Durability {
    /// In memory there is nothing to write to disk, and what can't be asked is taken for a disk.
    pub(crate) fn new(root: &Directory, wanted: bool) -> Self {
        let in_memory = sync::describe(root).is_ok_and(|system| system.in_memory);
        Self {
            enabled: wanted && !in_memory,
            pending: Mutex::default(),
            turn: Mutex::default(),
            records_changed: AtomicBool::new(false),
            syncs: AtomicU64::new(0),
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Keeps others from publishing, unless somebody is at it.
    pub(crate) fn try_hold(&self) -> Option<impl Sized + '_> {
        self.pending.try_lock().ok()
    }

    /// Keeps others from publishing, and [`Storage::abandon`] from deleting what is published here.
    pub(crate) fn hold(&self) -> impl Sized + '_ {
        lock(&self.pending)
    }

    pub(crate) fn is_pending(&self, object: &Object) -> bool {
        lock(&self.pending).contains(object)
    }

    pub(crate) fn record_changed(&self) {
        self.records_changed.store(true, Ordering::Release);
    }

    /// How often this process called `syncfs`.
    #[cfg(test)]
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Acquire)
    }
}

impl Storage {
    /// Writes everything that was published to disk; to be called before success is reported.
    ///
    /// Does nothing if nothing was published, or if [`Options::sync`](crate::Options::sync) is off.
    pub fn commit(&self) -> Result<(), CommitError> {
        self.checkpoint()?;
        let durability = &self.inner().durability;
        if durability.records_changed.swap(false, Ordering::AcqRel) && durability.enabled {
            self.sync()?;
        }
        Ok(())
    }

    /// Publishes `object` by `rename`, and remembers that it is not marked yet.
    ///
    /// Both under one lock, so that whatever a checkpoint finds pending was renamed before its sync.
    pub(crate) fn publish(
        &self,
        object: Object,
        rename: impl FnOnce() -> Result<(), SyscallError>,
    ) -> Result<(), SyscallError> {
        let durability = &self.inner().durability;
        let mut pending = lock(&durability.pending);
        rename()?;
        pending.insert(object);
        drop(pending);
        if durability.enabled {
            self.keep_checkpointing();
        }
        Ok(())
    }

    /// Takes everything pending to disk and marks it; says whether there was anything to do.
    pub(crate) fn checkpoint(&self) -> Result<bool, CommitError> {
        let durability = &self.inner().durability;
        if !durability.enabled {
            return Ok(false);
        }
        let _turn = lock(&durability.turn);
        let batch = mem::take(&mut *lock(&durability.pending));
        if batch.is_empty() {
            return Ok(false);
        }
        let result = self.sync().and_then(|()| {
            batch
                .iter()
                .try_for_each(|object| self.mark(object).map_err(CommitError::Mark))
        });
        if result.is_err() {
            lock(&durability.pending).extend(batch);
        }
        result.map(|()| true)
    }

    /// One `syncfs`. It waits for other people's data too, so after two seconds it says so.
    pub(crate) fn sync(&self) -> Result<(), CommitError> {
        let inner = self.inner();
        inner.durability.syncs.fetch_add(1, Ordering::AcqRel);
        let (done, waiting) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let tell = move || {
                if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                    inner.options.notify.send(&Notice::WaitingForDisk);
                }
            };
            if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, tell) {
                tracing::debug!("nobody tells when the disk is slow: {error}");
            }
            let result = sync::file_system(&inner.root).map_err(CommitError::Sync);
            drop(done);
            result
        })
    }

    /// Sets the mark; what is gone meanwhile needs none.
    fn mark(&self, object: &Object) -> Result<(), SyscallError> {
        let inner = self.inner();
        let pending = lock(&inner.durability.pending);
        if pending.contains(object) {
            return Ok(()); // replaced since the sync
        }
        let set = || match object {
            Object::Layer(id) => inner
                .layers
                .directory(id.as_str())?
                .set_mode_of(names::META, MARKED),
            Object::State(id) => inner.states.set_mode_of(id.file_name(), MARKED),
            Object::Blob(digest) => inner
                .blobs
                .directory(digest.algorithm().name())?
                .set_mode_of(digest.hex(), MARKED),
        };
        match set() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// The thread that makes a checkpoint every so often; ends when dropped.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    _stop: Sender<()>,
}

impl Checkpointer {
    pub(crate) fn start(inner: Weak<Inner>, every: Duration) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let run = move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let Some(inner) = inner.upgrade() else { return };
                if let Err(error) = Storage::from_inner(inner).checkpoint() {
                    tracing::warn!("{error}: the end of the command tries again");
                }
            }
        };
        let spawned = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(run);
        if let Err(error) = spawned {
            tracing::debug!("no checkpoints while the command runs: {error}");
        }
        Self { _stop: stop }
    }
}
