//! Tokens: what a token server gives for credentials, or for nothing.

use std::time::{Duration, Instant};

use base64::Engine as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use ureq::http::{Uri, header};

use crate::http::{Answer, Http, Method, Payload, Request, without_query};
use crate::secret::Secret;
use crate::{Credentials, FetchError};

/// Characters that stay as they are in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'/');
const DEFAULT_LIFE: u64 = 60;
const SAFETY: Duration = Duration::from_secs(10);
const TOKEN_BYTES: u64 = 1024 * 1024;

/// A token that is good until a moment.
pub(crate) struct Token {
    /// Value of the `Authorization` header.
    pub(crate) header: Secret,
    pub(crate) until: Instant,
}

/// What a token server answered.
pub(crate) enum Grant {
    Token(Token),
    /// Not to these credentials.
    Refused,
}

/// `Basic` header of a name and password.
pub(crate) fn basic(username: &str, password: &Secret) -> Secret {
    let pair = Secret::new(format!("{username}:{}", password.expose()));
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair.expose());
    Secret::new(format!("Basic {encoded}"))
}

/// Asks `realm` for a token with the other parameters of the challenge.
pub(crate) fn fetch(
    http: &Http,
    realm: &str,
    parameters: &[(String, String)],
    credentials: Option<&Credentials>,
) -> Result<Grant, FetchError> {
    if let Some(Credentials::Identity(token)) = credentials {
        let query = query(&with_one_scope(parameters));
        let form = format!(
            "grant_type=refresh_token&client_id=ch-image&refresh_token={}{}",
            utf8_percent_encode(token.expose(), QUERY),
            if query.is_empty() {
                String::new()
            } else {
                format!("&{query}")
            },
        );
        let answer = http.exchange(Request {
            method: Method::Post,
            url: address(realm, "")?,
            body: Payload::Form(Secret::new(form)),
            ..Request::default()
        })?;
        if !matches!(answer.status().as_u16(), 404 | 405) {
            return granted("POST", answer);
        }
    }
    let authorization = match credentials {
        Some(Credentials::Password { username, password }) => Some(basic(username, password)),
        Some(Credentials::Identity(token)) => Some(basic("<token>", token)),
        Some(Credentials::Bearer(_)) | None => None,
    };
    let url = address(realm, &query(parameters))?;
    let answer = http.exchange(Request {
        url,
        authorization,
        ..Request::default()
    })?;
    granted("GET", answer)
}

fn query(parameters: &[(String, String)]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let pairs: Vec<_> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

/// The same with all scopes in one, as forms have them (RFC 6749 §3.3).
fn with_one_scope(parameters: &[(String, String)]) -> Vec<(String, String)> {
    let (scopes, mut others): (Vec<_>, Vec<_>) = parameters
        .iter()
        .cloned()
        .partition(|(name, _)| name == "scope");
    if !scopes.is_empty() {
        let scopes: Vec<_> = scopes.into_iter().map(|(_, scope)| scope).collect();
        others.push(("scope".to_owned(), scopes.join(" ")));
    }
    others
}

fn address(realm: &str, query: &str) -> Result<Uri, FetchError> {
    let separator = match (query.is_empty(), realm.contains('?')) {
        (true, _) => "",
        (false, true) => "&",
        (false, false) => "?",
    };
    format!("{realm}{separator}{query}")
        .parse()
        .map_err(|_| FetchError::Challenge {
            challenge: format!("Bearer realm={realm}"),
        })
}

fn granted(method: &'static str, mut answer: Answer) -> Result<Grant, FetchError> {
    let url = without_query(&answer.url);
    match answer.status().as_u16() {
        200 => {}
        400 | 401 | 403 => return Ok(Grant::Refused),
        status => {
            return Err(FetchError::Status {
                method,
                expected: 200,
                status,
                reason: answer.status().canonical_reason().unwrap_or("unknown"),
                url,
                source: None,
            });
        }
    }
    let body = answer
        .response
        .body_mut()
        .with_config()
        .limit(TOKEN_BYTES)
        .read_to_vec();
    let token = body.ok().and_then(|body| parse(&body));
    token.map(Grant::Token).ok_or(FetchError::Token { url })
}

/// Reads a token answer; the life of the token is counted from now.
fn parse(body: &[u8]) -> Option<Token> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<u64>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let given = [answer.token, answer.access_token];
    let token = given
        .into_iter()
        .flatten()
        .find(|token| !token.is_empty())?;
    // What can't be in a header would later fail as a request that nobody understands.
    header::HeaderValue::from_str(&token).ok()?;
    let life = Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE).clamp(1, 86_400));
    let until = Instant::now() + life.saturating_sub(SAFETY).max(Duration::from_millis(500));
    Some(Token {
        header: Secret::new(format!("Bearer {token}")),
        until,
    })
}

#[cfg(test)]
#[expect(clippy::print_stdout, reason = "counts of vectors are read by people")]
mod tests {
    use super::*;

    #[test]
    fn token_answers_are_read_as_the_vectors_say() {
        let table = [
            (
                "V-cmd-64 access_token",
                r#"{"access_token":"A"}"#,
                Some("Bearer A"),
            ),
            (
                "V-cmd-64 both",
                r#"{"token":"T","access_token":"A"}"#,
                Some("Bearer T"),
            ),
            (
                "empty token",
                r#"{"token":"","access_token":"A"}"#,
                Some("Bearer A"),
            ),
            (
                "line break",
                r#"{"token":"T\r\nHost: x","access_token":"A"}"#,
                None,
            ),
            ("none", r#"{"tokin":"T"}"#, None),
            ("not JSON", "<html>", None),
        ];
        for (name, body, header) in table {
            let found = parse(body.as_bytes());
            assert_eq!(
                found.as_ref().map(|token| token.header.expose()),
                header,
                "{name}"
            );
        }
        println!("commands.md §4.2 token answers: {} rows", table.len());
    }

    #[test]
    fn a_token_is_used_until_ten_seconds_before_its_end() {
        let left = |body: &str| parse(body.as_bytes()).unwrap().until - Instant::now();
        assert!((48..=50).contains(&left(r#"{"token":"T"}"#).as_secs()));
        assert!((288..=290).contains(&left(r#"{"token":"T","expires_in":300}"#).as_secs()));
        assert!(left(r#"{"token":"T","expires_in":1}"#) < Duration::from_secs(1));
    }

    #[test]
    fn forms_have_one_scope() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let parameters = [
            pair("scope", "repository:a:pull,push"),
            pair("service", "s"),
            pair("scope", "repository:b:pull"),
        ];
        let expected = [
            pair("service", "s"),
            pair("scope", "repository:a:pull,push repository:b:pull"),
        ];
        assert_eq!(with_one_scope(&parameters), expected);
        assert_eq!(with_one_scope(&parameters[1..2]), parameters[1..2]);
    }

    #[test]
    fn parameters_are_encoded_for_the_query() {
        let parameters = [
            ("service".to_owned(), "s, \"x\"".to_owned()),
            ("scope".to_owned(), "repository:a/b:pull".to_owned()),
        ];
        let url = address("https://a/t?x=1", &query(&parameters)).unwrap();
        assert_eq!(
            url.to_string(),
            "https://a/t?x=1&service=s%2C%20%22x%22&scope=repository:a/b:pull"
        );
    }
}
