//! What one thread of the supervisor knows of callers and objects, so that it need not ask the kernel again.
//!
//! Invariant: what is known can't be out of date. A thread's handle is of that thread for ever, and an object that was
//! not changed for a while is not changed without another time of change.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

use ch_linux::Errno;
use ch_linux::behalf::{self, Statx};

use super::remembered::Identity;

/// How many threads are known; each costs a descriptor, for each thread of the supervisor.
const THREADS: usize = 4;
/// How many objects.
const OBJECTS: usize = 4096;
/// After so many seconds a change can't have the time of an earlier one, however coarse the file system's clock is.
const SETTLED: u64 = 3;

/// By numbers modulo the size of the table; whoever comes later replaces who was there.
pub(super) struct Acquaintances {
    threads: RefCell<[Option<(u32, OwnedFd)>; THREADS]>,
    plain: Box<[Cell<Option<(Identity, Time)>>]>,
}

/// Seconds and nanoseconds.
type Time = (u64, u32);

impl Acquaintances {
    pub(super) fn new() -> Self {
        Self {
            threads: RefCell::default(),
            plain: vec![Cell::new(None); OBJECTS].into(),
        }
    }

    /// A copy of a descriptor of `thread`; none where that has to be done in another way.
    pub(super) fn copy(&self, thread: u32, descriptor: i32) -> Option<OwnedFd> {
        let mut threads = self.threads.borrow_mut();
        let slot = &mut threads[thread as usize % THREADS];
        if let Some((known, handle)) = slot
            && *known == thread
        {
            match behalf::copy_from(handle, descriptor) {
                // Of an earlier thread of this number.
                Err(Errno::SRCH) => {}
                other => return other.ok(),
            }
        }
        let handle = behalf::open_thread(thread).ok()?;
        let copy = behalf::copy_from(&handle, descriptor).ok();
        *slot = Some((thread, handle));
        copy
    }

    /// Whether an object of this status is known to carry no override.
    pub(super) fn is_plain(&self, status: &Statx) -> bool {
        let (identity, changed) = (status.identity(), status.changed());
        self.plain[place(identity)].get() == Some((identity, changed))
    }

    /// Notes that it was seen to carry none, after it had this status.
    pub(super) fn note_plain(&self, status: &Statx) {
        let (identity, changed) = (status.identity(), status.changed());
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs());
        if changed.0.saturating_add(SETTLED) < now {
            self.plain[place(identity)].set(Some((identity, changed)));
        }
    }
}

fn place((_, inode): Identity) -> usize {
    usize::try_from(inode % OBJECTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs::File;
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn status(age: u64) -> Statx {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let path = CString::new(file.path().to_str().expect("text")).expect("no NUL");
        let mut status = Statx::of_path(&path, 0, behalf::BASIC_STATS).expect("it is there");
        let seconds = status.changed().0 - age;
        status.set(96, &seconds.to_ne_bytes());
        status
    }

    #[test]
    fn only_what_is_settled_is_known_and_only_until_it_changes() {
        let known = Acquaintances::new();
        let fresh = status(0);
        known.note_plain(&fresh);
        assert!(!known.is_plain(&fresh));
        let mut old = status(100);
        assert!(!known.is_plain(&old));
        known.note_plain(&old);
        assert!(known.is_plain(&old));
        old.set(104, &1u32.to_ne_bytes());
        assert!(!known.is_plain(&old));
    }

    #[test]
    fn descriptors_of_a_thread_are_copied() {
        let known = Acquaintances::new();
        let file = File::open("/dev/null").expect("it is there");
        let status = |file: &OwnedFd| Statx::of(file, 0, behalf::BASIC_STATS).map(|of| of.device());
        let thread = std::process::id();
        for _ in 0..2 {
            // None before Linux 6.9.
            if let Some(copy) = known.copy(thread, file.as_raw_fd()) {
                assert_eq!(status(&copy), Ok((1, 3)));
            }
        }
        assert!(known.copy(thread, 9999).is_none());
    }
}
