//! Credentials: where they come from, and which are for which registry.
//!
//! The caller lists the sources, best first; files are read when a registry first asks. What is typed
//! comes after what was given and before what is configured, and is kept for the process only. Each file is read once,
//! and each helper is asked once about a server.

mod file;
mod helper;
mod keep;

pub use helper::{HelperAnswer, HelperCall, HelperError, RunHelper};
pub use keep::{KeepError, Keeper};

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ch_oci::RemoteReference;

use file::{Document, Place};
use helper::Helper;

use crate::retry::without_number;
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

impl Credentials {
    /// Those of a stored name and secret; without a secret there are none.
    fn of_entry(username: String, password: Secret) -> Option<Self> {
        match (username.as_str(), password.is_empty()) {
            (_, true) => None,
            ("<token>", _) => Some(Self::Identity(password)),
            _ => Some(Self::Password { username, password }),
        }
    }
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

impl Source {
    /// How messages call it.
    fn name(&self) -> String {
        match self {
            Self::Given { name, .. } | Self::Text { name, .. } => name.clone(),
            Self::File(path) => path.display().to_string(),
        }
    }
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
        let text = "use --username with --password-stdin, --authfile, or ch-image login";
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
    /// Files that were read, by how messages call them; `None` gives nothing.
    documents: Mutex<HashMap<String, Option<Arc<Document>>>>,
    /// What helpers said of servers.
    helped: Mutex<HashMap<(Helper, String), Option<Credentials>>>,
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
                    .find_map(|source| self.configured(options, source, reference))
            })
    }

    /// Asks; what was typed is remembered unless the options say otherwise.
    pub(crate) fn ask(
        &self,
        options: &Options,
        reference: &RemoteReference,
    ) -> Result<Found, PromptError> {
        let _one = lock(&self.one_prompt_at_a_time);
        if let Some(found) = self.typed(options, reference) {
            return Ok(found);
        }
        let prompt = options.prompt.as_ref().ok_or(PromptError::NoTerminal)?;
        let credentials = prompt(reference.host())?;
        if !options.password_many {
            lock(&self.typed).insert(registry(reference), credentials.clone());
        }
        Ok(Found {
            credentials,
            source: "the prompt".to_owned(),
            typed: true,
        })
    }

    /// What was typed was wrong.
    pub(crate) fn forget(&self, reference: &RemoteReference) {
        lock(&self.typed).remove(&registry(reference));
    }

    /// What a file or variable has for `reference`, or the helpers that it names.
    fn configured(
        &self,
        options: &Options,
        source: &Source,
        reference: &RemoteReference,
    ) -> Option<Found> {
        if matches!(source, Source::Given { .. }) {
            return None;
        }
        let name = source.name();
        let document = lock(&self.documents)
            .entry(name.clone())
            .or_insert_with(|| document(options, source, &name).map(Arc::new))
            .clone()?;
        let places = document.places(reference).into_iter();
        let mut found = places.filter_map(|place| match place {
            Place::Entry(credentials) => Some((credentials, name.clone())),
            Place::Helper {
                name: helper,
                server,
            } => {
                let credentials = self.helped(options, &helper, &server, &name)?;
                Some((credentials, format!("credential helper {helper} ({name})")))
            }
        });
        found.next().map(|(credentials, source)| Found {
            credentials,
            source,
            typed: false,
        })
    }

    /// What the helper `name`, which `file` names, has for `server`. One that fails has nothing, and is told of.
    fn helped(
        &self,
        options: &Options,
        name: &str,
        server: &str,
        file: &str,
    ) -> Option<Credentials> {
        let run = options.run_helper.as_ref()?;
        let asked = Helper::new(name).and_then(|helper| {
            let key = (helper, server.to_owned());
            let mut helped = lock(&self.helped);
            match helped.get(&key) {
                Some(known) if !options.password_many => Ok(known.clone()),
                _ => {
                    let answer = key.0.get(run, server);
                    let known = answer.as_ref().ok().cloned().flatten();
                    helped.insert(key, known);
                    answer
                }
            }
        });
        asked.unwrap_or_else(|error| {
            let text = match std::error::Error::source(&error) {
                Some(cause) => {
                    let cause = without_number(cause.to_string());
                    format!("{file}: {error}: {cause}")
                }
                None => format!("{file}: {error}"),
            };
            (options.notify)(Notice::CredentialSource { text });
            None
        })
    }

    fn typed(&self, options: &Options, reference: &RemoteReference) -> Option<Found> {
        if options.password_many {
            return None;
        }
        let credentials = lock(&self.typed).get(&registry(reference))?.clone();
        Some(Found {
            credentials,
            source: "the prompt".to_owned(),
            typed: true,
        })
    }
}

/// A thread that panics takes the whole program with it, so nothing half done is ever seen.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// What is in a file or variable, and whether there is no `auths` around the entries; `None` if it is not there.
fn read(source: &Source) -> std::io::Result<Option<(Secret, bool)>> {
    match source {
        Source::Given { .. } => Ok(None),
        Source::Text { json, .. } => Ok(Some((json.clone(), false))),
        Source::File(path) => match std::fs::read_to_string(path) {
            Ok(text) => {
                let flat = path.file_name().is_some_and(|name| name == ".dockercfg");
                Ok(Some((Secret::new(text), flat)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        },
    }
}

/// Reads a file or variable called `name`, and tells what is wrong with it.
fn document(options: &Options, source: &Source, name: &str) -> Option<Document> {
    let tell = |text| (options.notify)(Notice::CredentialSource { text });
    let (text, flat) = match read(source) {
        Ok(found) => found?,
        Err(error) => {
            tell(format!("can't read {name}: {error}"));
            return None;
        }
    };
    if let Source::File(path) = source {
        note_if_open_to_others(options, path);
    }
    let parsed = Document::parse(text.expose(), flat);
    parsed
        .map_err(|line| tell(format!("can't parse {name}:{line}: not valid JSON")))
        .ok()
}

fn note_if_open_to_others(options: &Options, path: &Path) {
    let open = path
        .metadata()
        .is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    if open {
        let path = path.to_owned();
        (options.notify)(Notice::OpenToOthers { path });
    }
}

#[cfg(test)]
mod tests;
