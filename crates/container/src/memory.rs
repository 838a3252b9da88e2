//! Whether the kernel killed something of ours for want of memory.

use std::fs;
use std::path::Path;

/// How often it did so in this process' cgroup; 0 where that is not known.
pub(crate) fn kills() -> u64 {
    let count = || {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let group = unified(&groups)?;
        let events = Path::new("/sys/fs/cgroup")
            .join(group)
            .join("memory.events");
        oom_kills(&fs::read_to_string(events).ok()?)
    };
    count().unwrap_or(0)
}

/// Path of the unified hierarchy's group, without its first slash.
fn unified(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::/"))
}

fn oom_kills(events: &str) -> Option<u64> {
    events
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_found_among_the_others() {
        assert_eq!(
            unified("1:cpu:/x\n0::/user.slice/a\n"),
            Some("user.slice/a")
        );
        assert_eq!(unified("1:cpu:/x\n"), None);
        assert_eq!(
            oom_kills("low 0\noom 3\noom_kill 2\noom_group_kill 0\n"),
            Some(2)
        );
        assert_eq!(oom_kills("low 0\n"), None);
    }
}
