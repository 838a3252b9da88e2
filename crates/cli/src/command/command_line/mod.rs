//! The command line of `ch-image`: sub-commands, and the rules for where options stand.
//!
//! Common options stand before or after the sub-command, the others after it, between operands as
//! well; `--` ends options; long options may be shortened while that is unambiguous, sub-commands may
//! not. Clap parses; what differs from its habits (texts, statuses) is in [`super::usage`].

use std::ffi::{OsStr, OsString};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::common::Common;
use super::{
    build, build_cache, completion, delete, doctor, export, gestalt, history, import, inspect,
    later, list, login, pages, prune, pull, push, tag, undelete, usage,
};
use crate::environment::{self, Environment};
use crate::failure::Failure;

/// Build and manage container images, completely unprivileged
#[derive(Debug, Parser)]
#[command(
    name = "ch-image",
    bin_name = "ch-image",
    version,
    propagate_version = true,
    disable_version_flag = true,
    disable_help_flag = true,
    infer_long_args = true,
    args_override_self = true,
    subcommand_value_name = "CMD",
    override_usage = "ch-image [OPTIONS] CMD ..."
)]
struct Cli {
    #[command(flatten)]
    common: Common,

    #[command(subcommand)]
    command: Option<Subcommands>,
}

/// Every sub-command of the finished product; those that do not work yet say so.
#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Build an image from a Dockerfile
    Build(Box<Options<build::BuildArgs>>),
    /// Print what the build cache holds, and look after it
    #[command(alias = "cache")]
    BuildCache(Options<build_cache::BuildCacheArgs>),
    /// Print a completion script for a shell
    Completion(Options<completion::CompletionArgs>),
    /// List images, or print details of one
    #[command(alias = "images")]
    List(Options<list::ListArgs>),
    /// Delete images
    #[command(alias = "rmi")]
    Delete(Options<delete::DeleteArgs>),
    /// Find out what this machine allows, and what could be better
    Doctor(Options<doctor::DoctorArgs>),
    /// Write an image to a file or directory
    #[command(alias = "save")]
    Export(Options<export::ExportArgs>),
    /// Report on aspects of this program and machine
    Gestalt(Options<gestalt::GestaltArgs>),
    /// Print how an image came to be
    History(Options<history::HistoryArgs>),
    /// Copy a directory or archive into the storage directory as an image
    #[command(alias = "load")]
    Import(Options<import::ImportArgs>),
    /// Print everything known about images
    Inspect(Options<inspect::InspectArgs>),
    /// Free what is no longer needed
    #[command(alias = "system-prune")]
    Prune(Options<prune::PruneArgs>),
    /// Keep credentials for a registry
    Login(Options<login::LoginArgs>),
    /// Forget credentials for a registry
    Logout(Options<login::LogoutArgs>),
    /// Write the manual pages and the reference of the command line
    #[command(hide = true)]
    Pages(Options<pages::PagesArgs>),
    /// Copy an image from a registry into the storage directory
    Pull(Options<pull::PullArgs>),
    /// Copy an image to a registry
    Push(Options<push::PushArgs>),
    /// Delete everything in the storage directory
    Reset(Options<NoArgs>),
    /// Print the path of the storage directory
    StoragePath(Options<NoArgs>),
    /// Give an image another name
    Tag(Options<tag::TagArgs>),
    /// Bring back a deleted image
    Undelete(Options<undelete::UndeleteArgs>),
    #[command(flatten)]
    Later(LaterCommand),
}

/// Sub-commands that are not there yet.
#[derive(Debug, Subcommand)]
enum LaterCommand {
    /// Copy libraries of the host into an image (not yet supported)
    Fromhost(Anything),
    /// Change an image by a shell or script (not yet supported)
    Modify(Anything),
    /// Run a command in an image, as Docker does (not yet supported)
    Run(Anything),
}

impl LaterCommand {
    /// Whether help is among the arguments, of which nothing else is understood.
    fn asks_for_help(&self) -> bool {
        let (Self::Fromhost(all) | Self::Modify(all) | Self::Run(all)) = self;
        all.arguments
            .iter()
            .any(|word| word == "--help" || word == "-h")
    }
}

/// A sub-command's own arguments, then the common options.
#[derive(Debug, clap::Args)]
struct Options<A: clap::Args> {
    #[command(flatten)]
    own: A,
    #[command(flatten)]
    common: Common,
}

/// No arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct NoArgs {}

