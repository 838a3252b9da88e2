//! Identifiers: of this boot, of this machine, of this user, and new ones that nobody else has.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// Identifier of this boot of the kernel: `boot_id`, else the time of booting. Nothing where `/proc` gives neither:
/// any text would be the same after the next boot.
pub fn id() -> Option<String> {
    read_line("/proc/sys/kernel/random/boot_id").or_else(|| {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        boot_time(&stat)
    })
}

/// Identifier of this machine: `/etc/machine-id`, else its host name.
pub fn machine_id() -> String {
    read_line("/etc/machine-id").unwrap_or_else(host_name)
}

/// Name of this machine, as `uname -n` prints it.
pub fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// The effective user ID of this process.
pub fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A new identifier of 32 hex digits: the kernel's random UUID (122 random bits).
///
/// Where `/proc` does not give one, two keyed hashes of process, thread and time stand in.
pub fn unique() -> String {
    match read_line("/proc/sys/kernel/random/uuid") {
        Some(uuid) => uuid.chars().filter(char::is_ascii_hexdigit).collect(),
        None => format!("{:016x}{:016x}", keyed_hash(), keyed_hash()),
    }
}

fn keyed_hash() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    RandomState::new().hash_one((std::process::id(), std::thread::current().id(), now))
}

fn read_line(path: &str) -> Option<String> {
    let line = fs::read_to_string(path).ok()?.trim().to_owned();
    (!line.is_empty()).then_some(line)
}

fn boot_time(stat: &str) -> Option<String> {
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))
        .map(|time| format!("btime-{time}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_does_not_change_between_calls() {
        assert!(id().is_some());
        assert_eq!(id(), id());
    }

    #[test]
    fn boot_time_stands_in_for_the_identifier() {
        let stat = "cpu  1 2 3\nbtime 1763999000\nprocesses 7\n";
        assert_eq!(boot_time(stat).as_deref(), Some("btime-1763999000"));
        assert_eq!(boot_time("cpu 1\n"), None);
    }

    #[test]
    fn identifiers_are_new_each_time() {
        assert_ne!(unique(), unique());
        assert_eq!(unique().len(), 32);
        assert_ne!(keyed_hash(), keyed_hash());
    }

    #[test]
    fn machine_has_an_identifier() {
        assert!(!machine_id().is_empty());
    }
}
