//! Containers, end to end, as an ordinary user: a small root out of this machine's own programs, the
//! processes that `ch-image` would start, and programs inside that look around.
//!
//! The test harness has threads and is its own `/proc/self/exe`; re-execution needs a `main` that comes
//! before them. So this is a plain program: it enters one of its processes, or runs every case.

#![expect(
    clippy::unwrap_used,
    reason = "a case that can't be prepared has failed"
)]

mod fixture;
mod in_place;
mod killed;
mod run;
mod suspended;
mod without_pid;

use std::process::ExitCode;

use fixture::Fixture;

/// A claim, and what shows it.
type Case = ch_test_support::Case<fn(&Fixture)>;

fn main() -> ExitCode {
    if let Some(status) = ch_linux::reexec::enter(&[
        ch_container::RUNTIME,
        fixture::MOUNTER,
        in_place::CH_RUN,
        killed::BUILDER,
        without_pid::MASKED,
    ]) {
        return status;
    }
    let sections = [
        ("RUN", run::CASES),
        ("ch-run", in_place::CASES),
        ("halting", suspended::CASES),
        ("sudden death", killed::CASES),
        ("without a PID namespace", without_pid::CASES),
    ];
    let fixture = Fixture::new();
    ch_test_support::run_cases(&sections, |case| case(&fixture))
}
