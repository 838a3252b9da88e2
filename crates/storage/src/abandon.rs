//! Abandoning: a command that must end at once, in the middle of its work, and leaves nothing behind.

use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use ch_linux::SyscallError;
use ch_linux::tree::Budget;

use crate::owner::LOCK_SUFFIX;
use crate::storage::lock;
use crate::sweep::remove_if_there;
use crate::{Storage, trash};

/// How long a publication that has begun may take: it is one rename.
const PUBLICATION: Duration = Duration::from_millis(200);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

impl Storage {
    /// Throws away all drafts of this handle, and deletes what is in the trash for at most `time`.
    ///
    /// For a process that dies now: other threads may be at work in the drafts still, but none of them publishes
    /// anything any more. Whoever tries waits for the end.
    pub fn abandon(&self, time: Duration) -> Result<(), SyscallError> {
        if !self.forbid_publication() {
            return Ok(());
        }
        let inner = self.inner();
        let owners: Vec<_> = lock(&inner.owners).iter().cloned().collect();
        for owner in owners {
            trash::discard_work(&inner.trash, &inner.origin.boot, &inner.tmp, &owner)?;
            remove_if_there(&inner.tmp, format!("{owner}{LOCK_SUFFIX}"))?;
        }
        let mut budget = Budget::new(u64::MAX, time);
        loop {
            match trash::empty(&inner.trash, &mut budget) {
                Ok(true) => return Ok(()),
                other if budget.is_spent() => return other.map(drop),
                // What is still written to is not always empty when it is to go.
                _ => thread::sleep(PAUSE),
            }
        }
    }

    /// Lets no thread publish from now on, or a layer would get its name while its files are deleted.
    fn forbid_publication(&self) -> bool {
        let end = Instant::now() + PUBLICATION;
        while Instant::now() < end {
            if let Some(guard) = self.inner().durability.try_hold() {
                mem::forget(guard);
                return true;
            }
            thread::sleep(PAUSE);
        }
        false
    }
}
