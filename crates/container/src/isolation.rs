//! Namespaces that `ch-run` makes only when asked: of processes (`--pid`) and of the network (`--network=none`).
//!
//! A PID namespace needs a first process, whose end ends the others, and which must not be the command: the kernel
//! keeps signals without a handler from it.
//!
//! | `ps` shows | What it is |
//! |---|---|
//! | `ch-run` | the process that was started: passes signals on, ends as the command does |
//! | `ch-run: init` | process 1: passes signals on, reaps |
//! | the command | child of init |
//!
//! Signals that the kernel sends because of a terminal reach the command by themselves: all three are in one group.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::AsFd as _;

use ch_linux::namespace::{self, Kinds};
use ch_linux::process::{self, Fork, Pid};
use ch_linux::signal::{self, Receiver, Signal};
use ch_linux::socket::Socket;
use ch_linux::{SyscallError, network};

use crate::apart;
use crate::error::SetUpError;
use crate::report::{Channel, End};
use crate::runtime::could_not_start;

/// What `ps` shows for the first process.
const INIT_NAME: &CStr = c"ch-run: init";
/// How a terminal halts processes that it controls.
const HALTING: [Signal; 3] = [
    Signal::TERMINAL_STOP,
    Signal::TERMINAL_INPUT,
    Signal::TERMINAL_OUTPUT,
];

/// Leaves the host's network for one that has nothing but `lo`.
pub fn isolate_network() -> Result<(), SetUpError> {
    namespace::unshare(Kinds::NETWORK)
        .and_then(|()| network::raise_loopback())
        .map_err(|error| SetUpError::NetworkNamespace {
            cause: error.into(),
        })
}

/// Goes on in a PID namespace, as another process: the calling one ends as that one does, and never returns but for
/// an error. It must have one thread.
pub fn isolate_processes() -> Result<(), SetUpError> {
    namespace::unshare(Kinds::PID).map_err(|error| SetUpError::PidNamespace {
        cause: error.into(),
    })?;
    let failed = |error| could_not_start("init", error);
    let (ours, theirs) = Socket::pair().map_err(failed)?;
    let nothing = apart::nothing().map_err(failed)?;
    let before = signal::block(&Signal::all());
    match process::fork().map_err(failed)? {
        Fork::Parent(init) => {
            drop(theirs);
            let end = attend(init, ours).map_err(failed);
            before.restore();
            match end? {
                Ok(End::Exited(status)) => process::exit_now(status),
                Ok(End::Killed(number)) => {
                    // Whoever wants a core file has that of the command.
                    process::forbid_inspection().map_err(failed)?;
                    signal::die_of(Signal::from_raw(number))
                }
                Err(end) => Err(SetUpError::InitLost { end }),
            }
        }
        Fork::Child => {
            drop(ours);
            let channel = Channel::new(theirs);
            match process::fork() {
                Ok(Fork::Child) => {
                    before.restore();
                    Ok(())
                }
                Ok(Fork::Parent(command)) => init(command, channel, nothing),
                Err(_) => process::exit_now(1),
            }
        }
    }
}

/// Passes signals on until the command has ended. The inner error is the end of an init that could not say how.
fn attend(init: Pid, socket: Socket) -> Result<Result<End, End>, SyscallError> {
    let channel = Channel::new(socket);
    let signals = Receiver::new(&Signal::all())?;
    loop {
        let ready = process::wait_readable(&[channel.socket().as_fd(), signals.as_fd()], None)?;
        if ready[0] {
            let end = channel.receive::<End>()?;
            let of_init = process::wait(init)?.into();
            return Ok(end.ok_or(of_init));
        }
        while let Some(received) = signals.receive() {
            if !received.of_kernel {
                pass_on(init, received.signal);
            }
            if HALTING.contains(&received.signal) {
                signal::stop_as_by_terminal();
            }
        }
    }
}

/// The first process. Its end kills all others.
fn init(command: Pid, channel: Channel, nothing: File) -> ! {
    if let Ok(end) = serve(command, &channel, nothing) {
        channel.send(&end);
        process::exit_now(0);
    }
    process::exit_now(1)
}

/// Reaps and passes signals on until the command has ended, or nobody waits for it any more.
fn serve(command: Pid, channel: &Channel, nothing: File) -> Result<End, SyscallError> {
    process::die_with_parent()?;
    process::set_name(INIT_NAME)?;
    // A command may be as privileged as this process, and could change the program itself by `/proc/1/exe`.
    process::forbid_inspection()?;
    apart::let_go(channel.socket(), nothing)?;
    let signals = Receiver::new(&Signal::all())?;
    loop {
        while let Some((pid, end)) = process::reap() {
            if pid == command {
                return Ok(end.into());
            }
        }
        let ready = process::wait_readable(&[channel.socket().as_fd(), signals.as_fd()], None)?;
        if ready[0] {
            process::exit_now(1);
        }
        while let Some(received) = signals.receive() {
            if !received.of_kernel {
                pass_on(command, received.signal);
            }
        }
    }
}

/// That the other has just ended is seen soon.
fn pass_on(to: Pid, signal: Signal) {
    if signal != Signal::CHILD {
        let _ = process::signal_child(to, signal);
    }
}
