//! Containers that halt and go on, and one that takes long to end.

use std::fs;
use std::time::{Duration, Instant};

use ch_container::{Notice, RunError, Stop};
use ch_linux::process::{self, Pid};
use ch_linux::signal::Signal;

use crate::Case;
use crate::fixture::{Fixture, shell};
use crate::killed::wait_until;

pub(crate) const CASES: &[Case] = &[
    (
        "every process halts and goes on",
        every_process_halts_and_goes_on,
    ),
    (
        "what starts meanwhile halts as well",
        what_starts_meanwhile_halts_as_well,
    ),
    (
        "who takes long to die is named",
        who_takes_long_to_die_is_named,
    ),
];

/// Has the command end with the thread that looks at it; else a failed claim would wait for ever.
struct EndInTime<'a>(&'a Stop);

impl Drop for EndInTime<'_> {
    fn drop(&mut self) {
        self.0.request();
        self.0.request();
    }
}

/// Identifiers and states of the processes that were started with `argument`.
fn found(argument: &str) -> Vec<(Pid, char)> {
    let state = |path: &std::path::Path| {
        let line = fs::read(path.join("cmdline")).ok()?;
        line.split(|&byte| byte == 0)
            .find(|word| *word == argument.as_bytes())?;
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        Some((Pid::from_raw(pid)?, rest.chars().next()?))
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| state(&entry.path())).collect()
}

fn states(argument: &str) -> String {
    found(argument)
        .into_iter()
        .map(|(_, state)| state)
        .collect()
}

pub(crate) fn every_process_halts_and_goes_on(fixture: &Fixture) {
    // Children and an orphan.
    let command = "sleep 7041 & (sleep 7041 &); sleep 7041";
    let stop = &Stop::new().unwrap();
    std::thread::scope(|scope| {
        let _guard = EndInTime(stop);
        let run = scope.spawn(move || fixture.try_run_until(&shell(command), stop));
        wait_until("all sleep", || states("7041") == "SSS");
        for _ in 0..2 {
            stop.suspend();
            wait_until("all are halted", || states("7041") == "TTT");
            stop.resume();
            wait_until("all go on", || states("7041") == "SSS");
        }
        stop.suspend();
        wait_until("all are halted again", || states("7041") == "TTT");
        stop.request();
        stop.request();
        let error = run.join().unwrap().expect_err("it was stopped");
        assert!(matches!(error, RunError::Stopped), "{error:?}");
    });
    assert_eq!(states("7041"), "");
}

fn what_starts_meanwhile_halts_as_well(fixture: &Fixture) {
    let stop = &Stop::new().unwrap();
    stop.suspend();
    std::thread::scope(|scope| {
        let _guard = EndInTime(stop);
        let command = shell("sleep 0.3; echo late");
        let run = scope.spawn(move || fixture.try_run_until(&command, stop));
        std::thread::sleep(Duration::from_millis(1500));
        assert!(!run.is_finished(), "it is halted");
        stop.resume();
        assert_eq!(run.join().unwrap().expect("it ends").output, "late\n");
    });
}

fn who_takes_long_to_die_is_named(fixture: &Fixture) {
    // Nobody can make an unkillable process at will. A halted init does not kill, which looks the same.
    let stop = &Stop::new().unwrap();
    std::thread::scope(|scope| {
        let _guard = EndInTime(stop);
        let run = scope.spawn(move || fixture.try_run_until(&shell("sleep 7043; true"), stop));
        wait_until("it sleeps", || states("7043") == "S");
        let init = process::open(ancestor(found("7043")[0].0, 2)).unwrap();
        process::signal(&init, Signal::STOP).unwrap();
        let asked = Instant::now();
        stop.request();
        stop.request();
        wait_until("it is told", || !fixture.notices.lock().unwrap().is_empty());
        assert!(asked.elapsed() >= Duration::from_secs(10), "not before");
        process::signal(&init, Signal::CONTINUE).unwrap();
        run.join().unwrap().expect_err("it was stopped");
    });
    let told = std::mem::take(&mut *fixture.notices.lock().unwrap());
    let names = ["sh", "sleep"].map(str::to_owned).to_vec();
    assert_eq!(told, [Notice::Lingering(names)]);
    assert!(told[0].is_warning());
    assert_eq!(
        told[0].to_string(),
        "waiting for processes that do not die: sh sleep"
    );
}

/// The parent, that one's parent, and so on.
fn ancestor(pid: Pid, generations: usize) -> Pid {
    (0..generations).fold(pid, |pid, _| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        Pid::from_raw(rest.split(' ').nth(1).unwrap().parse().unwrap()).unwrap()
    })
}
