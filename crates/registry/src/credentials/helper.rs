//! Credential helpers: programs `docker-credential-NAME` that keep credentials for other programs.
//!
//! The protocol is Docker's: the action is the only argument; the server, or for `store` the whole entry, comes on
//! standard input; the answer is JSON on standard output, and so is the text of a failure.

use std::io;
use std::sync::Arc;

use serde::Deserialize;

use super::Credentials;
use crate::secret::Secret;

/// What all helpers begin to say when they have nothing for a server.
const NOT_FOUND: &str = "credentials not found";

/// One call of a helper.
pub struct HelperCall<'c> {
    /// The program, which is looked for where programs are.
    pub program: String,
    /// Its only argument.
    pub action: &'static str,
    /// What it reads; secret where the action is `store`.
    pub input: &'c [u8],
}

/// What a helper said.
pub struct HelperAnswer {
    /// Whether it succeeded.
    pub success: bool,
    /// Its standard output; secret if it succeeded.
    pub output: Vec<u8>,
    /// Its standard error.
    pub errors: Vec<u8>,
}

/// Runs credential helpers.
pub type RunHelper = Arc<dyn Fn(&HelperCall<'_>) -> io::Result<HelperAnswer> + Send + Sync>;

/// Why a helper did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// Nothing that could be a part of the name of a program.
    #[error("not the name of a credential helper: {}", ch_oci::shown(name))]
    Name {
        /// What there is instead.
        name: String,
    },
    /// It could not be started, or did not end.
    #[error("credential helper {name} can't be run")]
    Run {
        /// Its name.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// It says that it failed.
    #[error("credential helper {name}: {said}")]
    Failed {
        /// Its name.
        name: String,
        /// The first line of what it said.
        said: String,
    },
    /// It succeeded, and said something that is no entry.
    #[error("credential helper {name}: the answer is not understood")]
    Answer {
        /// Its name.
        name: String,
    },
}

/// A helper, by the name that files have for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Helper(String);

/// What helpers write.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    username: String,
    secret: String,
}

impl Helper {
    pub(crate) fn new(name: &str) -> Result<Self, HelperError> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || !name.bytes().all(valid) {
            let name = name.to_owned();
            return Err(HelperError::Name { name });
        }
        Ok(Self(name.to_owned()))
    }

    /// What it has for `server`; an entry without secret counts as none.
    pub(crate) fn get(
        &self,
        run: &RunHelper,
        server: &str,
    ) -> Result<Option<Credentials>, HelperError> {
        let Some(answer) = self.call(run, "get", server.as_bytes())? else {
            return Ok(None);
        };
        let entry: Result<Entry, _> = serde_json::from_slice(answer.expose().as_bytes());
        let Ok(Entry { username, secret }) = entry else {
            let name = self.0.clone();
            return Err(HelperError::Answer { name });
        };
        Ok(Credentials::of_entry(username, Secret::new(secret)))
    }

    /// Has it keep a name and password for `server`.
    pub(crate) fn store(
        &self,
        run: &RunHelper,
        server: &str,
        username: &str,
        password: &Secret,
    ) -> Result<(), HelperError> {
        let entry = serde_json::json!({
            "ServerURL": server,
            "Username": username,
            "Secret": password.expose(),
        });
        let entry = Secret::new(entry.to_string());
        match self.call(run, "store", entry.expose().as_bytes())? {
            Some(_) => Ok(()),
            None => Err(HelperError::Failed {
                name: self.0.clone(),
                said: NOT_FOUND.to_owned(),
            }),
        }
    }

    /// Has it forget what it has for `server`; `false` if it says that there was nothing.
    pub(crate) fn erase(&self, run: &RunHelper, server: &str) -> Result<bool, HelperError> {
        let answer = self.call(run, "erase", server.as_bytes())?;
        Ok(answer.is_some())
    }

    /// Its output; `None` if it has nothing.
    fn call(
        &self,
        run: &RunHelper,
        action: &'static str,
        input: &[u8],
    ) -> Result<Option<Secret>, HelperError> {
        let name = || self.0.clone();
        let call = HelperCall {
            program: format!("docker-credential-{}", self.0),
            action,
            input,
        };
        let answer = run(&call).map_err(|source| HelperError::Run {
            name: name(),
            source,
        })?;
        let text =
            |bytes| String::from_utf8(bytes).map_err(|_| HelperError::Answer { name: name() });
        if answer.success {
            return Ok(Some(Secret::new(text(answer.output)?)));
        }
        let said = [answer.output, answer.errors].map(|said| first_line(&said));
        if said.iter().any(|said| said.starts_with(NOT_FOUND)) {
            return Ok(None);
        }
        let said = said.into_iter().find(|said| !said.is_empty());
        let said = said.unwrap_or_else(|| "failed without a word".to_owned());
        Err(HelperError::Failed { name: name(), said })
    }
}

/// The first line with something in it, safe to show.
fn first_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    ch_oci::shown(line.unwrap_or_default()).to_string()
}
