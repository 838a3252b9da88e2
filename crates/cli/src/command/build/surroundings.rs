//! What `RUN` commands find around them that is otherwise than on the host.

use std::net::IpAddr;

use ch_container::Surroundings;
use clap::Args;

use crate::failure::Failure;

/// Arguments about the surroundings of commands.
#[derive(Debug, Args)]
pub(super) struct SurroundingArgs {
    /// Name of a host for RUN commands (repeatable)
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,

    /// Network of RUN commands: host (default) or none
    #[arg(long, value_name = "MODE")]
    network: Option<String>,

    /// Size of /dev/shm for RUN commands, in bytes, or with k, m or g (default 64m)
    #[arg(long, value_name = "SIZE")]
    shm_size: Option<String>,
}

impl SurroundingArgs {
    /// What they say.
    pub(super) fn surroundings(&self) -> Result<Surroundings, Failure> {
        let mut hosts = Vec::new();
        for text in &self.add_host {
            hosts.extend(host(text)?);
        }
        Ok(Surroundings {
            isolated: self.isolated()?,
            hosts,
            shared_memory: self.shm_size.as_deref().map(size).transpose()?,
        })
    }

    fn isolated(&self) -> Result<bool, Failure> {
        match self.network.as_deref() {
            None | Some("host" | "default") => Ok(false),
            Some("none") => Ok(true),
            Some(other) => {
                let failure = Failure::not_yet(format_args!("--network={other}"));
                Err(failure.with_hint("there are host and none"))
            }
        }
    }
}

/// `NAME[;NAME...]:ADDRESS`, as Buildah has it, or with `=`, as Docker has it too; an IPv6 address may have brackets.
fn host(text: &str) -> Result<Vec<(IpAddr, String)>, Failure> {
    let Some((names, address)) = text.split_once([':', '=']).filter(|(it, _)| !it.is_empty())
    else {
        let message = format_args!("--add-host: not of the form NAME:ADDRESS: {text}");
        return Err(Failure::new(message));
    };
    if address == "host-gateway" {
        return Err(Failure::not_yet("--add-host NAME:host-gateway"));
    }
    let bare = address
        .strip_prefix('[')
        .and_then(|it| it.strip_suffix(']'));
    let parsed = bare
        .unwrap_or(address)
        .parse()
        .map_err(|_| Failure::new(format_args!("--add-host: not an IP address: {address}")))?;
    let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    match names.split(';').find(|name| !is_name(name)) {
        Some(name) => Err(Failure::new(format_args!(
            "--add-host: not a name: {name:?}"
        ))),
        None => Ok(names
            .split(';')
            .map(|name| (parsed, name.to_owned()))
            .collect()),
    }
}

/// Bytes, or a number with a unit of 1,024 of the one before, as Docker has it.
fn size(text: &str) -> Result<u64, Failure> {
    let lower = text.to_ascii_lowercase();
    let number = lower.trim_end_matches('b');
    let (number, shift) = match number.char_indices().next_back() {
        Some((at, 'k')) => (&number[..at], 10),
        Some((at, 'm')) => (&number[..at], 20),
        Some((at, 'g')) => (&number[..at], 30),
        _ => (number, 0),
    };
    let bytes = number.parse::<u64>().ok();
    let bytes = bytes.and_then(|number| number.checked_mul(1 << shift));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| Failure::new(format_args!("--shm-size: not a size: {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_names_and_addresses() {
        let found = |text: &str| {
            let hosts = host(text).map_err(|failure| failure.message().to_owned())?;
            let lines = hosts
                .iter()
                .map(|(address, name)| format!("{address} {name}"));
            Ok(lines.collect::<Vec<_>>().join(", "))
        };
        let wrong = |text: &str| Err(format!("--add-host: {text}"));
        for (text, expected) in [
            ("a:1.2.3.4", Ok("1.2.3.4 a".to_owned())),
            ("a=1.2.3.4", Ok("1.2.3.4 a".to_owned())),
            ("a;b:::1", Ok("::1 a, ::1 b".to_owned())),
            ("a:[fe80::1]", Ok("fe80::1 a".to_owned())),
            ("a", wrong("not of the form NAME:ADDRESS: a")),
            (":1.2.3.4", wrong("not of the form NAME:ADDRESS: :1.2.3.4")),
            ("a:b", wrong("not an IP address: b")),
            ("a\nb:::1", wrong("not a name: \"a\\nb\"")),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("4096", Some(4096)),
            ("1k", Some(1024)),
            ("2MB", Some(2 << 20)),
            ("1gb", Some(1 << 30)),
            ("0", None),
            ("", None),
            ("m", None),
            ("-1", None),
            ("99999999999g", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
    }
}
