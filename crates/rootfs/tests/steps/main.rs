//! Steps on real mounts, as the account that runs the tests: prepare, change, commit, look.
//!
//! A test with its own `main`, because it starts itself again: as mounter, and as the process that
//! a step's changes are made in.
#![expect(clippy::unwrap_used, reason = "a test with its own main")]

mod commit;
mod fixture;
mod kill;
mod outside;
mod refused;
mod step;
mod view;

use std::process::ExitCode;

/// What is claimed, and what shows it.
type Case = ch_test_support::Case<fn()>;

fn main() -> ExitCode {
    let programs = [
        ch_rootfs::MOUNTER,
        step::STEP,
        kill::BUILDER,
        view::VIEWER,
        refused::REFUSED,
    ];
    if let Some(status) = ch_linux::reexec::enter(&programs) {
        return status;
    }
    let sections = [
        ("layers.md §4, vectors V-cm", commit::CASES),
        ("layers.md §4, V-cm-10", kill::CASES),
        ("layers.md §5, written from outside", outside::CASES),
        ("roots to look at", view::CASES),
        ("surroundings that refuse", refused::CASES),
    ];
    ch_test_support::run_cases(&sections, |case| case())
}
