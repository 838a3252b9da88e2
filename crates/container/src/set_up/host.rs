//! Which of a container's mounts show files of the host.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use ch_emulation::HostMounts;
use ch_linux::behalf::{BASIC_STATS, Statx};
use ch_linux::mount::{self, Listed};

/// A mount that was made for a user.
#[derive(Debug)]
pub(super) struct Shown {
    /// None before Linux 5.8.
    number: Option<u64>,
    device: u64,
    is_host: bool,
}

impl Shown {
    /// Of a mount, and whether it shows files of the host; `None` if nothing can be said of it.
    pub(super) fn new(mount: &OwnedFd, is_host: bool) -> Option<Self> {
        let status = Statx::of(mount, 0, BASIC_STATS).ok()?;
        Some(Self {
            number: status.mount(),
            device: status.identity().0,
            is_host,
        })
    }
}

/// Of these mounts, all those below them and those at `places`, which are the host's. The container's root is in place.
pub(super) fn host_mounts(shown: &[Shown], places: &[&str]) -> HostMounts {
    let mut host = HostMounts::default();
    if places.is_empty() && !shown.iter().any(|mount| mount.is_host) {
        return host;
    }
    let of_host = shown.iter().filter(|mount| mount.is_host);
    host.numbers
        .extend(of_host.clone().filter_map(|mount| mount.number));
    host.devices.extend(of_host.map(|mount| mount.device));
    // Without a list the mounts below are taken for the container's.
    let table = mount::table().unwrap_or_default();
    let known: HashMap<u64, bool> = shown
        .iter()
        .filter_map(|mount| Some((mount.number?, mount.is_host)))
        .collect();
    let (theirs, ours): (Vec<&Listed>, Vec<&Listed>) = table
        .iter()
        .partition(|mount| places.contains(&&*mount.place) || is_of_host(mount, &table, &known));
    host.numbers.extend(theirs.iter().map(|mount| mount.number));
    host.devices.extend(theirs.iter().map(|mount| mount.device));
    for mount in ours {
        host.devices.remove(&mount.device);
    }
    if let Ok(root) = Statx::of_path(c"/", 0, BASIC_STATS) {
        host.devices.remove(&root.identity().0);
    }
    host
}

/// Whether a mount, or the first one above it that is known, shows files of the host.
fn is_of_host(mount: &Listed, table: &[Listed], known: &HashMap<u64, bool>) -> bool {
    let mut here = Some(mount);
    // As deep as the table is long, at most.
    for _ in 0..=table.len() {
        let Some(mount) = here else {
            return false;
        };
        if let Some(is_host) = known.get(&mount.number) {
            return *is_host;
        }
        here = table.iter().find(|other| other.number == mount.parent);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_are_of_whom_the_next_known_one_above_is() {
        let listed = |number, parent| Listed {
            number,
            parent,
            device: 0,
            place: String::new(),
            kind: String::new(),
        };
        let table = [
            listed(1, 0),
            listed(2, 1),
            listed(3, 2),
            listed(4, 3),
            listed(5, 4),
            listed(6, 6),
        ];
        let known = HashMap::from([(2, true), (4, false)]);
        let host: Vec<u64> = table
            .iter()
            .filter(|mount| is_of_host(mount, &table, &known))
            .map(|mount| mount.number)
            .collect();
        assert_eq!(host, [2, 3]);
    }
}
