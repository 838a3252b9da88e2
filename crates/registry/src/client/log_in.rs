//! Whether a registry takes a name and password.

use ch_oci::RemoteReference;

use super::{Access, Call, Client, unexpected};
use crate::{Credentials, FetchError, RegistrySays, Secret};

/// A name and password that a registry takes.
pub struct LoggedIn {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// The registry asked for them; another one takes everything.
    pub was_asked: bool,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// The name or password is wrong.
    #[error("credentials refused by {host}")]
    Refused {
        /// The registry.
        host: String,
        /// What it said.
        source: Option<RegistrySays>,
    },
    /// It could not be asked.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl LogInError {
    /// What a user can do, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { .. } => None,
            Self::Fetch(error) => error.hint(),
        }
    }
}

impl Client {
    /// Shows the credentials that were given, or are asked for, to a registry.
    pub fn log_in(&self, registry: &RemoteReference) -> Result<LoggedIn, LogInError> {
        let host = format!("{}:{}", registry.host(), registry.port());
        let mut answer = self.call(registry, &Call::default())?;
        match answer.status().as_u16() {
            200 => {}
            401 | 403 => {
                let source = RegistrySays::parse(&answer.error_body());
                return Err(LogInError::Refused { host, source });
            }
            404 => return Err(FetchError::NotARegistry { host }.into()),
            _ => return Err(unexpected(&answer, 200, None).into()),
        }
        let shown = self.login(registry, Access::Pull).known();
        let was_asked = shown.is_some();
        let (vault, options) = (&self.0.vault, self.options());
        let found = match shown.or_else(|| vault.find(options, registry)) {
            Some(found) => found,
            None => vault.ask(options, registry).map_err(FetchError::from)?,
        };
        match found.credentials {
            Credentials::Password { username, password } => Ok(LoggedIn {
                username,
                password,
                was_asked,
            }),
            // Nobody can type one, and nothing else is asked.
            Credentials::Identity(_) | Credentials::Bearer(_) => {
                Err(LogInError::Refused { host, source: None })
            }
        }
    }
}
