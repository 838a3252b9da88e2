//! The command line of `ch-run`.
//!
//! Options stand before or after IMAGE; everything from the first word after IMAGE that is no option
//! belongs to the command, unchanged. One `--` directly before IMAGE and one directly before the
//! command are ours. Messages are those of getopt, which the reference program uses.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use ch_container::MountOption;
use ch_emulation::Mode;
use clap::{Arg, ArgAction, Command};

use crate::failure::Failure;

mod habits;
mod table;
mod values;

use table::{Id, OPTIONS, Row, Takes};
pub(super) use values::{Feature, TestMessages};

/// Status of a bad option, as `EX_USAGE` of `sysexits.h`.
const BAD_OPTION: u8 = 64;
/// Status of every failure of ours.
pub(super) const FAILED: u8 = 31;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Run a command in an image.
    Run(Box<Options>),
    /// `--help`.
    Help,
    /// `--usage`.
    Usage,
    /// `--version`.
    Version,
    /// `--feature`.
    Feature(Feature),
    /// `--test` and `--warnings`, as loud as the options before it say.
    Test(TestMessages, Box<Options>),
}

/// A change of the environment; they take effect in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// `--set-env=ARG`, `--set-env`.
    Set(Option<OsString>),
    /// `--set-env0=ARG`, `--set-env0`: a file's items end with NUL bytes.
    SetNul(Option<OsString>),
    /// `--unset-env GLOB`.
    Unset(OsString),
}

/// The options and operands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Name or path of the image.
    pub(super) image: OsString,
    /// The command and its arguments; empty if the image decides.
    pub(super) command: Vec<OsString>,
    /// Options that mount something, and their arguments.
    pub(super) mounts: Vec<(MountOption, OsString)>,
    /// The image's configuration counts although there is a command.
    pub(super) as_configured: bool,
    /// Nothing of the environment is inherited.
    pub(super) clean_env: bool,
    /// Instead of the image's entrypoint; empty for none.
    pub(super) entrypoint: Option<OsString>,
    /// The user's home directory is shown.
    pub(super) home: bool,
    /// The network is the container's own, and empty.
    pub(super) no_network: bool,
    /// The container has processes of its own.
    pub(super) pid: bool,
    /// User of the image, as `USER` has it.
    pub(super) user: Option<String>,
    /// Working directory.
    pub(super) directory: Option<PathBuf>,
    /// Changes of the environment.
    pub(super) changes: Vec<Change>,
    /// `$NAME` in values stays as it is.
    pub(super) no_expand: bool,
    /// Group inside.
    pub(super) gid: Option<u32>,
    /// User inside.
    pub(super) uid: Option<u32>,
    /// Mount point for images that need one.
    pub(super) mount_point: Option<PathBuf>,
    /// The image's own `/etc/passwd` and `/etc/group`.
    pub(super) no_passwd: bool,
    /// A `/tmp` of the container's own.
    pub(super) private_tmp: bool,
    /// Root emulation.
    pub(super) emulation: Option<Mode>,
    /// Storage directory.
    pub(super) storage: Option<PathBuf>,
    /// Directories inside the storage directory are allowed.
    pub(super) unsafe_paths: bool,
    /// The image is writable.
    pub(super) write: bool,
    /// It is writable in this much memory, and changes are forgotten.
    pub(super) write_fake: Option<String>,
    /// How many `-q`.
    pub(super) quiet: usize,
    /// How many `-v`.
    pub(super) verbose: usize,
}

impl Options {
    /// How much memory changes of the image may take, if they are to be forgotten.
    pub(super) fn changes_in_memory(&self) -> Option<&str> {
        let home = self.home.then_some(values::USUAL_MEMORY);
        self.write_fake.as_deref().or(home)
    }
}

/// Understands `arguments`, which do not include the program's name.
pub(super) fn parse(arguments: &[OsString]) -> Result<Request, Failure> {
    let mut options = Options::default();
    let mut image = None;
    let mut words = arguments.iter().peekable();
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        let request = match bytes {
            b"--" if image.is_none() => {
                image = words.next();
                None
            }
            b"--" => {
                options.command = words.cloned().collect();
                break;
            }
            [b'-', b'-', long @ ..] => long_option(long, &mut words, &mut options)?,
            [b'-', _, ..] => short_options(&bytes[1..], &mut words, &mut options)?,
            _ if image.is_none() => {
                image = Some(word);
                None
            }
            _ => {
                options.command = std::iter::once(word).chain(words).cloned().collect();
                break;
            }
        };
        if let Some(request) = request {
            return Ok(request);
        }
    }
    check(&options)?;
    let image = image.filter(|image| !image.is_empty());
    options.image = image.ok_or_else(incomplete)?.clone();
    Ok(Request::Run(Box::new(options)))
}

