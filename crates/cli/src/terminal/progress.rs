//! Progress of transfers: a live area on a terminal, otherwise lines that stay.
//!
//! Plain mode prints a line at the start, at most one every five seconds, and one at the end, so
//! that a log file stays readable however slow the network is.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Terminal, bar};

/// How often plain mode repeats itself.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);
/// How often a live area is drawn, per second.
const LIVE_RATE: u8 = 10;
/// How often an activity shows that it goes on.
const ACTIVITY_INTERVAL: Duration = Duration::from_millis(200);
/// How an activity turns; the last one is of its end.
const ACTIVITY_CHARACTERS: &str = "|/-\\ ";
/// More lines than this would push away what the user wants to read.
const LIVE_LINES: usize = 8;

/// The live area of a terminal.
pub(super) fn live_area() -> MultiProgress {
    MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(LIVE_RATE))
}

/// Something that goes on for an unknown time; shown in a live area while it lives.
#[derive(Debug, Default)]
pub(crate) struct Activity(Option<ProgressBar>);

impl Activity {
    /// Begins to show that `label` goes on, and for how long; without a live area nothing is shown.
    pub(crate) fn start(terminal: &Terminal, label: impl Into<String>) -> Self {
        let bar = terminal.live.as_ref().map(|live| {
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}")
                .expect("the template is valid")
                .tick_chars(ACTIVITY_CHARACTERS);
            let bar = live.add(ProgressBar::new_spinner().with_style(style));
            bar.set_message(label.into());
            bar.enable_steady_tick(ACTIVITY_INTERVAL);
            bar
        });
        Self(bar)
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// What is being transferred, by some key of the caller's.
pub(crate) struct Transfers<'t, K> {
    terminal: &'t Terminal,
    active: Mutex<HashMap<K, Transfer>>,
}

/// One transfer.
struct Transfer {
    label: String,
    total: Option<u64>,
    done: u64,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl<'t, K: Eq + Hash> Transfers<'t, K> {
    /// Nothing is being transferred yet.
    pub(crate) fn new(terminal: &'t Terminal) -> Self {
        Self {
            terminal,
            active: Mutex::default(),
        }
    }

    /// A transfer of `total` bytes begins, if that is known.
    pub(crate) fn start(&self, key: K, label: impl fmt::Display, total: Option<u64>) {
        let label = label.to_string();
        self.with_active(|active| {
            let bar = self.bar(active.len(), &label, total);
            if self.terminal.live.is_none() {
                self.terminal.info(&label);
            }
            let last_line = Instant::now();
            active.insert(
                key,
                Transfer {
                    label,
                    total,
                    done: 0,
                    last_line,
                    bar,
                },
            );
        });
    }

    /// `done` bytes of a transfer have arrived.
    pub(crate) fn advance(&self, key: &K, done: u64) {
        self.with_active(|active| {
            let Some(transfer) = active.get_mut(key) else {
                return;
            };
            transfer.done = done;
            if let Some(bar) = &transfer.bar {
                bar.set_position(done);
            } else if self.says_progress() && transfer.last_line.elapsed() >= PLAIN_INTERVAL {
                transfer.last_line = Instant::now();
                self.terminal.info(transfer.line());
            }
        });
    }

    /// All bytes of a transfer have arrived, and `label` is what goes on; only a live area shows it.
    pub(crate) fn arrived(&self, key: &K, label: impl fmt::Display) {
        self.with_active(|active| {
            let bar = active.get(key).and_then(|transfer| transfer.bar.as_ref());
            if let Some(bar) = bar {
                bar.set_style(bar::without_amount(label.to_string()));
                // Nothing else would have it drawn.
                bar.tick();
            }
        });
    }

    /// A transfer is complete.
    pub(crate) fn finish(&self, key: &K) {
        self.with_active(|active| {
            let Some(mut transfer) = active.remove(key) else {
                return;
            };
            if let Some(bar) = transfer.bar.take() {
                bar.finish_and_clear();
            }
            transfer.done = transfer.total.unwrap_or(transfer.done);
            if !self.terminal.no_progress {
                self.terminal.info(transfer.line());
            }
        });
    }

    /// Whether lines tell how far a transfer is.
    fn says_progress(&self) -> bool {
        self.terminal.live.is_none() && !self.terminal.no_progress
    }

    fn with_active<T>(&self, work: impl FnOnce(&mut HashMap<K, Transfer>) -> T) -> T {
        work(&mut self.active.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A line of the live area, if there is one with room.
    fn bar(&self, lines: usize, label: &str, total: Option<u64>) -> Option<ProgressBar> {
        let live = self.terminal.live.as_ref().filter(|_| lines < LIVE_LINES)?;
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        Some(live.add(bar.with_style(bar::style(label.to_owned()))))
    }
}

impl<K> Drop for Transfers<'_, K> {
    fn drop(&mut self) {
        if let Some(live) = &self.terminal.live {
            // Clearing a terminal that went away is nobody's loss.
            let _ = live.clear();
        }
    }
}

impl Transfer {
    /// `label: 12.4/48.0 MiB (25%)`.
    fn line(&self) -> String {
        let Self {
            label, total, done, ..
        } = self;
        match total {
            None => format!("{label}: {} MiB", mebibytes(*done)),
            Some(total) if mebibytes(*total) == "0.0" => {
                format!("{label}: {}%", percent(*done, *total))
            }
            Some(total) => format!(
                "{label}: {}/{} MiB ({}%)",
                mebibytes(*done),
                mebibytes(*total),
                percent(*done, *total)
            ),
        }
    }
}

/// `bytes` in MiB with one decimal, rounded.
pub(super) fn mebibytes(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + (1 << 19)) >> 20;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// How much of `total` is done; all of nothing is everything.
pub(super) fn percent(done: u64, total: u64) -> u128 {
    (u128::from(done) * 100)
        .checked_div(u128::from(total))
        .unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_show_mebibytes_and_percent() {
        const MIB: u64 = 1 << 20;
        let cases = [
            (Some(48 * MIB), 13_002_342, "l: 12.4/48.0 MiB (25%)"),
            (Some(48 * MIB), 48 * MIB, "l: 48.0/48.0 MiB (100%)"),
            (Some(2000), 2000, "l: 100%"),
            (Some(0), 0, "l: 100%"),
            (None, 13_002_342, "l: 12.4 MiB"),
        ];
        for (total, done, expected) in cases {
            let transfer = Transfer {
                label: "l".into(),
                total,
                done,
                last_line: Instant::now(),
                bar: None,
            };
            assert_eq!(transfer.line(), expected);
        }
    }
}
