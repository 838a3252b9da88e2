//! Steps on real mounts, as the account that runs the tests: prepare, change, commit, look; by every way of
//! naming layers that this kernel knows.
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

use std::fs;
use std::process::ExitCode;

use ch_linux::namespace::{self, Identity};
use ch_linux::overlay::Naming;
use ch_linux::reexec::{Ended, Executable, Invocation, Program, Start};
use ch_test_support::{Case, run_cases};

/// What a list of cases is about, and the cases.
type Section<F> = (&'static str, &'static [Case<F>]);

/// Looks which way of naming layers is the best that this kernel knows: its exit status is the place
/// in [`Naming::ALL`].
const PROBER: Program = Program {
    name: "prober",
    main: probe,
};

fn probe(_: Invocation) -> ExitCode {
    namespace::enter(Identity::ROOT).unwrap();
    ExitCode::from(Naming::probe(fs::File::open("/").unwrap()) as u8)
}

/// All ways of naming layers that this kernel knows.
fn known() -> &'static [Naming] {
    let prober = Executable::current()
        .unwrap()
        .start(&PROBER, &Start::default());
    let Ended::Exited(best) = prober.unwrap().wait().unwrap() else {
        panic!("the kernel can't be asked");
    };
    &Naming::ALL[usize::try_from(best).unwrap()..]
}

fn main() -> ExitCode {
    let programs = [
        ch_rootfs::MOUNTER,
        PROBER,
        step::STEP,
        kill::BUILDER,
        view::VIEWER,
        refused::REFUSED,
    ];
    if let Some(status) = ch_linux::reexec::enter(&programs) {
        return status;
    }
    let known = known();
    let on_all: [Section<fn(Naming)>; 3] = [
        ("layers.md §4, vectors V-cm", commit::CASES),
        ("layers.md §5, written from outside", outside::CASES),
        ("roots to look at", view::CASES),
    ];
    let on_all = run_cases(&on_all, |case| {
        for naming in known {
            case(*naming);
        }
    });
    let on_best: [Section<fn()>; 2] = [
        ("layers.md §4, V-cm-10", kill::CASES),
        ("surroundings that refuse", refused::CASES),
    ];
    let on_best = run_cases(&on_best, |case| case());
    if on_all == ExitCode::SUCCESS {
        on_best
    } else {
        on_all
    }
}