/// What only all options together show.
fn check(options: &Options) -> Result<(), Failure> {
    let Options { quiet, verbose, .. } = options;
    if options.user.is_some() && (options.uid.is_some() || options.gid.is_some()) {
        return Err(failed("--user incompatible with --uid and --gid"));
    }
    match (quiet, verbose) {
        (1.., 1..) => Err(failed("--quiet incompatible with --verbose")),
        (4.., _) => Err(failed("--quiet can be specified at most thrice")),
        (_, 4..) => Err(failed("--verbose can be specified at most thrice")),
        _ => Ok(()),
    }
}

type Words<'a> = std::iter::Peekable<std::slice::Iter<'a, OsString>>;

/// `name` or `name=value`, without the dashes.
fn long_option(
    text: &[u8],
    words: &mut Words<'_>,
    options: &mut Options,
) -> Result<Option<Request>, Failure> {
    let mut parts = text.splitn(2, |byte| *byte == b'=');
    let name = parts.next().unwrap_or_default();
    let given = parts.next().map(|value| OsString::from_vec(value.to_vec()));
    let option = find_long(name)?;
    let value = match (option.takes, given) {
        (Takes::Nothing, Some(_)) => {
            return Err(bad(format_args!(
                "option '--{}' doesn't allow an argument",
                option.long
            )));
        }
        (Takes::Required, None) => Some(words.next().cloned().ok_or_else(|| {
            bad(format_args!(
                "option '--{}' requires an argument",
                option.long
            ))
        })?),
        (_, given) => given,
    };
    apply(option, value, options)
}

/// The option called `name`, or the only one whose name begins so.
fn find_long(name: &[u8]) -> Result<&'static Row, Failure> {
    if let Some(exact) = OPTIONS.iter().find(|option| option.long.as_bytes() == name) {
        return Ok(exact);
    }
    let text = String::from_utf8_lossy(name);
    let found: Vec<&Row> = OPTIONS
        .iter()
        .filter(|option| !name.is_empty() && option.long.as_bytes().starts_with(name))
        .collect();
    match found[..] {
        [only] => Ok(only),
        [] => Err(bad(format_args!("unrecognized option '--{text}'"))
            .with_any_hint(habits::instead_of_long(&text))),
        _ => {
            let names: Vec<String> = found
                .iter()
                .map(|option| format!("'--{}'", option.long))
                .collect();
            let names = names.join(" ");
            Err(bad(format_args!(
                "option '--{text}' is ambiguous; possibilities: {names}"
            )))
        }
    }
}

/// One or several letters, the last perhaps with its value.
fn short_options(
    mut letters: &[u8],
    words: &mut Words<'_>,
    options: &mut Options,
) -> Result<Option<Request>, Failure> {
    while let Some((&letter, rest)) = letters.split_first() {
        let letter = char::from(letter);
        let option = OPTIONS
            .iter()
            .find(|option| option.short == Some(letter))
            .ok_or_else(|| {
                bad(format_args!("invalid option -- '{letter}'"))
                    .with_any_hint(habits::instead_of_short(letter))
            })?;
        let joined = (!rest.is_empty()).then(|| OsStr::from_bytes(rest).to_owned());
        let value = match option.takes {
            Takes::Nothing => None,
            Takes::Optional => joined,
            Takes::Required => {
                Some(joined.or_else(|| words.next().cloned()).ok_or_else(|| {
                    bad(format_args!("option requires an argument -- '{letter}'"))
                })?)
            }
        };
        if let Some(request) = apply(option, value, options)? {
            return Ok(Some(request));
        }
        letters = if option.takes == Takes::Nothing {
            rest
        } else {
            &[]
        };
    }
    Ok(None)
}

