//! A request, and how it is written down.

use ureq::http::{self, Response, Uri, header};
use ureq::{Agent, Body};

use crate::secret::Secret;
use crate::upload::Piece;

/// Bodies from so many bytes on are sent when the server says that it wants them: what it refuses need not be sent.
const ASK_FIRST: u64 = 1 << 20;

/// A request that can be made again.
#[derive(Clone, Default)]
pub(crate) struct Request<'b> {
    pub(crate) method: Method,
    pub(crate) url: Uri,
    pub(crate) accept: Option<&'static str>,
    pub(crate) authorization: Option<Secret>,
    /// Offset to begin at, and the entity tag for which that is meant.
    pub(crate) resume: Option<(u64, Option<String>)>,
    pub(crate) body: Payload<'b>,
}

/// What a request does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Method {
    #[default]
    Get,
    Head,
    Patch,
    Post,
    Put,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    /// Whether it changes nothing, so that another place may answer.
    pub(super) fn only_reads(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

/// What a request brings.
#[derive(Clone, Default)]
pub(crate) enum Payload<'b> {
    #[default]
    Nothing,
    /// It may hold secrets, and goes nowhere else.
    Form(Secret),
    /// A document of that type.
    Document(&'b str, &'b [u8]),
    /// A part of something large.
    Piece(Piece<'b>),
}

/// Writes down the request and sends it.
pub(super) fn send(agent: &Agent, request: &Request<'_>) -> Result<Response<Body>, ureq::Error> {
    let mut builder = http::Request::builder()
        .method(request.method.name())
        .uri(&request.url);
    if let Some(accept) = request.accept {
        builder = builder.header(header::ACCEPT, accept);
    }
    if let Some(authorization) = &request.authorization {
        builder = builder.header(header::AUTHORIZATION, authorization.expose());
    }
    if let Some((offset, tag)) = &request.resume {
        builder = builder.header(header::RANGE, format!("bytes={offset}-"));
        if let Some(tag) = tag {
            builder = builder.header(header::IF_RANGE, tag);
        }
    }
    match &request.body {
        Payload::Nothing if request.method.only_reads() => agent.run(builder.body(())?),
        Payload::Nothing => agent.run(builder.header(header::CONTENT_LENGTH, 0).body(())?),
        Payload::Form(form) => {
            let media_type = "application/x-www-form-urlencoded";
            let builder = builder.header(header::CONTENT_TYPE, media_type);
            agent.run(builder.body(form.expose().to_owned())?)
        }
        Payload::Document(media_type, bytes) => {
            let builder = builder.header(header::CONTENT_TYPE, *media_type);
            agent.run(builder.body(*bytes)?)
        }
        Payload::Piece(piece) => {
            let length = piece.length();
            builder = builder
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .header(header::CONTENT_LENGTH, length);
            if let Some(range) = piece.range() {
                builder = builder.header(header::CONTENT_RANGE, range);
            }
            if length >= ASK_FIRST {
                builder = builder.header(header::EXPECT, "100-continue");
            }
            let mut reader = piece.reader();
            agent.run(builder.body(ureq::SendBody::from_reader(&mut reader))?)
        }
    }
}
