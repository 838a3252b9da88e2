//! How a registry is spoken to: TLS or not, on which port.
//!
//! Plain HTTP is used without being asked for only on loopback, where nobody can listen in; even there TLS is
//! tried first. The first request finds out, and the answer holds for the process.

use std::fmt;
use std::net::IpAddr;

use ch_oci::RemoteReference;
use ureq::http::Uri;

use crate::{FetchError, Options};

/// A scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
    /// Host, IPv6 in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// Host and port as messages and `certs.d` name them.
    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Its address, if there can be such a one.
    pub(crate) fn uri(&self) -> Option<Uri> {
        format!("{self}/").parse().ok()
    }

    /// Whether a password may be sent there.
    pub(crate) fn may_see_credentials(&self, options: &Options) -> bool {
        self.tls || options.plain_http || is_loopback(&self.host)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Endpoints to try, in order.
pub(crate) fn candidates(reference: &RemoteReference, options: &Options) -> Vec<Endpoint> {
    let endpoint = |tls, port| Endpoint {
        tls,
        host: reference.host().to_owned(),
        port,
    };
    let mut candidates = vec![endpoint(true, reference.port())];
    let verified = options.verifies(reference.host(), reference.port());
    if is_loopback(reference.host()) || !verified || options.plain_http {
        candidates.push(endpoint(false, reference.explicit_port().unwrap_or(80)));
    }
    candidates
}

/// Whether `error` of a candidate with TLS leads to the next, without TLS.
pub(crate) fn try_next(failed: &Endpoint, reference: &RemoteReference, error: &FetchError) -> bool {
    use std::io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof,
    };
    let own = failed.host_and_port();
    match error {
        FetchError::NotTls { host } => *host == own,
        // A server that does not know TLS may also hang up; on loopback it costs nothing to find out.
        FetchError::Unreachable { host, source } if *host == own => match source.kind() {
            ConnectionRefused => reference.explicit_port().is_none(),
            ConnectionReset | ConnectionAborted | UnexpectedEof => is_loopback(&failed.host),
            _ => false,
        },
        _ => false,
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ch_oci::{Reference, RegistryDefaults};

    fn shown(reference: &str, options: &Options) -> Vec<String> {
        let reference = Reference::parse(reference)
            .unwrap()
            .remote(&RegistryDefaults::default());
        candidates(&reference, options)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn plain_http_is_tried_on_loopback_only_unless_allowed() {
        let options = Options::default();
        let unverified = Options {
            verify_tls: false,
            ..Options::default()
        };
        let table = [
            (
                "localhost/x",
                &options,
                "https://localhost:443 http://localhost:80",
            ),
            (
                "localhost:5000/x",
                &options,
                "https://localhost:5000 http://localhost:5000",
            ),
            (
                "127.1.2.3:5000/x",
                &options,
                "https://127.1.2.3:5000 http://127.1.2.3:5000",
            ),
            (
                "[::1]:5000/x",
                &options,
                "https://[::1]:5000 http://[::1]:5000",
            ),
            (
                "localhost.evil.com/x",
                &options,
                "https://localhost.evil.com:443",
            ),
            ("[::2]:5000/x", &options, "https://[::2]:5000"),
            ("a.b/x", &options, "https://a.b:443"),
            (
                "a.b:5000/x",
                &unverified,
                "https://a.b:5000 http://a.b:5000",
            ),
            ("debian", &options, "https://registry-1.docker.io:443"),
        ];
        for (reference, options, expected) in table {
            assert_eq!(shown(reference, options).join(" "), expected, "{reference}");
        }
    }
}
