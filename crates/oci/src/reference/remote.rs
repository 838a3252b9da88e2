//! What a reference asks of which registry, once defaults are filled in.

use std::fmt;

use super::{Host, Reference};
use crate::{Digest, DigestError, PartialDigest};

/// Where Docker Hub answers.
const DOCKER_HUB: &str = "registry-1.docker.io";
/// The port of HTTPS.
const HTTPS_PORT: u16 = 443;

/// Whether `host` is one of the names of Docker Hub.
pub(super) fn is_docker_hub(host: &str) -> bool {
    matches!(host, "docker.io" | "index.docker.io" | DOCKER_HUB)
}

/// The registry for references that name none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryDefaults {
    /// Its host.
    pub host: String,
    /// Its port, if it must be a certain one.
    pub port: Option<u16>,
    /// What comes before the path of the reference; components separated by `/`, or empty.
    pub path_prefix: String,
}

impl Default for RegistryDefaults {
    /// Docker Hub.
    fn default() -> Self {
        Self {
            host: DOCKER_HUB.to_owned(),
            port: None,
            path_prefix: String::new(),
        }
    }
}

/// A reference with registry, repository and tag filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteReference {
    host: String,
    port: Option<u16>,
    repository: String,
    tag: Option<String>,
    digest: Option<PartialDigest>,
}

impl RemoteReference {
    pub(super) fn of(reference: &Reference, defaults: &RegistryDefaults) -> Self {
        let (host, port, prefix) = match reference.host() {
            Some(host) => (host.as_str(), reference.port(), ""),
            None => (
                defaults.host.as_str(),
                defaults.port,
                defaults.path_prefix.trim_matches('/'),
            ),
        };
        let host = if is_docker_hub(host) {
            DOCKER_HUB
        } else {
            host
        };
        let library = (host == DOCKER_HUB && prefix.is_empty() && reference.path().is_empty())
            .then_some("library");
        let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
        let own = reference.components.iter().map(String::as_str);
        let components: Vec<_> = prefix.into_iter().chain(library).chain(own).collect();
        let no_digest = reference.digest.is_none();
        Self {
            host: host.to_owned(),
            port,
            repository: components.join("/"),
            tag: reference
                .tag
                .clone()
                .or_else(|| no_digest.then(|| "latest".to_owned())),
            digest: reference.digest.clone(),
        }
    }

    /// No image, but the registry `HOST[:PORT]`: what is said of it holds for no repository in particular.
    pub fn of_registry(text: &str) -> Option<Self> {
        // The grammar takes a host for one when it has a port.
        let port = text
            .rsplit_once(':')
            .filter(|(_, port)| !port.ends_with(']'));
        let with_port = match port {
            Some(_) => text.to_owned(),
            None => format!("{text}:{HTTPS_PORT}"),
        };
        let reference = Reference::parse(&format!("{with_port}/x")).ok()?;
        let host = reference.host().filter(|_| reference.path().is_empty())?;
        let one = Self::of(&reference, &RegistryDefaults::default());
        Some(one.moved(host.as_str(), port.and(reference.port()), ""))
    }

    /// The same tag and digest, of another repository.
    pub fn moved(&self, host: &str, port: Option<u16>, repository: &str) -> Self {
        let host = if is_docker_hub(host) {
            DOCKER_HUB
        } else {
            host
        };
        Self {
            host: host.to_owned(),
            port,
            repository: repository.to_owned(),
            ..self.clone()
        }
    }

    /// The registry's host, IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port that the reference or the defaults insist on.
    pub fn explicit_port(&self) -> Option<u16> {
        self.port
    }

    /// The port, 443 if nothing else is said.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(HTTPS_PORT)
    }

    /// The name that goes into the addresses of the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` where neither tag nor digest was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that decides what is fetched; an error if digits are missing.
    pub fn digest(&self) -> Result<Option<Digest>, DigestError> {
        self.digest.clone().map(PartialDigest::complete).transpose()
    }
}

impl fmt::Display for RemoteReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port(), self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.0.into()
    }
}
