//! The client: manifests, configs and blobs of images, by reference.

mod call;
mod log_in;
mod rate;
mod somewhere;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use ch_oci::{Descriptor, Digest, Document, RemoteReference, media_type};
use ureq::http::header;

use crate::blob::{Blob, Origin};
use crate::credentials::Vault;
use crate::endpoint::Endpoint;
use crate::error::Received;
use crate::http::{Answer, Http, may_pass};
use crate::login::Login;
use crate::retry::Attempts;
use crate::{FetchError, Options};
pub(crate) use call::{Access, Address, Call, retry_after, unexpected};
pub use log_in::{LogInError, LoggedIn};
use somewhere::Seen;

/// Largest manifest or index.
const MANIFEST_BYTES: u64 = 4 * 1024 * 1024;
/// Largest image config.
const CONFIG_BYTES: u64 = 8 * 1024 * 1024;
/// What we can read, best first.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.1";

/// All registries, as one command sees them. Clones share connections, tokens and credentials.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    options: Arc<Options>,
    http: Http,
    vault: Vault,
    endpoints: Mutex<HashMap<(String, Option<u16>), Endpoint>>,
    logins: Mutex<HashMap<(String, u16, String, Access), Arc<Login>>>,
    unverified: Mutex<HashSet<String>>,
    mirrors: Seen,
    rate_limit_told: AtomicBool,
}

/// A manifest or index with the bytes its digest is over.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// As it came.
    pub bytes: Vec<u8>,
    /// Digest of `bytes`.
    pub digest: Digest,
    /// Its type: what the document says, else what the server said.
    pub media_type: String,
    /// What it says.
    pub document: Document,
    /// The mirror that it came from: host, port and repository.
    pub mirror: Option<String>,
}

impl Client {
    /// A client that has not spoken to anyone.
    pub fn new(options: Options) -> Self {
        let options = Arc::new(options);
        Self(Arc::new(Shared {
            http: Http::new(Arc::clone(&options)),
            options,
            vault: Vault::default(),
            endpoints: Mutex::default(),
            logins: Mutex::default(),
            unverified: Mutex::default(),
            mirrors: Seen::default(),
            rate_limit_told: AtomicBool::new(false),
        }))
    }

    /// The manifest or index that `reference` names; its digest decides over its tag.
    pub fn manifest(&self, reference: &RemoteReference) -> Result<Fetched, FetchError> {
        let digest = reference.digest()?;
        let name = match (&digest, reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or("latest").to_owned(),
        };
        self.manifest_called(reference, &name, digest.as_ref())
    }

    /// The manifest or index that an entry of an index names.
    pub fn manifest_of(
        &self,
        reference: &RemoteReference,
        entry: &Descriptor,
    ) -> Result<Fetched, FetchError> {
        if entry.size > MANIFEST_BYTES {
            return Err(FetchError::TooLarge {
                what: "manifest",
                limit: MANIFEST_BYTES,
            });
        }
        let digest = entry.digest.to_string();
        let fetched = self.manifest_called(reference, &digest, Some(&entry.digest))?;
        match fetched.bytes.len() as u64 {
            received if received == entry.size => Ok(fetched),
            received => Err(FetchError::wrong_size("manifest", entry.size, received)),
        }
    }

    /// The config of an image, checked against its descriptor.
    pub fn config(
        &self,
        reference: &RemoteReference,
        config: &Descriptor,
    ) -> Result<Vec<u8>, FetchError> {
        if config.size > CONFIG_BYTES {
            return Err(FetchError::TooLarge {
                what: "config",
                limit: CONFIG_BYTES,
            });
        }
        let mut bytes = Vec::new();
        let mut blob = self.blob(reference, config)?;
        let read = blob.read_to_end(&mut bytes);
        read.map_err(|source| FetchError::Body {
            what: "config",
            source,
        })?;
        Ok(bytes)
    }

