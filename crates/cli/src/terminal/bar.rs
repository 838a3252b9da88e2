//! One line of the live area: never wider than the terminal, since a line that wraps is two.

use std::io;
use std::os::fd::AsFd as _;

use ch_linux::tty;
use indicatif::{ProgressState, ProgressStyle};

use super::progress::{mebibytes, percent};

/// Of a terminal that does not tell.
const DEFAULT_COLUMNS: usize = 80;
/// How wide a bar is, without its brackets.
const BAR: u128 = 20;

/// How a transfer called `label` is drawn.
pub(super) fn style(label: String) -> ProgressStyle {
    with_tails(label, |state| match state.len() {
        Some(total) => of_known_length(state.pos(), total, state.per_sec()).into(),
        None => of_unknown_length(state.pos(), state.per_sec()).into(),
    })
}

/// How what goes on with a transfer is drawn when all of it is here.
pub(super) fn without_amount(label: String) -> ProgressStyle {
    with_tails(label, |_| Vec::new())
}

fn with_tails(label: String, tails: fn(&ProgressState) -> Vec<String>) -> ProgressStyle {
    let style = ProgressStyle::with_template("{line}").expect("the template is valid");
    style.with_key(
        "line",
        move |state: &ProgressState, output: &mut dyn std::fmt::Write| {
            let reported = tty::columns(io::stderr().as_fd());
            let columns = reported.unwrap_or(DEFAULT_COLUMNS);
            // Only memory is written to.
            let _ = output.write_str(&fit(&label, &tails(state), columns));
        },
    )
}

/// `label` with the first of `tails` for which there is room; for want of it the label is cut.
fn fit(label: &str, tails: &[String], columns: usize) -> String {
    let length = label.chars().count();
    let fitting = |tail: &&String| length + tail.chars().count() <= columns;
    let tail = tails.iter().find(fitting).or(tails.last());
    let tail = tail.map_or("", String::as_str);
    let room = columns.saturating_sub(tail.chars().count());
    let line = label.chars().take(room).chain(tail.chars());
    line.take(columns).collect()
}

/// What may stand behind the label, the longest first.
fn of_known_length(done: u64, total: u64, per_second: f64) -> [String; 3] {
    let percent = percent(done, total);
    let drawn = usize::try_from(percent.min(100) * BAR / 100).expect("a small number");
    let mut bar = "=".repeat(drawn);
    if bar.len() < BAR as usize {
        bar.push('>');
    }
    let amount = format!("{}/{} MiB", mebibytes(done), mebibytes(total));
    let rate = rate(per_second);
    [
        format!(" [{bar:width$}] {amount} {rate}", width = BAR as usize),
        format!(" {amount} ({percent}%)"),
        format!(" {percent}%"),
    ]
}

fn of_unknown_length(done: u64, per_second: f64) -> [String; 3] {
    let amount = mebibytes(done);
    let rate = rate(per_second);
    [
        format!(" {amount} MiB {rate}"),
        format!(" {amount} MiB"),
        format!(" {amount}"),
    ]
}

fn rate(per_second: f64) -> String {
    // What is too large for a number of bytes, or not a number, is nothing that one has to see.
    format!("{} MiB/s", mebibytes(per_second as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn line_has_what_the_terminal_has_room_for() {
        let label = "layer 1/3: c54d940: downloading";
        let known = of_known_length(12 * MIB, 48 * MIB, 3.0 * MIB as f64);
        let unknown = of_unknown_length(12 * MIB, 3.0 * MIB as f64);
        for (columns, tails, expected) in [
            (
                80,
                &known,
                "layer 1/3: c54d940: downloading [=====>              ] 12.0/48.0 MiB 3.0 MiB/s",
            ),
            (
                60,
                &known,
                "layer 1/3: c54d940: downloading 12.0/48.0 MiB (25%)",
            ),
            (40, &known, "layer 1/3: c54d940: downloading 25%"),
            (20, &known, "layer 1/3: c54d9 25%"),
            (3, &known, " 25"),
            (0, &known, ""),
            (
                80,
                &unknown,
                "layer 1/3: c54d940: downloading 12.0 MiB 3.0 MiB/s",
            ),
            (20, &unknown, "layer 1/3: c54d 12.0"),
        ] {
            assert_eq!(fit(label, tails, columns), expected, "{columns}");
        }
    }

    #[test]
    fn no_line_is_wider_than_its_terminal() {
        let label = "é".repeat(200);
        let huge = [
            of_known_length(u64::MAX, u64::MAX, f64::INFINITY),
            of_known_length(0, 0, f64::NAN),
            of_unknown_length(u64::MAX, 0.0),
        ];
        for columns in 0..300 {
            for tails in &huge {
                assert!(fit(&label, tails, columns).chars().count() <= columns);
            }
        }
    }
}
