//! One request and its answer: connections, redirects, and failures sorted by what can be done about them.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{self, Response, StatusCode, Uri, header};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

use crate::endpoint::is_loopback;
use crate::secret::Secret;
use crate::upload::Piece;
use crate::{FetchError, Options, Proxy, trust};

const CONNECT: Duration = Duration::from_secs(10);
const REDIRECTS: usize = 10;
const HEADER_BYTES: usize = 64 * 1024;
const ERROR_BODY_BYTES: u64 = 64 * 1024;
const CONNECTIONS_PER_HOST: usize = 8;

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
    fn only_reads(self) -> bool {
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

/// A response, and where it came from in the end.
pub(crate) struct Answer {
    /// What was asked.
    pub(crate) method: Method,
    pub(crate) response: Response<Body>,
    pub(crate) url: Uri,
    /// It was another scheme, host or port that answered.
    pub(crate) elsewhere: bool,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The beginning of the body, which is expected to be an error document.
    pub(crate) fn error_body(&mut self) -> Vec<u8> {
        let body = self
            .response
            .body_mut()
            .with_config()
            .limit(ERROR_BODY_BYTES);
        body.read_to_vec().unwrap_or_default()
    }
}

/// Connections to all hosts.
pub(crate) struct Http {
    options: Arc<Options>,
    agents: Mutex<HashMap<String, Agent>>,
}

impl Http {
    pub(crate) fn new(options: Arc<Options>) -> Self {
        Self {
            options,
            agents: Mutex::default(),
        }
    }

    /// Makes the request and follows redirects; any status is an answer.
    pub(crate) fn exchange(&self, mut request: Request<'_>) -> Result<Answer, FetchError> {
        let mut elsewhere = false;
        let mut from = request.url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.once(&request)?;
            let url = request.url.clone();
            let Some(location) = redirect(&request, &response) else {
                return Ok(Answer {
                    method: request.method,
                    response,
                    url,
                    elsewhere,
                });
            };
            let next = follow(&url, location)?;
            if !is_same_origin(&url, &next) {
                request.authorization = None;
                elsewhere = true;
            }
            from = url;
            request.url = next;
        }
        Err(FetchError::Redirect {
            from: without_query(&from),
            to: without_query(&request.url),
            reason: "more than 10",
        })
    }

    fn once(&self, request: &Request<'_>) -> Result<Response<Body>, FetchError> {
        let method = request.method.name();
        if self.options.offline {
            let url = without_query(&request.url);
            return Err(FetchError::Offline { method, url });
        }
        let proxy = self.options.proxies.on_the_way_to(&request.url);
        let agent = self.agent(&request.url, proxy)?;
        tracing::debug!(method, url = %without_query(&request.url), "request");
        let response = send(&agent, request).map_err(|error| match proxy {
            Some(proxy) => named(failure(error, &request.url), proxy),
            None => failure(error, &request.url),
        })?;
        tracing::debug!(status = response.status().as_u16(), "answer");
        Ok(response)
    }

    /// Connections are shared by all requests to a host; plain ones need no certificates, so they are shared
    /// by all that go the same way.
    fn agent(&self, url: &Uri, proxy: Option<&Proxy>) -> Result<Agent, FetchError> {
        let host = url
            .authority()
            .map_or("", |authority| host_and_port(authority.as_str()));
        let tls = url.scheme_str() == Some("https");
        let key = match (tls, proxy) {
            (true, _) => host,
            (false, Some(_)) => "by proxy",
            (false, None) => "",
        };
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(key) {
            return Ok(agent.clone());
        }
        let proxy = proxy.map(Proxy::inner).transpose()?;
        let tls = tls.then(|| self.tls(host)).transpose()?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            .user_agent(&self.options.user_agent)
            .accept_encoding("identity")
            .max_response_header_size(HEADER_BYTES)
            .max_idle_connections_per_host(CONNECTIONS_PER_HOST)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(self.options.silence))
            .timeout_per_read(Some(self.options.silence))
            .timeout_per_write(Some(self.options.silence));
        let config = match tls {
            Some(tls) => config.tls_config(tls),
            None => config,
        };
        let agent = config.build().new_agent();
        agents.insert(key.to_owned(), agent.clone());
        Ok(agent)
    }

    fn tls(&self, host: &str) -> Result<TlsConfig, FetchError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let own = trust::client_certificate(&self.options, host, &provider)?;
        let builder = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
        let builder = builder.client_cert(own);
        Ok(if self.options.verify_tls {
            builder
                .root_certs(trust::roots(&self.options, host)?)
                .build()
        } else {
            builder.disable_verification(true).build()
        })
    }
}

