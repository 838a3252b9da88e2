//! `ch-image prune`: frees what is no longer needed. It never asks.

use std::time::Duration;

use ch_storage::{Freed, Selection, StateChoice};
use clap::Args;
use serde::Serialize;

use super::json::{self, FormatArgs};
use super::{Context, Done, size};
use crate::failure::{Failure, advised};

/// Arguments of `prune`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub(crate) struct PruneArgs {
    /// Free everything but images: the whole build cache, deleted images, downloads, cache mounts
    #[arg(long)]
    all: bool,

    /// Free compressed layers that a registry has
    #[arg(long)]
    blobs: bool,

    /// Free deleted images, which then can't be undeleted
    #[arg(long)]
    deleted: bool,

    /// Only print what would be freed
    #[arg(long)]
    dry_run: bool,

    /// Nothing is ever asked (accepted, no effect)
    #[arg(short, long)]
    force: bool,

    #[command(flatten)]
    format: FormatArgs,

    /// Free what was used longest ago until the rest takes no more than this, e.g. 20G
    #[arg(long, value_name = "SIZE")]
    keep_storage: Option<String>,

    /// Free cache mounts of RUN
    #[arg(long)]
    mounts: bool,

    /// Free only what was not used for so long, e.g. 7d
    #[arg(long, value_name = "TIME")]
    older_than: Option<String>,
}

/// Frees, or says what would be.
pub(super) fn run(arguments: &PruneArgs, context: &Context) -> Done {
    let selection = selection(arguments)?;
    let freed = match context.existing_storage()? {
        None => Freed::default(),
        Some(storage) if arguments.dry_run => storage.collectable(&selection).map_err(advised)?,
        Some(_) => {
            let storage = context.storage()?;
            storage.collect(&selection).map_err(advised)?
        }
    };
    if arguments.format.is_json(context) {
        return json::print("prune", &document(&freed, arguments.dry_run), context);
    }
    context.terminal.output(lines(&freed))
}

fn selection(arguments: &PruneArgs) -> Result<Selection, Failure> {
    let chosen = arguments.blobs || arguments.mounts || arguments.deleted;
    let mut selection = if arguments.all {
        Selection::all_but_images()
    } else if chosen {
        Selection {
            states: StateChoice::Keep,
            deleted: arguments.deleted,
            fetchable: arguments.blobs,
            mounts: arguments.mounts,
            ..Selection::default()
        }
    } else {
        Selection::garbage()
    };
    if let Some(text) = &arguments.older_than {
        let invalid = || invalid("--older-than", text, "a time like 7d (s, m, h, d, w)");
        selection.older_than = Some(duration(text).ok_or_else(invalid)?);
    }
    if let Some(text) = &arguments.keep_storage {
        let invalid = || invalid("--keep-storage", text, "a size like 20G (K, M, G, T)");
        selection.keep = Some(bytes(text).ok_or_else(invalid)?);
    }
    Ok(selection)
}

fn invalid(option: &str, text: &str, wanted: &str) -> Failure {
    Failure::usage(format_args!("argument {option}: invalid value: '{text}'"))
        .with_hint(format_args!("write {wanted}"))
}

/// `7d`; without a unit, seconds.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// `20G`, `20GB`, `20GiB`: all of them powers of 1,024, as Docker reads sizes.
fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let unit = unit.to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let shift = match unit.strip_suffix('i').unwrap_or(unit) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|it: char| !it.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    Some((number.parse().ok()?, unit))
}

/// A row for each kind of thing, then the sum in Docker's words.
fn lines(freed: &Freed) -> String {
    let mut text = String::new();
    for (name, amount) in kinds(freed) {
        if amount.count > 0 {
            text.push_str(&size::count_row(&format!("{name}:"), amount.count as u64));
        }
    }
    let sum = size::decimal(freed.bytes());
    text.push_str(&format!("Total reclaimed space: {sum}\n"));
    text
}

fn kinds(freed: &Freed) -> [(&'static str, ch_storage::Amount); 5] {
    [
        ("states", freed.states),
        ("layers", freed.layers),
        ("blobs", freed.blobs),
        ("deleted images", freed.images),
        ("cache mounts", freed.mounts),
    ]
}

#[derive(Debug, Serialize)]
struct Document {
    dry_run: bool,
    freed: Vec<Kind>,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Kind {
    kind: String,
    count: usize,
    bytes: u64,
}

fn document(freed: &Freed, dry_run: bool) -> Document {
    let kinds = kinds(freed).map(|(name, amount)| Kind {
        kind: name.replace(' ', "_"),
        count: amount.count,
        bytes: amount.bytes,
    });
    Document {
        dry_run,
        freed: kinds.into(),
        bytes: freed.bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_understood() {
        let times = [
            ("90", 90),
            ("2m", 120),
            ("3h", 10_800),
            ("7d", 604_800),
            ("1w", 604_800),
        ];
        for (text, seconds) in times {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        let sizes = [
            ("5", 5),
            ("1k", 1024),
            ("2M", 2 << 20),
            ("20GB", 20 << 30),
            ("1TiB", 1 << 40),
        ];
        for (text, expected) in sizes {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for text in ["", "d", "7y", "-1d", "1.5d", "99999999999999999999w"] {
            assert_eq!(duration(text), None, "{text}");
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn sum_comes_last_and_what_was_not_there_is_left_out() {
        let freed = Freed {
            layers: ch_storage::Amount {
                count: 12,
                bytes: 1_200_000_000,
            },
            ..Freed::default()
        };
        let expected = "layers:            12\nTotal reclaimed space: 1.2GB\n";
        assert_eq!(lines(&freed), expected);
        assert_eq!(lines(&Freed::default()), "Total reclaimed space: 0B\n");
    }
}
