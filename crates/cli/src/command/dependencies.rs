//! `ch-image --dependencies`: what keeps this program from working here.
//!
//! Nothing is guessed from versions: a process of our own, the [`PROBE`], tries to make the
//! namespaces that a build needs.

use std::os::fd::AsFd as _;
use std::process::ExitCode;

use ch_container::{SetUpError, Surroundings};
use ch_linux::namespace::Identity;
use ch_linux::reexec::{Executable, Invocation, Program, Start};
use ch_linux::socket::Socket;

use super::Context;
use crate::environment;
use crate::failure::Failure;

/// The program that tries; `main` must know it.
pub(crate) const PROBE: Program = Program {
    name: "probe",
    main: probe,
};

/// Prints one line for each problem; status 1 if there are any. The storage directory is not touched.
pub(super) fn run(context: &Context) -> Result<ExitCode, Failure> {
    let mut problems = String::new();
    if let Err(failure) = context.storage_path() {
        problems.push_str(&format!(
            "bad dependency: storage directory: {}\n",
            failure.message()
        ));
    }
    if let Some(error) = try_namespaces()? {
        problems.push_str(&format!(
            "missing dependency: user namespaces: {}\n",
            reason(&error, context)
        ));
    }
    context.terminal.output(&problems)?;
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What is wrong and what can be done, on one line.
fn reason(error: &SetUpError, context: &Context) -> String {
    let in_container = environment::says_container(&context.environment);
    let executable = std::env::current_exe().unwrap_or_default();
    match Surroundings::look(executable, in_container).diagnose(error) {
        Some(found) => match found.hint {
            Some(hint) => format!("{} ({})", found.message, hint.replace('\n', " ")),
            None => found.message,
        },
        None => error.to_string(),
    }
}

/// Has the probe make a user namespace; gives the reason if it could not.
fn try_namespaces() -> Result<Option<SetUpError>, Failure> {
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

/// Runs in a process of its own: a namespace can't be left again.
fn probe(invocation: Invocation) -> ExitCode {
    let error = ch_container::enter(Identity::ROOT).err();
    let answer = serde_json::to_vec(&error).expect("an error has no maps with odd keys");
    let sent = invocation.socket.map(|socket| socket.send(&answer, &[]));
    match sent {
        Some(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
