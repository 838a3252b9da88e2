//! Names of signals, as `STOPSIGNAL` takes them.

const NAMES: [&str; 35] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN",
];

/// Largest number of a signal.
const LARGEST: u32 = 64;

/// Whether `text` is a number or name of a signal.
pub(crate) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<u32>() {
        return (1..=LARGEST).contains(&number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |rest: &str| rest.parse::<u32>().is_ok_and(|n| n <= 15);
    NAMES.contains(&name)
        || name == "RTMAX"
        || name.strip_prefix("RTMIN+").is_some_and(offset)
        || name.strip_prefix("RTMAX-").is_some_and(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_signals() {
        for good in [
            "kill",
            "SIGRTMIN+3",
            "9",
            "SIGTERM",
            "rtmax-14",
            "RTMIN",
            "SigUsr1",
        ] {
            assert!(is_signal(good), "V-O11 {good}");
        }
        for bad in ["9 9", "FOO", "0", "65", "-1", "", "SIG", "RTMIN+99"] {
            assert!(!is_signal(bad), "V-O11 {bad}");
        }
    }
}
