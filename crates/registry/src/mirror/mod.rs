//! Mirrors: other places where images may be read, and registries that are not to be asked.
//!
//! A [`Mirrors`] is a list of rules, as `registries.conf` has them (`containers-registries.conf(5)`); mirrors from the
//! command line are rules, too. Of the rules of one file, the one with the longest prefix counts. Mirrors only serve
//! reading, in order; the registry itself comes last. What is read keeps its name.

mod file;

use std::path::PathBuf;

use ch_oci::RemoteReference;

use crate::Notice;

/// Docker Hub, as rules name it.
const DOCKER_HUB: &str = "docker.io";

/// Where else images may be read.
#[derive(Clone, Debug, Default)]
pub struct Mirrors {
    /// Mirrors that a user named, best first.
    named: Vec<Rule>,
    /// What the configuration says.
    configured: Vec<Rule>,
}

/// A text that is no `HOST=MIRROR[/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not HOST=MIRROR[/PATH]: {}", ch_oci::shown(text))]
pub struct MirrorError {
    /// The text.
    text: String,
}

/// What holds for all references that begin with a prefix.
#[derive(Clone, Debug)]
struct Rule {
    prefix: String,
    /// What stands instead of the prefix in addresses of the registry itself, if something else does.
    location: Option<Location>,
    insecure: bool,
    /// The file that forbids to ask it.
    blocked: Option<PathBuf>,
    mirrors: Vec<Mirror>,
}

#[derive(Clone, Debug)]
struct Mirror {
    location: Location,
    insecure: bool,
    serves: Serves,
}

/// Which references a mirror is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Serves {
    #[default]
    All,
    Digests,
    Tags,
}

/// A registry, and the beginning of names there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Location {
    host: String,
    port: Option<u16>,
    path: String,
}

impl Mirrors {
    /// Adds a mirror that a user names as `HOST=MIRROR[/PATH]`, behind those there are.
    pub fn add(&mut self, text: &str) -> Result<(), MirrorError> {
        let error = || MirrorError {
            text: text.to_owned(),
        };
        let (prefix, mirror) = text.split_once('=').ok_or_else(error)?;
        let prefix = normal(prefix).ok_or_else(error)?;
        let location = Location::parse(mirror).ok_or_else(error)?;
        let mirror = Mirror {
            location,
            insecure: false,
            serves: Serves::All,
        };
        self.named.push(Rule {
            prefix,
            location: None,
            insecure: false,
            blocked: None,
            mirrors: vec![mirror],
        });
        Ok(())
    }

    /// Adds what `registries.conf` files say; of two rules for the same prefix the later counts. Files that are not
    /// understood are told to `notify`, and not used.
    pub fn configure(&mut self, files: &[PathBuf], notify: &dyn Fn(Notice)) {
        for path in files {
            match file::read(path) {
                Ok(rules) => {
                    for rule in rules {
                        self.configured.retain(|known| known.prefix != rule.prefix);
                        self.configured.push(rule);
                    }
                }
                Err(text) => notify(Notice::Mirrors { text }),
            }
        }
    }

    /// The mirrors where `reference` may be read, best first.
    pub(crate) fn mirrors_of(&self, reference: &RemoteReference) -> Vec<RemoteReference> {
        let name = name(reference);
        let named = self
            .named
            .iter()
            .filter(|rule| rule.covers(&name).is_some());
        named
            .chain(self.rule(&name))
            .flat_map(|rule| rule.mirrors(&name, reference))
            .collect()
    }

    /// What `reference` is at the registry itself, where that is elsewhere for reading.
    pub(crate) fn registry_of(&self, reference: &RemoteReference) -> RemoteReference {
        let name = name(reference);
        let moved = self
            .rule(&name)
            .and_then(|rule| rule.relocated(&name, reference));
        moved.unwrap_or_else(|| reference.clone())
    }

    /// The file that forbids to ask the registry of `reference`.
    pub(crate) fn blocked(&self, reference: &RemoteReference) -> Option<&PathBuf> {
        self.rule(&name(reference))?.blocked.as_ref()
    }

    /// Whether the certificate of `host` with `port` need not be checked.
    pub(crate) fn are_insecure_at(&self, host: &str, port: u16) -> bool {
        let wanted = at(host, Some(port));
        let is_there = |location: &Location| at(&location.host, location.port) == wanted;
        self.configured.iter().any(|rule| {
            let own = match &rule.location {
                Some(location) => is_there(location),
                None => rule.is_of_registry(&wanted),
            };
            let mut insecure = rule.mirrors.iter().filter(|mirror| mirror.insecure);
            rule.insecure && own || insecure.any(|mirror| is_there(&mirror.location))
        })
    }

    /// The configured rule with the longest prefix of `name`.
    fn rule(&self, name: &str) -> Option<&Rule> {
        let rules = self.configured.iter();
        let covering = rules.filter(|rule| rule.covers(name).is_some());
        covering.max_by_key(|rule| rule.prefix.len())
    }
}

