//! `ch-image --dependencies`: what keeps this program from working here.
//!
//! Nothing is guessed from versions: a process of our own, the [`PROBE`], tries to make the
//! namespaces that a build needs.

use std::os::fd::AsFd as _;
use std::process::ExitCode;

use ch_container::SetUpError;
use ch_linux::namespace::Identity;
use ch_linux::reexec::{Executable, Invocation, Program, Start};
use ch_linux::seccomp::{self, Instruction, Verdict};
use ch_linux::socket::Socket;
use ch_linux::{SyscallError, process};
use serde::{Deserialize, Serialize};

use super::Context;
use crate::environment;
use crate::failure::Failure;
use crate::terminal::Verbosity;

/// The program that tries; `main` must know it.
pub(crate) const PROBE: Program = Program {
    name: "probe",
    main: probe,
};

/// Prints one line for each problem; status 1 if there are any. With `-v` also what only makes things slower. The storage directory is not touched.
pub(super) fn run(context: &Context) -> Result<ExitCode, Failure> {
    let mut problems = String::new();
    if let Err(failure) = context.storage_path() {
        problems.push_str(&format!(
            "bad dependency: storage directory: {}\n",
            failure.message()
        ));
    }
    let found = try_namespaces()?;
    if let Some(error) = &found.namespaces {
        problems.push_str(&format!(
            "missing dependency: user namespaces: {}\n",
            reason(error, context)
        ));
    }
    let mut report = problems.clone();
    if context.terminal.verbosity() >= Verbosity::VERBOSE {
        if !has_hash_instructions() {
            report.push_str(
                "note: the processor can't compute SHA-256 by itself: downloads take longer\n",
            );
        }
        if let Some(reason) = found.supervisor {
            report.push_str(&format!(
                "note: root emulation is that of --force=seccomp, as no supervisor is possible: {reason}\n"
            ));
        }
    }
    context.terminal.output(&report)?;
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whether the processor has instructions for SHA-256, which every download and layer goes through.
fn has_hash_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = std::arch::is_x86_feature_detected!("sha");
    #[cfg(target_arch = "aarch64")]
    let has = std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let has = false;
    has
}

/// What is wrong and what can be done, on one line.
fn reason(error: &SetUpError, context: &Context) -> String {
    let in_container = environment::says_container(&context.environment);
    match error.diagnose(in_container) {
        Some(found) => match found.hint {
            Some(hint) => format!("{} ({})", found.message, hint.replace('\n', " ")),
            None => found.message,
        },
        None => error.to_string(),
    }
}

/// Why something could not be had, if it could not.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    namespaces: Option<SetUpError>,
    supervisor: Option<String>,
}

/// Has the probe make a user namespace, and listen to a filter in it.
fn try_namespaces() -> Result<Found, Failure> {
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

/// An error and its cause, on one line.
fn chain(error: &SyscallError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let cause = ch_linux::without_number(cause.unwrap_or_default());
    format!("{error}: {cause}")
}

/// Runs in a process of its own: a namespace can't be left again.
fn probe(invocation: Invocation) -> ExitCode {
    let listen = || {
        process::forbid_new_privileges()?;
        seccomp::install_asking(&[Instruction::answer(Verdict::Allow)]).map(drop)
    };
    let found = Found {
        namespaces: ch_container::enter(Identity::ROOT).err(),
        supervisor: listen().err().map(|error| chain(&error)),
    };
    let answer = serde_json::to_vec(&found).expect("an error has no maps with odd keys");
    let sent = invocation.socket.map(|socket| socket.send(&answer, &[]));
    match sent {
        Some(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
