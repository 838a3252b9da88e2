//! Ending everything below a process, where no PID namespace does it.
//!
//! The process has adopted all orphans, so whatever the command left is below it. Each is stopped before
//! its children are looked for, so that it cannot make new ones meanwhile.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ch_linux::process::{self, Pid};
use ch_linux::signal::Signal;

/// How long processes that do not die are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Kills and reaps every descendant; gives the names of those that do not die.
pub(crate) fn kill_all() -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        while process::reap().is_some() {}
        let below = descendants();
        if below.is_empty() {
            return Vec::new();
        }
        if Instant::now() > deadline {
            return below.into_iter().filter_map(name).collect();
        }
        let stopped: Vec<OwnedFd> = below.into_iter().filter_map(stop).collect();
        for process in &stopped {
            // It may have died meanwhile.
            let _ = process::signal(process, Signal::KILL);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Halts every descendant; none can make another that is missed, because it is looked again until all are
/// halted.
pub(crate) fn suspend_all() {
    let mut halted = HashSet::new();
    loop {
        let new: Vec<Pid> = descendants()
            .into_iter()
            .filter(|pid| !halted.contains(pid))
            .collect();
        if new.is_empty() {
            return;
        }
        for pid in new {
            // One that can't be halted has died, or will not be halted by a second attempt either.
            let _ = stop(pid);
            halted.insert(pid);
        }
    }
}

/// Lets every descendant go on.
pub(crate) fn resume_all() {
    for pid in descendants() {
        let Ok(opened) = process::open(pid) else {
            continue;
        };
        if is_descendant(pid) {
            // It may have died meanwhile.
            let _ = process::signal(opened, Signal::CONTINUE);
        }
    }
}

/// The names of the living processes of the container below `runtime`: all but its init.
pub(crate) fn names_inside(runtime: i32) -> Vec<String> {
    let Some(runtime) = Pid::from_raw(runtime) else {
        return Vec::new();
    };
    let parents = living();
    let inside = below(runtime, &parents)
        .into_iter()
        .filter(|pid| parents.get(pid) != Some(&runtime));
    inside.filter_map(name).collect()
}

/// Stops the process behind `pid`, if that is still below this one.
fn stop(pid: Pid) -> Option<OwnedFd> {
    let opened = process::open(pid).ok()?;
    // The number may have been given to another process before it was opened.
    if !is_descendant(pid) {
        return None;
    }
    process::signal(&opened, Signal::STOP).ok()?;
    Some(opened)
}

/// Whether `pid` is alive and below this process. Reads the one line of ancestors only. If one of them dies
/// meanwhile, the answer may be no; who asks in a loop sees the process again, with its new parent.
fn is_descendant(pid: Pid) -> bool {
    let own = process::own_id();
    std::iter::successors(parent(pid), |&ancestor| parent(ancestor)).any(|ancestor| ancestor == own)
}

/// Every process below this one, parents before children; the dead ones that nobody reaped left out.
fn descendants() -> Vec<Pid> {
    below(process::own_id(), &living())
}

/// Every process below `top`, parents before children.
fn below(top: Pid, parents: &HashMap<Pid, Pid>) -> Vec<Pid> {
    let mut found = vec![top];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = parents.iter().filter(|(_, of)| **of == parent);
        found.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// Every living process and its parent.
fn living() -> HashMap<Pid, Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return HashMap::new();
    };
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let pid = Pid::from_raw(pid)?;
            Some((pid, parent(pid)?))
        })
        .collect()
}

/// The parent of the process `pid`, unless that is dead.
fn parent(pid: Pid) -> Option<Pid> {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    living_parent(&fs::read_to_string(path).ok()?)
}

/// The parent in a process' `stat`, unless the process is dead. The name may hold anything but ends with
/// the last parenthesis.
fn living_parent(stat: &str) -> Option<Pid> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    if matches!(state, "Z" | "X") {
        None
    } else {
        Pid::from_raw(parent)
    }
}

fn name(pid: Pid) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).ok()?;
    Some(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descent_is_seen_through_several_generations() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("start a shell");
        let mut line = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(child.stdout.take().expect("a pipe")),
            &mut line,
        )
        .expect("the shell tells");
        let pid = |number: i32| Pid::from_raw(number).expect("not zero");
        let grandchild = pid(line.trim().parse().expect("a number"));
        let shell = pid(child.id().cast_signed());
        assert!(is_descendant(shell) && is_descendant(grandchild));
        assert!(descendants().contains(&grandchild));
        assert!(!is_descendant(process::own_id()), "nobody is below itself");
        assert!(!is_descendant(parent(process::own_id()).expect("a parent")));
        let sleeper = process::open(grandchild).expect("open");
        process::signal(&sleeper, Signal::KILL).expect("kill");
        child.wait().expect("wait");
        assert!(!is_descendant(shell), "it is gone");
    }

    #[test]
    fn the_parent_is_found_behind_any_name() {
        let parent = |text| living_parent(text).map(|pid| pid.as_raw_nonzero().get());
        assert_eq!(parent("12 (sh) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a) Z 9 (b) R 8 12 12 0"), Some(8));
        assert_eq!(parent("12 (sh) Z 7 12 12 0"), None);
        assert_eq!(parent("12 (swapper) R 0 0 0"), None);
        assert_eq!(parent(""), None);
    }
}
