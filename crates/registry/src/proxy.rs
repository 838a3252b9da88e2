//! Proxies: who stands between us and a host, and for which hosts nobody does.
//!
//! Loopback is never reached by a proxy, whatever was asked for: the proxy's loopback is another machine.

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;

use crate::endpoint::is_loopback;

/// The address of a proxy, with the name and password it may want; they are never shown.
#[derive(Clone)]
pub struct Proxy(Result<ureq::Proxy, ProxyError>);

impl Proxy {
    /// Reads `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`; schemes are `http` (the default), `https`, `socks4`,
    /// `socks4a`, `socks5` and `socks5h`.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        // The cause is left out: it may quote the password.
        let proxy = ureq::Proxy::new(text).map_err(|_| ProxyError::default())?;
        Ok(Self(Ok(proxy)))
    }

    /// The proxy that the variable `name` gives. One that makes no sense is an error of the first request that needs
    /// it, since whoever needs no network needs no proxy.
    pub fn of_variable(name: &str, text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|_| {
            let place = format!("${name}: ");
            Self(Err(ProxyError { place }))
        })
    }

    pub(crate) fn inner(&self) -> Result<ureq::Proxy, ProxyError> {
        self.0.clone()
    }
}

/// Without name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(proxy) => write!(f, "{}:{}", proxy.host(), proxy.port()),
            Err(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// A text that names no proxy. What it says is not repeated, as it may hold a password.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{place}not the address of a proxy")]
pub struct ProxyError {
    /// Where it stands.
    place: String,
}

/// Which proxy is used for which address.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// For HTTPS.
    pub https: Option<Proxy>,
    /// For plain HTTP.
    pub http: Option<Proxy>,
    /// Hosts that are reached directly.
    pub direct: DirectHosts,
}

impl Proxies {
    /// The proxy on the way to `url`.
    pub(crate) fn on_the_way_to(&self, url: &Uri) -> Option<&Proxy> {
        let tls = url.scheme_str() == Some("https");
        let proxy = if tls { &self.https } else { &self.http };
        let proxy = proxy.as_ref()?;
        let host = url.host()?;
        let port = url.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let direct = is_loopback(host) || self.direct.includes(host, port);
        (!direct).then_some(proxy)
    }
}

/// The hosts of `NO_PROXY`: names with all below them, addresses, networks, `*`; each with a port or without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectHosts(Vec<Direct>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Direct {
    what: What,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Everything,
    /// A name in lower case, and all names below it.
    Name(String),
    /// Addresses that begin with so many bits of this one.
    Network(IpAddr, u32),
}

impl DirectHosts {
    /// Reads a list; what is between its items is a comma or white space.
    pub fn parse(text: &str) -> Self {
        let items = text.split(|c: char| c == ',' || c.is_whitespace());
        Self(
            items
                .filter(|item| !item.is_empty())
                .map(Direct::parse)
                .collect(),
        )
    }

    fn includes(&self, host: &str, port: u16) -> bool {
        let host = bare(host).to_ascii_lowercase();
        let address = host.parse().ok();
        self.0.iter().any(|direct| {
            direct.port.is_none_or(|only| only == port) && direct.what.includes(&host, address)
        })
    }
}

impl Direct {
    fn parse(item: &str) -> Self {
        let (host, port) = match item.rsplit_once(':') {
            // An IPv6 address without brackets has colons, but no port.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().ok())
            }
            _ => (item, None),
        };
        Self {
            what: What::parse(bare(host)),
            port,
        }
    }
}

impl What {
    fn parse(host: &str) -> Self {
        if host == "*" {
            return Self::Everything;
        }
        let (address, bits) = match host.split_once('/') {
            Some((address, bits)) => (address, bits.parse().ok()),
            None => (host, Some(u32::MAX)),
        };
        match (address.parse::<IpAddr>(), bits) {
            (Ok(address), Some(bits)) => Self::Network(address, bits.min(length(address))),
            _ => {
                let name = host.strip_prefix('*').unwrap_or(host);
                Self::Name(name.trim_start_matches('.').to_ascii_lowercase())
            }
        }
    }

