//! Completion in shells: a script makes the shell ask this program, which knows commands, options and images.
//!
//! The script sets [`CH_IMAGE_COMPLETE`] to the shell's name and hands over the words so far behind `--`. Answering
//! uses no network, takes no lock for long, and makes no storage directory.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::time::Duration;

use ch_emulation::Mode;
use ch_storage::Storage;
use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::Shells;

use crate::command::storage_location;
use crate::environment::{CH_IMAGE_COMPLETE, Environment};
use crate::failure::Failure;
use crate::terminal::{Settings, Terminal};

/// The shells that can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    /// The GNU shell.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly interactive shell.
    Fish,
    /// Elvish.
    Elvish,
}

impl Shell {
    fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Elvish => "elvish",
        }
    }
}

/// The script that makes `shell` ask `program`.
pub(crate) fn script(shell: Shell, program: &str) -> Result<Vec<u8>, Failure> {
    let shells = Shells::builtins();
    let completer = shells
        .completer(shell.name())
        .expect("every shell here is one of them");
    let mut script = Vec::new();
    completer.write_registration(CH_IMAGE_COMPLETE, program, program, program, &mut script)?;
    Ok(script)
}

/// Answers the shell that asks for the words that can follow in `arguments`, if one does.
pub(crate) fn answer(
    arguments: &[OsString],
    command: impl FnOnce() -> Command,
    environment: &Environment,
) -> Option<ExitCode> {
    let shell = environment.get(CH_IMAGE_COMPLETE)?;
    let terminal = Terminal::on_standard_error(&Settings::default());
    let answered = suggestions(shell, arguments, command(), environment)
        .and_then(|suggestions| terminal.output(suggestions));
    Some(match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => terminal.fail(&failure),
    })
}

fn suggestions(
    shell: &OsStr,
    arguments: &[OsString],
    command: Command,
    environment: &Environment,
) -> Result<Vec<u8>, Failure> {
    let shells = Shells::builtins();
    let completer = shells.completer(&shell.to_string_lossy()).ok_or_else(|| {
        let shell = shell.to_string_lossy();
        Failure::new(format_args!("${CH_IMAGE_COMPLETE}: unknown shell: {shell}"))
    })?;
    let words = arguments.iter().skip_while(|word| *word != "--").skip(1);
    let mut command = with_candidates(command, environment);
    command.build();
    let here = std::env::current_dir().ok();
    let mut suggestions = Vec::new();
    completer.write_complete(
        &mut command,
        words.cloned().collect(),
        here.as_deref(),
        &mut suggestions,
    )?;
    Ok(suggestions)
}

/// `command`, which knows what stands for its images and modes.
fn with_candidates(command: Command, environment: &Environment) -> Command {
    let complete = |argument: Arg| {
        if names_an_image(&argument) {
            let environment = environment.clone();
            argument.add(ArgValueCandidates::new(move || images(&environment)))
        } else if argument.get_id() == "force" {
            argument.add(ArgValueCandidates::new(modes))
        } else {
            argument
        }
    };
    command
        .mut_args(complete)
        .mut_subcommands(|sub| sub.mut_args(complete))
}

/// Whether the value of an operand is the name of an image that is stored.
fn names_an_image(argument: &Arg) -> bool {
    const NAMES: [&str; 4] = ["IMAGE", "IMAGE_REF", "IMAGE_GLOB", "SOURCE"];
    let names = argument.get_value_names().unwrap_or_default();
    argument.is_positional() && names.iter().any(|name| NAMES.contains(&name.as_str()))
}

/// The names of the images; none where that can't be found out.
fn images(environment: &Environment) -> Vec<CompletionCandidate> {
    let terminal = Terminal::on_standard_error(&Settings::default());
    let options = ch_storage::Options {
        lock_timeout: Duration::ZERO,
        ..ch_storage::Options::default()
    };
    let storage = storage_location(None, environment, &terminal)
        .ok()
        .and_then(|path| Storage::open_existing(&path, options).ok().flatten());
    let listing = storage.and_then(|storage| storage.images().list().ok());
    let images = listing.into_iter().flat_map(|listing| listing.images);
    images
        .map(|image| CompletionCandidate::new(image.name.to_string()))
        .collect()
}

fn modes() -> Vec<CompletionCandidate> {
    Mode::ALL
        .map(|mode| CompletionCandidate::new(mode.name()))
        .into()
}
