//! `HEALTHCHECK` as the configuration and the history have it: Docker's extension of the OCI config.

use ch_dockerfile::ast::Healthcheck;
use serde_json::{Map, Value};

/// One duration: its name in the configuration, and nanoseconds.
type Duration = (&'static str, Option<i64>);

const SECOND: u64 = 1_000_000_000;

fn durations(check: &Healthcheck) -> [Duration; 4] {
    [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ]
}

/// The member `Healthcheck`, in which what is zero is left out; `test` is its member `Test`.
pub(super) fn member(check: &Healthcheck, test: &[String]) -> Value {
    let mut member = Map::new();
    member.insert("Test".to_owned(), test.into());
    for (name, nanoseconds) in durations(check) {
        if let Some(nanoseconds) = nanoseconds.filter(|nanoseconds| *nanoseconds != 0) {
            member.insert(name.to_owned(), nanoseconds.into());
        }
    }
    if let Some(retries) = check.retries.filter(|retries| *retries != 0) {
        member.insert("Retries".to_owned(), retries.into());
    }
    Value::Object(member)
}

/// The line of the history.
pub(super) fn history(check: &Healthcheck, test: &[String]) -> String {
    let times: String = durations(check)
        .iter()
        .map(|(name, nanoseconds)| format!(" {name}:{}", shown(nanoseconds.unwrap_or_default())))
        .collect();
    let retries = check.retries.unwrap_or_default();
    format!(
        "HEALTHCHECK {{Test:[{}]{times} Retries:{retries}}}",
        test.join(" ")
    )
}

/// A duration as Go prints it: `1m30s`, `500ms`, `0s`.
fn shown(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let all = nanoseconds.unsigned_abs();
    let small = [(1_000_000, "ms"), (1_000, "\u{b5}s"), (1, "ns")];
    if all > 0 && all < SECOND {
        let unit = small.iter().find(|(unit, _)| all >= *unit);
        let (unit, name) = unit.expect("there is at least one nanosecond");
        return format!("{sign}{}{name}", decimal(all, *unit));
    }
    let (minutes, rest) = (all / (60 * SECOND), all % (60 * SECOND));
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let seconds = decimal(rest, SECOND);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// `all` in units of `unit`, a power of ten, with the digits that it has.
fn decimal(all: u64, unit: u64) -> String {
    let (whole, part) = (all / unit, all % unit);
    if part == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    let part = format!("{part:0digits$}");
    format!("{whole}.{}", part.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_look_as_in_go() {
        for (nanoseconds, expected) in [
            (0, "0s"),
            (5_000_000_000, "5s"),
            (90_000_000_000, "1m30s"),
            (60_000_000_000, "1m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (5_400_000_000_000, "1h30m0s"),
            (1_500_000_000, "1.5s"),
            (61_000_001_000, "1m1.000001s"),
            (500_000_000, "500ms"),
            (1_500_000, "1.5ms"),
            (-1_000_000_000, "-1s"),
        ] {
            assert_eq!(shown(nanoseconds), expected);
        }
    }
}
