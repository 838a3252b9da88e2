//! Calls that change credentials. `None` stands for the -1 that leaves an identifier as it is.

use ch_linux::Errno;

use super::capabilities::{Capabilities, Capability, LAST};
use super::{Changed, Credentials, Identifiers};

/// `SECBIT_*` of `<linux/securebits.h>`.
pub(super) mod secure_bits {
    /// Root is nobody special when it executes.
    pub(in crate::credentials) const NO_ROOT: u32 = 1 << 0;
    /// Changes of users leave capabilities alone.
    pub(in crate::credentials) const NO_SETUID_FIXUP: u32 = 1 << 2;
    /// Permitted capabilities survive the loss of root.
    pub(in crate::credentials) const KEEP_CAPABILITIES: u32 = 1 << 4;
    /// The one before can't be changed.
    pub(in crate::credentials) const KEEP_CAPABILITIES_LOCKED: u32 = 1 << 5;
    /// Nothing can be added to the ambient set.
    pub(in crate::credentials) const NO_AMBIENT_RAISE: u32 = 1 << 6;
    /// All of them, and their locks.
    pub(in crate::credentials) const ALL: u32 = 0xff;
    /// The locks.
    pub(in crate::credentials) const LOCKS: u32 = 0xaa;
}

/// Most supplementary groups (`NGROUPS_MAX`).
const MOST_GROUPS: usize = 65_536;

/// What `PR_CAP_AMBIENT` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambient {
    /// Adds one.
    Raise(u64),
    /// Takes one away.
    Lower(u64),
    /// Takes all away.
    Clear,
}

impl Credentials {
    /// `setuid(2)`.
    pub fn set_user(&self, user: u32) -> Changed {
        let mut users = self.users;
        if self.can(Capability::Setuid) {
            users = Identifiers::all(user);
        } else if user == users.real || user == users.saved {
            (users.effective, users.file) = (user, user);
        } else {
            return Err(Errno::PERM);
        }
        Ok(self.with_users(users))
    }

    /// `setreuid(2)`.
    pub fn set_real_and_effective_users(
        &self,
        real: Option<u32>,
        effective: Option<u32>,
    ) -> Changed {
        let privileged = self.can(Capability::Setuid);
        Ok(self.with_users(pair(self.users, real, effective, privileged)?))
    }

    /// `setresuid(2)`.
    pub fn set_users(
        &self,
        real: Option<u32>,
        effective: Option<u32>,
        saved: Option<u32>,
    ) -> Changed {
        let privileged = self.can(Capability::Setuid);
        Ok(self.with_users(triple(self.users, [real, effective, saved], privileged)?))
    }

    /// `setfsuid(2)`, which never says that it was refused.
    pub fn set_file_user(&self, user: Option<u32>) -> Self {
        let mut new = self.clone();
        let privileged = self.can(Capability::Setuid);
        new.users.file = file_identifier(self.users, user, privileged);
        if self.secure_bits & secure_bits::NO_SETUID_FIXUP == 0 {
            let of_files = Capabilities::of_files();
            let sets = &mut new.capabilities;
            match (self.users.file, new.users.file) {
                (0, file) if file != 0 => sets.effective &= !of_files,
                (file, 0) if file != 0 => sets.effective |= sets.permitted & of_files,
                _ => {}
            }
        }
        new
    }

    /// `setgid(2)`.
    pub fn set_group(&self, group: u32) -> Changed {
        let mut groups = self.groups;
        if self.can(Capability::Setgid) {
            groups = Identifiers::all(group);
        } else if group == groups.real || group == groups.saved {
            (groups.effective, groups.file) = (group, group);
        } else {
            return Err(Errno::PERM);
        }
        Ok(self.with_groups(groups))
    }

    /// `setregid(2)`.
    pub fn set_real_and_effective_groups(
        &self,
        real: Option<u32>,
        effective: Option<u32>,
    ) -> Changed {
        let privileged = self.can(Capability::Setgid);
        Ok(self.with_groups(pair(self.groups, real, effective, privileged)?))
    }

