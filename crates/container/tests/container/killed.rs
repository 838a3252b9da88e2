//! `kill -9` of the builder: nothing of its containers lives on.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use ch_linux::reexec::{Ended, Invocation, Program, Start};

use crate::Case;
use crate::fixture::{Fixture, shell};
use crate::run::is_running;

pub(crate) const CASES: &[Case] = &[(
    "no process outlives its killed builder",
    no_process_outlives_its_builder,
)];

/// A builder whose step does not end.
pub(crate) const BUILDER: Program = Program {
    name: "builder",
    main: builder,
};

fn builder(_: Invocation) -> ExitCode {
    Fixture::new().run(&shell("trap '' TERM HUP; (sleep 7031 &); sleep 7031"));
    ExitCode::SUCCESS
}

pub(crate) fn no_process_outlives_its_builder(fixture: &Fixture) {
    let child = fixture
        .executable
        .start(&BUILDER, &Start::default())
        .expect("start");
    wait_until("the step runs", || is_running("7031"));
    child.kill().expect("kill");
    assert_eq!(child.wait().expect("wait"), Ended::Killed(9));
    wait_until("the step is gone", || !is_running("7031"));
}

pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}