/// Arguments that nobody can judge yet.
#[derive(Debug, clap::Args)]
struct Anything {
    /// Not understood yet
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

/// A sub-command, understood.
#[derive(Debug)]
pub(crate) enum Command {
    /// `build`.
    Build(Box<build::BuildArgs>),
    /// `build-cache`.
    BuildCache(build_cache::BuildCacheArgs),
    /// `completion`.
    Completion(completion::CompletionArgs),
    /// `delete`.
    Delete(delete::DeleteArgs),
    /// `doctor`.
    Doctor(doctor::DoctorArgs),
    /// `export`.
    Export(export::ExportArgs),
    /// `gestalt`.
    Gestalt(gestalt::GestaltArgs),
    /// `history`.
    History(history::HistoryArgs),
    /// `import`.
    Import(import::ImportArgs),
    /// `inspect`.
    Inspect(inspect::InspectArgs),
    /// `list`.
    List(list::ListArgs),
    /// `prune`.
    Prune(prune::PruneArgs),
    /// `login`.
    Login(login::LoginArgs),
    /// `logout`.
    Logout(login::LogoutArgs),
    /// `pages`.
    Pages(pages::PagesArgs),
    /// `pull`.
    Pull(pull::PullArgs),
    /// `push`.
    Push(push::PushArgs),
    /// `reset`.
    Reset,
    /// `storage-path`.
    StoragePath,
    /// `tag`.
    Tag(tag::TagArgs),
    /// `undelete`.
    Undelete(undelete::UndeleteArgs),
    /// `--dependencies`, with or without a sub-command.
    Dependencies,
    /// Something of the finished product that is not there yet, by name.
    Later(String),
}

/// What a command line asks for.
#[derive(Debug)]
pub(crate) struct Request {
    /// What to do.
    pub(crate) command: Command,
    /// The common options of both sides.
    pub(crate) common: Common,
    /// Options that were not written in full.
    pub(crate) shortened: Vec<String>,
}

/// What is answered without doing anything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// For standard output, status 0: help or the version.
    Output(String),
    /// Help for someone who gave no arguments: standard error, status 1.
    Help(String),
    /// What is wrong with the command line: standard error, status 2.
    Usage(String),
}

/// Understands `arguments`, which do not include the program's name.
pub(crate) fn parse(arguments: &[OsString], environment: &Environment) -> Result<Request, Answer> {
    let mut command = command(environment);
    if arguments.is_empty() {
        return Err(Answer::Help(command.render_help().to_string()));
    }
    let words = || std::iter::once(OsString::from("ch-image")).chain(arguments.iter().cloned());
    let matches = match command.clone().try_get_matches_from(words()) {
        Ok(matches) => matches,
        Err(error) => {
            // `--dependencies` needs no operands, as `--version` does not.
            let partial = command
                .clone()
                .ignore_errors(true)
                .try_get_matches_from(words());
            let partial = partial.unwrap_or_default();
            return match dependencies(&error, &partial) {
                Some(request) => Ok(request),
                None => Err(usage::answer(&error, &command, partial.subcommand_name())),
            };
        }
    };
    let cli = Cli::from_arg_matches(&matches).expect("clap checked the arguments it declared");
    let name = matches.subcommand_name().unwrap_or_default().to_owned();
    let later = later::first_used(&matches).map(|option| format!("--{option}"));
    let shortened = shortened(&command, &name, arguments);
    let Some(subcommand) = cli.command else {
        return match (cli.common.dependencies, later) {
            (true, _) => Ok(Request::new(Command::Dependencies, cli.common, shortened)),
            (false, Some(later)) => Ok(Request::new(Command::Later(later), cli.common, shortened)),
            (false, None) => Err(usage::complaint(&mut command, "", "CMD not specified")),
        };
    };
    if let Subcommands::Later(later) = &subcommand
        && later.asks_for_help()
    {
        return parse(&["help".into(), name.into()], environment);
    }
    let (command, common) = subcommand.split(&name, cli.common);
    let command = match later {
        _ if common.dependencies => Command::Dependencies,
        Some(option) => Command::Later(option),
        None => command,
    };
    Ok(Request::new(command, common, shortened))
}

