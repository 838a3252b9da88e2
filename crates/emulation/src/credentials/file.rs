//! What credentials allow with files (`setattr_prepare` and `chown_common` of the kernel).

use ch_linux::Errno;
use ch_ownership::{Kind, Override};

use super::{Capability, Credentials};

const SET_USER: u32 = 0o4000;
const SET_GROUP: u32 = 0o2000;
const GROUP_EXECUTE: u32 = 0o010;

impl Credentials {
    /// What `chown(2)` makes of a file; `None` leaves an identifier as it is.
    pub fn change_owner(
        &self,
        file: &Override,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Result<Override, Errno> {
        let privileged = self.can(Capability::Chown);
        let owns = self.users.file == file.uid;
        if let Some(user) = user
            && !(privileged || owns && user == file.uid)
        {
            return Err(Errno::PERM);
        }
        if let Some(group) = group
            && !(privileged || owns && (group == file.gid || self.is_in_group(group)))
        {
            return Err(Errno::PERM);
        }
        let mut mode = file.mode;
        if file.kind != Kind::Directory {
            mode &= !SET_USER;
            let privileged = self.can(Capability::Fsetid) || self.is_in_group(file.gid);
            if mode & GROUP_EXECUTE != 0 || !privileged {
                mode &= !SET_GROUP;
            }
        }
        Ok(Override {
            uid: user.unwrap_or(file.uid),
            gid: group.unwrap_or(file.gid),
            mode,
            ..*file
        })
    }

    /// What `chmod(2)` makes of a file.
    pub fn change_mode(&self, file: &Override, mode: u32) -> Result<Override, Errno> {
        if !self.owns(file) {
            return Err(Errno::PERM);
        }
        let mut mode = mode & 0o7777;
        if !self.is_in_group(file.gid) && !self.can(Capability::Fsetid) {
            mode &= !SET_GROUP;
        }
        Ok(Override { mode, ..*file })
    }

    /// Whether this thread may do with a file what its owner may.
    pub fn owns(&self, file: &Override) -> bool {
        self.users.file == file.uid || self.can(Capability::Fowner)
    }

    /// A file of `kind` that this thread makes with `mode` (after the mask) in `directory`.
    pub fn create(&self, directory: &Override, mode: u32, kind: Kind) -> Override {
        let mut mode = mode & 0o7777;
        let mut gid = self.groups.file;
        if directory.mode & SET_GROUP != 0 {
            gid = directory.gid;
            if kind == Kind::Directory {
                mode |= SET_GROUP;
            } else if mode & (SET_GROUP | GROUP_EXECUTE) == SET_GROUP | GROUP_EXECUTE
                && !self.is_in_group(gid)
                && !self.can(Capability::Fsetid)
            {
                mode &= !SET_GROUP;
            }
        }
        Override {
            uid: self.users.file,
            gid,
            mode,
            kind,
        }
    }

    /// What `access(2)` says: `wanted` has 4 for reading, 2 for writing, 1 for execution. The user and group are
    /// the real ones, unless `effective` (`AT_EACCESS`).
    pub fn may_access(&self, file: &Override, wanted: u32, effective: bool) -> bool {
        let (user, group) = if effective {
            (self.users.file, self.groups.file)
        } else {
            (self.users.real, self.groups.real)
        };
        let is_directory = file.kind == Kind::Directory;
        // `access(2)` of a real root has all capabilities that are permitted, of others none.
        let sets = &self.capabilities;
        let (override_all, read_all) = if effective {
            (
                self.can(Capability::DacOverride),
                self.can(Capability::DacReadSearch),
            )
        } else {
            let has = |capability: Capability| user == 0 && sets.permitted & capability.bit() != 0;
            (has(Capability::DacOverride), has(Capability::DacReadSearch))
        };
        let class = if user == file.uid {
            file.mode >> 6
        } else if group == file.gid || self.supplementary.contains(&file.gid) {
            file.mode >> 3
        } else {
            file.mode
        };
        let missing = wanted & !class & 7;
        let executable = is_directory || file.mode & 0o111 != 0;
        missing == 0
            || override_all && (missing & 1 == 0 || executable)
            || read_all && (missing == 4 || is_directory && missing & 2 == 0)
    }
}