impl Rule {
    /// How much of `name` the prefix covers, if it is one.
    fn covers(&self, name: &str) -> Option<usize> {
        let length = match self.prefix.strip_prefix('*') {
            // A whole domain: the host ends with it, and has something before it.
            Some(suffix) => {
                let domain = suffix.split('/').next().unwrap_or(suffix);
                let host = name.split(['/', '@']).next().unwrap_or(name);
                let begin = host.rfind(domain).filter(|begin| *begin > 0)?;
                name[begin..]
                    .starts_with(suffix)
                    .then_some(begin + suffix.len())?
            }
            None => name
                .starts_with(&self.prefix)
                .then_some(self.prefix.len())?,
        };
        let ends = match name[length..].chars().next() {
            None | Some('/') => true,
            // Behind a host, a colon is that of a port.
            Some(':' | '@') => self.prefix.contains('/'),
            Some(_) => false,
        };
        ends.then_some(length)
    }

    /// Whether it is about names of `registry`.
    fn is_of_registry(&self, registry: &str) -> bool {
        let own = self.prefix.split('/').next().unwrap_or_default();
        match own.strip_prefix('*') {
            Some(domain) => registry.ends_with(domain),
            None => registry == own,
        }
    }

    fn mirrors(&self, name: &str, reference: &RemoteReference) -> Vec<RemoteReference> {
        let by_digest = matches!(reference.digest(), Ok(Some(_)));
        let serves = |mirror: &&Mirror| match mirror.serves {
            Serves::All => true,
            Serves::Digests => by_digest,
            Serves::Tags => !by_digest,
        };
        let covered = self.covers(name).unwrap_or_default();
        let mirrors = self.mirrors.iter().filter(serves);
        mirrors
            .map(|mirror| mirror.location.of(&name[covered..], reference))
            .collect()
    }

    /// Where the registry itself is.
    fn relocated(&self, name: &str, reference: &RemoteReference) -> Option<RemoteReference> {
        let location = self.location.as_ref()?;
        Some(location.of(&name[self.covers(name)?..], reference))
    }
}

impl Location {
    /// Reads `HOST[:PORT][/PATH]`.
    fn parse(text: &str) -> Option<Self> {
        let (registry, path) = text.split_once('/').unwrap_or((text, ""));
        let registry = RemoteReference::of_registry(registry)?;
        let path = path.trim_end_matches('/');
        let slash = if path.is_empty() { "" } else { "/" };
        ch_oci::Reference::parse(&format!("{path}{slash}x")).ok()?;
        Some(Self {
            host: registry.host().to_owned(),
            port: registry.explicit_port(),
            path: path.to_owned(),
        })
    }

    /// What `reference` is here, of which `rest` is behind the prefix.
    fn of(&self, rest: &str, reference: &RemoteReference) -> RemoteReference {
        // A tag or digest at the end of the rest is that of the reference.
        let rest = rest.split('@').next().unwrap_or_default();
        let rest = match (rest.rsplit_once(':'), reference.tag()) {
            (Some((before, tag)), Some(own)) if tag == own => before,
            _ => rest,
        };
        let repository = format!("{}{rest}", self.path);
        reference.moved(&self.host, self.port, repository.trim_start_matches('/'))
    }
}

/// Whether this is Docker Hub under any of its names.
pub(crate) fn is_docker_hub(host: &str) -> bool {
    matches!(
        host,
        DOCKER_HUB | "index.docker.io" | "registry-1.docker.io"
    )
}

/// Host and port; 443 is not said, and Docker Hub has one name.
fn at(host: &str, port: Option<u16>) -> String {
    let host = if is_docker_hub(host) {
        DOCKER_HUB
    } else {
        host
    };
    match port {
        None | Some(443) => host.to_owned(),
        Some(port) => format!("{host}:{port}"),
    }
}

/// A reference as rules are compared with it.
fn name(reference: &RemoteReference) -> String {
    let registry = at(reference.host(), reference.explicit_port());
    let mut name = format!("{registry}/{}", reference.repository());
    if let Some(tag) = reference.tag() {
        name += &format!(":{tag}");
    }
    if let Ok(Some(digest)) = reference.digest() {
        name += &format!("@{digest}");
    }
    name
}

/// A prefix as names are compared with it; `None` if it can be none.
fn normal(prefix: &str) -> Option<String> {
    let (registry, path) = match prefix.split_once('/') {
        Some((registry, path)) => (registry, format!("/{}", path.trim_end_matches('/'))),
        None => (prefix, String::new()),
    };
    let (star, host) = match registry.strip_prefix("*.") {
        Some(host) => ("*.", host),
        None => ("", registry),
    };
    let location = Location::parse(host)?;
    let registry = at(&location.host, location.port);
    Some(format!("{star}{registry}{}", path.trim_end_matches('/')))
}

#[cfg(test)]
mod tests;
