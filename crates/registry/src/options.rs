//! How a client behaves; every choice is the caller's, none is read from the environment.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{Mirrors, Notice, Prompt, Proxies, RunHelper, Source};

/// When credentials are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Authentication {
    /// Those configured for the registry if there are any, else none.
    #[default]
    Automatic,
    /// Whenever a registry asks who we are; it is never answered "nobody".
    Required,
    /// Never.
    Anonymous,
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Trust {
    /// The distribution's authorities, or built-in ones where it has none.
    #[default]
    System,
    /// Those in this PEM file, or in the files of this directory, and no others.
    Only(PathBuf),
}

/// How often and how fast a request is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How many times a request is made at most.
    pub attempts: u32,
    /// The first wait; each further one is twice as long, up to 30 seconds.
    pub delay: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 5,
            delay: Duration::from_millis(500),
        }
    }
}

/// Behaviour of a [`Client`](crate::Client).
#[derive(Clone)]
pub struct Options {
    /// `User-Agent` of every request.
    pub user_agent: String,
    /// When credentials are used.
    pub authentication: Authentication,
    /// Where credentials come from, best first; the prompt is always last.
    pub sources: Vec<Source>,
    /// Runs credential helpers; without it, they have nothing.
    pub run_helper: Option<RunHelper>,
    /// Asks a person; without it, nobody is asked.
    pub prompt: Option<Prompt>,
    /// Ask at every need: what was typed is not remembered.
    pub password_many: bool,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Directories with `HOST/` or `HOST:PORT/`: further authorities (`*.crt`) for one registry each, and
    /// what we show to it (`NAME.cert` with `NAME.key`).
    pub certificate_directories: Vec<PathBuf>,
    /// Check names and chains of certificates.
    pub verify_tls: bool,
    /// Allow plain HTTP, with credentials, to any host.
    pub plain_http: bool,
    /// Where else images may be read, and which registries are not asked.
    pub mirrors: Mirrors,
    /// Who stands between us and hosts.
    pub proxies: Proxies,
    /// Make no request: each is an error that names its address.
    pub offline: bool,
    /// Trying again.
    pub retries: Retries,
    /// How long a server may stay silent.
    pub silence: Duration,
    /// Hears what a user should know.
    pub notify: Arc<dyn Fn(Notice) + Send + Sync>,
}

impl Options {
    /// Whether the certificate of a host is checked.
    pub(crate) fn verifies(&self, host: &str, port: u16) -> bool {
        self.verify_tls && !self.mirrors.are_insecure_at(host, port)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user_agent: format!(
                "ch-image/{} (linux; {})",
                env!("CARGO_PKG_VERSION"),
                std::env::consts::ARCH
            ),
            authentication: Authentication::default(),
            sources: Vec::new(),
            run_helper: None,
            prompt: None,
            password_many: false,
            trust: Trust::default(),
            certificate_directories: Vec::new(),
            verify_tls: true,
            plain_http: false,
            mirrors: Mirrors::default(),
            proxies: Proxies::default(),
            offline: false,
            retries: Retries::default(),
            silence: Duration::from_secs(60),
            notify: Arc::new(|_| {}),
        }
    }
}
