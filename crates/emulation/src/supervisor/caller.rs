//! The thread that waits for an answer.

use std::ffi::{CStr, CString};

use ch_linux::seccomp::{Listener, Notification};
use ch_linux::{Errno, memory};

use super::acquaintances::Acquaintances;
use crate::calls::Pointer;

/// A thread that made a call.
pub(super) struct Caller<'a> {
    listener: &'a Listener,
    pub(super) known: &'a Acquaintances,
    id: u64,
    /// Its number in our PID namespace.
    pub(super) thread: u32,
}

impl<'a> Caller<'a> {
    pub(super) fn new(
        listener: &'a Listener,
        known: &'a Acquaintances,
        heard: &Notification,
    ) -> Self {
        Self {
            listener,
            known,
            id: heard.id,
            thread: heard.thread,
        }
    }

    /// Fails unless the thread still waits. After anything was opened by its number.
    pub(super) fn still_waits(&self) -> Result<(), Errno> {
        if self.listener.waits(self.id) {
            Ok(())
        } else {
            Err(Errno::INTR)
        }
    }

    /// The text at `pointer`.
    pub(super) fn text(&self, pointer: Pointer) -> Result<CString, Errno> {
        memory::read_text(self.thread, pointer.0).map_err(errno)
    }

    /// Fills `buffer` from `pointer`.
    pub(super) fn read(&self, pointer: Pointer, buffer: &mut [u8]) -> Result<(), Errno> {
        memory::read(self.thread, pointer.0, buffer).map_err(errno)
    }

    /// Writes `bytes` to `pointer`.
    pub(super) fn write(&self, pointer: Pointer, bytes: &[u8]) -> Result<(), Errno> {
        self.still_waits()?;
        memory::write(self.thread, pointer.0, bytes).map_err(errno)
    }

    /// `NAME` of the caller in `/proc`, which is our working directory.
    pub(super) fn in_proc(&self, name: &str) -> CString {
        let path = format!("{}/{name}", self.thread);
        CString::new(path).expect("numbers and names of ours hold no NUL")
    }

    /// A field of `/proc/TID/status`.
    pub(super) fn status_field(&self, field: &str) -> Option<String> {
        let status = std::fs::read_to_string(format!("{}/status", self.thread)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        Some(line.strip_prefix(':')?.trim().to_owned())
    }

    /// The number of its process.
    pub(super) fn process(&self) -> u32 {
        let group = self.status_field("Tgid").and_then(|text| text.parse().ok());
        group.unwrap_or(self.thread)
    }

    /// The bits that modes of its new files do not get.
    pub(super) fn mask(&self) -> u32 {
        let mask = self.status_field("Umask");
        mask.and_then(|text| u32::from_str_radix(&text, 8).ok())
            .unwrap_or(0o022)
    }
}

fn errno(error: ch_linux::SyscallError) -> Errno {
    match error.errno() {
        // A thread that is gone, or that we may not look at, has no memory.
        Some(Errno::SRCH | Errno::PERM) | None => Errno::FAULT,
        Some(errno) => errno,
    }
}

/// `path` and `more`, joined.
pub(super) fn joined(path: &CStr, more: &CStr) -> CString {
    let bytes = [path.to_bytes(), b"/", more.to_bytes()].concat();
    CString::new(bytes).expect("joined of what holds no NUL")
}
