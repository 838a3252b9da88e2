//! Blobs and manifests into a repository.
//!
//! ```text
//! has_blob ── yes ─> nothing to do
//!    no
//! mount ── mounted ─> nothing was sent
//!    not
//! upload: POST, PUT of the whole;  broken: state, PATCH of the rest, PUT
//! ```
//!
//! Invariants: what is asked for needs no more rights than pushing there and pulling from where is mounted from;
//! a blob counts as uploaded when the registry has named its digest; a manifest is put last, by the caller.

mod error;
mod piece;
mod session;

use ch_oci::{Descriptor, Digest, RemoteReference};
use ureq::http::Uri;

use crate::client::{Access, Address, Call, Client};
use crate::error::Received;
use crate::http::{Answer, Method, Payload, without_query};
use crate::{FetchError, RegistrySays};
pub use error::UploadError;
pub use piece::{Content, Watch};
pub(crate) use piece::{Piece, is_unread};
use session::Session;

/// Answers that mean that a blob is not there, or not for us.
const NOT_THERE: [u16; 3] = [401, 403, 404];

/// Puts things into one repository.
#[derive(Clone)]
pub struct Pusher {
    client: Client,
    reference: RemoteReference,
}

/// An upload that has begun, and of which nothing has been sent.
pub struct Begun(Uri);

impl std::fmt::Debug for Begun {
    /// The query of the address may be as good as a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Begun")
            .field(&without_query(&self.0))
            .finish()
    }
}

/// What became of a mount.
#[derive(Debug)]
pub enum Mount {
    /// The blob is there now.
    Mounted,
    /// It is not; the registry may have begun an upload instead.
    Refused(Option<Begun>),
}

impl Client {
    /// Pushes into the repository of `reference`; blobs may be mounted from these other `repositories` of the
    /// same registry.
    pub fn push_to(&self, reference: &RemoteReference, repositories: &[String]) -> Pusher {
        let own = format!("repository:{}:pull,push", reference.repository());
        let others = repositories
            .iter()
            .map(|name| format!("repository:{name}:pull"));
        self.ask_for(reference, std::iter::once(own).chain(others).collect());
        Pusher {
            client: self.clone(),
            reference: reference.clone(),
        }
    }
}

impl Pusher {
    /// Where it pushes to.
    pub fn reference(&self) -> &RemoteReference {
        &self.reference
    }

    /// Makes sure that there is a registry, and gets what it wants to see of us.
    pub fn authenticate(&self) -> Result<(), UploadError> {
        let answer = self.call(Method::Get, Address::Version)?;
        match answer.status().as_u16() {
            200 => Ok(()),
            404 => {
                let host = format!("{}:{}", self.reference.host(), self.reference.port());
                Err(FetchError::NotARegistry { host }.into())
            }
            _ => Err(self.refusal(answer, 200)),
        }
    }

    /// Whether the repository has the blob.
    pub fn has_blob(&self, blob: &Descriptor) -> Result<bool, UploadError> {
        let path = format!("blobs/{}", blob.digest);
        let answer = self.ask(Method::Head, path)?;
        match answer.status().as_u16() {
            200 => named_digest(&answer, &blob.digest).map(|()| true),
            status if NOT_THERE.contains(&status) => Ok(false),
            _ => Err(self.refusal(answer, 200)),
        }
    }

    /// Has the registry take the blob from another of its repositories.
    pub fn mount(&self, blob: &Descriptor, from: &str) -> Result<Mount, UploadError> {
        let path = format!("blobs/uploads/?mount={}&from={from}", blob.digest);
        let answer = self.ask(Method::Post, path)?;
        match answer.status().as_u16() {
            201 => named_digest(&answer, &blob.digest).map(|()| Mount::Mounted),
            202 => Ok(Mount::Refused(Some(Begun(location(&answer)?)))),
            // What can't be mounted may perhaps be uploaded.
            _ => Ok(Mount::Refused(None)),
        }
    }

