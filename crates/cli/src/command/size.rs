//! Sizes and counts for people.

/// Units of bytes, each 1,024 of the one before.
const BINARY: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
/// Units of bytes, each 1,000 of the one before, as Docker writes them.
const DECIMAL: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
/// Units of counts.
const COUNTS: [&str; 4] = ["", "K", "M", "G"];

/// `1.2 GiB`; bytes without fraction.
pub(super) fn binary(bytes: u64) -> String {
    let (value, unit) = scaled(bytes, 1024.0, &BINARY);
    if unit == BINARY[0] {
        format!("{bytes} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// `1.2GB`: at most four digits, as Docker ends what it has pruned.
pub(super) fn decimal(bytes: u64) -> String {
    let (value, unit) = scaled(bytes, 1000.0, &DECIMAL);
    let digits = match value {
        value if value >= 1000.0 => 0,
        value if value >= 100.0 => 1,
        value if value >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{unit}")
}

/// A whole number and its unit, as a row of a table has them.
pub(super) fn row(name: &str, value: u64, unit: &str) -> String {
    format!("{name:<15} {value:>5} {unit}")
        .trim_end()
        .to_owned()
        + "\n"
}

/// A row with a number of bytes.
pub(super) fn bytes_row(name: &str, bytes: u64) -> String {
    let (value, unit) = scaled(bytes, 1024.0, &BINARY);
    row(name, whole(value), unit)
}

/// A row with a number of things.
pub(super) fn count_row(name: &str, count: u64) -> String {
    let (value, unit) = scaled(count, 1000.0, &COUNTS);
    row(name, whole(value), unit)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what was scaled is between 0 and a few thousand"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
fn scaled<'u>(number: u64, step: f64, units: &[&'u str]) -> (f64, &'u str) {
    let mut value = number as f64;
    let mut place = 0;
    while value >= step && place + 1 < units.len() {
        value /= step;
        place += 1;
    }
    (value, units[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_expected() {
        let binaries = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_288_490_189, "1.2 GiB"),
        ];
        for (bytes, expected) in binaries {
            assert_eq!(binary(bytes), expected);
        }
        let decimals = [
            (0, "0B"),
            (999, "999B"),
            (1_000, "1kB"),
            (1_200_000_000, "1.2GB"),
            (12_345_678, "12.35MB"),
            (123_456, "123.5kB"),
            (1_001, "1.001kB"),
        ];
        for (bytes, expected) in decimals {
            assert_eq!(decimal(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn rows_are_those_of_the_reference() {
        assert_eq!(count_row("named images:", 4), "named images:       4\n");
        assert_eq!(count_row("state IDs:", 12_345), "state IDs:         12 K\n");
        assert_eq!(
            bytes_row("disk used:", 479_300),
            "disk used:        468 KiB\n"
        );
    }
}
