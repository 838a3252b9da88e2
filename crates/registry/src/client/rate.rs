//! What Docker Hub says of the pulls that are left.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use ch_oci::RemoteReference;

use super::Client;
use crate::Notice;
use crate::http::Answer;
use crate::mirror::is_docker_hub;

impl Client {
    /// Tells it once, if this is Docker Hub's answer and says so.
    pub(super) fn tell_rate_limit(&self, reference: &RemoteReference, answer: &Answer) {
        if !is_docker_hub(reference.host()) {
            return;
        }
        let header = |name| answer.response.headers().get(name)?.to_str().ok();
        let limits = header("ratelimit-limit").zip(header("ratelimit-remaining"));
        let source = header("docker-ratelimit-source");
        if let Some(notice) = limits.and_then(|(limit, left)| notice(limit, left, source))
            && !self.0.rate_limit_told.swap(true, Ordering::Relaxed)
        {
            (self.options().notify)(notice);
        }
    }
}

/// Reads `100;w=21600` and `98;w=21600`: pulls in so many seconds.
fn notice(limit: &str, left: &str, source: Option<&str>) -> Option<Notice> {
    let (limit, window) = limit.split_once(";w=")?;
    let left = left.split(';').next()?;
    // Who is known is named by an identifier that tells a user nothing.
    let source = source.and_then(|source| source.parse::<IpAddr>().ok());
    Some(Notice::RateLimit {
        left: left.trim().parse().ok()?,
        limit: limit.trim().parse().ok()?,
        seconds: window.trim().parse().ok()?,
        source: source.map_or_else(|| "auth".to_owned(), |address| address.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_per_hours() {
        let told = |limit, left, source| {
            let notice = notice(limit, left, source)?;
            assert_eq!(notice.importance(), crate::Importance::Information);
            Some(notice.to_string())
        };
        let (limit, left) = ("100;w=21600", "98;w=21600");
        let expected = "Docker Hub rate limit: 98 pulls left of 100 per 6.0 hours (192.0.2.1)";
        assert_eq!(
            told(limit, left, Some("192.0.2.1")).as_deref(),
            Some(expected)
        );
        let expected = "Docker Hub rate limit: 7 pulls left of 200 per 1.5 hours (auth)";
        let identifier = Some("7d7b7ab5-6d4e-4d3c-9f6d-5b6f4f1f2c11");
        assert_eq!(
            told("200;w=5400", "7", identifier).as_deref(),
            Some(expected)
        );
        for (limit, left) in [
            ("100", "98"),
            ("x;w=1", "98"),
            ("100;w=x", "98"),
            ("100;w=1", ""),
        ] {
            assert_eq!(told(limit, left, None), None, "{limit} {left}");
        }
    }
}
