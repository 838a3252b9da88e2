//! A supervisor for `ch-run`. The command keeps the number, the parent and the signals of the process that was started,
//! so its supervisor is another process; and not a child of it, since a program that waits for its children would
//! find one that it never made. It ends when nobody is left whom it could answer, daemons of the command included.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::IntoRawFd as _;

use ch_emulation::credentials::Credentials;
use ch_emulation::{HostMounts, Memory};
use ch_linux::SyscallError;
use ch_linux::process::{self, End, Fork, Pid};
use ch_linux::socket::Socket;

use crate::error::SetUpError;
use crate::report::Channel;
use crate::runtime::could_not_start;
use crate::supervision;

/// What `ps` shows for it.
const NAME: &CStr = c"ch-run: answers";
/// What errors call it.
const PROCESS: &str = "supervisor";

/// The way to a supervisor that waits for the command.
#[derive(Debug)]
pub(crate) struct Apart(Socket);

impl Apart {
    /// Starts a supervisor for this process, which begins with `credentials` and sees `host`.
    pub(crate) fn start(
        credentials: &Credentials,
        host: HostMounts,
        remembered: &[Memory],
    ) -> Result<Self, SetUpError> {
        let failed = |error| could_not_start(PROCESS, error);
        let (ours, theirs) = Socket::pair().map_err(failed)?;
        let command = process::own_id();
        match process::fork().map_err(failed)? {
            Fork::Child => {
                drop(ours);
                match process::fork() {
                    Ok(Fork::Child) => attend(theirs, command, credentials, host, remembered),
                    Ok(Fork::Parent(_)) => process::exit_now(0),
                    Err(_) => process::exit_now(1),
                }
            }
            Fork::Parent(middle) => match process::wait(middle).map_err(failed)? {
                End::Exited(0) => Ok(Self(ours)),
                _ => Err(lost()),
            },
        }
    }

    /// Puts this process under the supervisor. The inner error is that of a kernel that lets no one listen.
    pub(crate) fn submit(self) -> Result<Result<(), SyscallError>, SetUpError> {
        if let Err(error) = supervision::submit(&self.0) {
            return Ok(Err(error));
        }
        let answer = Channel::new(self.0).receive::<Option<SetUpError>>();
        match answer.map_err(|error| could_not_start(PROCESS, error))? {
            Some(None) => Ok(Ok(())),
            Some(Some(error)) => Err(error),
            None => Err(lost()),
        }
    }
}

/// It ended before it could say why.
fn lost() -> SetUpError {
    let error = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    could_not_start(PROCESS, SyscallError::new("fork", "", error))
}

/// The supervisor's process.
fn attend(
    socket: Socket,
    command: Pid,
    credentials: &Credentials,
    host: HostMounts,
    remembered: &[Memory],
) -> ! {
    if let Err(error) = stand_apart(&socket) {
        Channel::new(socket).send(&Some(could_not_start(PROCESS, error)));
        process::exit_now(1);
    }
    let started = supervision::start(&socket, command, credentials.clone(), host, remembered);
    let channel = Channel::new(socket);
    match started {
        Ok(Some(supervisor)) => {
            channel.send(&None::<SetUpError>);
            drop(channel);
            process::exit_now(u8::from(supervisor.serve().is_err()))
        }
        // There is nobody to answer.
        Ok(None) => process::exit_now(0),
        Err(error) => {
            channel.send(&Some(error));
            process::exit_now(1)
        }
    }
}

/// Neither the command's terminal nor anything that its caller had open (readers of its output, locks) is ours, and it
/// must not look into this process.
fn stand_apart(socket: &Socket) -> Result<(), SyscallError> {
    process::set_name(NAME)?;
    process::new_session()?;
    process::forbid_inspection()?;
    let_go(socket, nothing()?)
}

/// What a process reads and writes that is to have no streams.
pub(crate) fn nothing() -> Result<File, SyscallError> {
    let nothing = File::options().read(true).write(true).open("/dev/null");
    nothing.map_err(|error| SyscallError::new("open", "/dev/null", error))
}

/// Closes everything but `socket` and puts `nothing` in the place of the standard streams.
pub(crate) fn let_go(socket: &Socket, nothing: File) -> Result<(), SyscallError> {
    for standard in 0..=2 {
        process::place_descriptor(&nothing, standard)?;
    }
    // It is closed with the others, and must not be once more.
    let _ = nothing.into_raw_fd();
    process::close_all_but(socket)
}
