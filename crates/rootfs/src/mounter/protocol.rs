//! What the mounter and its client say to each other: one JSON value a message.

use ch_linux::SyscallError;
use ch_linux::overlay::Naming;
use serde::{Deserialize, Serialize};

/// What the mounter is started with: the place in [`Naming::ALL`] of the way to name layers, or
/// nothing where it is to find out itself.
pub(super) fn opening(naming: Option<Naming>) -> Vec<u8> {
    naming.map(|naming| naming as u8).into_iter().collect()
}

/// What [`opening`] said.
pub(super) fn opened(said: &[u8]) -> Option<Naming> {
    Naming::ALL.get(usize::from(*said.first()?)).copied()
}

/// An overlay to mount; all paths are relative to the storage directory.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// Top first.
    pub(super) lowers: Vec<String>,
    pub(super) upper: Option<Upper>,
}

/// Where changes of an overlay go.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Upper {
    pub(super) files: String,
    pub(super) work: String,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The user namespace comes along; sent once, before the first request.
    Ready,
    /// The mount comes along.
    Mounted,
    /// The mounter holds no descriptor of that mount any more.
    Released,
    /// It could not be done.
    Failed(Failure),
}

/// A failed system call of the mounter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// The call with its arguments.
    pub(super) call: String,
    pub(super) errno: Option<i32>,
    /// What the kernel said, for failures that are no `errno`.
    pub(super) text: String,
}

impl From<SyscallError> for Failure {
    fn from(error: SyscallError) -> Self {
        let source = std::error::Error::source(&error);
        Self {
            call: error.to_string(),
            errno: error.errno().map(|errno| errno.raw_os_error()),
            text: source.map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// A [`Failure`] as an error, with what the kernel said as its source.
#[derive(Debug, thiserror::Error)]
#[error("{call}")]
pub(crate) struct RemoteError {
    call: String,
    source: std::io::Error,
}

impl From<Failure> for RemoteError {
    fn from(failure: Failure) -> Self {
        let source = match failure.errno {
            Some(errno) => std::io::Error::from_raw_os_error(errno),
            None => std::io::Error::other(failure.text),
        };
        Self {
            call: failure.call,
            source,
        }
    }
}

impl RemoteError {
    /// The call with its arguments, and what the file system said.
    pub(crate) fn call(&self) -> &str {
        &self.call
    }

    /// What the kernel said.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}