    fn includes(&self, host: &str, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::Everything, _) => true,
            (Self::Name(name), _) => host
                .strip_suffix(name.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with('.')),
            (Self::Network(network, bits), Some(address)) => {
                let unlike = value(*network) ^ value(address);
                let rest = length(*network) - bits;
                network.is_ipv4() == address.is_ipv4() && unlike.checked_shr(rest).unwrap_or(0) == 0
            }
            (Self::Network(..), None) => false,
        }
    }
}

/// A host without the brackets of IPv6.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

fn length(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn value(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_need_no_proxy_are_recognised() {
        let table = [
            ("", "https://a.b/", false),
            ("*", "https://a.b/", true),
            ("a.b", "https://a.b/", true),
            ("a.b", "https://A.B/", true),
            ("A.B", "https://x.a.b:5000/", true),
            ("a.b", "https://xa.b/", false),
            ("a.b", "https://a.b.evil/", false),
            (".a.b", "https://x.a.b/", true),
            (".a.b", "https://a.b/", true),
            ("*.a.b", "https://x.a.b/", true),
            ("c, a.b", "https://a.b/", true),
            ("c a.b", "https://a.b/", true),
            ("a.b:443", "https://a.b/", true),
            ("a.b:5000", "https://a.b/", false),
            ("a.b:5000", "https://a.b:5000/", true),
            ("10.1.2.3", "https://10.1.2.3/", true),
            ("10.1.2.3", "https://10.1.2.30/", false),
            ("10.1.2.3:80", "http://10.1.2.3/", true),
            ("10.0.0.0/8", "https://10.1.2.3/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("0.0.0.0/0", "https://11.1.2.3/", true),
            ("0.0.0.0/0", "https://a.b/", false),
            ("0.0.0.0/0", "https://[fd00::1]/", false),
            ("fd00::/8", "https://[fd00::1]:5000/", true),
            ("fd00::1", "https://[fd00::1]/", true),
            ("[fd00::1]:443", "https://[fd00::1]/", true),
            ("[fd00::1]:444", "https://[fd00::1]/", false),
            ("::/0", "https://[fd00::1]/", true),
            ("", "https://localhost/", true),
            ("", "https://127.9.9.9:5000/", true),
            ("", "http://[::1]:5000/", true),
        ];
        let proxy = Proxy::parse("proxy.example:3128").unwrap();
        for (list, url, direct) in table {
            let proxies = Proxies {
                https: Some(proxy.clone()),
                http: Some(proxy.clone()),
                direct: DirectHosts::parse(list),
            };
            let found = proxies.on_the_way_to(&url.parse().unwrap());
            assert_eq!(found.is_none(), direct, "{list:?} {url}");
        }
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let proxies = Proxies {
            https: Some(Proxy::parse("http://one:1").unwrap()),
            http: Some(Proxy::parse("socks5h://two:2").unwrap()),
            direct: DirectHosts::default(),
        };
        let shown = |url: &str| {
            let proxy = proxies.on_the_way_to(&url.parse().unwrap());
            proxy.map(ToString::to_string)
        };
        assert_eq!(shown("https://a.b/").as_deref(), Some("one:1"));
        assert_eq!(shown("http://a.b/").as_deref(), Some("two:2"));
    }

    #[test]
    fn password_of_a_proxy_is_not_shown() {
        let proxy = Proxy::parse("http://ann:secret@proxy:3128").unwrap();
        assert_eq!(format!("{proxy} {proxy:?}"), "proxy:3128 Proxy(proxy:3128)");
        let error = Proxy::parse("gopher://ann:secret@proxy").unwrap_err();
        assert_eq!(error.to_string(), "not the address of a proxy");
    }
}
