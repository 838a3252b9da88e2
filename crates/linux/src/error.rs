//! The error of a system call: which call, with which arguments, and what the kernel said.

use std::io;

/// A system call that failed, with all its arguments.
///
/// The kernel's answer is the `source`, so that a chain of causes ends in it.
#[derive(Debug, thiserror::Error)]
#[error("{call}({arguments})")]
pub struct SyscallError {
    call: &'static str,
    arguments: String,
    source: io::Error,
}

impl SyscallError {
    /// Describes the failure of `call` with `arguments` as a reader would write them in C.
    pub fn new(
        call: &'static str,
        arguments: impl Into<String>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self {
            call,
            arguments: arguments.into(),
            source: source.into(),
        }
    }

    /// Name of the system call.
    pub fn call(&self) -> &'static str {
        self.call
    }

    /// What the kernel said, as `std` classifies it.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// `errno` of the failure, if it came from the kernel.
    pub fn errno(&self) -> Option<rustix::io::Errno> {
        rustix::io::Errno::from_io_error(&self.source)
    }
}

/// Flags as the kernel names them, which is `prefix` before each of `names`.
pub(crate) fn flags<T>(prefix: &str, names: impl Iterator<Item = (&'static str, T)>) -> String {
    let names: Vec<String> = names.map(|(name, _)| format!("{prefix}{name}")).collect();
    names.join("|")
}

/// `text` without the error number that `std` puts behind the kernel's words.
pub fn without_number(mut text: String) -> String {
    if let Some(at) = text.rfind(" (os error ").filter(|_| text.ends_with(')')) {
        text.truncate(at);
    }
    text
}

impl From<SyscallError> for io::Error {
    fn from(error: SyscallError) -> Self {
        Self::new(error.kind(), error)
    }
}