    /// `setresgid(2)`.
    pub fn set_groups(
        &self,
        real: Option<u32>,
        effective: Option<u32>,
        saved: Option<u32>,
    ) -> Changed {
        let privileged = self.can(Capability::Setgid);
        Ok(self.with_groups(triple(self.groups, [real, effective, saved], privileged)?))
    }

    /// `setfsgid(2)`, which never says that it was refused.
    pub fn set_file_group(&self, group: Option<u32>) -> Self {
        let mut groups = self.groups;
        groups.file = file_identifier(groups, group, self.can(Capability::Setgid));
        self.with_groups(groups)
    }

    /// `setgroups(2)`.
    pub fn set_supplementary(&self, groups: Vec<u32>) -> Changed {
        if !self.can(Capability::Setgid) {
            return Err(Errno::PERM);
        }
        if groups.len() > MOST_GROUPS || groups.contains(&u32::MAX) {
            return Err(Errno::INVAL);
        }
        Ok(Self {
            supplementary: groups,
            ..self.clone()
        })
    }

    /// `capset(2)` on the calling thread.
    pub fn set_capabilities(&self, effective: u64, permitted: u64, inheritable: u64) -> Changed {
        let old = self.capabilities;
        let within = |part: u64, whole: u64| part & !whole == 0;
        let offered =
            self.can(Capability::Setpcap) || within(inheritable, old.inheritable | old.permitted);
        let allowed = offered
            && within(inheritable, old.inheritable | old.bounding)
            && within(permitted, old.permitted)
            && within(effective, permitted);
        if !allowed {
            return Err(Errno::PERM);
        }
        let ambient = old.ambient & permitted & inheritable;
        Ok(self.with_capabilities(Capabilities {
            effective,
            permitted,
            inheritable,
            ambient,
            ..old
        }))
    }

    /// `PR_SET_KEEPCAPS`.
    pub fn keep_capabilities(&self, keep: bool) -> Changed {
        if self.secure_bits & secure_bits::KEEP_CAPABILITIES_LOCKED != 0 {
            return Err(Errno::PERM);
        }
        let others = self.secure_bits & !secure_bits::KEEP_CAPABILITIES;
        let bit = if keep {
            secure_bits::KEEP_CAPABILITIES
        } else {
            0
        };
        Ok(Self {
            secure_bits: others | bit,
            ..self.clone()
        })
    }

    /// `PR_GET_KEEPCAPS`.
    pub fn keeps_capabilities(&self) -> bool {
        self.secure_bits & secure_bits::KEEP_CAPABILITIES != 0
    }

    /// `PR_SET_SECUREBITS`.
    pub fn set_secure_bits(&self, bits: u64) -> Changed {
        let bits = u32::try_from(bits).map_err(|_| Errno::PERM)?;
        // The lock of a bit is the one above it.
        let locked = (self.secure_bits & secure_bits::LOCKS) >> 1;
        let refused = bits & !secure_bits::ALL != 0
            || locked & (self.secure_bits ^ bits) != 0
            || self.secure_bits & secure_bits::LOCKS & !bits != 0
            || !self.can(Capability::Setpcap);
        if refused {
            return Err(Errno::PERM);
        }
        Ok(Self {
            secure_bits: bits,
            ..self.clone()
        })
    }

    /// `PR_CAPBSET_READ`.
    pub fn may_ever_get(&self, capability: u64) -> Result<bool, Errno> {
        Ok(self.capabilities.bounding & bit(capability)? != 0)
    }

    /// `PR_CAPBSET_DROP`.
    pub fn drop_from_bounding(&self, capability: u64) -> Changed {
        if !self.can(Capability::Setpcap) {
            return Err(Errno::PERM);
        }
        let bit = bit(capability)?;
        Ok(self.with_capabilities(Capabilities {
            bounding: self.capabilities.bounding & !bit,
            ..self.capabilities
        }))
    }

