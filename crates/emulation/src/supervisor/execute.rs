//! Programs with set-ID bits or capabilities, and what else `execve(2)` does to credentials.
//!
//! Nobody tells whether an `execve` that the kernel goes on with succeeded. So what it is to change is kept, and takes
//! effect when the thread is next heard of: if it has another stack by then, the program runs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ch_linux::behalf::{self, Statx};
use ch_ownership::{Kind, Override};

use super::attributes::CAPABILITY;
use super::caller::Caller;
use super::credentials::Known;
use super::object::Object;
use super::{Replied, Reply, Supervisor};
use crate::calls::Target;
use crate::credentials::{Credentials, FileCapabilities, FileGrants};

const SET_USER: u32 = 0o4000;
const SET_GROUP: u32 = 0o2000;
const EXECUTE: u32 = 0o111;
const GROUP_EXECUTE: u32 = 0o010;

/// Changes that wait for their program to run, by thread.
#[derive(Debug, Default)]
pub(super) struct Pending {
    changes: Mutex<HashMap<u32, Change>>,
    count: AtomicUsize,
}

#[derive(Debug)]
struct Change {
    /// Where the stack of the old program began.
    stack: Option<u64>,
    /// The file, if only its own program is to have what it gives, and no interpreter of a script.
    file: Option<(u64, u64)>,
    /// If it is the program that was meant, or else.
    granted: Credentials,
    plain: Credentials,
}

impl Pending {
    fn put(&self, thread: u32, change: Change) {
        let mut changes = self.changes();
        changes.insert(thread, change);
        self.count.store(changes.len(), Ordering::Release);
    }

    fn take(&self, thread: u32) -> Option<Change> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut changes = self.changes();
        let change = changes.remove(&thread);
        self.count.store(changes.len(), Ordering::Release);
        change
    }

    fn changes(&self) -> MutexGuard<'_, HashMap<u32, Change>> {
        // Every change of it is a single step, so it is whole even if a thread panicked.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives effect to what waits for the caller, if its program runs.
    pub(super) fn settle(&self, caller: &Caller<'_>, known: &Known) {
        let Some(change) = self.take(caller.thread) else {
            return;
        };
        let stack = start_of_stack(caller.thread);
        if stack.is_none() || stack == change.stack {
            return;
        }
        let program = Statx::of_path(&caller.in_proc("exe"), 0, behalf::BASIC_STATS);
        let is_program = match (change.file, program) {
            (None, _) => true,
            (Some(file), Ok(program)) => program.identity() == file,
            (Some(_), Err(_)) => false,
        };
        let credentials = if is_program {
            change.granted
        } else {
            change.plain
        };
        // Only a thread that is gone has no slack.
        let _ = known.set(caller.thread, credentials);
    }
}

impl Supervisor {
    pub(super) fn execute(&self, caller: &Caller<'_>, target: &Target) -> Replied {
        let old = self.credentials(caller);
        let Ok(object) = self.object(caller, target) else {
            return Ok(Reply::Continue);
        };
        if object.kind() != Kind::File {
            return Ok(Reply::Continue);
        }
        let grants = grants(&object, &self.believed(&object));
        let plain = old.executing(&FileGrants::default());
        let granted = old.executing(&grants);
        if granted == *old && plain == *old {
            return Ok(Reply::Continue);
        }
        let file = (granted != plain).then(|| object.status.identity());
        let change = Change {
            stack: start_of_stack(caller.thread),
            file,
            granted,
            plain,
        };
        // Whichever thread executes, the program is the first thread of its process.
        self.pending.put(caller.process(), change);
        Ok(Reply::Continue)
    }
}

fn grants(object: &Object, believed: &Override) -> FileGrants {
    if believed.mode & EXECUTE == 0 {
        return FileGrants::default();
    }
    let bit = |bits: u32| believed.mode & bits == bits;
    let mut value = [0; 64];
    let capabilities = object.attribute(CAPABILITY, &mut value);
    FileGrants {
        user: bit(SET_USER).then_some(believed.uid),
        group: bit(SET_GROUP | GROUP_EXECUTE).then_some(believed.gid),
        capabilities: capabilities
            .ok()
            .and_then(|length| FileCapabilities::parse(&value[..length])),
    }
}

/// Field 28 of `/proc/TID/stat`. Every program has another, unless addresses are not randomised; then a failed `execve`
/// is taken for none.
fn start_of_stack(thread: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("{thread}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    // The third field is the first here.
    rest.split(' ').nth(25)?.parse().ok()
}
