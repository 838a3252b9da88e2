//! Ports, as `EXPOSE` takes them.

use crate::error::Problem;

/// The container's ports in `[IP:][HOST:]PORT[-PORT][/PROTOCOL]`, each as `PORT/PROTOCOL`.
pub(crate) fn ports(text: &str) -> Result<Vec<String>, Problem> {
    let (address, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(Problem::Protocol(protocol));
    }
    let range = address.rsplit(':').next().unwrap_or(address);
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| {
        text.parse::<u16>()
            .map_err(|_| Problem::Port(range.to_owned()))
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(Problem::Port(range.to_owned()));
    }
    Ok((first..=last)
        .map(|port| format!("{port}/{protocol}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_of_the_container() {
        let table: &[(&str, &[&str])] = &[
            ("80", &["80/tcp"]),
            ("443/TCP", &["443/tcp"]),
            ("1000-1002/udp", &["1000/udp", "1001/udp", "1002/udp"]),
            ("127.0.0.1:90:91", &["91/tcp"]),
            ("[::1]:90:91/sctp", &["91/sctp"]),
        ];
        for (text, want) in table {
            assert_eq!(ports(text).unwrap(), *want, "V-O4 {text}");
        }
    }

    #[test]
    fn what_is_no_port_is_refused() {
        let error = |text| ports(text).unwrap_err().to_string();
        assert_eq!(error("99999"), "invalid containerPort: 99999");
        assert_eq!(error("x"), "invalid containerPort: x");
        assert_eq!(error("5-3"), "invalid containerPort: 5-3");
        assert_eq!(error("80/x"), "invalid proto: x");
    }
}
