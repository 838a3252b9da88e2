//! What objects are believed to be that can't carry it: links, pipes and sockets, and every object of a file system
//! without extended attributes. Keyed by device and inode, while the container lives.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ch_ownership::Override;

/// Device and inode.
pub(super) type Identity = (u64, u64);

#[derive(Debug, Default)]
pub(super) struct Remembered {
    objects: Mutex<HashMap<Identity, Override>>,
    /// So that nobody takes the lock for nothing.
    count: AtomicUsize,
}

impl Remembered {
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    pub(super) fn get(&self, identity: Identity) -> Option<Override> {
        if self.is_empty() {
            return None;
        }
        self.objects().get(&identity).copied()
    }

    pub(super) fn insert(&self, identity: Identity, believed: Override) {
        let mut objects = self.objects();
        objects.insert(identity, believed);
        self.count.store(objects.len(), Ordering::Release);
    }

    pub(super) fn remove(&self, identity: Identity) -> Option<Override> {
        if self.is_empty() {
            return None;
        }
        let mut objects = self.objects();
        let removed = objects.remove(&identity);
        self.count.store(objects.len(), Ordering::Release);
        removed
    }

    /// Those of one file system, by inode.
    pub(super) fn on_device(&self, device: u64) -> Vec<(u64, Override)> {
        let objects = self.objects();
        let on_it = objects.iter().filter(|((of, _), _)| *of == device);
        on_it
            .map(|((_, inode), believed)| (*inode, *believed))
            .collect()
    }

    fn objects(&self) -> MutexGuard<'_, HashMap<Identity, Override>> {
        // Every change of it is a single step, so it is whole even if a thread panicked.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
