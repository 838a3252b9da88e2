//! The modes by name.

use std::fmt;
use std::str::FromStr;

use ch_linux::seccomp::Instruction;
use serde::{Deserialize, Serialize};

use crate::filter;

/// How root is emulated while a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Calls that need privileges are answered as a real kernel would, and what they set is remembered.
    Supervisor,
    /// Calls that need privileges succeed without doing anything, and nothing is remembered.
    Seccomp,
    /// `fakeroot(1)` stands before the commands that need it; the kernel answers every call itself.
    Fakeroot,
    /// The kernel answers every call itself.
    None,
}

/// A word that names no mode.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown root emulation mode: {0}")]
pub struct UnknownMode(String);

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Supervisor, Self::Seccomp, Self::Fakeroot, Self::None];

    /// The filter a command of this mode runs under; empty if it needs none.
    pub fn filter(self) -> Vec<Instruction> {
        match self {
            Self::Supervisor => filter::ask(),
            Self::Seccomp => filter::pretend_success(),
            Self::Fakeroot | Self::None => Vec::new(),
        }
    }

    /// The mode's name, as on the command line and in cache keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Seccomp => "seccomp",
            Self::Fakeroot => "fakeroot",
            Self::None => "none",
        }
    }

    /// Whether ownership that a program sets is forgotten at once, so that `tar` must not try.
    pub fn forgets_owners(self) -> bool {
        match self {
            Self::Supervisor => false,
            Self::Seccomp | Self::Fakeroot | Self::None => true,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or_else(|| UnknownMode(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_found_by_its_name() {
        for mode in Mode::ALL {
            assert_eq!(mode.name().parse(), Ok(mode));
        }
        assert_eq!("sudo".parse::<Mode>(), Err(UnknownMode("sudo".to_owned())));
    }

    #[test]
    fn without_emulation_there_is_no_filter() {
        assert!(Mode::None.filter().is_empty());
        assert!(Mode::Fakeroot.filter().is_empty());
        assert!(!Mode::Seccomp.filter().is_empty());
    }
}
