//! A blob on its way: a reader that gives only what its descriptor promises.
//!
//! The bytes are counted and hashed as they pass. More of them than promised is an error at once; fewer is an
//! interrupted transfer, which is continued where it stopped. The last bytes are handed out only when
//! size and digest are right, so a reader that saw the end has seen the right blob.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ch_oci::{Descriptor, Digest, Hasher, RemoteReference};
use ureq::BodyReader;
use ureq::http::header;

use crate::FetchError;
use crate::client::{Address, Call, Client};
use crate::error::Received;
use crate::http::{Answer, may_pass};
use crate::retry::Attempts;

/// What is wrong with a blob; wrapped in the [`io::Error`] that reading gives.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Not the bytes that were asked for.
    #[error("digest mismatch")]
    Digest {
        /// The digest of what came.
        source: Received,
    },
    /// More bytes than the manifest promised.
    #[error("larger than the {expected} bytes its manifest promises")]
    TooLong {
        /// What was promised.
        expected: u64,
    },
    /// The blob does not have as many bytes as the manifest promised.
    #[error("size mismatch: {expected} bytes promised, the blob has {received}")]
    Size {
        /// What was promised.
        expected: u64,
        /// What there is.
        received: u64,
    },
    /// The connection broke, and could not be taken up again.
    #[error("transfer broke off after {received} of {expected} bytes")]
    Truncated {
        /// How far it came.
        received: u64,
        /// What was promised.
        expected: u64,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl BlobError {
    /// What a user can make of it.
    pub fn hint(&self) -> Option<&'static str> {
        matches!(self, Self::Digest { .. }).then_some(
            "something between here and the registry changed the download; -v shows its address",
        )
    }
}

/// Where a blob is.
pub(crate) struct Origin {
    pub(crate) reference: RemoteReference,
    /// It is not the registry itself.
    pub(crate) is_doubtful: bool,
}

/// Whether a blob that was not right may be right when the registry itself is asked for all of it: it came from a
/// mirror, or in pieces.
#[derive(Clone, Debug)]
pub struct Doubt(Arc<AtomicBool>);

impl Doubt {
    /// Whether it is worth a try.
    pub fn is_justified(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A reader of one blob.
pub struct Blob {
    client: Client,
    reference: RemoteReference,
    doubt: Doubt,
    descriptor: Descriptor,
    body: BodyReader<'static>,
    entity_tag: Option<String>,
    /// `None` when the blob is complete.
    hasher: Option<Hasher>,
    received: u64,
    /// Bytes at the beginning of `body` that have been handed out before.
    skip: u64,
    state: State,
}

/// How far reading has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// All is there and right.
    Complete,
    /// An error was returned; there will be no bytes after it, and no end either.
    Failed,
}

impl Blob {
    pub(crate) fn open(
        client: Client,
        origin: Origin,
        descriptor: Descriptor,
    ) -> Result<Self, FetchError> {
        let Origin {
            reference,
            is_doubtful,
        } = origin;
        let answer = request(&client, &reference, &descriptor, None)?;
        let entity_tag = answer.header(header::ETAG);
        let entity_tag = entity_tag
            .filter(|tag| !tag.starts_with("W/"))
            .map(str::to_owned);
        if let Some(received) = answer.response.body().content_length()
            && received != descriptor.size
        {
            return Err(FetchError::wrong_size("blob", descriptor.size, received));
        }
        let hasher = Some(descriptor.digest.algorithm().hasher());
        let body = answer.response.into_body().into_reader();
        Ok(Self {
            client,
            reference,
            doubt: Doubt(Arc::new(AtomicBool::new(is_doubtful))),
            descriptor,
            body,
            entity_tag,
            hasher,
            received: 0,
            skip: 0,
            state: State::Reading,
        })
    }

    /// What was promised.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Says, also when the blob has been read, whether the registry may have another one.
    pub fn doubt(&self) -> Doubt {
        self.doubt.clone()
    }

