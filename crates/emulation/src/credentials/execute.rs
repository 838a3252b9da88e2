//! What executing a file does to credentials.

use super::change::secure_bits;
use super::{Capabilities, Credentials};

/// What a file gives to those who execute it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileGrants {
    /// Its owner, if the set-user-ID bit is set.
    pub user: Option<u32>,
    /// Its group, if the set-group-ID bit and that of execution for the group are set.
    pub group: Option<u32>,
    /// Its `security.capability`.
    pub capabilities: Option<FileCapabilities>,
}

/// Capabilities of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCapabilities {
    /// Given in any case, within the bounding set.
    pub permitted: u64,
    /// Given if the thread has them inheritable.
    pub inheritable: u64,
    /// Put in force at once.
    pub effective: bool,
}

/// `VFS_CAP_REVISION_MASK` and the revisions; `VFS_CAP_FLAGS_EFFECTIVE`.
const REVISION: u32 = 0xff00_0000;
const REVISION_1: u32 = 0x0100_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
const EFFECTIVE: u32 = 1;

impl FileCapabilities {
    /// Reads the value of `security.capability`; `None` if it is malformed.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let word = |index: usize| {
            let bytes = value.get(4 * index..4 * index + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let magic = word(0)?;
        let words = match (magic & REVISION, value.len()) {
            (REVISION_1, 12) => 1,
            (REVISION_2, 20) | (REVISION_3, 24) => 2,
            _ => return None,
        };
        let (mut permitted, mut inheritable) = (0, 0);
        for index in 0..words {
            let shift = 32 * index;
            permitted |= u64::from(word(1 + 2 * index)?) << shift;
            inheritable |= u64::from(word(2 + 2 * index)?) << shift;
        }
        Some(Self {
            permitted,
            inheritable,
            effective: magic & EFFECTIVE != 0,
        })
    }
}

impl Credentials {
    /// The credentials after `execve(2)` of a program whose file gives `grants` (`cap_bprm_creds_from_file`).
    #[must_use]
    pub fn executing(&self, grants: &FileGrants) -> Self {
        let mut new = self.clone();
        if let Some(user) = grants.user {
            new.users.effective = user;
        }
        if let Some(group) = grants.group {
            new.groups.effective = group;
        }
        let (mut permitted, mut in_force) = self.granted(grants);
        let root_counts = self.secure_bits & secure_bits::NO_ROOT == 0;
        let (real, effective) = (new.users.real, new.users.effective);
        // A file with capabilities that makes its caller root gives just those.
        let only_by_file = grants.capabilities.is_some() && real != 0 && effective == 0;
        if root_counts && !only_by_file {
            if real == 0 || effective == 0 {
                permitted = self.capabilities.bounding | self.capabilities.inheritable;
            }
            in_force |= effective == 0;
        }
        let changes = effective != self.users.effective || !self.is_in_group(new.groups.effective);
        let ambient = if grants.capabilities.is_some() || changes {
            0
        } else {
            self.capabilities.ambient
        };
        permitted |= ambient;
        new.capabilities = Capabilities {
            effective: if in_force { permitted } else { ambient },
            permitted,
            ambient,
            ..self.capabilities
        };
        (new.users.saved, new.users.file) = (effective, effective);
        let group = new.groups.effective;
        (new.groups.saved, new.groups.file) = (group, group);
        new.secure_bits &= !secure_bits::KEEP_CAPABILITIES;
        new
    }

    /// The permitted set that a file's capabilities give, and whether it is in force at once.
    fn granted(&self, grants: &FileGrants) -> (u64, bool) {
        let Some(file) = grants.capabilities else {
            return (0, false);
        };
        let own = self.capabilities;
        let permitted = file.permitted & own.bounding | file.inheritable & own.inheritable;
        (permitted, file.effective)
    }
}
