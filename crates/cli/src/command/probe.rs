//! What the kernel lets an ordinary user do, tried by a process of our own: a namespace can't be left again.

use std::os::fd::AsFd as _;
use std::process::ExitCode;

use ch_container::SetUpError;
use ch_linux::mount::{Attributes, FileSystem};
use ch_linux::namespace::{self, Identity, Kinds};
use ch_linux::process::{End, Fork};
use ch_linux::reexec::{Executable, Invocation, Program, Start};
use ch_linux::seccomp::{self, Instruction, Verdict};
use ch_linux::socket::Socket;
use ch_linux::{SyscallError, process};
use serde::{Deserialize, Serialize};

use crate::environment::{self, Environment};
use crate::failure::Failure;

/// The program that tries; `main` must know it.
pub(crate) const PROBE: Program = Program {
    name: "probe",
    main: probe,
};

/// Why something could not be had, if it could not.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Found {
    /// A user namespace, and a mount namespace in it.
    pub(super) namespaces: Option<SetUpError>,
    /// A process namespace with a `/proc` of its own.
    pub(super) processes: Option<String>,
    /// A supervisor of root emulation.
    pub(super) supervisor: Option<String>,
    /// A seccomp filter.
    pub(super) filter: Option<String>,
}

/// Has a process try.
pub(super) fn run() -> Result<Found, Failure> {
    let (ours, theirs) = Socket::pair()?;
    let start = Start {
        socket: Some(theirs.as_fd()),
        ..Start::default()
    };
    let child = Executable::current()?.start(&PROBE, &start)?;
    drop(theirs);
    let answer = ours.receive()?;
    child.wait()?;
    let answer = answer.ok_or_else(|| Failure::new("can't ask a process of our own"))?;
    Ok(serde_json::from_slice(&answer.bytes)?)
}

/// What is wrong, and what can be done about it.
pub(super) fn explain(error: &SetUpError, environment: &Environment) -> (String, Option<String>) {
    match error.diagnose(environment::says_container(environment)) {
        Some(found) => (found.message, found.hint),
        None => (error.to_string(), None),
    }
}

/// An error and its cause, on one line.
fn chain(error: &SyscallError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let cause = ch_linux::without_number(cause.unwrap_or_default());
    format!("{error}: {cause}")
}

/// Runs in the process that tries.
fn probe(invocation: Invocation) -> ExitCode {
    let allow = [Instruction::answer(Verdict::Allow)];
    let listen = || {
        process::forbid_new_privileges()?;
        seccomp::install_asking(&allow).map(drop)
    };
    let why = |result: Result<(), SyscallError>| result.err().map(|error| chain(&error));
    let found = Found {
        namespaces: ch_container::enter(Identity::ROOT).err(),
        processes: why(own_processes()),
        supervisor: why(listen()),
        filter: why(seccomp::install(&allow)),
    };
    let answer = serde_json::to_vec(&found).expect("an error has no maps with odd keys");
    let sent = invocation.socket.map(|socket| socket.send(&answer, &[]));
    match sent {
        Some(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Makes a process namespace; only a child of ours is in it, and may mount its `/proc`.
fn own_processes() -> Result<(), SyscallError> {
    namespace::unshare(Kinds::PID)?;
    match process::fork()? {
        Fork::Child => {
            let mounted = FileSystem::open("proc").and_then(|proc| proc.mount(Attributes::empty()));
            process::exit_now(u8::from(mounted.is_err()))
        }
        Fork::Parent(child) => match process::wait(child)? {
            End::Exited(0) => Ok(()),
            _ => {
                let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
                Err(SyscallError::new("fsmount", "\"proc\"", refused))
            }
        },
    }
}
