//! Credentials that a program believes to have, and what the kernel's rules make of them. Pure.
//!
//! The rules are those of `kernel/sys.c` (changes of identifiers), `security/commoncap.c` (capabilities) and
//! `fs/attr.c` (who may change a file), as `setuid(2)`, `capabilities(7)` and `chown(2)` describe them.
//!
//! Invariants: a refused change leaves everything as it was; effective capabilities are a part of the permitted ones.

mod capabilities;
mod change;
mod execute;
mod file;
#[cfg(test)]
mod tests;

use ch_linux::Errno;

pub(crate) use capabilities::EVERY;
pub use capabilities::{Capabilities, Capability};
pub use change::Ambient;
pub use execute::{FileCapabilities, FileGrants};

/// What a change of credentials gives, or the kernel's answer where it is refused.
pub type Changed = Result<Credentials, Errno>;

/// Identifiers of one kind, users or groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identifiers {
    /// Who started it.
    pub real: u32,
    /// Whose rights it has.
    pub effective: u32,
    /// Whom it may become again.
    pub saved: u32,
    /// Whose rights it has on files; normally the effective one.
    pub file: u32,
}

impl Identifiers {
    /// All of them the same.
    pub fn all(identifier: u32) -> Self {
        Self {
            real: identifier,
            effective: identifier,
            saved: identifier,
            file: identifier,
        }
    }
}

/// Credentials of a thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// Users.
    pub users: Identifiers,
    /// Groups.
    pub groups: Identifiers,
    /// Supplementary groups, in the order in which they were set.
    pub supplementary: Vec<u32>,
    /// Sets of capabilities.
    pub capabilities: Capabilities,
    /// `SECBIT_*`, with `SECBIT_KEEP_CAPS` among them.
    pub secure_bits: u32,
    /// What the program believes its timer slack to be, in nanoseconds.
    pub timer_slack: u64,
}

/// The kernel's timer slack of a thread that never set one.
pub const DEFAULT_TIMER_SLACK: u64 = 50_000;

impl Credentials {
    /// Root's, as a container of Docker's has them.
    pub fn root() -> Self {
        Self {
            users: Identifiers::default(),
            groups: Identifiers::default(),
            supplementary: vec![0],
            capabilities: Capabilities::ALL,
            secure_bits: 0,
            timer_slack: DEFAULT_TIMER_SLACK,
        }
    }

    /// Those with which `USER` starts a command: for anyone but root without capabilities.
    pub fn of_user(user: u32, group: u32, supplementary: Vec<u32>) -> Self {
        let mut capabilities = Capabilities::ALL;
        if user != 0 {
            capabilities = Capabilities {
                bounding: capabilities.bounding,
                ..Capabilities::NONE
            };
        }
        Self {
            users: Identifiers::all(user),
            groups: Identifiers::all(group),
            supplementary,
            capabilities,
            ..Self::root()
        }
    }

    /// Whether `capability` is in force.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.effective & capability.bit() != 0
    }

    /// Whether files of `group` are those of a group of this thread.
    pub fn is_in_group(&self, group: u32) -> bool {
        self.groups.file == group || self.supplementary.contains(&group)
    }
}
