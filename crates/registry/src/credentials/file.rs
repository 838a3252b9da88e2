//! Files with credentials, as Docker and Podman write them (`containers-auth.json(5)`).

use base64::Engine as _;
use ch_oci::RemoteReference;
use serde_json::Value;

use super::Credentials;
use crate::secret::Secret;

const DOCKER_HUB: &str = "registry-1.docker.io";

/// The server that Docker asks a store about for Docker Hub.
const DOCKER_HUB_SERVER: &str = "https://index.docker.io/v1/";

/// A file with credentials, understood as far as it is JSON.
pub(super) struct Document {
    tree: Value,
    /// There is no `auths` around the entries.
    flat: bool,
}

/// Where a file says that credentials are.
pub(super) enum Place {
    /// In the file itself.
    Entry(Credentials),
    /// With a helper, under the name of a server.
    Helper {
        /// Name of the helper as written.
        name: String,
        /// What the helper is asked about.
        server: String,
    },
}

impl Document {
    /// Reads `json`; the error is the line where it is none. The parser's text is not told: it may quote a secret.
    pub(super) fn parse(json: &str, flat: bool) -> Result<Self, usize> {
        let tree = serde_json::from_str(json).map_err(|error| error.line())?;
        Ok(Self { tree, flat })
    }

    /// Where credentials for `reference` may be, best first.
    pub(super) fn places(&self, reference: &RemoteReference) -> Vec<Place> {
        let auths = if self.flat {
            Some(&self.tree)
        } else {
            self.tree.get("auths")
        };
        let helper = best(self.tree.get("credHelpers"), reference, |key, name| {
            let (name, server) = (name.as_str()?.to_owned(), key.to_owned());
            Some(Place::Helper { name, server })
        });
        let entry = best(auths, reference, |_, entry| {
            credentials(entry).map(Place::Entry)
        });
        let store = self.tree.get("credsStore").and_then(Value::as_str);
        let store = store.filter(|name| !name.is_empty());
        let store = store.map(|name| Place::Helper {
            name: name.to_owned(),
            server: server(reference),
        });
        helper.into_iter().chain(entry).chain(store).collect()
    }
}

/// The name under which a store of Docker's keeps what is for `reference`.
pub(super) fn server(reference: &RemoteReference) -> String {
    match (reference.host(), reference.explicit_port()) {
        (DOCKER_HUB, None | Some(443)) => DOCKER_HUB_SERVER.to_owned(),
        (host, None | Some(443)) => host.to_owned(),
        (host, Some(port)) => format!("{host}:{port}"),
    }
}

/// The name under which files keep what is for the whole of `registry`.
pub(super) fn key(registry: &RemoteReference) -> String {
    match server(registry) {
        hub if hub == DOCKER_HUB_SERVER => "docker.io".to_owned(),
        other => other,
    }
}

/// Whether `name` is one of those under which files keep what is for the whole of `registry`.
pub(super) fn is_of_registry(name: &str, registry: &RemoteReference) -> bool {
    applies(&normal(name), registry)
}

/// The entry with the longest key that is the registry or leads to the repository, of those that `understood` takes.
fn best<T>(
    entries: Option<&Value>,
    reference: &RemoteReference,
    understood: impl Fn(&str, &Value) -> Option<T>,
) -> Option<T> {
    let entries = entries?.as_object()?.iter().filter_map(|(key, entry)| {
        let normal = normal(key);
        applies(&normal, reference).then_some(())?;
        Some((normal.len(), understood(key, entry)?))
    });
    entries
        .max_by_key(|(length, _)| *length)
        .map(|(_, understood)| understood)
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
    Credentials::of_entry(username, password)
}
