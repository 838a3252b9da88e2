//! Resource limits.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More descriptors than this nobody needs.
const MOST_OPEN_FILES: u64 = 1 << 20;

/// How many processes this user may have, if there is a limit.
pub fn processes() -> Option<u64> {
    getrlimit(Resource::Nproc).current
}

/// How many bytes of address space this process may have, if there is a limit.
pub fn address_space() -> Option<u64> {
    getrlimit(Resource::As).current
}

/// How many files this process may have open now, if there is a limit: every descriptor is below it.
pub fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// The limit of open files that this program was started with, once it was raised.
static OPEN_FILES: OnceLock<Rlimit> = OnceLock::new();

/// Lets this process open as many files as it may: deep trees need a descriptor for each level.
///
/// Processes of [`reexec`](crate::reexec) start with the limit that this one was started with, since programs that
/// use `select(2)` can't cope with more.
pub fn raise_open_files() {
    let before = getrlimit(Resource::Nofile);
    let most = before.maximum.unwrap_or(MOST_OPEN_FILES);
    let raised = Rlimit {
        current: Some(most.min(MOST_OPEN_FILES)),
        ..before
    };
    let is_more = before
        .current
        .is_some_and(|current| raised.current > Some(current));
    if is_more && setrlimit(Resource::Nofile, raised).is_ok() {
        // Whoever raises it again finds the limit raised already.
        let _ = OPEN_FILES.set(before);
    }
}

/// What [`raise_open_files`] found, if it changed anything.
pub(crate) fn open_files_before() -> Option<Rlimit> {
    OPEN_FILES.get().copied()
}

/// Sets the limit of open files of this process. Only a system call, so that it may follow `fork(2)`.
pub(crate) fn set_open_files(limit: &Rlimit) {
    // The limit was in force before, so nothing forbids it.
    let _ = setrlimit(Resource::Nofile, *limit);
}
