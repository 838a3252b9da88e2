//! `RUN` where the host's `/proc` is partly covered, as inside most containers: no PID namespace is to be
//! had, and still nothing may survive the command.

use std::process::ExitCode;

use ch_container::{End, Notice};
use ch_linux::mount::{self, Depth};
use ch_linux::namespace::{self, Identity};
use ch_linux::reexec::{Ended, Invocation, Program, Start};

use crate::Case;
use crate::fixture::{Fixture, shell};
use crate::run::is_running;
use crate::{killed, suspended};

pub(crate) const CASES: &[Case] = &[(
    "without a PID namespace orphans are killed too",
    with_a_masked_proc,
)];

/// This test again, in surroundings where a part of `/proc` is covered.
pub(crate) const MASKED: Program = Program {
    name: "masked",
    main: masked,
};

fn with_a_masked_proc(fixture: &Fixture) {
    let child = fixture
        .executable
        .start(&MASKED, &Start::default())
        .expect("start");
    assert_eq!(child.wait().expect("wait"), Ended::Exited(0));
}

fn namespace_of(notice: &Notice) -> &str {
    match notice {
        Notice::Shared { namespace, .. } => namespace,
        other => panic!("{other}"),
    }
}

fn masked(_: Invocation) -> ExitCode {
    namespace::enter(Identity::ROOT).expect("namespaces");
    let null = mount::open_place("/dev/null".as_ref()).expect("/dev/null");
    let mask = mount::clone(null, Depth::One).expect("a mount of it");
    let keys = mount::open_place("/proc/keys".as_ref()).expect("/proc/keys");
    mount::attach(mask, keys).expect("cover it");

    let fixture = Fixture::new();
    for expected in [&["PID"][..], &[]] {
        let command = "for i in $(seq 20); do sleep 7021 & (sleep 7021 &) ; done; exit 5";
        let ran = fixture.run(&shell(command));
        assert_eq!(ran.outcome.end, End::Exited(5));
        assert!(!is_running("7021"), "an orphan lives");
        let shared: Vec<&str> = ran.notices.iter().map(namespace_of).collect();
        assert_eq!(shared, expected, "it is said once");
    }
    let own = std::process::id();
    fixture.shell(&format!("test -d /proc/$$ -a -d /proc/{own}"));
    suspended::every_process_halts_and_goes_on(&fixture);
    killed::no_process_outlives_its_builder(&fixture);
    ExitCode::SUCCESS
}
