//! The reference of a program's command line, in Markdown.

use std::fmt::Write as _;

use clap::{Arg, Command};

/// Heading of the options that every sub-command has.
const COMMON: &str = "Common options";
/// Said once, at the top.
const NOTE: &str = "Made by `ch-image pages docs` out of the program's own help.\n";

/// A program with sub-commands.
pub(super) fn of_commands(command: &Command) -> String {
    let mut text = head(command);
    let about = "They stand before or after the sub-command.";
    let _ = write!(text, "\n## {COMMON}\n\n{about}\n\n");
    rows(&mut text, command, |argument| !argument.is_positional());
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let name = format!("ch-image {}", sub.get_name());
        let _ = write!(text, "\n## {name}\n\n{}.\n\n", about_of(sub));
        usage(&mut text, &name, sub);
        rows(&mut text, sub, |argument| {
            argument.get_help_heading() != Some(COMMON)
        });
    }
    text
}

/// A program without.
pub(super) fn of_program(command: &Command) -> String {
    let mut text = head(command);
    text.push('\n');
    usage(&mut text, command.get_name(), command);
    rows(&mut text, command, |_| true);
    text
}

fn head(command: &Command) -> String {
    let name = command.get_name();
    format!("# {name}\n\n{}.\n\n{NOTE}", about_of(command))
}

fn about_of(command: &Command) -> String {
    let about = command.get_about();
    about.map(ToString::to_string).unwrap_or_default()
}

/// How it is called; every option stands below.
fn usage(text: &mut String, name: &str, command: &Command) {
    let _ = write!(text, "    {name} [OPTIONS]");
    for operand in command.get_positionals() {
        let _ = write!(text, " {}", shown_operand(operand));
    }
    text.push_str("\n\n");
}

/// A line for each argument that is shown.
fn rows(text: &mut String, command: &Command, wanted: impl Fn(&Arg) -> bool) {
    let shown = |argument: &&Arg| !argument.is_hide_set() && wanted(argument);
    for argument in command.get_arguments().filter(shown) {
        let help = argument.get_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        let _ = writeln!(text, "* `{}`: {help}", shown_argument(argument));
    }
}

fn shown_argument(argument: &Arg) -> String {
    if argument.is_positional() {
        return value(argument);
    }
    let short = argument.get_short().map(|letter| format!("-{letter}"));
    let long = argument.get_long().map(|name| format!("--{name}"));
    let names: Vec<_> = short.into_iter().chain(long).collect();
    let mut shown = names.join(", ");
    if argument.get_action().takes_values() {
        let value = value(argument);
        let optional = argument
            .get_num_args()
            .is_some_and(|many| many.min_values() == 0);
        shown += &if optional {
            format!("[={value}]")
        } else {
            format!(" {value}")
        };
    }
    shown
}

fn shown_operand(argument: &Arg) -> String {
    let mut shown = value(argument);
    if argument
        .get_num_args()
        .is_some_and(|many| many.max_values() > 1)
    {
        shown += "...";
    }
    if argument.is_required_set() {
        shown
    } else {
        format!("[{shown}]")
    }
}

fn value(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    match names.first() {
        Some(name) => name.to_string(),
        None => argument.get_id().to_string().to_uppercase(),
    }
}
