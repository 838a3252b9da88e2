//! Image references: `[host[:port]/]path/name[:tag][@digest]`.
//!
//! One parser serves the command line, `FROM` and `COPY --from`. A [`Reference`] keeps what the user wrote; what
//! it *means* is computed from it: its [`Identity`] (which spellings are the same image in the storage
//! directory) and its [`RemoteReference`] (what to ask which registry).
//!
//! Invariant: parsing the printed form, or the file name form, gives the same value again.

mod error;
mod grammar;
mod remote;

use std::fmt;

use crate::{Algorithm, PartialDigest};

pub use error::ReferenceError;
pub use remote::{RegistryDefaults, RemoteReference};

/// The registry part of a reference: a name, an IPv4 address or a bracketed IPv6 address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Box<str>);

impl Host {
    /// As written, IPv6 with brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is Docker Hub under any of its names.
    fn is_docker_hub(&self) -> bool {
        remote::is_docker_hub(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image reference, as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    host: Option<Host>,
    port: Option<u16>,
    /// All components, the name last; never empty.
    components: Vec<String>,
    tag: Option<String>,
    digest: Option<PartialDigest>,
}

impl Reference {
    /// Reads a reference; `%` counts as `/` and `+` as `:`, so that a file name form is one too.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        grammar::parse(text)
    }

    /// The registry, if one was named.
    pub fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// The port, if one was named.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The components before the name.
    pub fn path(&self) -> &[String] {
        self.components.split_last().map_or(&[], |(_, path)| path)
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.components
            .last()
            .expect("the grammar wants at least one component")
    }

    /// The tag, if one was named.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest or the beginning of one, if named.
    pub fn digest(&self) -> Option<&PartialDigest> {
        self.digest.as_ref()
    }

    /// Whether this is the name of the empty image.
    pub fn is_scratch(&self) -> bool {
        self.host.is_none() && self.to_string() == "scratch"
    }

    /// The printed form with `/` as `%` and `:` as `+`.
    pub fn file_form(&self) -> String {
        self.to_string().replace('/', "%").replace(':', "+")
    }

    /// What this reference means; equal for all spellings of the same image.
    pub fn identity(&self) -> Identity {
        let mut meant = self.clone();
        meant.port = self.port.filter(|port| *port != 443);
        if meant.port.is_none() {
            meant.host = self.host.clone().filter(|host| !host.is_docker_hub());
        }
        if meant.host.is_none() && meant.components.len() == 2 && meant.components[0] == "library" {
            meant.components.remove(0);
        }
        if meant.digest.is_none() && meant.tag.is_none() {
            meant.tag = Some("latest".to_owned());
        }
        Identity(meant)
    }

    /// What to ask which registry.
    pub fn remote(&self, defaults: &RegistryDefaults) -> RemoteReference {
        RemoteReference::of(self, defaults)
    }

    /// The fields as `pull --parse-only` prints them.
    pub fn report(&self) -> ReportFields<'_> {
        ReportFields(self)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            f.write_str(host.as_str())?;
            if let Some(port) = self.port {
                write!(f, ":{port}")?;
            }
            f.write_str("/")?;
        }
        f.write_str(&self.components.join("/"))?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

/// A reference without the freedom of spelling: `docker.io/library/debian:latest` is `debian`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(Reference);

impl Identity {
    /// The registry; `None` for Docker Hub.
    pub fn host(&self) -> Option<&Host> {
        self.0.host()
    }

    /// The components before the name, without Docker Hub's `library`.
    pub fn path(&self) -> &[String] {
        self.0.path()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The report of `pull --parse-only`: values are shown as Python's `repr` does.
#[derive(Clone, Copy, Debug)]
pub struct ReportFields<'r>(&'r Reference);

impl fmt::Display for ReportFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reference = self.0;
        let quoted = |text: &str| format!("'{text}'");
        let optional = |text: Option<&str>| text.map_or_else(|| "None".to_owned(), quoted);
        let port = reference
            .port
            .map_or_else(|| "None".to_owned(), |port| port.to_string());
        let path: Vec<_> = reference.path().iter().map(|part| quoted(part)).collect();
        let digest = reference
            .digest
            .as_ref()
            .map(|digest| match digest.algorithm() {
                Algorithm::Sha256 => digest.hex().to_owned(),
                Algorithm::Sha512 => digest.to_string(),
            });
        writeln!(f, "as string:    {reference}")?;
        writeln!(f, "for filename: {}", reference.file_form())?;
        writeln!(f, "fields:")?;
        writeln!(
            f,
            "  host    {}",
            optional(reference.host.as_ref().map(Host::as_str))
        )?;
        writeln!(f, "  port    {port}")?;
        writeln!(f, "  path    [{}]", path.join(", "))?;
        writeln!(f, "  name    {}", quoted(reference.name()))?;
        writeln!(f, "  tag     {}", optional(reference.tag()))?;
        write!(f, "  digest  {}", optional(digest.as_deref()))
    }
}

#[cfg(test)]
mod tests;