    /// Uploads the blob; `watch` hears how far that is.
    pub fn upload(
        &self,
        begun: Option<Begun>,
        blob: &Descriptor,
        content: &Content,
        watch: Watch<'_>,
    ) -> Result<(), UploadError> {
        let session = Session {
            pusher: self,
            blob,
            content,
            watch,
        };
        session.run(begun)
    }

    /// Gives `tag` to a manifest or index, all of whose parts are there.
    pub fn manifest(&self, tag: &str, what: &Descriptor, bytes: &[u8]) -> Result<(), UploadError> {
        let call = Call {
            method: Method::Put,
            address: Address::Repository(format!("manifests/{tag}")),
            access: Access::Push,
            body: Payload::Document(&what.media_type, bytes),
            ..Call::default()
        };
        let mut answer = self.client.call(&self.reference, &call)?;
        match answer.status().as_u16() {
            200..=204 => named_digest(&answer, &what.digest),
            400 | 404 | 405 | 415 | 422 => {
                let status = answer.status();
                let source = RegistrySays::parse(&answer.error_body());
                let said = source.as_ref().map(|says| says.message.clone());
                let said = said.filter(|text| !text.is_empty());
                let reason = said.unwrap_or_else(|| status.to_string());
                Err(UploadError::Manifest { reason, source })
            }
            _ => Err(self.refusal(answer, 201)),
        }
    }

    /// Begins an upload.
    fn begin(&self) -> Result<Begun, UploadError> {
        let path = "blobs/uploads/".to_owned();
        let mut answer = self.call(Method::Post, Address::Repository(path))?;
        match answer.status().as_u16() {
            202 => Ok(Begun(location(&answer)?)),
            404 => Err(UploadError::NoRepository {
                repository: self.reference.repository().to_owned(),
                source: RegistrySays::parse(&answer.error_body()),
            }),
            _ => Err(self.refusal(answer, 202)),
        }
    }

    /// A request for something that may be forbidden without anything being wrong.
    fn ask(&self, method: Method, path: String) -> Result<Answer, FetchError> {
        let call = Call {
            method,
            address: Address::Repository(path),
            access: Access::Push,
            is_optional: true,
            ..Call::default()
        };
        self.client.call(&self.reference, &call)
    }

    fn call(&self, method: Method, address: Address) -> Result<Answer, FetchError> {
        let call = Call {
            method,
            address,
            access: Access::Push,
            ..Call::default()
        };
        self.client.call(&self.reference, &call)
    }

    /// The error for an answer that should have been `expected`.
    fn refusal(&self, mut answer: Answer, expected: u16) -> UploadError {
        let refused = matches!(answer.status().as_u16(), 401 | 403) && !answer.elsewhere;
        if answer.status() == 413 {
            let source = RegistrySays::parse(&answer.error_body());
            return UploadError::TooLarge { source };
        }
        match self
            .client
            .refused(&self.reference, Access::Push, answer, expected)
        {
            FetchError::Unauthorized {
                reference,
                hint,
                source,
            } if refused => UploadError::Denied {
                reference,
                hint,
                source,
            },
            other => other.into(),
        }
    }
}

/// Where the registry wants what comes next.
fn location(answer: &Answer) -> Result<Uri, UploadError> {
    let location = answer.header(ureq::http::header::LOCATION);
    let location = location.ok_or_else(|| UploadError::NoLocation {
        url: without_query(&answer.url),
    })?;
    Ok(crate::http::follow(&answer.url, location)?)
}

/// Fails if the answer names another digest; whether it names one at all is the registry's affair.
fn named_digest(answer: &Answer, wanted: &Digest) -> Result<(), UploadError> {
    match digest_of(answer) {
        Some(named) if named != *wanted && named.algorithm() == wanted.algorithm() => {
            Err(UploadError::Digest {
                source: Received(named),
            })
        }
        _ => Ok(()),
    }
}

fn digest_of(answer: &Answer) -> Option<Digest> {
    let named = answer.response.headers().get("docker-content-digest")?;
    Digest::parse(named.to_str().ok()?).ok()
}
