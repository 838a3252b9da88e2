//! One request to a registry: where it is, who we are for it, and how often it is made.

use std::sync::Arc;
use std::time::Duration;

use ch_oci::RemoteReference;
use ureq::http::{Uri, header};

use super::{Client, is_html, lock};
use crate::challenge;
use crate::endpoint::{self, Endpoint};
use crate::http::{
    Answer, Method, Payload, Request, is_same_origin, may_be_reached, without_query,
};
use crate::login::{Context, Login, Verdict};
use crate::retry::Attempts;
use crate::{FetchError, Notice, RegistrySays};

/// A wait that a registry may ask for.
const LONGEST_RETRY_AFTER: u64 = 60;
/// Challenges that one request answers: every identity that may be tried, and a renewal.
const CHALLENGES: u32 = 8;

/// A request to a registry, before it is known how the registry is reached.
#[derive(Clone, Default)]
pub(crate) struct Call<'b> {
    pub(crate) method: Method,
    pub(crate) address: Address,
    pub(crate) access: Access,
    /// What we have shown may not be enough for it, and is good for other requests all the same.
    pub(crate) is_optional: bool,
    pub(crate) accept: Option<&'static str>,
    pub(crate) resume: Option<(u64, Option<String>)>,
    pub(crate) body: Payload<'b>,
}

/// Whom a request is for.
#[derive(Clone, Default)]
pub(crate) enum Address {
    /// `/v2/`: whether there is a registry.
    #[default]
    Version,
    /// Below `/v2/REPOSITORY/`.
    Repository(String),
    /// What the registry named itself.
    At(Uri),
}

/// What is wanted of a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    #[default]
    Pull,
    Push,
}

