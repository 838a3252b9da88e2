//! The kernel and the processor.

use ch_emulation::Mode;
use ch_linux::namespace::Identity;

use super::check::Check;
use crate::command::dependencies::has_hash_instructions;
use crate::command::probe::Found;
use crate::command::{Context, probe};
use crate::failure::Failure;

/// What a container needs, root emulation, and what makes things fast.
pub(super) fn checks(context: &Context) -> Result<Vec<Check>, Failure> {
    let found = probe::run()?;
    let namespaces = match &found.namespaces {
        None => {
            let Identity { uid, gid } = Identity::current();
            Check::ok(
                "user-namespaces",
                format_args!("uid {uid} and gid {gid} become root inside"),
            )
        }
        Some(error) => {
            let (message, hint) = probe::explain(error, &context.environment);
            Check::fail("user-namespaces", message, hint)
        }
    };
    Ok(vec![
        namespaces,
        processes(&found),
        emulation(&found),
        hashing(),
    ])
}

/// Without a namespace of processes containers see those of the host.
fn processes(found: &Found) -> Check {
    const ID: &str = "process-namespaces";
    // One reason is enough: without user namespaces there are no others.
    match (&found.processes, &found.namespaces) {
        (None, _) => Check::ok(ID, "a RUN has its own processes and /proc"),
        (Some(_), Some(_)) => Check::ok(ID, "not tried without user namespaces"),
        (Some(reason), None) => Check::slow(
            ID,
            format_args!("a RUN sees the processes of this machine: {reason}"),
            "start the surrounding container with an unmasked /proc: --security-opt systempaths=unconfined",
        ),
    }
}

/// The best mode that this kernel allows.
fn emulation(found: &Found) -> Check {
    const ID: &str = "root-emulation";
    let chosen = |mode: Mode| format!("--force={mode}");
    match (&found.supervisor, &found.filter) {
        (None, _) => Check::ok(
            ID,
            format_args!("{}: owners are remembered", chosen(Mode::Supervisor)),
        ),
        (Some(reason), None) => Check::slow(
            ID,
            format_args!(
                "{}: owners are forgotten, as no supervisor is possible: {reason}",
                chosen(Mode::Seccomp)
            ),
            "leave the surrounding seccomp supervisor (a container of another program, for instance), or use Linux 5.9 or later",
        ),
        (Some(_), Some(reason)) => Check::slow(
            ID,
            format_args!(
                "{}: package managers may fail, as no filter is possible: {reason}",
                chosen(Mode::None)
            ),
            "use a kernel with CONFIG_SECCOMP_FILTER, or --force=fakeroot",
        ),
    }
}

/// Every download and layer goes through SHA-256.
fn hashing() -> Check {
    if has_hash_instructions() {
        Check::ok("hashing", "the processor computes SHA-256 by itself")
    } else {
        Check::slow(
            "hashing",
            "the processor can't compute SHA-256 by itself: downloads take longer",
            "use a newer processor",
        )
    }
}
