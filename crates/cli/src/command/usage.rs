//! Usage errors in the words that scripts know from Python's argparse.

use std::fmt::Write as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

use super::command_line::Answer;

/// The option whose value may have decimals.
const DECIMAL: &str = "--retry-delay";

/// Sub-commands of other programs and of the shell, with ours that do the same.
const HABITS: &[(&str, &str)] = &[("ls", "list"), ("rm", "delete")];

/// What a user is told instead of `error`.
///
/// `started` is the sub-command that stands on the command line, as far as that could be understood.
pub(super) fn answer(error: &Error, command: &Command, started: Option<&str>) -> Answer {
    match error.kind() {
        ErrorKind::DisplayHelp => Answer::Output(error.render().to_string()),
        ErrorKind::DisplayVersion => Answer::Output(format!("{}\n", env!("CARGO_PKG_VERSION"))),
        _ => {
            let named = error
                .get(ContextKind::Usage)
                .and_then(|usage| subcommand_in(usage, command));
            let name = named.or(started.filter(|_| error.get(ContextKind::Usage).is_none()));
            let parsed = name
                .and_then(|name| command.find_subcommand(name))
                .unwrap_or(command);
            complaint(
                &mut command.clone(),
                name.unwrap_or_default(),
                &text(error, parsed),
            )
        }
    }
}

/// The usage line of the sub-command `name` (or of the program) and what is wrong.
pub(super) fn complaint(command: &mut Command, name: &str, text: &str) -> Answer {
    command.build();
    let (program, usage) = match command.find_subcommand_mut(name) {
        Some(sub) => (format!("ch-image {name}"), sub.render_usage()),
        None => ("ch-image".to_owned(), command.render_usage()),
    };
    let usage = usage.to_string().replacen("Usage: ", "usage: ", 1);
    Answer::Usage(format!("{}\n{program}: error: {text}\n", usage.trim_end()))
}

/// The sub-command whose usage clap would print.
fn subcommand_in<'c>(usage: &ContextValue, command: &'c Command) -> Option<&'c str> {
    let ContextValue::StyledStr(usage) = usage else {
        return None;
    };
    let usage = usage.to_string();
    let word = usage
        .split_whitespace()
        .skip_while(|word| *word != "ch-image")
        .nth(1)?;
    command.find_subcommand(word).map(Command::get_name)
}

/// argparse's wording.
fn text(error: &Error, command: &Command) -> String {
    let invalid = string(error, ContextKind::InvalidArg).unwrap_or_default();
    let value = string(error, ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::InvalidSubcommand => invalid_choice(error, command),
        ErrorKind::MissingRequiredArgument => {
            let missing: Vec<String> = strings(error, ContextKind::InvalidArg)
                .iter()
                .map(|name| bare(name))
                .collect();
            format!(
                "the following arguments are required: {}",
                missing.join(", ")
            )
        }
        ErrorKind::UnknownArgument => unknown(error, &invalid, command),
        ErrorKind::ArgumentConflict => {
            // Clap calls the one that came first the invalid one, argparse the other way round.
            let prior = strings(error, ContextKind::PriorArg);
            let later = prior.first().map_or(invalid.clone(), Clone::clone);
            format!(
                "argument {}: not allowed with argument {}",
                bare(&later),
                bare(&invalid)
            )
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation if value.is_empty() => {
            format!(
                "argument {}: expected one argument",
                spelled(&invalid, command)
            )
        }
        ErrorKind::InvalidValue => {
            let choices = strings(error, ContextKind::ValidValue);
            let choices: Vec<String> = choices.iter().map(|choice| format!("'{choice}'")).collect();
            format!(
                "argument {}: invalid choice: '{value}' (choose from {})",
                spelled(&invalid, command),
                choices.join(", ")
            )
        }
        ErrorKind::ValueValidation => {
            let name = spelled(&invalid, command);
            let kind = if name == DECIMAL { "float" } else { "int" };
            format!("argument {name}: invalid {kind} value: '{value}'")
        }
        ErrorKind::TooManyValues | ErrorKind::WrongNumberOfValues => {
            format!(
                "argument {}: ignored explicit argument '{value}'",
                spelled(&invalid, command)
            )
        }
        ErrorKind::InvalidUtf8 => "arguments must be valid UTF-8".to_owned(),
        _ => error.kind().to_string(),
    }
}

fn invalid_choice(error: &Error, command: &Command) -> String {
    let word = string(error, ContextKind::InvalidSubcommand).unwrap_or_default();
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| format!("'{}'", sub.get_name()))
        .collect();
    let mut text = format!(
        "argument CMD: invalid choice: '{word}' (choose from {})",
        names.join(", ")
    );
    let habit = HABITS.iter().find(|(other, _)| *other == word);
    let near = habit.map(|(_, ours)| *ours).or_else(|| {
        command
            .get_subcommands()
            .map(|sub| (strsim::levenshtein(sub.get_name(), &word), sub.get_name()))
            .filter(|(distance, _)| *distance <= 2 && distance * 2 < word.chars().count())
            .min()
            .map(|(_, near)| near)
    });
    if let Some(near) = near {
        let _ = write!(text, "\ndid you mean {near}?");
    }
    text
}

/// An unknown option may be the beginning of several.
fn unknown(error: &Error, word: &str, command: &Command) -> String {
    let candidates: Vec<String> = word
        .strip_prefix("--")
        .filter(|prefix| !prefix.is_empty())
        .map(|prefix| {
            let longs = command.get_arguments().filter_map(Arg::get_long);
            let mut longs: Vec<String> = longs
                .filter(|long| long.starts_with(prefix))
                .map(|long| format!("--{long}"))
                .collect();
            longs.sort();
            longs
        })
        .unwrap_or_default();
    if candidates.len() > 1 {
        return format!(
            "ambiguous option: {word} could match {}",
            candidates.join(", ")
        );
    }
    let mut text = format!("unrecognized arguments: {word}");
    if let Some(near) = string(error, ContextKind::SuggestedArg) {
        let _ = write!(text, "\ndid you mean {near}?");
    }
    text
}

/// `-s/--storage`, as argparse names an option; an operand by its name.
fn spelled(name: &str, command: &Command) -> String {
    let bare = bare(name);
    let long = bare.trim_start_matches('-');
    let option = command
        .get_arguments()
        .find(|option| option.get_long() == Some(long));
    match option.and_then(Arg::get_short) {
        Some(short) => format!("-{short}/{bare}"),
        None => bare,
    }
}

/// `--last-layer` of `--last-layer <N>`, `IMAGE_REF` of `<IMAGE_REF>`.
fn bare(name: &str) -> String {
    let word = name
        .split([' ', '[', '='])
        .find(|word| !word.is_empty())
        .unwrap_or(name);
    word.trim_matches(['<', '>', '.']).to_owned()
}

fn string(error: &Error, kind: ContextKind) -> Option<String> {
    strings(error, kind).into_iter().next()
}

fn strings(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}
