//! One request and its answer: connections, redirects, and failures sorted by what can be done about them.

mod address;
mod request;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{Response, StatusCode, Uri, header};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

use crate::endpoint::is_loopback;
use crate::upload::is_unread;
use crate::{FetchError, Options, Proxy, trust};
pub(crate) use address::{address, follow, is_same_origin, without_query};
use address::{host_and_port, port};
use request::send;
pub(crate) use request::{Method, Payload, Request};

const CONNECT: Duration = Duration::from_secs(10);
const REDIRECTS: usize = 10;
const HEADER_BYTES: usize = 64 * 1024;
const ERROR_BODY_BYTES: u64 = 64 * 1024;
const CONNECTIONS_PER_HOST: usize = 8;

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
        let tls = tls.then(|| self.tls(url, host)).transpose()?;
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

    fn tls(&self, url: &Uri, host: &str) -> Result<TlsConfig, FetchError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let own = trust::client_certificate(&self.options, host, &provider)?;
        let builder = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
        let builder = builder.client_cert(own);
        Ok(
            if self
                .options
                .verifies(url.host().unwrap_or_default(), port(url))
            {
                builder
                    .root_certs(trust::roots(&self.options, host)?)
                    .build()
            } else {
                builder.disable_verification(true).build()
            },
        )
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
        FetchError::Unreachable { host, source } if !is_unread(&source) => {
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
    fn hosts_that_are_not_there_are_given_up_after_ten_seconds() {
        let http = Http::new(Arc::new(Options::default()));
        let agent = http.agent(&"http://h/".parse().unwrap(), None).unwrap();
        let connect = agent.config().timeouts().connect;
        assert_eq!(connect, Some(Duration::from_secs(10)));
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
}