/// The request that a command line without its operands makes if it says `--dependencies`.
fn dependencies(error: &clap::Error, matches: &clap::ArgMatches) -> Option<Request> {
    if error.kind() != clap::error::ErrorKind::MissingRequiredArgument {
        return None;
    }
    let common = Common::from_arg_matches(matches).ok()?;
    let after = matches
        .subcommand()
        .and_then(|(_, sub)| Common::from_arg_matches(sub).ok());
    let common = common.followed_by(after.unwrap_or_default());
    common
        .dependencies
        .then(|| Request::new(Command::Dependencies, common, Vec::new()))
}

impl Request {
    fn new(command: Command, common: Common, shortened: Vec<String>) -> Self {
        Self {
            command,
            common,
            shortened,
        }
    }
}

impl Subcommands {
    /// The command and the options of both sides.
    fn split(self, name: &str, before: Common) -> (Command, Common) {
        let (command, after) = match self {
            Self::Build(options) => {
                let Options { own, common } = *options;
                (Command::Build(Box::new(own)), common)
            }
            Self::BuildCache(Options { own, common }) => (Command::BuildCache(own), common),
            Self::Completion(Options { own, common }) => (Command::Completion(own), common),
            Self::Delete(Options { own, common }) => (Command::Delete(own), common),
            Self::Doctor(Options { own, common }) => (Command::Doctor(own), common),
            Self::Export(Options { own, common }) => (Command::Export(own), common),
            Self::Gestalt(Options { own, common }) => (Command::Gestalt(own), common),
            Self::History(Options { own, common }) => (Command::History(own), common),
            Self::Import(Options { own, common }) => (Command::Import(own), common),
            Self::Inspect(Options { own, common }) => (Command::Inspect(own), common),
            Self::List(Options { own, common }) => (Command::List(own), common),
            Self::Prune(Options { own, common }) => (Command::Prune(own), common),
            Self::Login(Options { own, common }) => (Command::Login(own), common),
            Self::Logout(Options { own, common }) => (Command::Logout(own), common),
            Self::Pages(Options { own, common }) => (Command::Pages(own), common),
            Self::Pull(Options { own, common }) => (Command::Pull(own), common),
            Self::Push(Options { own, common }) => (Command::Push(own), common),
            Self::Reset(Options { common, .. }) => (Command::Reset, common),
            Self::StoragePath(Options { common, .. }) => (Command::StoragePath, common),
            Self::Tag(Options { own, common }) => (Command::Tag(own), common),
            Self::Undelete(Options { own, common }) => (Command::Undelete(own), common),
            Self::Later(_) => (
                Command::Later(format!("ch-image {name}")),
                Common::default(),
            ),
        };
        (command, before.followed_by(after))
    }
}

/// The whole command line as clap sees it.
pub(crate) fn command(environment: &Environment) -> clap::Command {
    let command = later::add_to(Cli::command());
    let columns = environment
        .text(environment::COLUMNS)
        .and_then(|width| width.parse().ok());
    match columns {
        Some(columns) => command.term_width(columns),
        None => command,
    }
}

/// The same without what is not there yet.
pub(super) fn documented(environment: &Environment) -> clap::Command {
    command(environment).mut_subcommands(|sub| {
        let hidden = sub.is_hide_set() || takes_anything(sub.get_name());
        sub.hide(hidden)
    })
}

/// Whether the sub-command `name` is not there yet, so that its arguments mean nothing.
pub(super) fn takes_anything(name: &str) -> bool {
    LaterCommand::has_subcommand(name)
}

/// Long options in `arguments` that are not written in full; prefixes can become ambiguous.
fn shortened(command: &clap::Command, name: &str, arguments: &[OsString]) -> Vec<String> {
    let commands = [Some(command), command.find_subcommand(name)];
    let known = |word: &str| {
        let options = commands
            .iter()
            .flatten()
            .flat_map(|command| command.get_arguments());
        options.into_iter().any(|option| {
            option.get_long() == Some(word)
                || option
                    .get_all_aliases()
                    .is_some_and(|aliases| aliases.contains(&word))
        })
    };
    arguments
        .iter()
        .take_while(|word| *word != "--")
        .filter_map(|word| OsStr::to_str(word)?.strip_prefix("--"))
        .map(|word| word.split_once('=').map_or(word, |(option, _)| option))
        .filter(|word| !matches!(*word, "help" | "version") && !known(word))
        .map(str::to_owned)
        .collect()
}

/// Refuses what cannot stand together.
pub(crate) fn check(common: &Common) -> Result<(), Vec<Failure>> {
    let failures = common.incompatible_pairs();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}

#[cfg(test)]
mod tests;
