//! Why something could not be fetched, in the words a user reads.

use ch_oci::{Digest, DigestError, DocumentError};

use crate::{BlobError, PromptError, ProxyError};

/// Why a manifest, config or blob could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Registries do not tell what is missing from what is forbidden.
    #[error("unauthorized or not in registry: {reference}")]
    Unauthorized {
        /// What was asked for, filled in.
        reference: String,
        /// What a user can do.
        hint: Option<String>,
        /// What the registry said.
        source: Option<RegistrySays>,
    },
    /// A blob that a manifest names is not there.
    #[error("blob {digest} is not in registry: {repository}")]
    NoBlob {
        /// The blob.
        digest: Digest,
        /// Host and repository.
        repository: String,
    },
    /// The configuration says so.
    #[error("registry blocked by {}: {host}", path.display())]
    Blocked {
        /// The file that says it.
        path: std::path::PathBuf,
        /// The registry.
        host: String,
    },
    /// The name does not resolve, or nobody answers.
    #[error("can't reach {host}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// What should name the proxy on the way does not.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// Somebody answers, but not as HTTP wants it.
    #[error("{host}: not a valid HTTP answer")]
    NotHttp {
        /// Host and port.
        host: String,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// No request may be made.
    #[error("offline: can't {method} {url}")]
    Offline {
        /// The request.
        method: &'static str,
        /// Address without query.
        url: String,
    },
    /// The certificate is not to be believed.
    #[error("can't verify certificate of {host}")]
    Certificate {
        /// The host.
        host: String,
        /// Why not.
        source: rustls::Error,
    },
    /// The server speaks something else.
    #[error("{host} does not speak TLS")]
    NotTls {
        /// Host and port.
        host: String,
    },
    /// The file with certificate authorities is not usable.
    #[error("can't read certificates: {}", path.display())]
    Trust {
        /// The file or directory.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An answer that does not help.
    #[error("{method} failed; expected status {expected} but got {status}: {reason}: {url}")]
    Status {
        /// The request.
        method: &'static str,
        /// What would have been good.
        expected: u16,
        /// What came.
        status: u16,
        /// What that means.
        reason: &'static str,
        /// Address without query.
        url: String,
        /// What the registry said.
        source: Option<RegistrySays>,
    },
    /// Some other web server.
    #[error("not a container registry: {host}")]
    NotARegistry {
        /// Host and port.
        host: String,
    },
    /// Too many requests.
    #[error("registry rate limit exceeded (HTTP 429)")]
    RateLimit {
        /// Whether the requests were anonymous.
        anonymous: bool,
    },
    /// No challenge, or none that we can answer.
    #[error("don't know how to authenticate: {}", ch_oci::shown(challenge))]
    Challenge {
        /// The schemes offered.
        challenge: String,
    },
    /// Credentials would be sent in the clear.
    #[error("token server is not HTTPS: {}", ch_oci::shown(realm))]
    TokenNotHttps {
        /// Its address.
        realm: String,
    },
    /// Credentials would be sent in the clear to another machine.
    #[error("credentials are not sent over plain HTTP: {host}")]
    PlainHttp {
        /// Host and port.
        host: String,
    },
    /// An answer of a token server without a token.
    #[error("can't understand token server: {url}")]
    Token {
        /// Its address without query.
        url: String,
    },
    /// Nobody could be asked.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// A redirect that must not be followed.
    #[error("can't follow redirect from {from} to {to}: {reason}")]
    Redirect {
        /// Address without query.
        from: String,
        /// Address without query.
        to: String,
        /// Why not.
        reason: &'static str,
    },
    /// A manifest or config that makes no sense.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The reference has too few digits of a digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// More bytes than there may be.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// Manifest or config.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
    /// A manifest that is not what was asked for.
    #[error("manifest: digest mismatch")]
    ManifestMismatch {
        /// What came.
        source: Received,
    },
    /// A blob broke off or is not what was asked for.
    #[error("{what}: can't download")]
    Body {
        /// Manifest or config.
        what: &'static str,
        /// What happened.
        source: std::io::Error,
    },
}

impl FetchError {
    /// Something that is shorter or longer than its descriptor says.
    pub fn wrong_size(what: &'static str, expected: u64, received: u64) -> Self {
        let error = BlobError::Size { expected, received };
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        Self::Body { what, source }
    }

    /// What a user can do, where that can be said.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            // Said of repositories that there are, and by some registries of others.
            Self::Unauthorized {
                source: Some(says), ..
            } if says.code == "MANIFEST_UNKNOWN" => "check the name and the tag",
            Self::Unauthorized { hint, .. } => return hint.clone(),
            Self::Certificate { host, .. } => {
                return Some(format!(
                    "put the registry's authority in certs.d/{host}/ca.crt or SSL_CERT_FILE; --tls-no-verify if nothing else helps"
                ));
            }
            Self::Unreachable { host, .. } if host.starts_with("registry-1.docker.io:") => {
                "references without a host are on docker.io, which needs the network"
            }
            Self::Offline { .. } => "--offline or CH_IMAGE_OFFLINE is set",
            Self::NotTls { .. } => "--tls-no-verify if that is expected",
            Self::PlainHttp { .. } => "--plain-http if that is what you want",
            Self::NotARegistry { .. } => "check the host name",
            Self::RateLimit { anonymous: true } => "consider --auth",
            Self::ManifestMismatch { .. } => {
                "something between here and the registry changed the download"
            }
            Self::Prompt(error) => return error.hint(),
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// The digest of what came instead of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("received {0}")]
pub struct Received(pub Digest);

/// The first error of a registry's error document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("registry says: {code}: {message}")]
pub struct RegistrySays {
    /// Code, such as `DENIED`.
    pub code: String,
    /// Text, safe to show.
    pub message: String,
}

impl RegistrySays {
    /// Reads an error document.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let tree: serde_json::Value = serde_json::from_slice(body).ok()?;
        let first = tree.get("errors")?.get(0)?;
        let text = |key: &str| -> String {
            let text = first
                .get(key)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default();
            ch_oci::shown(text).to_string()
        };
        Some(Self {
            code: text("code"),
            message: text("message"),
        })
    }
}
