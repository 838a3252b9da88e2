//! Addresses: where redirects lead, what of them is shown, and who may be told what.

use ureq::http::Uri;

use crate::FetchError;

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

pub(super) fn port(url: &Uri) -> u16 {
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

pub(super) fn host_and_port(authority: &str) -> &str {
    authority.rsplit('@').next().unwrap_or(authority)
}

/// Host and port.
pub(crate) fn address(url: &Uri) -> String {
    format!("{}:{}", url.host().unwrap_or_default(), port(url))
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
    fn what_is_shown_of_an_address_has_no_secrets() {
        let url: Uri = "https://user:word@cdn:8443/z?sig=secret".parse().unwrap();
        assert_eq!(without_query(&url), "https://cdn:8443/z");
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
