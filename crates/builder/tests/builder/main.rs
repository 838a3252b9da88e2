//! Builds, end to end, as an ordinary user: a base image out of this machine's own programs, real
//! mounts, real containers, a real storage directory.
//!
//! The test harness has threads and is its own `/proc/self/exe`; re-execution needs a `main` that comes
//! before them. So this is a plain program: it enters one of the processes, or runs every case.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a case that can't be prepared has failed; counts of vectors are printed"
)]

mod cache;
mod copy;
mod copy_again;
mod copy_vectors;
mod fakeroot;
mod fixture;
mod heredoc;
mod ignore;
mod instructions;
mod onbuild;
mod refusals;
mod stages;

use std::process::ExitCode;

use fixture::Fixture;

/// A claim, and what shows it.
type Case = ch_test_support::Case<fn(&Fixture)>;

fn main() -> ExitCode {
    let programs = [ch_rootfs::MOUNTER, ch_container::RUNTIME];
    if let Some(status) = ch_linux::reexec::enter(&programs) {
        return status;
    }
    let sections = [
        ("cache", cache::CASES),
        ("copies", copy::CASES),
        ("vectors of copies", copy_vectors::CASES),
        ("copies after a change", copy_again::CASES),
        ("here-documents", heredoc::CASES),
        ("ignore files", ignore::CASES),
        ("fakeroot mode", fakeroot::CASES),
        ("instructions", instructions::CASES),
        ("triggers", onbuild::CASES),
        ("refusals", refusals::CASES),
        ("stages", stages::CASES),
    ];
    ch_test_support::run_cases(&sections, |case| case(&Fixture::new()))
}
