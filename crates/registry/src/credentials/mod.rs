//! Credentials: where they come from, and which are for which registry.
//!
//! The caller lists the sources, best first; files are read when a registry first asks. What is typed
//! comes after what was given and before what is configured, and is kept for the process only.

mod file;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ch_oci::RemoteReference;

use crate::secret::Secret;
use crate::{Notice, Options};

/// What proves who we are.
#[derive(Clone)]
pub enum Credentials {
    /// Name and password.
    Password {
        /// Name of the user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A token that is exchanged for others (`identitytoken`).
    Identity(Secret),
    /// A token that is sent as it is (`registrytoken`).
    Bearer(Secret),
}

/// A place where credentials may be.
#[derive(Clone)]
pub enum Source {
    /// Given for this command, for whatever registry asks.
    Given {
        /// How messages call it.
        name: String,
        /// The credentials.
        credentials: Credentials,
        /// Only with [`Authentication::Required`](crate::Authentication::Required).
        only_if_required: bool,
    },
    /// A file like `auth.json` or Docker's `config.json`; it need not exist.
    File(PathBuf),
    /// The text of such a file.
    Text {
        /// How messages call it.
        name: String,
        /// The JSON text.
        json: Secret,
    },
}

/// Asks a person for name and password for a host.
pub type Prompt = Arc<dyn Fn(&str) -> Result<Credentials, PromptError> + Send + Sync>;

/// Why nobody answered a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// There is nobody to ask.
    #[error("can't ask for credentials: no terminal")]
    NoTerminal,
    /// The answer was Ctrl-C or end of file.
    #[error("authentication cancelled")]
    Cancelled,
}

impl PromptError {
    /// Where else credentials can be put.
    pub fn hint(self) -> Option<String> {
        let text = "use --username with --password-stdin, --authfile, or log in with another tool \
                    that writes auth.json or config.json";
        (self == Self::NoTerminal).then(|| text.to_owned())
    }
}

/// Credentials and how messages call their source.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) credentials: Credentials,
    pub(crate) source: String,
    /// Typed by a person, who may mistype.
    pub(crate) typed: bool,
}

/// All credentials that this process can get at.
#[derive(Default)]
pub(crate) struct Vault {
    typed: Mutex<HashMap<String, Credentials>>,
    one_prompt_at_a_time: Mutex<()>,
}

impl Vault {
    /// The best credentials for `reference`, without asking anyone.
    pub(crate) fn find(&self, options: &Options, reference: &RemoteReference) -> Option<Found> {
        let given = options
            .sources
            .iter()
            .find_map(|source| given(options, source));
        given
            .or_else(|| self.typed(options, reference))
            .or_else(|| {
                options
                    .sources
                    .iter()
                    .find_map(|source| configured(options, source, reference))
            })
    }

    /// Asks; what was typed is remembered unless the options say otherwise.
    pub(crate) fn ask(
        &self,
        options: &Options,
        reference: &RemoteReference,
    ) -> Result<Found, PromptError> {
        let _one = self
            .one_prompt_at_a_time
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.typed(options, reference) {
            return Ok(found);
        }
        let prompt = options.prompt.as_ref().ok_or(PromptError::NoTerminal)?;
        let credentials = prompt(reference.host())?;
        if !options.password_many {
            let mut typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
            typed.insert(registry(reference), credentials.clone());
        }
        Ok(Found {
            credentials,
            source: "the prompt".to_owned(),
            typed: true,
        })
    }

    /// What was typed was wrong.
    pub(crate) fn forget(&self, reference: &RemoteReference) {
        let mut typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        typed.remove(&registry(reference));
    }

    fn typed(&self, options: &Options, reference: &RemoteReference) -> Option<Found> {
        if options.password_many {
            return None;
        }
        let typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        let credentials = typed.get(&registry(reference))?.clone();
        Some(Found {
            credentials,
            source: "the prompt".to_owned(),
            typed: true,
        })
    }
}

fn registry(reference: &RemoteReference) -> String {
    format!("{}:{}", reference.host(), reference.port())
}

fn given(options: &Options, source: &Source) -> Option<Found> {
    let Source::Given {
        name,
        credentials,
        only_if_required,
    } = source
    else {
        return None;
    };
    let required = options.authentication == crate::Authentication::Required;
    let used = required || !only_if_required;
    used.then(|| Found {
        credentials: credentials.clone(),
        source: name.clone(),
        typed: false,
    })
}

fn configured(options: &Options, source: &Source, reference: &RemoteReference) -> Option<Found> {
    let (name, text, flat) = match source {
        Source::Given { .. } => return None,
        Source::Text { name, json } => (name.clone(), json.clone(), false),
        Source::File(path) => {
            let name = path.display().to_string();
            let flat = path.file_name().is_some_and(|name| name == ".dockercfg");
            match std::fs::read_to_string(path) {
                Ok(text) => (name, Secret::new(text), flat),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
                Err(error) => {
                    let text = format!("can't read {name}: {error}");
                    (options.notify)(Notice::CredentialSource { text });
                    return None;
                }
            }
        }
    };
    match file::look_up(text.expose(), flat, reference) {
        Ok(found) => found.map(|credentials| Found {
            credentials,
            source: name.clone(),
            typed: false,
        }),
        Err(problem) => {
            let text = problem.describe(&name);
            (options.notify)(Notice::CredentialSource { text });
            None
        }
    }
}

#[cfg(test)]
mod tests;
