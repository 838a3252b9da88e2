//! The mounter: one process of a command that owns the user namespace and makes all mounts.
//!
//! It has a single thread, since the kernel gives a new user namespace to no other, and answers each
//! request with the descriptor of a *detached* mount: what is mounted has no place yet, may be used from
//! outside the namespace, and ends with its last descriptor. Containers join the namespace by
//! [`Mounter::user_namespace`] to attach it.

mod process;
mod protocol;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ch_linux::SyscallError;
use ch_linux::overlay::Naming;
use ch_linux::reexec::{Child, Executable, Program, Start};
use ch_linux::socket::{Message, Socket};
use ch_storage::Storage;

use crate::diagnosis::{self, Diagnosis};
use crate::stack::Roots;
pub(crate) use protocol::RemoteError;
use protocol::{Reply, Request, Upper};

/// The mounter as a program of this executable.
pub const MOUNTER: Program = Program {
    name: "mounter",
    main: process::main,
};

/// A running mounter, for any number of threads. It ends when this is dropped, or with this process.
#[derive(Debug)]
pub struct Mounter {
    socket: Mutex<Socket>,
    user_namespace: OwnedFd,
    storage: PathBuf,
    roots: Roots,
    probed: Mutex<bool>,
    child: Option<Child>,
}

/// Why there is no mounter.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The process can't be started.
    #[error("can't start the mounter process")]
    Start(#[source] SyscallError),
    /// It ended without a word.
    #[error("the mounter process ended unexpectedly")]
    Ended,
    /// The kernel, or whoever configured it, refuses.
    #[error("{}", .0.message)]
    Refused(
        Diagnosis,
        #[source] Box<dyn std::error::Error + Send + Sync>,
    ),
}

impl SpawnError {
    /// What could be done about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused(diagnosis, _) => diagnosis.hint.as_deref(),
            Self::Start(_) | Self::Ended => None,
        }
    }
}

/// Why a stack of layers can't be mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The mounter is gone.
    #[error("the mounter process ended unexpectedly")]
    Ended,
    /// The kernel refuses.
    #[error("{}", .0.message)]
    Refused(
        Diagnosis,
        #[source] Box<dyn std::error::Error + Send + Sync>,
    ),
    /// The mounter can't be asked.
    #[error("can't talk to the mounter process")]
    Talk(#[from] SyscallError),
}

impl MountError {
    /// What could be done about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused(diagnosis, _) => diagnosis.hint.as_deref(),
            Self::Ended | Self::Talk(_) => None,
        }
    }
}

/// What to mount over each other; paths are relative to the storage directory.
#[derive(Debug)]
pub(crate) struct Layers {
    /// Top first.
    pub(crate) lowers: Vec<String>,
    /// Directory of changes and the kernel's work directory.
    pub(crate) upper: Option<(String, String)>,
}

impl Mounter {
    /// Starts the mounter of a command that works on `storage`.
    pub fn spawn(executable: &Executable, storage: &Storage) -> Result<Self, SpawnError> {
        Self::spawn_by(None, executable, storage)
    }

    /// Like [`spawn`](Self::spawn), with layers named as an older kernel needs it, if that is said.
    pub fn spawn_by(
        naming: Option<Naming>,
        executable: &Executable,
        storage: &Storage,
    ) -> Result<Self, SpawnError> {
        let (socket, theirs) = Socket::pair().map_err(SpawnError::Start)?;
        let start = Start {
            request: &protocol::opening(naming),
            socket: Some(theirs.as_fd()),
            descriptors: &[storage.directory().as_fd()],
            ..Start::default()
        };
        let child = executable
            .start(&MOUNTER, &start)
            .map_err(SpawnError::Start)?;
        drop(theirs);
        match receive(&socket) {
            Ok(Some((Reply::Ready, Some(user_namespace)))) => Ok(Self {
                socket: Mutex::new(socket),
                user_namespace,
                storage: storage.path().to_owned(),
                roots: Roots::default(),
                probed: Mutex::new(false),
                child: Some(child),
            }),
            answer => {
                // It ends by itself now; only its number is to be given back.
                let _ = child.wait();
                Err(refusal(answer))
            }
        }
    }

    /// The user namespace with one identity, for containers to join.
    pub fn user_namespace(&self) -> BorrowedFd<'_> {
        self.user_namespace.as_fd()
    }

    /// What is known of layers, for the time of a command.
    pub(crate) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Runs `probe` unless it was done with success before; the others wait meanwhile.
    pub(crate) fn once_probed<E>(&self, probe: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        if !*probed {
            probe()?;
            *probed = true;
        }
        Ok(())
    }

    /// Mounts an overlay, detached.
    pub(crate) fn mount(&self, layers: Layers) -> Result<OwnedFd, MountError> {
        let upper = layers.upper.map(|(files, work)| Upper { files, work });
        let request = Request {
            lowers: layers.lowers,
            upper,
        };
        let bytes = serde_json::to_vec(&request).expect("a request is plain text");
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.send(&bytes, &[])?;
        match receive(&socket)? {
            Some((Reply::Mounted, Some(mounted))) => match receive(&socket)? {
                Some((Reply::Released, None)) => Ok(mounted),
                _ => Err(MountError::Ended),
            },
            Some((Reply::Failed(failure), None)) => {
                let error = RemoteError::from(failure);
                let diagnosis = diagnosis::of_overlay(&self.storage, error.call(), error.errno());
                Err(MountError::Refused(diagnosis, Box::new(error)))
            }
            _ => Err(MountError::Ended),
        }
    }
}

impl Drop for Mounter {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // It holds nothing but mounts that others have descriptors of.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}

/// The next reply with its descriptor, or `None` if the mounter is gone.
fn receive(socket: &Socket) -> Result<Option<(Reply, Option<OwnedFd>)>, SyscallError> {
    let Some(Message {
        bytes,
        mut descriptors,
    }) = socket.receive()?
    else {
        return Ok(None);
    };
    Ok(serde_json::from_slice(&bytes)
        .ok()
        .map(|reply| (reply, descriptors.pop())))
}

/// Why the mounter's first words were not that it is ready.
fn refusal(answer: Result<Option<(Reply, Option<OwnedFd>)>, SyscallError>) -> SpawnError {
    match answer {
        Ok(Some((Reply::Failed(failure), _))) => {
            let error = RemoteError::from(failure);
            let diagnosis = diagnosis::of_namespace(error.call(), error.errno());
            SpawnError::Refused(diagnosis, Box::new(error))
        }
        Ok(_) => SpawnError::Ended,
        Err(error) => SpawnError::Start(error),
    }
}
