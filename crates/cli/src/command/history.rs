//! `ch-image history`: how an image came to be, newest first.

use std::fmt::Write as _;

use ch_oci::{History, ImageConfig};
use ch_storage::{ImageRecord, Storage};
use clap::Args;
use serde::Serialize;

use super::context::{image, reference};
use super::json::{self, FormatArgs, Items};
use super::{Context, Done, size};
use crate::failure::Failure;

/// Characters of an instruction that are shown.
const SHOWN: usize = 60;

/// Arguments of `history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    format: FormatArgs,

    /// Print instructions in full
    #[arg(long)]
    no_trunc: bool,

    /// Image to print the history of
    #[arg(value_name = "IMAGE_REF")]
    image: String,
}

/// One step.
#[derive(Debug, Serialize)]
struct Step {
    created: Option<String>,
    created_by: String,
    size: u64,
    empty_layer: bool,
    comment: Option<String>,
}

/// Prints one line for each step: when, how large its layer is, the instruction.
pub(super) fn run(arguments: &HistoryArgs, context: &Context) -> Done {
    let name = reference(&arguments.image)?;
    let storage = context.existing_storage()?;
    let record = image(&name, storage.as_ref())?;
    let storage = storage.expect("an image was found in it");
    let steps = steps(&record, &storage)?;
    if arguments.format.is_json(context) {
        return json::print("history", &Items::from(steps), context);
    }
    let mut text = String::new();
    for step in &steps {
        let created = step.created.as_deref().unwrap_or("-");
        let size = size::binary(step.size);
        let instruction = instruction(&step.created_by, arguments.no_trunc);
        let _ = writeln!(text, "{created:<20} {size:>10}  {instruction}");
    }
    context.terminal.output(text)
}

/// The steps, newest first. Layers without a line of history have one without instruction.
fn steps(record: &ImageRecord, storage: &Storage) -> Result<Vec<Step>, Failure> {
    let config = ImageConfig::parse(&record.config)?;
    let mut sizes = Vec::new();
    for layer in &record.layers {
        let size = storage.layers().size(&layer.id)?;
        sizes.push(size.unwrap_or(0));
    }
    let mut sizes = sizes.into_iter();
    let mut steps: Vec<Step> = config
        .history
        .into_iter()
        .map(|entry| step(entry, &mut sizes))
        .collect();
    steps.extend(sizes.map(|size| Step {
        created: None,
        created_by: String::new(),
        size,
        empty_layer: false,
        comment: None,
    }));
    steps.reverse();
    Ok(steps)
}

fn step(entry: History, sizes: &mut impl Iterator<Item = u64>) -> Step {
    let size = if entry.empty_layer {
        None
    } else {
        sizes.next()
    };
    let time = entry.created.map(|text| match text.parse() {
        Ok(time) => json::seconds(time),
        Err(_) => text,
    });
    Step {
        created: time,
        created_by: entry.created_by.unwrap_or_default(),
        size: size.unwrap_or(0),
        empty_layer: entry.empty_layer,
        comment: entry.comment,
    }
}

/// The instruction on one line, and no longer than wanted.
fn instruction(text: &str, whole: bool) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = crate::terminal::escaped(&line);
    if whole || line.chars().count() <= SHOWN {
        return line;
    }
    let shown: String = line.chars().take(SHOWN - 3).collect();
    format!("{shown}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_cut_and_stay_on_their_line() {
        assert_eq!(instruction("RUN a &&\n   b", false), "RUN a && b");
        let long = "x".repeat(SHOWN + 1);
        assert_eq!(instruction(&long, true), long);
        assert_eq!(instruction(&long, false), "x".repeat(SHOWN - 3) + "...");
        assert_eq!(instruction("RUN \u{1b}[31m", true), "RUN \\x1b[31m");
    }
}
