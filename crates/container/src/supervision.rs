//! Root emulation by a supervisor: the command hands its listener to init, which answers from then on.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread;

use ch_emulation::credentials::Credentials;
use ch_emulation::{HostMounts, Memory, Mode, Supervisor};
use ch_linux::process::{self, Pid};
use ch_linux::seccomp::{self, Listener};
use ch_linux::socket::Socket;
use ch_linux::{Errno, SyscallError};

use crate::error::{Cause, SetUpError};

/// In the command: puts it under the supervisor's filter, and hands over what the supervisor listens at.
pub(crate) fn submit(to: &Socket) -> Result<(), SyscallError> {
    // By which credentials are known; the user may have another.
    process::set_timer_slack(ch_emulation::credentials::DEFAULT_TIMER_SLACK)?;
    let listener = seccomp::install_asking(&Mode::Supervisor.filter())?;
    to.send(b"listener", &[listener.as_fd()])
}

/// In init: answers for `command`, which starts with `credentials` and sees `host`. `None` if it handed over nothing.
pub(crate) fn start(
    from: &Socket,
    command: Pid,
    credentials: Credentials,
    host: HostMounts,
    remembered: &[Memory],
) -> Result<Option<Arc<Supervisor>>, SetUpError> {
    let failed = |error: SyscallError| SetUpError::Emulation {
        mode: Mode::Supervisor,
        cause: Cause::from(error),
    };
    let message = from.receive().map_err(failed)?;
    let Some(listener) = message.and_then(|mut message| message.descriptors.pop()) else {
        return Ok(None);
    };
    process::change_directory("/proc".as_ref()).map_err(failed)?;
    let supervisor = Arc::new(Supervisor::new(
        Listener::from(listener),
        host,
        &credentials,
    ));
    supervisor.remember_devices();
    for memory in remembered {
        supervisor.remember(memory);
    }
    let thread = command.as_raw_nonzero().get().cast_unsigned();
    let begun = supervisor.begin(thread, credentials);
    begun.map_err(|errno: Errno| failed(SyscallError::new("write", "timerslack_ns", errno)))?;
    let count = thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..count {
        let one = Arc::clone(&supervisor);
        let serve = move || {
            if one.serve().is_err() {
                // Whoever waits for an answer would wait for ever.
                process::exit_now(1);
            }
        };
        let spawned = thread::Builder::new()
            .name("supervisor".into())
            .spawn(serve);
        spawned.map_err(|error| failed(SyscallError::new("clone", "a thread", error)))?;
    }
    Ok(Some(supervisor))
}
