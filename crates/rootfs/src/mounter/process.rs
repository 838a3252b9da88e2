//! The mounter itself: a process of one thread that makes the namespaces and answers requests until
//! its client is gone.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use ch_linux::mount::{self, Propagation};
use ch_linux::namespace::{self, Identity};
use ch_linux::overlay::{self, Naming, Stack};
use ch_linux::reexec::Invocation;
use ch_linux::socket::Socket;
use ch_linux::{SyscallError, process};

use super::protocol::{self, Failure, Reply, Request};

/// Entry of the re-executed process. Its one descriptor is the storage directory.
pub(super) fn main(invocation: Invocation) -> ExitCode {
    let Invocation {
        request,
        socket: Some(socket),
        descriptors,
        ..
    } = invocation
    else {
        return ExitCode::FAILURE;
    };
    match prepare(descriptors) {
        Ok(user_namespace) => {
            if send(&socket, &Reply::Ready, Some(&user_namespace)).is_err() {
                return ExitCode::FAILURE;
            }
            drop(user_namespace);
            serve(&socket, protocol::opened(&request))
        }
        Err(error) => {
            // The client may be gone; there is nobody else to tell.
            let _ = send(&socket, &Reply::Failed(error.into()), None);
            ExitCode::FAILURE
        }
    }
}

/// Makes the namespaces. The storage directory becomes the working directory *before*, since the
/// kernel carries that over into the new mount namespace, where other descriptors are of no use.
fn prepare(descriptors: Vec<OwnedFd>) -> Result<OwnedFd, SyscallError> {
    for storage in descriptors {
        process::change_directory_to(storage)?;
    }
    namespace::enter(Identity::ROOT)?;
    mount::set_propagation(Propagation::Private)?;
    namespace::current_user()
}

/// Answers requests until the client closes its end.
fn serve(socket: &Socket, mut naming: Option<Naming>) -> ExitCode {
    loop {
        let Ok(message) = socket.receive() else {
            return ExitCode::FAILURE;
        };
        let Some(message) = message else {
            return ExitCode::SUCCESS;
        };
        let Ok(request) = serde_json::from_slice(&message.bytes) else {
            return ExitCode::FAILURE;
        };
        if answer(socket, &request, &mut naming).is_err() {
            return ExitCode::FAILURE;
        }
    }
}

/// Answers one request. A mount ends with its last descriptor, so the client is told when ours is gone.
fn answer(
    socket: &Socket,
    request: &Request,
    naming: &mut Option<Naming>,
) -> Result<(), SyscallError> {
    match mount_overlay(request, naming) {
        Ok(mounted) => {
            send(socket, &Reply::Mounted, Some(&mounted))?;
            drop(mounted);
            send(socket, &Reply::Released, None)
        }
        Err(error) => send(socket, &Reply::Failed(Failure::from(error)), None),
    }
}

fn mount_overlay(request: &Request, naming: &mut Option<Naming>) -> Result<OwnedFd, SyscallError> {
    let open = |name: &String| overlay::open_layer(Path::new(name));
    let lowers: Vec<_> = request.lowers.iter().map(open).collect::<Result<_, _>>()?;
    let upper = match &request.upper {
        Some(upper) => Some((open(&upper.files)?, open(&upper.work)?)),
        None => None,
    };
    let naming = match *naming {
        Some(naming) => naming,
        None => *naming.insert(Naming::probe(open_working_directory()?)),
    };
    let stack = Stack {
        lowers: lowers.iter().map(AsFd::as_fd).collect(),
        upper: upper.as_ref().map(|(files, work)| overlay::Upper {
            files: files.as_fd(),
            work: work.as_fd(),
        }),
    };
    overlay::mount(&stack, naming)
}

fn open_working_directory() -> Result<File, SyscallError> {
    File::open(".").map_err(|error| SyscallError::new("open", "\".\"", error))
}

fn send(socket: &Socket, reply: &Reply, descriptor: Option<&OwnedFd>) -> Result<(), SyscallError> {
    let bytes = serde_json::to_vec(reply).expect("replies are plain text and numbers");
    let descriptors: Vec<_> = descriptor
        .iter()
        .map(|descriptor| descriptor.as_fd())
        .collect();
    socket.send(&bytes, &descriptors)
}
