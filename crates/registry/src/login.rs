//! One repository's access: which credentials are tried in which order, and what they gave.
//!
//! A request carries the pass that is there; a 401 brings it back with the challenge, and whoever brings
//! it first gets a new one for all. The pass has a number, so that a thread that was refused with an old
//! one only has to try again.
//!
//! | Mode | Tried |
//! |---|---|
//! | automatic | configured credentials; then nobody's token, or the prompt where a registry wants Basic |
//! | required | configured credentials, or else the prompt, three times |
//! | anonymous | nobody's token |

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ch_oci::RemoteReference;

use crate::challenge::{self, Challenge, Demand};
use crate::credentials::{Found, Vault};
use crate::endpoint::{Endpoint, is_loopback};
use crate::http::{self, Http};
use crate::secret::Secret;
use crate::token::{self, Grant, Token};
use crate::{Authentication, Credentials, FetchError, Notice, Options, PromptError};

const PROMPTS: u32 = 3;

/// What answering a challenge needs to know.
pub(crate) struct Context<'c> {
    pub(crate) options: &'c Options,
    pub(crate) http: &'c Http,
    pub(crate) vault: &'c Vault,
    pub(crate) endpoint: &'c Endpoint,
    pub(crate) reference: &'c RemoteReference,
}

/// Access to one repository, shared by all requests to it.
#[derive(Default)]
pub(crate) struct Login {
    /// What tokens are asked for; with none, what the registry says.
    scopes: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts the passes given out.
    number: u64,
    header: Option<Secret>,
    /// When the header stops being good; `None` is never.
    until: Option<Instant>,
    /// The header was accepted: a later refusal means that it ran out, not that it is wrong.
    accepted: bool,
    /// Whose pass it is.
    identity: Option<Identity>,
    stage: Stage,
    /// Source of configured credentials that were refused.
    refused: Option<String>,
}

#[derive(Clone)]
enum Identity {
    Nobody,
    Known(Found),
}

/// What is tried next.
#[derive(Clone, Copy, Default)]
enum Stage {
    #[default]
    Configured,
    Nobody,
    Ask(u32),
    Nothing,
}

/// What a request carries.
pub(crate) struct Pass {
    number: u64,
    pub(crate) header: Option<Secret>,
}

/// The outcome of a challenge.
pub(crate) enum Verdict {
    /// There is a new pass: try again.
    Again,
    /// Nothing is left to try.
    Refused,
}

impl Login {
    /// Access by tokens that are good for these scopes.
    pub(crate) fn with_scopes(scopes: Vec<String>) -> Self {
        Self {
            scopes,
            state: Mutex::default(),
        }
    }

    /// The pass to send now; it waits while another thread is getting one.
    pub(crate) fn pass(&self) -> Pass {
        let mut state = self.lock();
        if state.until.is_some_and(|until| until <= Instant::now()) {
            state.header = None;
            state.until = None;
        }
        Pass {
            number: state.number,
            header: state.header.clone(),
        }
    }

    /// A request with `pass` was not refused.
    pub(crate) fn accepted(&self, pass: &Pass) {
        let mut state = self.lock();
        state.accepted |= state.number == pass.number && pass.header.is_some();
    }

    /// Whether requests go without credentials.
    pub(crate) fn is_anonymous(&self) -> bool {
        !matches!(self.lock().identity, Some(Identity::Known(_)))
    }

    /// The credentials in use.
    pub(crate) fn known(&self) -> Option<Found> {
        match &self.lock().identity {
            Some(Identity::Known(found)) => Some(found.clone()),
            Some(Identity::Nobody) | None => None,
        }
    }

    /// What a user can do about a refusal.
    pub(crate) fn hint(&self, options: &Options) -> Option<String> {
        let state = self.lock();
        match (&state.refused, &state.identity) {
            (Some(source), _) | (None, Some(Identity::Known(Found { source, .. }))) => {
                Some(format!("credentials used: from {source}"))
            }
            _ if options.authentication == Authentication::Automatic => {
                Some("if your registry needs authentication, use --auth".to_owned())
            }
            _ => None,
        }
    }

