//! What a user should know while requests go on, although nothing has failed.

use std::fmt;
use std::path::PathBuf;
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
    /// Warning: a file with mirrors is not used.
    Mirrors {
        /// What is wrong with which file.
        text: String,
    },
    /// Note: a mirror answered instead of the registry. Once per mirror.
    Mirror {
        /// Host, port and repository.
        mirror: String,
        /// Those of the reference.
        repository: String,
    },
    /// Note: a mirror did not help.
    MirrorFailed {
        /// Host, port and repository.
        mirror: String,
        /// What it did instead.
        cause: String,
    },
    /// Note: a file with credentials can be read or changed by other users.
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// Note: the machine has no certificate authorities, the built-in ones are used.
    BuiltInRoots,
    /// Information: how many pulls Docker Hub still allows. Once per client.
    RateLimit {
        /// So many are left.
        left: u64,
        /// Of so many.
        limit: u64,
        /// In so many seconds.
        seconds: u32,
        /// Whose pulls are counted: an address, or `auth` for those of a user.
        source: String,
    },
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

/// How much a [`Notice`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Something may be wrong.
    Warning,
    /// What everybody is told.
    Information,
    /// For those who want to know more.
    Note,
}

impl Notice {
    /// How much it matters.
    pub fn importance(&self) -> Importance {
        match self {
            Self::Mirror { .. }
            | Self::MirrorFailed { .. }
            | Self::OpenToOthers { .. }
            | Self::BuiltInRoots => Importance::Note,
            Self::RateLimit { .. } | Self::Retry { .. } => Importance::Information,
            Self::CredentialsRefused { .. }
            | Self::NotVerified { .. }
            | Self::Mirrors { .. }
            | Self::CredentialSource { .. } => Importance::Warning,
        }
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
            Self::CredentialSource { text } | Self::Mirrors { text } => f.write_str(text),
            Self::Mirror { mirror, repository } => {
                write!(f, "using mirror {mirror} of {repository}")
            }
            Self::MirrorFailed { mirror, cause } => {
                write!(f, "mirror {mirror}: {cause}; trying the next place")
            }
            Self::OpenToOthers { path } => {
                write!(f, "other users have access to {}", path.display())
            }
            Self::BuiltInRoots => {
                f.write_str("no certificate authorities on this machine, using built-in ones")
            }
            Self::RateLimit {
                left,
                limit,
                seconds,
                source,
            } => {
                let hours = f64::from(*seconds) / 3600.0;
                write!(
                    f,
                    "Docker Hub rate limit: {left} pulls left of {limit} per {hours:.1} hours ({source})"
                )
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
