//! Standard output as this program's caller left it.

use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before Rust's start-up code, which opens `/dev/null` in the place of a standard stream that is closed.
#[used]
#[expect(
    unsafe_code,
    reason = "a constructor is the only place that sees the caller's descriptors"
)]
// SAFETY: the C library calls it once, before `main`, in the only thread; it touches nothing of Rust's
// runtime.
#[unsafe(link_section = ".init_array")]
static REMEMBER: extern "C" fn() = remember;

extern "C" fn remember() {
    #[expect(
        unsafe_code,
        reason = "a descriptor that may be closed is none for a safe wrapper"
    )]
    // SAFETY: only asks; a number that is no descriptor is an error and nothing else.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    WAS_CLOSED.store(flags == -1, Ordering::Relaxed);
}

/// Whether there was none. What is written to it now disappears without an error.
pub fn was_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}
