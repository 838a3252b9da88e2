//! Options of the finished product that are not there yet.
//!
//! They are known to the parser, so that a user who gives one is told `not yet supported: --secret`
//! and not that it does not exist, and so that nothing is parsed and silently ignored. An option
//! moves from this table to its command the day it works.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// Whether an option is followed by a value.
#[derive(Debug, Clone, Copy)]
enum Value {
    No,
    Optional,
    Required,
}

use Value::{No, Optional, Required};

/// Common options.
const COMMON: &[(&str, Value)] = &[("debug", No), ("profile", No)];

/// Options of one sub-command each.
const OWN: &[(&str, &[(&str, Value)])] = &[
    (
        "build",
        &[
            ("attest", Required),
            ("build-context", Required),
            ("cache-from", Required),
            ("cache-paranoid", No),
            ("cache-to", Required),
            ("call", Required),
            ("cdi-spec-dir", Required),
            ("check", No),
            ("cpuset-cpus", Required),
            ("device", Required),
            ("dialect", Required),
            ("dns", Required),
            ("load", No),
            ("memory", Required),
            ("netrc", Required),
            ("on-error", Required),
            ("provenance", Optional),
            ("push", No),
            ("resource", Required),
            ("rewrite-timestamp", No),
            ("save-stages", No),
            ("sbom", Optional),
            ("secret", Required),
            ("squash", No),
            ("squash-all", No),
            ("ssh", Required),
            ("ulimit", Required),
        ],
    ),
    (
        "build-cache",
        &[
            ("export-mounts", Required),
            ("import-mounts", Required),
            ("repair", No),
        ],
    ),
    ("doctor", &[("registry", Required)]),
    ("export", &[("ownership", Required), ("squash-all", No)]),
    ("import", &[("format", Required)]),
    ("push", &[("all-platforms", No), ("squash-all", No)]),
];

/// Letters of some of them.
const LETTERS: &[(&str, char)] = &[("memory", 'm')];

/// `command` with the options to come, on both sides of every sub-command.
pub(super) fn add_to(command: Command) -> Command {
    command
        .args(COMMON.iter().map(argument))
        .mut_subcommands(|sub| {
            if super::command_line::takes_anything(sub.get_name()) {
                return sub;
            }
            let own = OWN.iter().find(|(name, _)| *name == sub.get_name());
            let own = own.map_or(&[][..], |(_, options)| options);
            sub.args(COMMON.iter().chain(own).map(argument))
        })
}

/// The first option in `matches` that does not work yet.
pub(super) fn first_used(matches: &ArgMatches) -> Option<&'static str> {
    let used = |matches: &ArgMatches, table: &'static [(&'static str, Value)]| {
        table.iter().map(|(name, _)| *name).find(|name| {
            matches.try_contains_id(name).unwrap_or(false)
                && matches.value_source(name) == Some(ValueSource::CommandLine)
        })
    };
    used(matches, COMMON).or_else(|| {
        let (name, matches) = matches.subcommand()?;
        let own = OWN
            .iter()
            .find(|(command, _)| *command == name)
            .map(|(_, options)| *options);
        used(matches, COMMON).or_else(|| used(matches, own?))
    })
}

fn argument((name, value): &(&'static str, Value)) -> Arg {
    let letter = LETTERS.iter().find(|(long, _)| long == name);
    let argument = Arg::new(*name)
        .long(*name)
        .short(letter.map(|(_, letter)| *letter))
        .hide(true)
        .help("Not yet supported");
    match value {
        No => argument.action(ArgAction::SetTrue),
        Required => argument.action(ArgAction::Append),
        Optional => argument
            .action(ArgAction::Append)
            .num_args(0..=1)
            .require_equals(true),
    }
}
