//! The container's first process: makes the mounts, starts the command, reaps orphans, passes orders
//! on, and leaves nothing behind.
//!
//! In a PID namespace it is process 1, and its end kills all others. Without one it adopts every orphan
//! and kills them itself.

use std::os::fd::{AsFd as _, OwnedFd};

use ch_emulation::Mode;
use ch_linux::process::{self, Fork, Pid};
use ch_linux::signal::{Receiver, Signal};
use ch_linux::socket::Socket;

use crate::error::SetUpError;
use crate::report::{Channel, End, Order, Report, Request};
use crate::runtime::{INIT_NAME, could_not_start};
use crate::set_up::{self, Proc};
use crate::users::Users;
use crate::{command, descendants, supervision};

/// Mode bits that what is made here, and new files of a `RUN`, do not get; the user's own mask does not count.
const FILE_MODE_MASK: u32 = 0o022;

/// How many memories go into one message.
const MEMORIES: usize = 20;

/// Never returns into the runtime's code: this is another process.
pub(crate) fn main(request: &Request, root: OwnedFd, channel: &Channel) -> ! {
    let status = match live(request, root, channel) {
        Ok(()) => 0,
        Err(error) => {
            channel.send(&Report::Failed(error));
            1
        }
    };
    process::exit_now(status)
}

fn live(request: &Request, root: OwnedFd, channel: &Channel) -> Result<(), SetUpError> {
    let failed = |error| could_not_start("init", error);
    process::set_name(INIT_NAME).map_err(failed)?;
    process::set_file_mode_mask(FILE_MODE_MASK);
    // A command is as privileged as this process, and could change the program itself by `/proc/1/exe`.
    process::forbid_inspection().map_err(failed)?;
    let proc = if request.pid_namespace {
        // Not without one: init must live to kill the others when the runtime dies.
        process::die_with_parent().map_err(failed)?;
        match set_up::new_proc() {
            Ok(proc) => Proc::New(proc),
            Err(error) => {
                channel.send(&Report::NoProc(error.into()));
                return Ok(());
            }
        }
    } else {
        process::adopt_orphans().map_err(failed)?;
        Proc::Host
    };
    let host = set_up::for_run(&request.spec, root, &proc, &|notice| {
        channel.send(&Report::Notice(notice))
    })?;
    drop(proc);
    let credentials = Users::of_root().credentials(&request.spec.user);
    let supervision = match request.spec.emulation {
        Mode::Supervisor => Some((credentials?, Socket::pair().map_err(failed)?)),
        Mode::Seccomp | Mode::Fakeroot | Mode::None => None,
    };
    let children = Receiver::new(&[Signal::CHILD]).map_err(failed)?;
    match process::fork().map_err(|error| could_not_start("command", error))? {
        Fork::Child => {
            let theirs = supervision.as_ref().map(|(_, (_, theirs))| theirs);
            command::main(&request.spec, channel, theirs)
        }
        Fork::Parent(command) => {
            let supervisor = match supervision {
                Some((credentials, (ours, theirs))) => {
                    // Without this end, the command's is the last.
                    drop(theirs);
                    let remembered = &request.spec.remembered;
                    supervision::start(&ours, command, credentials, host, remembered)?
                }
                None => None,
            };
            let end =
                supervise(command, &children, channel, request.pid_namespace).map_err(failed)?;
            if supervisor.is_some() && request.pid_namespace {
                // The end of this process kills them, too, but closes the listener first: their calls would fail,
                // and they could tell the image of it.
                to_all(Signal::KILL);
            }
            if let Some(supervisor) = supervisor {
                for some in supervisor.remembered().chunks(MEMORIES) {
                    channel.send(&Report::Remembered(some.to_vec()));
                }
            }
            if let Some(end) = end {
                channel.send(&Report::Ended(end));
            }
            if !request.pid_namespace {
                let left = descendants::kill_all();
                if !left.is_empty() {
                    channel.send(&Report::Left(left));
                }
            }
            Ok(())
        }
    }
}

/// Waits for the command's end, or for an order to end now (`None`).
fn supervise(
    command: Pid,
    children: &Receiver,
    channel: &Channel,
    pid_namespace: bool,
) -> Result<Option<End>, ch_linux::SyscallError> {
    loop {
        while let Some((pid, end)) = process::reap() {
            if pid == command {
                return Ok(Some(end.into()));
            }
        }
        let ready = process::wait_readable(&[channel.socket().as_fd(), children.as_fd()], None)?;
        if ready[0] {
            match channel.receive::<Order>()? {
                // The command may have ended meanwhile; the loop will see.
                Some(Order::Terminate) => drop(process::signal_group(command, Signal::TERMINATE)),
                Some(Order::Suspend) if pid_namespace => to_all(Signal::STOP),
                Some(Order::Suspend) => descendants::suspend_all(),
                Some(Order::Resume) if pid_namespace => to_all(Signal::CONTINUE),
                Some(Order::Resume) => descendants::resume_all(),
                Some(Order::Kill) | None => return Ok(None),
            }
        }
        while children.next().is_some() {}
    }
}

/// Signals every other process of the container; that there is none is no failure.
fn to_all(signal: Signal) {
    let _ = process::signal_namespace(signal);
}
