//! The last steps before a `RUN`'s command is executed, in the process that becomes it.

use ch_emulation::Mode;
use ch_linux::socket::Socket;
use ch_linux::{process, seccomp, signal};

use crate::environment;
use crate::error::SetUpError;
use crate::program;
use crate::report::{Channel, Notice, Report};
use crate::runtime::could_not_start;
use crate::spec::{Spec, Variables};
use crate::supervision;

/// Exit status that init sees when there is no command; it is never shown.
const NOT_EXECUTED: u8 = 127;

/// Becomes the command, or reports why not.
pub(crate) fn main(spec: &Spec, channel: &Channel, supervisor: Option<&Socket>) -> ! {
    let report = match prepare(spec, channel, supervisor) {
        Ok(variables) => Report::NotExecuted(program::execute(&spec.command, &variables)),
        Err(error) => Report::Failed(error),
    };
    channel.send(&report);
    process::exit_now(NOT_EXECUTED)
}

/// All but the execution; the filter last, so that it sees nothing of ours.
fn prepare(
    spec: &Spec,
    channel: &Channel,
    supervisor: Option<&Socket>,
) -> Result<Variables, SetUpError> {
    let failed = |error| could_not_start("command", error);
    process::new_session().map_err(failed)?;
    signal::reset_all();
    let facts = environment::ImageFacts::look(&spec.user);
    let variables = environment::of_run(&spec.environment, &facts, spec.emulation);
    process::change_directory(&spec.directory).map_err(|error| SetUpError::Directory {
        directory: spec.directory.clone(),
        cause: error.into(),
    })?;
    process::close_on_execute_from(3).map_err(failed)?;
    match supervisor {
        Some(supervisor) => be_supervised(supervisor, channel)?,
        None => emulate(spec.emulation)?,
    }
    Ok(variables)
}

/// Puts this process under a supervisor, or where none is possible under the filter that forgets.
fn be_supervised(supervisor: &Socket, channel: &Channel) -> Result<(), SetUpError> {
    process::forbid_new_privileges().map_err(|error| could_not_start("command", error))?;
    let Err(error) = supervision::submit(supervisor) else {
        return Ok(());
    };
    channel.send(&Report::Notice(Notice::NoSupervisor(error.into())));
    emulate(Mode::Seccomp)
}

/// Puts this process under the root emulation of `mode`, and gives up new privileges.
pub(crate) fn emulate(mode: Mode) -> Result<(), SetUpError> {
    process::forbid_new_privileges().map_err(|error| could_not_start("command", error))?;
    let filter = mode.filter();
    if filter.is_empty() {
        return Ok(());
    }
    seccomp::install(&filter).map_err(|error| SetUpError::Emulation {
        mode,
        cause: error.into(),
    })
}