    /// Opens a blob of the repository; reading it to its end checks it against its descriptor.
    pub fn blob(
        &self,
        reference: &RemoteReference,
        descriptor: &Descriptor,
    ) -> Result<Blob, FetchError> {
        let (blob, _) = self.somewhere(reference, |place| {
            let origin = Origin {
                reference: place.clone(),
                is_doubtful: *place != self.itself(reference),
            };
            Blob::open(self.clone(), origin, descriptor.clone())
        })?;
        Ok(blob)
    }

    /// The same from the registry itself, for whoever was given something else.
    pub fn blob_of_registry(
        &self,
        reference: &RemoteReference,
        descriptor: &Descriptor,
    ) -> Result<Blob, FetchError> {
        let origin = Origin {
            reference: self.itself(reference),
            is_doubtful: false,
        };
        Blob::open(self.clone(), origin, descriptor.clone())
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    fn manifest_called(
        &self,
        reference: &RemoteReference,
        name: &str,
        digest: Option<&Digest>,
    ) -> Result<Fetched, FetchError> {
        let (fetched, mirror) =
            self.somewhere(reference, |place| self.manifest_at(place, name, digest))?;
        Ok(Fetched { mirror, ..fetched })
    }

    /// The same at one place.
    fn manifest_at(
        &self,
        reference: &RemoteReference,
        name: &str,
        digest: Option<&Digest>,
    ) -> Result<Fetched, FetchError> {
        let call = Call {
            address: Address::Repository(format!("manifests/{name}")),
            accept: Some(ACCEPT),
            ..Call::default()
        };
        let mut attempts = Attempts::new(self.options());
        loop {
            let mut answer = self.call(reference, &call)?;
            if answer.status() != 200 {
                return Err(self.refusal(reference, answer));
            }
            self.tell_rate_limit(reference, &answer);
            match manifest_body(&mut answer) {
                Ok(bytes) => return understood(reference, &answer, bytes, digest),
                Err(FetchError::Body { source, .. })
                    if may_pass(&source) && attempts.again(&source) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_html(answer: &Answer) -> bool {
    answer
        .header(header::CONTENT_TYPE)
        .map(media_type::without_parameters)
        == Some("text/html")
}

fn manifest_body(answer: &mut Answer) -> Result<Vec<u8>, FetchError> {
    let body = answer
        .response
        .body_mut()
        .with_config()
        .limit(MANIFEST_BYTES + 1)
        .reader();
    let mut bytes = Vec::new();
    let read = body.take(MANIFEST_BYTES + 1).read_to_end(&mut bytes);
    if bytes.len() as u64 > MANIFEST_BYTES {
        return Err(FetchError::TooLarge {
            what: "manifest",
            limit: MANIFEST_BYTES,
        });
    }
    read.map_err(|source| FetchError::Body {
        what: "manifest",
        source,
    })?;
    Ok(bytes)
}

/// Checks the digest that was asked for, or else the one the registry names, and parses.
fn understood(
    reference: &RemoteReference,
    answer: &Answer,
    bytes: Vec<u8>,
    asked: Option<&Digest>,
) -> Result<Fetched, FetchError> {
    if is_html(answer) {
        let host = format!("{}:{}", reference.host(), reference.port());
        return Err(FetchError::NotARegistry { host });
    }
    let named = answer.response.headers().get("docker-content-digest");
    let named = named.and_then(|value| Digest::parse(value.to_str().ok()?).ok());
    let digest = match asked.cloned().or(named) {
        Some(wanted) => {
            let mut hasher = wanted.algorithm().hasher();
            hasher.update(&bytes);
            let received = hasher.finish();
            if received != wanted {
                return Err(FetchError::ManifestMismatch {
                    source: Received(received),
                });
            }
            wanted
        }
        None => Digest::of(&bytes),
    };
    let content_type = answer
        .header(header::CONTENT_TYPE)
        .map(media_type::without_parameters);
    let document = Document::parse(&bytes, content_type)?;
    let media_type = document
        .media_type()
        .or(content_type)
        .unwrap_or_default()
        .to_owned();
    Ok(Fetched {
        bytes,
        digest,
        media_type,
        document,
        mirror: None,
    })
}
