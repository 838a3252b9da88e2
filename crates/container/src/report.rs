//! What the processes of a container tell each other, over one socket.

use ch_emulation::Memory;
use ch_linux::SyscallError;
use ch_linux::process;
use ch_linux::signal::Signal;
use ch_linux::socket::Socket;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Cause, ExecError, SetUpError};
use crate::spec::Spec;

/// What the runtime process is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The container and its command.
    pub(crate) spec: Spec,
    /// Whether to make a PID namespace.
    pub(crate) pid_namespace: bool,
}

/// From the container to ch-image.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// Something was done otherwise than wanted.
    Notice(Notice),
    /// There can be no PID namespace, because there can be no `/proc` for it.
    NoProc(Cause),
    /// The container could not be set up.
    Failed(SetUpError),
    /// The command could not be executed.
    NotExecuted(ExecError),
    /// The command ended.
    Ended(End),
    /// What its supervisor remembers; there may be several of these.
    Remembered(Vec<Memory>),
    /// The container's first process was killed.
    InitLost(End),
    /// The command ended and left processes that do not die, with these names.
    Left(Vec<String>),
}

/// From ch-image to the container.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Ask the command to end.
    Terminate,
    /// End now.
    Kill,
    /// Halt every process.
    Suspend,
    /// Let every process go on.
    Resume,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// By itself, with this status.
    Exited(u8),
    /// By the signal of this number.
    Killed(i32),
}

/// `exited with 3`, `killed by SIGKILL (9)`.
impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Exited(status) => write!(f, "exited with {status}"),
            Self::Killed(number) => write!(f, "killed by {}", Signal::from_raw(number)),
        }
    }
}

impl From<process::End> for End {
    fn from(end: process::End) -> Self {
        match end {
            process::End::Exited(status) => Self::Exited(status),
            process::End::Killed(signal) => Self::Killed(signal.as_raw()),
        }
    }
}

/// Something that was done otherwise than wanted, because of the surroundings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// The container shares this kind of namespace with the host.
    Shared {
        /// `PID`, `IPC` or `UTS`.
        namespace: String,
        /// Why it has none of its own.
        cause: Cause,
    },
    /// The container keeps the host's name.
    HostName(Cause),
    /// A device that the host does not have is not in `/dev`.
    NoDevice(String),
    /// A mount was left out or replaced by the host's.
    Mount {
        /// Where in the container.
        path: String,
        /// Why.
        cause: Cause,
    },
    /// There is no supervisor; the `seccomp` mode serves instead.
    NoSupervisor(Cause),
    /// The command has ended, or was killed, but processes with these names take long to die.
    Lingering(Vec<String>),
}

impl Notice {
    /// Whether it concerns every user, and not only those who look for a problem.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::Lingering(_))
    }
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shared { namespace, cause } => {
                write!(f, "no own {namespace} namespace: {cause}")
            }
            Self::HostName(cause) => write!(f, "no own host name: {cause}"),
            Self::NoDevice(name) => write!(f, "the host has no /dev/{name}"),
            Self::Mount { path, cause } => write!(f, "can't mount a private {path}: {cause}"),
            Self::NoSupervisor(cause) => {
                write!(
                    f,
                    "root emulation by seccomp, as no supervisor is possible: {cause}"
                )
            }
            Self::Lingering(names) => {
                write!(
                    f,
                    "waiting for processes that do not die: {}",
                    names.join(" ")
                )
            }
        }
    }
}

/// One end of the socket.
#[derive(Debug)]
pub(crate) struct Channel(Socket);

impl Channel {
    pub(crate) fn new(socket: Socket) -> Self {
        Self(socket)
    }

    /// The socket, to wait for it.
    pub(crate) fn socket(&self) -> &Socket {
        &self.0
    }

    /// Tells the other side. That the other side is gone is seen where it is waited for, so an error
    /// here is no news.
    pub(crate) fn send(&self, message: &impl Serialize) {
        let bytes = serde_json::to_vec(message).expect("messages have no maps with odd keys");
        let _ = self.0.send(&bytes, &[]);
    }

    /// The next message; `None` when the other side is gone or is not what it should be.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> Result<Option<T>, SyscallError> {
        let message = self.0.receive()?;
        Ok(message.and_then(|message| serde_json::from_slice(&message.bytes).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_reads_as_in_the_message_about_a_failed_run() {
        assert_eq!(End::Exited(3).to_string(), "exited with 3");
        assert_eq!(End::Killed(9).to_string(), "killed by SIGKILL (9)");
    }
}