    /// `PR_CAP_AMBIENT_IS_SET`.
    pub fn is_ambient(&self, capability: u64) -> Result<bool, Errno> {
        Ok(self.capabilities.ambient & bit(capability)? != 0)
    }

    /// The other operations of `PR_CAP_AMBIENT`.
    pub fn change_ambient(&self, change: Ambient) -> Changed {
        let sets = self.capabilities;
        let ambient = match change {
            Ambient::Clear => 0,
            Ambient::Lower(capability) => sets.ambient & !bit(capability)?,
            Ambient::Raise(capability) => {
                let bit = bit(capability)?;
                let possible = sets.permitted & sets.inheritable & bit != 0;
                if !possible || self.secure_bits & secure_bits::NO_AMBIENT_RAISE != 0 {
                    return Err(Errno::PERM);
                }
                sets.ambient | bit
            }
        };
        Ok(self.with_capabilities(Capabilities { ambient, ..sets }))
    }

    /// What becomes of capabilities when users change (`cap_emulate_setxuid`).
    fn with_users(&self, users: Identifiers) -> Self {
        let mut new = self.clone();
        new.users = users;
        if self.secure_bits & secure_bits::NO_SETUID_FIXUP != 0 {
            return new;
        }
        let old = self.users;
        let any_root = |of: Identifiers| of.real == 0 || of.effective == 0 || of.saved == 0;
        let sets = &mut new.capabilities;
        if any_root(old) && !any_root(users) {
            if !self.keeps_capabilities() {
                (sets.permitted, sets.effective) = (0, 0);
            }
            sets.ambient = 0;
        }
        match (old.effective, users.effective) {
            (0, effective) if effective != 0 => sets.effective = 0,
            (effective, 0) if effective != 0 => sets.effective = sets.permitted,
            _ => {}
        }
        new
    }

    fn with_groups(&self, groups: Identifiers) -> Self {
        Self {
            groups,
            ..self.clone()
        }
    }

    fn with_capabilities(&self, capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            ..self.clone()
        }
    }
}

/// The bit of a capability that a program gave by number.
fn bit(capability: u64) -> Result<u64, Errno> {
    if capability > LAST {
        return Err(Errno::INVAL);
    }
    Ok(1 << capability)
}

/// `setreuid(2)` and `setregid(2)`.
fn pair(
    old: Identifiers,
    real: Option<u32>,
    effective: Option<u32>,
    privileged: bool,
) -> Result<Identifiers, Errno> {
    let mut new = old;
    if let Some(real) = real {
        if !privileged && ![old.real, old.effective].contains(&real) {
            return Err(Errno::PERM);
        }
        new.real = real;
    }
    if let Some(effective) = effective {
        if !privileged && ![old.real, old.effective, old.saved].contains(&effective) {
            return Err(Errno::PERM);
        }
        new.effective = effective;
    }
    if real.is_some() || effective.is_some_and(|effective| effective != old.real) {
        new.saved = new.effective;
    }
    new.file = new.effective;
    Ok(new)
}

/// `setresuid(2)` and `setresgid(2)`.
fn triple(
    old: Identifiers,
    [real, effective, saved]: [Option<u32>; 3],
    privileged: bool,
) -> Result<Identifiers, Errno> {
    let known = [old.real, old.effective, old.saved];
    let wanted = [real, effective, saved];
    if !privileged
        && wanted
            .into_iter()
            .flatten()
            .any(|one| !known.contains(&one))
    {
        return Err(Errno::PERM);
    }
    let effective = effective.unwrap_or(old.effective);
    Ok(Identifiers {
        real: real.unwrap_or(old.real),
        effective,
        saved: saved.unwrap_or(old.saved),
        file: effective,
    })
}

/// `setfsuid(2)` and `setfsgid(2)`.
fn file_identifier(old: Identifiers, wanted: Option<u32>, privileged: bool) -> u32 {
    let known = [old.real, old.effective, old.saved, old.file];
    wanted
        .filter(|wanted| privileged || known.contains(wanted))
        .unwrap_or(old.file)
}
