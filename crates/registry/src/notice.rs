//! What a user should know while requests go on, although nothing has failed.

use std::fmt;
use std::time::Duration;

/// Something worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Warning: credentials were refused, and the request goes on without.
    CredentialsRefused {
        /// Where they came from.
        source: String,
        /// Who refused them.
        host: String,
    },
    /// Warning: the server's certificate is not checked. Once per host.
    NotVerified {
        /// The host.
        host: String,
    },
    /// Warning: a file with credentials was not understood, or a helper failed.
    CredentialSource {
        /// What is wrong with which source.
        text: String,
    },
    /// Note: the machine has no certificate authorities, the built-in ones are used.
    BuiltInRoots,
    /// Information: a request failed in a way that may pass.
    Retry {
        /// How long it waits.
        wait: Duration,
        /// Which attempt comes now.
        attempt: u32,
        /// How many there may be.
        attempts: u32,
        /// What failed.
        cause: String,
    },
}

impl Notice {
    /// Whether this is a warning; otherwise it is information.
    pub fn is_warning(&self) -> bool {
        !matches!(self, Self::BuiltInRoots | Self::Retry { .. })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CredentialsRefused { source, host } => {
                write!(
                    f,
                    "credentials from {source} refused by {host}; trying without"
                )
            }
            Self::NotVerified { host } => write!(f, "certificate of {host} is not verified"),
            Self::CredentialSource { text } => f.write_str(text),
            Self::BuiltInRoots => {
                f.write_str("no certificate authorities on this machine, using built-in ones")
            }
            Self::Retry {
                wait,
                attempt,
                attempts,
                cause,
            } => {
                let seconds = (wait.as_secs_f64() * 10.0).round() / 10.0;
                write!(f, "retrying in {seconds} s ({attempt}/{attempts}): {cause}")
            }
        }
    }
}
