//! What objects are believed to be that can't carry it: links, pipes and sockets, and every object of a file system
//! without extended attributes. Keyed by device and inode, while the container lives.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ch_ownership::Override;

use super::Memory;

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// What is known of an object.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    /// Where it was when it was remembered: an overlay gives an object of a lower layer another number when it is
    /// changed, and then only this is left.
    pub(super) path: CString,
    pub(super) believed: Override,
}

#[derive(Debug, Default)]
struct Objects {
    known: HashMap<Identity, Remembered>,
    /// The numbers of lower layers' objects whose copies have names with other numbers: the old name keeps the old one
    /// as long as the kernel has it in mind.
    copies: HashMap<Identity, Identity>,
}

impl Objects {
    fn current(&self, identity: Identity) -> Identity {
        *self.copies.get(&identity).unwrap_or(&identity)
    }
}

#[derive(Debug, Default)]
pub(super) struct Table {
    objects: Mutex<Objects>,
    /// So that nobody takes the lock for nothing.
    count: AtomicUsize,
    /// The host's, which are never renamed nor deleted.
    devices: OnceLock<Vec<(Identity, Override)>>,
}

impl Table {
    /// Whether nothing is remembered but the host's devices.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Sets what is believed of the host's devices, once.
    pub(super) fn set_devices(&self, devices: Vec<(Identity, Override)>) {
        // A second time nothing is new.
        let _ = self.devices.set(devices);
    }

    pub(super) fn get(&self, identity: Identity) -> Option<Override> {
        let devices = self.devices.get().into_iter().flatten();
        for (device, believed) in devices {
            if *device == identity {
                return Some(*believed);
            }
        }
        if self.is_empty() {
            return None;
        }
        let objects = self.objects();
        let known = objects.known.get(&objects.current(identity));
        known.map(|known| known.believed)
    }

    pub(super) fn insert(&self, identity: Identity, remembered: Remembered) {
        let mut objects = self.objects();
        let identity = objects.current(identity);
        objects.known.insert(identity, remembered);
        self.count.store(objects.known.len(), Ordering::Release);
    }

    /// Notes that an object has two numbers.
    pub(super) fn same(&self, lower: Identity, copy: Identity) {
        if lower != copy {
            self.objects().copies.insert(lower, copy);
        }
    }

    pub(super) fn remove(&self, identity: Identity) -> Option<Remembered> {
        if self.is_empty() {
            return None;
        }
        let mut objects = self.objects();
        let identity = objects.current(identity);
        let removed = objects.known.remove(&identity);
        self.count.store(objects.known.len(), Ordering::Release);
        removed
    }

    /// Those of one file system.
    pub(super) fn on_device(&self, device: u64) -> Vec<Memory> {
        let objects = self.objects();
        let on_it = objects.known.iter().filter(|((of, _), _)| *of == device);
        on_it
            .map(|((_, inode), known)| Memory {
                inode: *inode,
                path: known.path.clone(),
                believed: known.believed.to_string(),
            })
            .collect()
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        // Every change of it is a single step, so it is whole even if a thread panicked.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