/// Notes one option.
fn apply(
    option: &Row,
    value: Option<OsString>,
    options: &mut Options,
) -> Result<Option<Request>, Failure> {
    let required = || value.clone().unwrap_or_default();
    match option.id {
        Id::AsConfigured => options.as_configured = true,
        Id::Bind => options.mounts.push((MountOption::Bind, required())),
        Id::Cd => options.directory = Some(required().into()),
        Id::ChSsh => return Err(failed("--ch-ssh is no longer supported")),
        Id::CleanEnv => options.clean_env = true,
        Id::Entrypoint => options.entrypoint = Some(required()),
        Id::EnvNoExpand => options.no_expand = true,
        Id::Feature => return values::feature(&required()).map(|it| Some(Request::Feature(it))),
        Id::Force => options.emulation = Some(values::emulation(&required())?),
        Id::Gid => options.gid = Some(values::number(option.long, &required())?),
        Id::Help => return Ok(Some(Request::Help)),
        Id::Home => options.home = true,
        Id::Later => {
            return Err(Failure::not_yet(format_args!("--{}", option.long)).with_status(FAILED));
        }
        Id::Mount if required().is_empty() => {
            return Err(failed("mount point can't be empty string"));
        }
        Id::Mount => options.mount_point = Some(required().into()),
        Id::Network => options.no_network = values::is_without_network(&required())?,
        Id::NoHome => {}
        Id::NoPasswd => options.no_passwd = true,
        Id::Pid => options.pid = true,
        Id::PrivateTmp => options.private_tmp = true,
        Id::Quiet => options.quiet += 1,
        Id::RoBind => (options.mounts).push((MountOption::ReadOnlyBind, required())),
        Id::Seccomp => options.emulation = Some(Mode::Seccomp),
        Id::SetEnv => options.changes.push(Change::Set(value)),
        Id::SetEnv0 => options.changes.push(Change::SetNul(value)),
        Id::Storage => options.storage = Some(required().into()),
        Id::Test => return said(values::test(&required())?, options),
        Id::Tmpfs => options.mounts.push((MountOption::Tmpfs, required())),
        Id::Uid => options.uid = Some(values::number(option.long, &required())?),
        Id::Unsafe => options.unsafe_paths = true,
        Id::UnsetEnv if required().is_empty() => {
            return Err(failed("--unset-env: GLOB must have non-zero length"));
        }
        Id::UnsetEnv => options.changes.push(Change::Unset(required())),
        Id::Usage => return Ok(Some(Request::Usage)),
        Id::User => options.user = Some(values::user(&required())?),
        Id::Verbose => options.verbose += 1,
        Id::Version => return Ok(Some(Request::Version)),
        Id::Warnings => {
            let count = values::number(option.long, &required())?;
            return said(TestMessages::Warnings(count), options);
        }
        Id::Write => options.write = true,
        Id::WriteFake => options.write_fake = Some(values::memory(value.as_deref())),
    }
    Ok(None)
}

/// Messages that are to be printed with the options so far.
fn said(messages: TestMessages, options: &mut Options) -> Result<Option<Request>, Failure> {
    let options = std::mem::take(options);
    check(&options)?;
    Ok(Some(Request::Test(messages, Box::new(options))))
}

/// One line per option, for `--help`.
pub(super) fn help() -> String {
    let mut text = format!(
        "{}\nRun a command in a container image, as an ordinary user.\n\n",
        usage()
    );
    for option in OPTIONS.iter().filter(|option| option.id != Id::Later) {
        let short = option
            .short
            .map_or("    ".to_owned(), |short| format!("-{short}, "));
        let value = match option.takes {
            Takes::Nothing => String::new(),
            Takes::Optional => format!("[={}]", option.value),
            Takes::Required => format!(" {}", option.value),
        };
        let name = format!("{short}--{}{value}", option.long);
        text.push_str(&format!("  {name:<28}  {}\n", option.help));
    }
    text
}

/// The command line as clap sees it, for completion and the manual page.
pub(crate) fn command_line() -> Command {
    let options = OPTIONS.iter().filter(|option| option.id != Id::Later);
    let options = options.map(|option| {
        let argument = Arg::new(option.long)
            .long(option.long)
            .short(option.short)
            .help(option.help);
        match option.takes {
            Takes::Nothing => argument.action(ArgAction::SetTrue),
            Takes::Optional => argument
                .value_name(option.value)
                .num_args(0..=1)
                .require_equals(true),
            Takes::Required => argument.value_name(option.value),
        }
    });
    Command::new("ch-run")
        .about("Run a command in a container image, as an ordinary user")
        .disable_help_flag(true)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .args(options)
        .arg(
            Arg::new("image")
                .value_name("IMAGE")
                .required(true)
                .help("name of an image, or directory"),
        )
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .trailing_var_arg(true)
                .num_args(0..)
                .help("what to run, with its arguments; by default what the image says"),
        )
}

/// The usage line.
pub(super) fn usage() -> &'static str {
    "Usage: ch-run [OPTION...] IMAGE [--] [COMMAND [ARG...]]\n"
}

/// Nothing to run, or nothing to run it in.
pub(super) fn incomplete() -> Failure {
    failed("IMAGE and/or COMMAND not specified").with_output(usage())
}

fn failed(message: impl std::fmt::Display) -> Failure {
    Failure::new(message).with_status(FAILED)
}

fn bad(message: impl std::fmt::Display) -> Failure {
    Failure::new(message).with_status(BAD_OPTION)
}

#[cfg(test)]
mod tests;