/// Writes down the request and sends it.
fn send(agent: &Agent, request: &Request<'_>) -> Result<Response<Body>, ureq::Error> {
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

fn redirect<'r>(request: &Request<'_>, response: &'r Response<Body>) -> Option<&'r str> {
    let followed = match response.status().as_u16() {
        301..=303 => request.method.only_reads(),
        307 | 308 => true,
        _ => false,
    };
    if !followed || matches!(request.body, Payload::Form(_)) {
        return None;
    }
    response.headers().get(header::LOCATION)?.to_str().ok()
}

/// The address that `location` names, seen from `base`, if one may go there from it.
pub(crate) fn follow(base: &Uri, location: &str) -> Result<Uri, FetchError> {
    let next = resolve(base, location).ok_or_else(|| refuse(base, location, "no valid address"))?;
    if base.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
        return Err(refuse(base, location, "it leaves HTTPS"));
    }
    Ok(next)
}

fn refuse(from: &Uri, location: &str, reason: &'static str) -> FetchError {
    let to = location.split(['?', '#']).next().unwrap_or_default();
    let to = ch_oci::shown(to).to_string();
    FetchError::Redirect {
        from: without_query(from),
        to,
        reason,
    }
}

/// The address that `location` names, seen from `base`.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let path = location.find(['/', '?']).unwrap_or(location.len());
    let text = if location[..path].ends_with(':') && location[path..].starts_with("//") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", base.path())
    } else {
        let (directory, _) = base.path().rsplit_once('/')?;
        format!("{scheme}://{authority}{directory}/{location}")
    };
    let url: Uri = without_dots(&text).parse().ok()?;
    matches!(url.scheme_str(), Some("http" | "https")).then_some(())?;
    url.host().filter(|host| !host.is_empty())?;
    Some(url)
}

/// An address without `.` and `..` in its path (RFC 3986 §5.2.4): a server takes them as they come.
fn without_dots(address: &str) -> String {
    let (before, query) = address.split_at(address.find('?').unwrap_or(address.len()));
    let authority = before.find("://").map_or(0, |at| at + 3);
    let Some(start) = before[authority..].find('/').map(|at| authority + at) else {
        return address.to_owned();
    };
    let (origin, path) = before.split_at(start);
    let mut kept: Vec<&str> = Vec::new();
    for segment in path[1..].split('/') {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let is_directory = path.ends_with("/.") || path.ends_with("/..");
    if is_directory {
        kept.push("");
    }
    format!("{origin}/{}{query}", kept.join("/"))
}

/// Whether what may be said to the one may be said to the other.
pub(crate) fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    origin(one) == origin(other)
}

/// What must be the same for `Authorization` to go along.
fn origin(url: &Uri) -> (Option<&str>, Option<String>, u16) {
    let host = url.host().map(str::to_ascii_lowercase);
    (url.scheme_str(), host, port(url))
}

fn port(url: &Uri) -> u16 {
    let default = if url.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    url.port_u16().unwrap_or(default)
}

/// Queries of signed addresses, and user parts, are secrets.
pub(crate) fn without_query(url: &Uri) -> String {
    let authority = url
        .authority()
        .map_or("", |authority| host_and_port(authority.as_str()));
    format!(
        "{}://{authority}{}",
        url.scheme_str().unwrap_or_default(),
        url.path()
    )
}

fn host_and_port(authority: &str) -> &str {
    authority.rsplit('@').next().unwrap_or(authority)
}

/// Sorts failures by what a user can do about them.
fn failure(error: ureq::Error, url: &Uri) -> FetchError {
    match error {
        ureq::Error::Rustls(error) => tls_failure(error, url),
        ureq::Error::Io(error) => match tls_cause(&error) {
            Some(cause) => tls_failure(cause, url),
            None => unreachable(url, error),
        },
        ureq::Error::Timeout(timeout) => {
            let text = format!("timeout: {timeout}");
            unreachable(url, io::Error::new(io::ErrorKind::TimedOut, text))
        }
        ureq::Error::HostNotFound => {
            let text = "name does not resolve";
            unreachable(url, io::Error::new(io::ErrorKind::NotFound, text))
        }
        error @ (ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..)) => {
            let (host, source) = (address(url), io::Error::other(error));
            FetchError::NotHttp { host, source }
        }
        other => unreachable(url, io::Error::other(other)),
    }
}

/// Says that a proxy is on the way to a host that could not be reached.
fn named(error: FetchError, proxy: &Proxy) -> FetchError {
    match error {
        FetchError::Unreachable { host, source } => {
            let text = format!("by proxy {proxy}: {source}");
            let source = io::Error::new(source.kind(), text);
            FetchError::Unreachable { host, source }
        }
        other => other,
    }
}

fn tls_cause(error: &io::Error) -> Option<rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>().cloned()
}

