//! What is the host's: files and directories that were bound into the container. Their owners and modes are the
//! kernel's business, as without a supervisor, and nothing is remembered of them, least of all with them: others use
//! them, too.
//!
//! To the kernel the command is root of its namespace, who owns what the user owns. So the user's own files are told to
//! be of whom the command started as, as where no supervisor is.

use std::collections::HashSet;

use ch_linux::Errno;
use ch_linux::behalf::{self, Statx};
use ch_ownership::Override;

use super::object::{Object, kind_on_disk};
use super::{DONE, Replied, Reply, Supervisor};
use crate::credentials::Credentials;

/// Which mounts of a container show files of the host.
#[derive(Clone, Debug, Default)]
pub struct HostMounts {
    /// Their numbers, as `statx(2)` tells them since Linux 5.8.
    pub numbers: HashSet<u64>,
    /// Their devices, as in [`Statx::identity`], but for those that are not the host's alone: they tell for older
    /// kernels, and for what the container binds once more.
    pub devices: HashSet<u64>,
}

/// What a supervisor knows of the host.
#[derive(Debug)]
pub(super) struct Host {
    mounts: HostMounts,
    /// User and group that the user's own files have.
    owner: (u32, u32),
}

impl Host {
    /// Shown by `mounts` to a command that starts with `credentials`.
    pub(super) fn new(mounts: HostMounts, credentials: &Credentials) -> Self {
        Self {
            mounts,
            owner: (credentials.users.effective, credentials.groups.effective),
        }
    }

    /// Whether an object of this status is the host's.
    pub(super) fn has(&self, status: &Statx) -> bool {
        if self.is_nothing() {
            return false;
        }
        let is_one = |number: u64| self.mounts.numbers.contains(&number);
        status.mount().is_some_and(is_one) || self.mounts.devices.contains(&status.identity().0)
    }

    /// Whether nothing of the host is shown.
    pub(super) fn is_nothing(&self) -> bool {
        self.mounts.numbers.is_empty() && self.mounts.devices.is_empty()
    }

    /// What is told of an object of the host.
    pub(super) fn told(&self, status: &Statx) -> Override {
        let told = |id: u32, own: u32| if id == 0 { own } else { id };
        let (uid, gid) = status.owner();
        Override {
            uid: told(uid, self.owner.0),
            gid: told(gid, self.owner.1),
            mode: status.mode() & 0o7777,
            kind: kind_on_disk(status),
        }
    }

    /// `chown(2)` of an object of the host: what the kernel knows as root's is called by other numbers here.
    pub(super) fn change_owner(
        &self,
        object: &Object,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Replied {
        if self.owner == (0, 0) {
            return Ok(Reply::Continue);
        }
        let known = |id: Option<u32>, own: u32| match id {
            Some(id) if id != own => Err(Errno::PERM),
            other => Ok(other.map(|_| 0)),
        };
        let (user, group) = (known(user, self.owner.0)?, known(group, self.owner.1)?);
        behalf::set_owner(&object.descriptor, user, group)?;
        DONE
    }
}

impl Supervisor {
    /// Whether an object is the host's.
    pub(super) fn is_host(&self, object: &Object) -> bool {
        self.host.has(&object.status)
    }
}
