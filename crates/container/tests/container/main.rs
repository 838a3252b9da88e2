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
mod without_pid;

use std::process::ExitCode;

use fixture::Fixture;

/// A claim, and what shows it.
type Case = (&'static str, fn(&Fixture));

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
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let fixture = Fixture::new();
    let mut failed = 0;
    let cases: Vec<&Case> = [
        run::CASES,
        in_place::CASES,
        killed::CASES,
        without_pid::CASES,
    ]
    .into_iter()
    .flatten()
    .filter(|(name, _)| {
        wanted
            .as_ref()
            .is_none_or(|wanted| name.contains(wanted.as_str()))
    })
    .collect();
    for (name, case) in &cases {
        let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&fixture)));
        report(name, passed.is_ok());
        failed += usize::from(passed.is_err());
    }
    summary(cases.len(), failed);
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[expect(clippy::print_stdout, reason = "this program is a test harness")]
fn report(name: &str, passed: bool) {
    println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
}

#[expect(clippy::print_stdout, reason = "this program is a test harness")]
fn summary(cases: usize, failed: usize) {
    println!("container: {} passed, {failed} failed", cases - failed);
}