    /// Answers the challenges to a request that carried `pass`.
    pub(crate) fn answer(
        &self,
        context: &Context<'_>,
        challenges: &[Challenge],
        pass: &Pass,
    ) -> Result<Verdict, FetchError> {
        let mut state = self.lock();
        if state.number != pass.number {
            return Ok(Verdict::Again);
        }
        let demand = challenge::choose(challenges)
            .map_err(|challenge| FetchError::Challenge { challenge })?
            .for_scopes(&self.scopes);
        if pass.header.is_some() && !std::mem::take(&mut state.accepted) {
            state.reject(context);
        }
        loop {
            let identity = match state.identity.clone() {
                Some(identity) => identity,
                None => match state.next(context, &demand)? {
                    Some(identity) => identity,
                    None => return Ok(Verdict::Refused),
                },
            };
            state.identity = Some(identity.clone());
            match obtain(context, &demand, &identity)? {
                Some((header, until)) => {
                    state.header = Some(header);
                    state.until = until;
                    state.number += 1;
                    return Ok(Verdict::Again);
                }
                None => state.reject(context),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The identity in use was refused.
    fn reject(&mut self, context: &Context<'_>) {
        self.header = None;
        self.until = None;
        let Some(Identity::Known(found)) = self.identity.take() else {
            return;
        };
        if found.typed {
            context.vault.forget(context.reference);
            if matches!(self.stage, Stage::Nobody) {
                self.stage = Stage::Ask(0);
            }
            return;
        }
        if context.options.authentication == Authentication::Automatic {
            let host = context.reference.host().to_owned();
            let source = found.source.clone();
            (context.options.notify)(Notice::CredentialsRefused { source, host });
        }
        self.refused = Some(found.source);
    }

    /// The next identity to try.
    fn next(
        &mut self,
        context: &Context<'_>,
        demand: &Demand,
    ) -> Result<Option<Identity>, FetchError> {
        let mode = context.options.authentication;
        loop {
            match (self.stage, mode) {
                (Stage::Configured, _) => {
                    self.stage = Stage::Nobody;
                    if mode != Authentication::Anonymous
                        && let Some(found) = context.vault.find(context.options, context.reference)
                    {
                        return Ok(Some(Identity::Known(found)));
                    }
                }
                (Stage::Nobody, Authentication::Required) => {
                    self.stage = if self.refused.is_some() {
                        Stage::Nothing
                    } else {
                        Stage::Ask(0)
                    };
                }
                (Stage::Nobody, _) if matches!(demand, Demand::Bearer { .. }) => {
                    self.stage = Stage::Nothing;
                    return Ok(Some(Identity::Nobody));
                }
                (Stage::Nobody, Authentication::Automatic) => self.stage = Stage::Ask(0),
                (Stage::Ask(asked), _) if asked < PROMPTS => {
                    self.stage = Stage::Ask(asked + 1);
                    match context.vault.ask(context.options, context.reference) {
                        Ok(found) => return Ok(Some(Identity::Known(found))),
                        Err(PromptError::NoTerminal) if mode == Authentication::Automatic => {
                            self.stage = Stage::Nothing;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                (Stage::Nobody | Stage::Ask(_) | Stage::Nothing, _) => return Ok(None),
            }
        }
    }
}

/// Turns an identity into a header; `None` if it is refused.
fn obtain(
    context: &Context<'_>,
    demand: &Demand,
    identity: &Identity,
) -> Result<Option<(Secret, Option<Instant>)>, FetchError> {
    let credentials = match identity {
        Identity::Nobody => None,
        Identity::Known(found) => Some(&found.credentials),
    };
    if credentials.is_some() && !context.endpoint.may_see_credentials(context.options) {
        let host = context.endpoint.host_and_port();
        return Err(FetchError::PlainHttp { host });
    }
    match (demand, credentials) {
        (_, Some(Credentials::Bearer(token))) => Ok(Some((
            Secret::new(format!("Bearer {}", token.expose())),
            None,
        ))),
        (Demand::Basic, Some(Credentials::Password { username, password })) => {
            Ok(Some((token::basic(username, password), None)))
        }
        (Demand::Basic, Some(Credentials::Identity(_)) | None) => Ok(None),
        (Demand::Bearer { realm, parameters }, credentials) => {
            check_realm(
                context.endpoint,
                context.options,
                realm,
                credentials.is_some(),
            )?;
            match token::fetch(context.http, realm, parameters, credentials)? {
                Grant::Token(Token { header, until }) => Ok(Some((header, Some(until)))),
                Grant::Refused => Ok(None),
            }
        }
    }
}

/// The token server sees the password: it must be as well protected as the registry, and what protects a
/// plain registry on loopback does not protect a token server elsewhere.
fn check_realm(
    endpoint: &Endpoint,
    options: &Options,
    realm: &str,
    carries_credentials: bool,
) -> Result<(), FetchError> {
    let scheme = realm.split("://").next().unwrap_or_default();
    if scheme.eq_ignore_ascii_case("https") {
        return Ok(());
    }
    let url: Option<ureq::http::Uri> = realm.parse().ok();
    let on_loopback = url
        .as_ref()
        .is_some_and(|url| url.host().is_some_and(is_loopback));
    let plain = scheme.eq_ignore_ascii_case("http")
        && (!endpoint.tls || on_loopback && is_loopback(&endpoint.host));
    match url {
        Some(url) if plain => {
            if carries_credentials && !on_loopback && !options.plain_http {
                let host = http::address(&url);
                return Err(FetchError::PlainHttp { host });
            }
            Ok(())
        }
        _ => Err(FetchError::TokenNotHttps {
            realm: realm.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, registry, realm, error without and with credentials.
    const TABLE: &[(&str, &str, &str, &str, &str)] = &[
        ("https", "https://r.x", "https://a/t", "", ""),
        (
            "V-cmd-63",
            "https://r.x",
            "http://a/t",
            "token server is not HTTPS: http://a/t",
            "token server is not HTTPS: http://a/t",
        ),
        (
            "encrypted registry, token server on loopback",
            "https://r.x",
            "http://localhost/t",
            "token server is not HTTPS: http://localhost/t",
            "token server is not HTTPS: http://localhost/t",
        ),
        (
            "encrypted registry and token server on loopback",
            "https://localhost",
            "http://127.0.0.1:5001/t",
            "",
            "",
        ),
        (
            "plain registry, token server on loopback",
            "http://localhost",
            "http://[::1]:5001/t",
            "",
            "",
        ),
        (
            "plain registry, token server on another machine",
            "http://localhost",
            "http://192.0.2.2:5001/t",
            "",
            "credentials are not sent over plain HTTP: 192.0.2.2:5001",
        ),
        (
            "plain registry, token server that looks like loopback",
            "http://localhost",
            "http://localhost@a/t",
            "",
            "credentials are not sent over plain HTTP: a:80",
        ),
        (
            "other scheme",
            "http://r.x",
            "file:///a",
            "token server is not HTTPS: file:///a",
            "token server is not HTTPS: file:///a",
        ),
    ];

    fn check(registry: &str, realm: &str, plain_http: bool, carries_credentials: bool) -> String {
        let (scheme, host) = registry.split_once("://").unwrap();
        let endpoint = Endpoint {
            tls: scheme == "https",
            host: host.to_owned(),
            port: 443,
        };
        let options = Options {
            plain_http,
            ..Options::default()
        };
        check_realm(&endpoint, &options, realm, carries_credentials)
            .err()
            .map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn token_servers_are_protected_as_what_they_are_told_requires() {
        for (name, registry, realm, nobody, known) in TABLE {
            assert_eq!(check(registry, realm, false, false), *nobody, "{name}");
            assert_eq!(check(registry, realm, false, true), *known, "{name}");
            assert_eq!(
                check(registry, realm, true, true),
                *nobody,
                "{name}, --plain-http"
            );
        }
    }
}