    /// Bytes received so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Reads what is there, taking up the transfer again where it broke.
    fn read_or_resume(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let client = self.client.clone();
        let mut attempts = Attempts::new(client.options());
        loop {
            let cause = match self.read_new(buffer) {
                Ok(0) => io::Error::new(io::ErrorKind::UnexpectedEof, "unexpected end of file"),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            if !may_pass(&cause) && !is_stall(&cause) || !attempts.again(&cause) {
                return Err(self.truncated(cause));
            }
            self.resume()?;
        }
    }

    fn resume(&mut self) -> io::Result<()> {
        let resume = Some((self.received, self.entity_tag.clone()));
        let answer = request(&self.client, &self.reference, &self.descriptor, resume)
            .map_err(|error| self.truncated(error))?;
        let partial = answer.status() == 206;
        let starts_here = answer
            .header(header::CONTENT_RANGE)
            .is_some_and(|range| range.starts_with(&format!("bytes {}-", self.received)));
        if partial && !starts_here {
            return Err(self.truncated("registry answered with another range"));
        }
        let length = answer.response.body().content_length();
        if !partial && length.is_some_and(|length| length < self.received) {
            return Err(self.truncated("registry has fewer bytes now"));
        }
        self.body = answer.response.into_body().into_reader();
        self.doubt.0.store(true, Ordering::Relaxed);
        // From the start again: what has been handed out is not handed out twice. Should it differ from
        // what comes now, the digest of the whole does not fit.
        self.skip = if partial { 0 } else { self.received };
        Ok(())
    }

    /// Reads what has not been handed out before.
    fn read_new(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.skip > 0 {
            let most = usize::try_from(self.skip).unwrap_or(usize::MAX);
            let most = most.min(buffer.len());
            match self.body.read(&mut buffer[..most])? {
                0 => return Ok(0),
                count => self.skip -= count as u64,
            }
        }
        self.body.read(buffer)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.descriptor.size - self.received;
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = if left == 0 {
            0
        } else {
            self.read_or_resume(&mut buffer[..most])?
        };
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        self.received += count as u64;
        if self.received == self.descriptor.size {
            self.finish()?;
        }
        Ok(count)
    }

    /// All promised bytes are here: nothing may follow, and the digest must fit.
    fn finish(&mut self) -> io::Result<()> {
        // Whether the connection ends well no longer matters, only whether there are more bytes.
        if self.body.read(&mut [0]).unwrap_or(0) != 0 {
            return Err(invalid(BlobError::TooLong {
                expected: self.descriptor.size,
            }));
        }
        if let Some(hasher) = self.hasher.take() {
            let received: Digest = hasher.finish();
            if received != self.descriptor.digest {
                return Err(invalid(BlobError::Digest {
                    source: Received(received),
                }));
            }
        }
        self.state = State::Complete;
        Ok(())
    }

    fn truncated(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
        let (received, expected) = (self.received, self.descriptor.size);
        let error = BlobError::Truncated {
            received,
            expected,
            source: cause.into(),
        };
        io::Error::new(io::ErrorKind::UnexpectedEof, error)
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state {
            State::Complete => return Ok(0),
            State::Failed => return Err(io::Error::other("read again after an error")),
            State::Reading if buffer.is_empty() => return Ok(0),
            State::Reading => {}
        }
        let result = self.read_some(buffer);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }
}

fn request(
    client: &Client,
    reference: &RemoteReference,
    descriptor: &Descriptor,
    resume: Option<(u64, Option<String>)>,
) -> Result<Answer, FetchError> {
    let call = Call {
        address: Address::Repository(format!("blobs/{}", descriptor.digest)),
        resume: resume.clone(),
        ..Call::default()
    };
    let answer = client.call(reference, &call)?;
    if is_good(&answer) {
        return Ok(answer);
    }
    // Layers that may not be given away are elsewhere; wherever they come from, the digest decides.
    let elsewhere = descriptor
        .urls
        .iter()
        .filter_map(|url| client.elsewhere(url, resume.clone()));
    if let Some(found) = elsewhere.into_iter().find(is_good) {
        return Ok(found);
    }
    if answer.status() == 404 {
        let digest = descriptor.digest.clone();
        let (host, port) = (reference.host(), reference.port());
        let repository = format!("{host}:{port}/{}", reference.repository());
        return Err(FetchError::NoBlob { digest, repository });
    }
    Err(client.refusal(reference, answer))
}

fn is_good(answer: &Answer) -> bool {
    matches!(answer.status().as_u16(), 200 | 206)
}

fn invalid(error: BlobError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A server that says nothing for too long.
fn is_stall(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| {
        inner
            .downcast_ref::<ureq::Error>()
            .is_some_and(|e| matches!(e, ureq::Error::Timeout(_)))
    })
}