fn tls_failure(error: rustls::Error, url: &Uri) -> FetchError {
    match error {
        rustls::Error::InvalidMessage(_) => FetchError::NotTls { host: address(url) },
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            let host = url.host().unwrap_or_default().to_owned();
            FetchError::Certificate {
                host,
                source: error,
            }
        }
        other => unreachable(url, io::Error::other(other)),
    }
}

fn unreachable(url: &Uri, source: io::Error) -> FetchError {
    FetchError::Unreachable {
        host: address(url),
        source,
    }
}

/// Host and port.
pub(crate) fn address(url: &Uri) -> String {
    format!("{}:{}", url.host().unwrap_or_default(), port(url))
}

/// Whether another attempt may reach `host` where this one did not. Nobody is late on loopback: who refuses
/// there is not running.
pub(crate) fn may_be_reached(host: &str, error: &io::Error) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    may_pass(error) && !(error.kind() == io::ErrorKind::ConnectionRefused && is_loopback(name))
}

/// Whether another attempt may succeed where this one failed.
pub(crate) fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut, UnexpectedEof,
    };
    let passing = [
        BrokenPipe,
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        TimedOut,
        UnexpectedEof,
    ];
    passing.contains(&error.kind()) || error.to_string().contains("Temporary failure")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved_against_the_request() {
        let base: Uri = "https://h:5000/v2/x/blobs/y?q=1".parse().unwrap();
        let table = [
            ("https://cdn/z?sig=1", Some("https://cdn/z?sig=1")),
            ("//cdn/z", Some("https://cdn/z")),
            ("/z", Some("https://h:5000/z")),
            ("z", Some("https://h:5000/v2/x/blobs/z")),
            ("https://cdn/z#part", Some("https://cdn/z")),
            (
                "/z?via=https://cdn/y",
                Some("https://h:5000/z?via=https://cdn/y"),
            ),
            (
                "z?via=https://cdn/y",
                Some("https://h:5000/v2/x/blobs/z?via=https://cdn/y"),
            ),
            ("/a/https://z", Some("https://h:5000/a/https://z")),
            ("/z#https://cdn/y", Some("https://h:5000/z")),
            ("?q=2", Some("https://h:5000/v2/x/blobs/y?q=2")),
            ("../z", Some("https://h:5000/v2/x/z")),
            ("../../../../../z?a/../b", Some("https://h:5000/z?a/../b")),
            ("./z/./", Some("https://h:5000/v2/x/blobs/z/")),
            ("..", Some("https://h:5000/v2/x/")),
            (".", Some("https://h:5000/v2/x/blobs/")),
            ("/a/./b/../c//d", Some("https://h:5000/a/c//d")),
            ("https://cdn/a/../z", Some("https://cdn/z")),
            ("https://cdn", Some("https://cdn/")),
            ("..z/.z", Some("https://h:5000/v2/x/blobs/..z/.z")),
            ("ftp://cdn/z", None),
            ("https:///z", None),
        ];
        for (location, resolved) in table {
            let found = resolve(&base, location).map(|url| url.to_string());
            assert_eq!(found.as_deref(), resolved, "{location}");
        }
    }

    #[test]
    fn hosts_that_are_not_there_are_given_up_after_ten_seconds() {
        let http = Http::new(Arc::new(Options::default()));
        let agent = http.agent(&"http://h/".parse().unwrap(), None).unwrap();
        let connect = agent.config().timeouts().connect;
        assert_eq!(connect, Some(Duration::from_secs(10)));
    }

    #[test]
    fn what_is_shown_of_an_address_has_no_secrets() {
        let url: Uri = "https://user:word@cdn:8443/z?sig=secret".parse().unwrap();
        assert_eq!(without_query(&url), "https://cdn:8443/z");
    }

    #[test]
    fn refusals_are_final_on_loopback_only() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for host in ["localhost:5000", "127.0.0.1:5000", "[::1]:5000"] {
            assert!(!may_be_reached(host, &refused()), "{host}");
            assert!(may_be_reached(host, &io::ErrorKind::TimedOut.into()));
        }
        for host in ["localhost.x:5000", "192.0.2.2:5000", "[2001:db8::1]:443"] {
            assert!(may_be_reached(host, &refused()), "{host}");
        }
    }

    #[test]
    fn ports_and_schemes_make_other_origins() {
        let same = |a: &str, b: &str| origin(&a.parse().unwrap()) == origin(&b.parse().unwrap());
        assert!(same("https://h/a", "https://H:443/b"));
        assert!(!same("https://h/a", "https://h:444/a"));
        assert!(!same("https://h/a", "http://h:443/a"));
        assert!(!same("https://h/a", "https://h.evil/a"));
    }
}
