//! The kernel and the processor.

use ch_emulation::Mode;
use ch_linux::namespace::Identity;

use super::check::Check;
use crate::command::dependencies::has_hash_instructions;
use crate::command::probe::{self, Found};
use crate::environment::Environment;

/// What a container needs, root emulation, and what makes things fast.
pub(super) fn checks(found: &Found, environment: &Environment) -> Vec<Check> {
    let namespaces = match &found.namespaces {
        None => {
            let Identity { uid, gid } = Identity::current();
            Check::ok(
                "user-namespaces",
                format_args!("uid {uid} and gid {gid} become root inside"),
            )
        }
        Some(error) => {
            let (message, hint) = probe::explain(error, environment);
            Check::fail("user-namespaces", message, hint)
        }
    };
    vec![namespaces, processes(found), emulation(found), hashing()]
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

/// The best mode of root emulation that this kernel allows.
pub(super) fn mode(found: &Found) -> Mode {
    match (&found.supervisor, &found.filter) {
        (None, _) => Mode::Supervisor,
        (Some(_), None) => Mode::Seccomp,
        (Some(_), Some(_)) => Mode::None,
    }
}

/// What that means, and why it is not a better one.
fn emulation(found: &Found) -> Check {
    const ID: &str = "root-emulation";
    let mode = mode(found);
    let reason = found.filter.as_ref().or(found.supervisor.as_ref());
    let reason = reason.map(String::as_str).unwrap_or_default();
    match mode {
        Mode::Supervisor => Check::ok(ID, format_args!("--force={mode}: owners are remembered")),
        Mode::Seccomp => Check::slow(
            ID,
            format_args!(
                "--force={mode}: owners are forgotten, as no supervisor is possible: {reason}"
            ),
            "leave the container whose seccomp filter has a supervisor, or use Linux 5.9 or later",
        ),
        Mode::Fakeroot | Mode::None => Check::slow(
            ID,
            format_args!(
                "--force={mode}: package managers may fail, as no filter is possible: {reason}"
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
