//! Proxies, as the environment names them.

use ch_registry::{DirectHosts, Proxies, Proxy};

use crate::environment::{ALL_PROXY, Environment, HTTP_PROXY, HTTPS_PROXY, NO_PROXY};

/// The proxies of all schemes, and the hosts without.
pub(super) fn of(environment: &Environment) -> Proxies {
    let direct = environment.first(&NO_PROXY).map(|(_, list)| list);
    Proxies {
        https: first(environment, HTTPS_PROXY),
        http: first(environment, HTTP_PROXY),
        direct: DirectHosts::parse(&direct.unwrap_or_default()),
    }
}

/// The proxy that one of the `names` gives, else the one for everything.
fn first(environment: &Environment, names: [&str; 2]) -> Option<Proxy> {
    let found = environment
        .first(&names)
        .or_else(|| environment.first(&ALL_PROXY));
    found.map(|(name, address)| Proxy::of_variable(name, &address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_comes_first_and_the_scheme_before_everything() {
        let shown = |variables: &[(&str, &str)]| {
            let proxies = of(&variables.iter().copied().collect());
            [proxies.https, proxies.http].map(|proxy| proxy.map_or("-".into(), |p| p.to_string()))
        };
        assert_eq!(shown(&[]), ["-", "-"]);
        let all = ("ALL_PROXY", "http://all:1");
        assert_eq!(shown(&[all]), ["all:1", "all:1"]);
        assert_eq!(
            shown(&[all, ("HTTP_PROXY", "upper:2")]),
            ["all:1", "upper:2"]
        );
        let both = [("HTTPS_PROXY", "upper:2"), ("https_proxy", "lower:3")];
        assert_eq!(shown(&both), ["lower:3", "-"]);
        assert_eq!(shown(&[("https_proxy", ""), both[0]]), ["upper:2", "-"]);
    }

    #[test]
    fn address_that_is_none_is_an_error_without_its_password() {
        let environment = [("https_proxy", "odd://ann:secret@proxy")];
        let proxies = of(&environment.into_iter().collect());
        assert_eq!(
            proxies.https.unwrap().to_string(),
            "$https_proxy: not the address of a proxy"
        );
    }
}