impl Client {
    /// Makes a request until there is an answer that another attempt would not change.
    pub(crate) fn call(
        &self,
        reference: &RemoteReference,
        call: &Call<'_>,
    ) -> Result<Answer, FetchError> {
        let mut attempts = Attempts::new(self.options());
        loop {
            let answer = match self.once(reference, call) {
                Ok(answer) => answer,
                Err(FetchError::Unreachable { host, source })
                    if may_be_reached(&host, &source) && attempts.again(&source) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let status = answer.status();
            let wait = retry_after(&answer);
            let again = match (status.as_u16(), wait) {
                (429 | 503, Some(wait)) => attempts.after(wait, &status),
                (408 | 500 | 502 | 503 | 504, _) => attempts.again(&status),
                _ => false,
            };
            if !again {
                return Ok(answer);
            }
        }
    }

    /// Asks an address that a manifest names, without credentials; `None` if nobody answers there.
    pub(crate) fn elsewhere(
        &self,
        url: &str,
        resume: Option<(u64, Option<String>)>,
    ) -> Option<Answer> {
        let url = url.parse().ok().filter(|url: &ureq::http::Uri| {
            matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some()
        })?;
        let request = Request {
            url,
            resume,
            ..Request::default()
        };
        self.0.http.exchange(request).ok()
    }

    /// Makes a request once, but for challenges: they are answered until there is none, or nothing is left to say.
    pub(crate) fn once(
        &self,
        reference: &RemoteReference,
        call: &Call<'_>,
    ) -> Result<Answer, FetchError> {
        self.check_allowed(reference)?;
        let login = self.login(reference, call.access);
        let mut answered = 0;
        loop {
            let pass = login.pass();
            let (endpoint, answer) = self.reach(reference, call, &pass.header)?;
            answered += 1;
            if answer.status() == 401 && call.is_optional && pass.header.is_some() {
                return Ok(answer);
            }
            if answer.status() != 401 || answer.elsewhere || answered > CHALLENGES {
                login.accepted(&pass);
                return Ok(answer);
            }
            let headers = answer.response.headers().get_all(header::WWW_AUTHENTICATE);
            let headers = headers.iter().filter_map(|value| value.to_str().ok());
            let challenges = challenge::parse(headers);
            let context = Context {
                options: self.options(),
                http: &self.0.http,
                vault: &self.0.vault,
                endpoint: &endpoint,
                reference,
            };
            if let Verdict::Refused = login.answer(&context, &challenges, &pass)? {
                return Ok(answer);
            }
        }
    }

    /// Sends the request to the endpoint of the registry, finding out which that is.
    fn reach(
        &self,
        reference: &RemoteReference,
        call: &Call<'_>,
        authorization: &Option<crate::Secret>,
    ) -> Result<(Endpoint, Answer), FetchError> {
        let key = (reference.host().to_owned(), reference.explicit_port());
        let known = lock(&self.0.endpoints).get(&key).cloned();
        let candidates = match known {
            Some(endpoint) => vec![endpoint],
            None => endpoint::candidates(reference, self.options()),
        };
        let last = candidates.len() - 1;
        for (index, endpoint) in candidates.into_iter().enumerate() {
            let url = call.address.on(&endpoint, reference.repository())?;
            let is_ours = match &call.address {
                Address::At(url) => endpoint
                    .uri()
                    .is_some_and(|endpoint| is_same_origin(&endpoint, url)),
                Address::Version | Address::Repository(_) => true,
            };
            let request = Request {
                method: call.method,
                url,
                accept: call.accept,
                authorization: authorization.clone().filter(|_| is_ours),
                resume: call.resume.clone(),
                body: call.body.clone(),
            };
            match self.0.http.exchange(request) {
                Ok(mut answer) => {
                    answer.elsewhere |= !is_ours;
                    self.warn_if_unverified(&endpoint);
                    lock(&self.0.endpoints).insert(key, endpoint.clone());
                    return Ok((endpoint, answer));
                }
                Err(error) if index < last && endpoint::try_next(&endpoint, reference, &error) => {}
                Err(error) => return Err(error),
            }
        }
        unreachable!("the loop returns at the last candidate, and there is at least one")
    }

    fn warn_if_unverified(&self, endpoint: &Endpoint) {
        let unverified = endpoint.tls && !self.options().verifies(&endpoint.host, endpoint.port);
        if unverified && lock(&self.0.unverified).insert(endpoint.host.clone()) {
            (self.options().notify)(Notice::NotVerified {
                host: endpoint.host.clone(),
            });
        }
    }

    /// Says what tokens must be good for when something is pushed into the repository of `reference`.
    pub(crate) fn ask_for(&self, reference: &RemoteReference, scopes: Vec<String>) {
        let login = Arc::new(Login::with_scopes(scopes));
        lock(&self.0.logins).insert(login_key(reference, Access::Push), login);
    }

    pub(super) fn login(&self, reference: &RemoteReference, access: Access) -> Arc<Login> {
        let key = login_key(reference, access);
        Arc::clone(lock(&self.0.logins).entry(key).or_default())
    }

    /// The error for an answer to a request for a manifest or blob that did not bring it.
    pub(crate) fn refusal(&self, reference: &RemoteReference, answer: Answer) -> FetchError {
        self.refused(reference, Access::Pull, answer, 200)
    }

    /// The error for an answer whose status should have been `expected`.
    pub(crate) fn refused(
        &self,
        reference: &RemoteReference,
        access: Access,
        mut answer: Answer,
        expected: u16,
    ) -> FetchError {
        let host = format!("{}:{}", reference.host(), reference.port());
        let html = is_html(&answer)
            && !answer
                .response
                .headers()
                .contains_key("docker-distribution-api-version");
        let source = RegistrySays::parse(&answer.error_body());
        let rate_limit = source
            .as_ref()
            .is_some_and(|says| says.code == "TOOMANYREQUESTS");
        let login = self.login(reference, access);
        match answer.status().as_u16() {
            404 if html => FetchError::NotARegistry { host },
            429 => FetchError::RateLimit {
                anonymous: login.is_anonymous(),
            },
            _ if rate_limit => FetchError::RateLimit {
                anonymous: login.is_anonymous(),
            },
            401 | 403 | 404 if !answer.elsewhere => FetchError::Unauthorized {
                reference: reference.to_string(),
                hint: login.hint(self.options()),
                source,
            },
            _ => unexpected(&answer, expected, source),
        }
    }
}

/// The error for a status that says nothing more.
pub(crate) fn unexpected(
    answer: &Answer,
    expected: u16,
    source: Option<RegistrySays>,
) -> FetchError {
    let status = answer.status();
    FetchError::Status {
        method: answer.method.name(),
        expected,
        status: status.as_u16(),
        reason: status.canonical_reason().unwrap_or("unknown"),
        url: without_query(&answer.url),
        source,
    }
}

impl Address {
    /// The address at that endpoint.
    fn on(&self, endpoint: &Endpoint, repository: &str) -> Result<Uri, FetchError> {
        let url = match self {
            Self::Version => format!("{endpoint}/v2/"),
            Self::Repository(path) => format!("{endpoint}/v2/{repository}/{path}"),
            Self::At(url) => return Ok(url.clone()),
        };
        url.parse().map_err(|_| FetchError::Unreachable {
            host: endpoint.host_and_port(),
            source: std::io::Error::other(format!("no valid address: {url}")),
        })
    }
}

fn login_key(reference: &RemoteReference, access: Access) -> (String, u16, String, Access) {
    let (host, repository) = (
        reference.host().to_owned(),
        reference.repository().to_owned(),
    );
    (host, reference.port(), repository, access)
}

/// The wait that a registry asks for, if it is a short one.
pub(crate) fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds = answer.header(header::RETRY_AFTER)?.trim().parse().ok()?;
    (seconds <= LONGEST_RETRY_AFTER).then(|| Duration::from_secs(seconds))
}
