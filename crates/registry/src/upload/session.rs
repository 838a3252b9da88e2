//! One blob, as one request where that goes well.
//!
//! What broke is taken up where the registry says it stopped, by a PATCH of the rest; a registry that says nothing
//! of the kind gets all of it again.

use ch_oci::{Descriptor, Digest};
use ureq::http::{Uri, header};

use super::{Begun, Content, Pusher, UploadError, Watch, digest_of, location, named_digest};
use crate::client::{Access, Address, Call, retry_after, unexpected};
use crate::http::{Answer, Method, Payload, may_pass, without_query};
use crate::retry::Attempts;
use crate::upload::piece::{Piece, is_unread};
use crate::{FetchError, RegistrySays};

/// An upload of one blob.
pub(super) struct Session<'a> {
    pub(super) pusher: &'a Pusher,
    pub(super) blob: &'a Descriptor,
    pub(super) content: &'a Content,
    pub(super) watch: Watch<'a>,
}

/// Where an upload goes on.
struct Place {
    location: Uri,
    /// So much is there.
    offset: u64,
}

/// How an attempt ended.
enum Attempt {
    Done,
    /// Another one may end otherwise.
    Broken {
        cause: Box<dyn std::error::Error + Send + Sync>,
        /// What the registry wants to have waited for.
        wait: Option<std::time::Duration>,
    },
}

impl Session<'_> {
    /// Uploads, as often as it takes.
    pub(super) fn run(&self, begun: Option<Begun>) -> Result<(), UploadError> {
        let mut attempts = Attempts::new(self.pusher.client.options());
        let mut place = self.start(begun)?;
        // Of all attempts: an upload that is lost and begun anew gets no further by coming as far as before.
        let mut furthest = 0;
        loop {
            let (cause, wait) = match self.attempt(&place)? {
                Attempt::Done => return Ok(()),
                Attempt::Broken { cause, wait } => (cause, wait),
            };
            let again = match wait {
                Some(wait) => attempts.after(wait, &cause),
                None => attempts.again(&cause),
            };
            if !again {
                return Err(UploadError::Broken {
                    sent: place.offset,
                    size: self.blob.size,
                    source: cause,
                });
            }
            match self.state(&place)? {
                Some(there) => {
                    if there.offset > furthest {
                        furthest = there.offset;
                        attempts = Attempts::new(self.pusher.client.options());
                    }
                    place = there;
                }
                // The answer that it is complete may have been all that was lost.
                None if self.pusher.has_blob(self.blob)? => return Ok(()),
                None => place = self.start(None)?,
            }
        }
    }

    fn start(&self, begun: Option<Begun>) -> Result<Place, UploadError> {
        let Begun(location) = match begun {
            Some(begun) => begun,
            None => self.pusher.begin()?,
        };
        Ok(Place {
            location,
            offset: 0,
        })
    }

    /// Sends what is missing.
    fn attempt(&self, place: &Place) -> Result<Attempt, UploadError> {
        if place.offset == 0 {
            return self.put(&place.location, self.piece(0));
        }
        let mut location = place.location.clone();
        if place.offset < self.blob.size {
            let answer = match self.send(Method::Patch, &location, self.piece(place.offset))? {
                Ok(answer) => answer,
                Err(broken) => return Ok(broken),
            };
            if answer.status() != 202 {
                return self.judge(answer, 202, place.offset);
            }
            location = self::location(&answer)?;
        }
        self.put(&location, Payload::Nothing)
    }

    /// Sends `body`, after which the blob is complete.
    fn put(&self, location: &Uri, body: Payload<'_>) -> Result<Attempt, UploadError> {
        let offset = u64::from(matches!(body, Payload::Nothing)) * self.blob.size;
        let closing = with_digest(location, &self.blob.digest)?;
        let answer = match self.send(Method::Put, &closing, body)? {
            Ok(answer) => answer,
            Err(broken) => return Ok(broken),
        };
        if !matches!(answer.status().as_u16(), 200..=204) {
            return self.judge(answer, 201, offset);
        }
        named_digest(&answer, &self.blob.digest)?;
        if digest_of(&answer).is_none() && !self.pusher.has_blob(self.blob)? {
            let source = FetchError::NoBlob {
                digest: self.blob.digest.clone(),
                repository: self.pusher.reference.repository().to_owned(),
            };
            return Err(source.into());
        }
        Ok(Attempt::Done)
    }

    fn piece(&self, start: u64) -> Payload<'_> {
        Payload::Piece(Piece {
            content: self.content,
            start,
            size: self.blob.size,
            watch: self.watch,
        })
    }

    /// One request; what breaks is no error yet.
    fn send(
        &self,
        method: Method,
        location: &Uri,
        body: Payload<'_>,
    ) -> Result<Result<Answer, Attempt>, UploadError> {
        let call = Call {
            method,
            address: Address::At(location.clone()),
            access: Access::Push,
            body,
            ..Call::default()
        };
        match self.pusher.client.once(&self.pusher.reference, &call) {
            Ok(answer) => Ok(Ok(answer)),
            Err(FetchError::Unreachable { source, .. }) if is_unread(&source) => {
                Err(UploadError::Read { source })
            }
            Err(FetchError::Unreachable { source, .. }) if may_pass(&source) => {
                Ok(Err(Attempt::Broken {
                    cause: source.into(),
                    wait: None,
                }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What an answer means that is not the good one.
    fn judge(
        &self,
        mut answer: Answer,
        expected: u16,
        offset: u64,
    ) -> Result<Attempt, UploadError> {
        let status = answer.status();
        let wait = retry_after(&answer);
        match status.as_u16() {
            // The registry has lost the upload, or is somewhere else in it.
            404 | 408 | 416 | 500 | 502..=504 => {}
            429 if wait.is_some() => {}
            400 => {
                let source = RegistrySays::parse(&answer.error_body());
                let is_damaged = source
                    .as_ref()
                    .is_some_and(|it| it.code == "DIGEST_INVALID");
                if is_damaged && offset == 0 {
                    return Err(UploadError::Damaged { source });
                }
                if offset == 0 {
                    return Err(unexpected(&answer, expected, source).into());
                }
                // Two halves that do not fit: all of it again.
            }
            _ => return Err(self.pusher.refusal(answer, expected)),
        }
        Ok(Attempt::Broken {
            cause: status.to_string().into(),
            wait: wait.filter(|_| matches!(status.as_u16(), 429 | 503)),
        })
    }

    /// How far the upload is, and where it goes on; none if it is lost.
    fn state(&self, place: &Place) -> Result<Option<Place>, UploadError> {
        let answer = self
            .pusher
            .call(Method::Get, Address::At(place.location.clone()))?;
        if answer.status() != 204 {
            return Ok(None);
        }
        let end = answer.header(header::RANGE).and_then(|range| {
            let (start, end) = range.trim_start_matches("bytes=").split_once('-')?;
            (start == "0").then(|| end.parse::<u64>().ok())?
        });
        let Some(end) = end.filter(|end| *end > 0 && *end < self.blob.size) else {
            return Ok(None);
        };
        let next = location(&answer).unwrap_or_else(|_| place.location.clone());
        Ok(Some(Place {
            location: next,
            offset: end + 1,
        }))
    }
}

/// The address that ends the upload there.
fn with_digest(location: &Uri, digest: &Digest) -> Result<Uri, UploadError> {
    let separator = if location.query().is_some() { '&' } else { '?' };
    let text = format!("{location}{separator}digest={digest}");
    text.parse().map_err(|_| UploadError::NoLocation {
        url: without_query(location),
    })
}
