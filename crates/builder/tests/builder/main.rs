//! Builds, end to end, as an ordinary user: a base image out of this machine's own programs, real
//! mounts, real containers, a real storage directory.
//!
//! The test harness has threads and is its own `/proc/self/exe`; re-execution needs a `main` that comes
//! before them. So this is a plain program: it enters one of the processes, or runs every case.

#![expect(
    clippy::unwrap_used,
    reason = "a case that can't be prepared has failed"
)]

mod cache;
mod copy;
mod fixture;
mod instructions;
mod refusals;

use std::process::ExitCode;

use fixture::Fixture;

/// A claim, and what shows it.
type Case = (&'static str, fn(&Fixture));

fn main() -> ExitCode {
    let programs = [ch_rootfs::MOUNTER, ch_container::RUNTIME];
    if let Some(status) = ch_linux::reexec::enter(&programs) {
        return status;
    }
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    let cases: Vec<&Case> = [
        cache::CASES,
        copy::CASES,
        instructions::CASES,
        refusals::CASES,
    ]
    .into_iter()
    .flatten()
    .filter(|(name, _)| name.contains(&wanted))
    .collect();
    let mut failed = 0;
    for (name, case) in &cases {
        let passed = std::panic::catch_unwind(|| case(&Fixture::new())).is_ok();
        report(name, passed);
        failed += usize::from(!passed);
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
    println!("builder: {} passed, {failed} failed", cases - failed);
}
