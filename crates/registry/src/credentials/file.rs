//! Files with credentials, as Docker and Podman write them (`containers-auth.json(5)`).

use base64::Engine as _;
use ch_oci::RemoteReference;
use serde_json::{Map, Value};

use super::Credentials;
use crate::secret::Secret;

const DOCKER_HUB: &str = "registry-1.docker.io";

/// Why a file that exists gave no credentials.
#[derive(Debug)]
pub(super) enum Problem {
    /// Line of the syntax error. The parser's text is not shown: it may quote a secret.
    Syntax { line: usize },
    /// A helper program would have to be asked.
    Helper { name: String },
}

impl Problem {
    /// The warning about the file or variable `name`.
    pub(super) fn describe(&self, name: &str) -> String {
        match self {
            Self::Syntax { line } => format!("can't parse {name}:{line}: not valid JSON"),
            Self::Helper { name: helper } => {
                format!(
                    "not yet supported: credential helper {} ({name})",
                    ch_oci::shown(helper)
                )
            }
        }
    }
}

/// Finds credentials for `reference` in `json`; `flat` files have no `auths` around the entries.
pub(super) fn look_up(
    json: &str,
    flat: bool,
    reference: &RemoteReference,
) -> Result<Option<Credentials>, Problem> {
    let tree: Value =
        serde_json::from_str(json).map_err(|error| Problem::Syntax { line: error.line() })?;
    let auths = if flat { Some(&tree) } else { tree.get("auths") };
    if let Some(name) = tree
        .get("credHelpers")
        .and_then(|helpers| helper(helpers, reference))
    {
        return Err(Problem::Helper { name });
    }
    let found = auths
        .and_then(Value::as_object)
        .and_then(|auths| best(auths, reference));
    match (found, tree.get("credsStore").and_then(Value::as_str)) {
        (None, Some(name)) if !name.is_empty() => Err(Problem::Helper {
            name: name.to_owned(),
        }),
        (found, _) => Ok(found),
    }
}

fn helper(helpers: &Value, reference: &RemoteReference) -> Option<String> {
    let mut helpers = helpers.as_object()?.iter();
    let wanted = [reference.host().to_owned(), with_port(reference)];
    let (_, name) = helpers.find(|(key, _)| wanted.contains(&normal(key)))?;
    name.as_str().map(str::to_owned)
}

/// The entry with the longest key that is the registry or leads to the repository.
fn best(auths: &Map<String, Value>, reference: &RemoteReference) -> Option<Credentials> {
    let entries = auths.iter().filter_map(|(key, entry)| {
        let key = normal(key);
        applies(&key, reference).then_some(())?;
        Some((key.len(), credentials(entry)?))
    });
    entries
        .max_by_key(|(length, _)| *length)
        .map(|(_, credentials)| credentials)
}

fn applies(key: &str, reference: &RemoteReference) -> bool {
    let (registry, path) = key.split_once('/').unwrap_or((key, ""));
    let registry_matches = match reference.explicit_port() {
        Some(port) if port != 443 => registry == with_port(reference),
        _ => registry == reference.host() || registry == with_port(reference),
    };
    let below = reference.repository().strip_prefix(path);
    registry_matches
        && below.is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

fn with_port(reference: &RemoteReference) -> String {
    format!("{}:{}", reference.host(), reference.port())
}

/// A key without scheme and API version; Docker Hub under its one name. The version is directly behind the
/// host: elsewhere, `v1` is the name of a repository.
fn normal(key: &str) -> String {
    let key = key
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let (registry, path) = key.split_once('/').unwrap_or((key, ""));
    let registry = match registry {
        "docker.io" | "index.docker.io" => DOCKER_HUB,
        other => other,
    };
    match path {
        "" | "v1" | "v2" => registry.to_owned(),
        path => format!("{registry}/{path}"),
    }
}

/// The credentials of an entry; one without a secret counts as absent.
fn credentials(entry: &Value) -> Option<Credentials> {
    let text = |key: &str| {
        entry
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    if let Some(token) = text("identitytoken") {
        return Some(Credentials::Identity(Secret::new(token)));
    }
    if let Some(token) = text("registrytoken") {
        return Some(Credentials::Bearer(Secret::new(token)));
    }
    let (username, password) = match text("auth") {
        Some(auth) => {
            let decoded = base64::engine::general_purpose::STANDARD
                .decode(auth.trim())
                .ok()?;
            let pair = Secret::new(String::from_utf8(decoded).ok()?.trim_end_matches('\0'));
            let (username, password) = pair.expose().split_once(':')?;
            (username.to_owned(), Secret::new(password))
        }
        None => (text("username")?.to_owned(), Secret::new(text("password")?)),
    };
    match (username.as_str(), password.is_empty()) {
        (_, true) => None,
        ("<token>", _) => Some(Credentials::Identity(password)),
        _ => Some(Credentials::Password { username, password }),
    }
}
