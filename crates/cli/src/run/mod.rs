//! `ch-run`: this very process becomes a command in an image.
//!
//! The way is: image, lease on its layers, namespaces, mount of the root, container. Until the command
//! runs this process must have one thread only, because the kernel gives a namespace of users to no
//! other; so nothing here starts one.

mod feature;
mod form;
mod image;
mod options;
mod report;
mod shape;
mod syslog;
mod wishes;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use ch_container::{InPlaceError, InPlaceNotice, SetUpError};
use ch_emulation::Mode;
use ch_linux::limits;
use ch_linux::namespace::Identity;
use ch_linux::signal::{self, Signal};
use ch_storage::Storage;

use crate::command::storage_location;
use crate::environment::{self, Environment};
use crate::failure::{Failure, advised};
use crate::terminal::{Kind, ProgressMode, Settings, Terminal, Verbosity, WhenColour};
use image::Image;
pub(crate) use options::command_line;
use options::{FAILED, Options, Request, TestMessages};
use wishes::Wishes;

/// Status of a command that could not be executed.
const NOT_EXECUTED: u8 = 49;
/// The lease on an image's layers is left open in the command at this number or above.
const LEASE_DESCRIPTOR: i32 = 1000;

/// Runs `ch-run` with `arguments` (without the program's name); `file_mode_mask` is its caller's.
pub(crate) fn main(
    arguments: &[OsString],
    environment: Environment,
    file_mode_mask: u32,
) -> ExitCode {
    // A file that may not grow is then an error with a text.
    signal::ignore(Signal::FILE_SIZE);
    if ch_container::is_privileged_executable() {
        let message = "ch-run must not be installed setuid or setcap";
        return terminal(&Options::default(), &environment)
            .fail(&Failure::new(message).with_status(FAILED));
    }
    let plain = Options::default();
    match options::parse(arguments) {
        _ if arguments.is_empty() => {
            terminal(&plain, &environment).plain(options::help());
            ExitCode::FAILURE
        }
        Ok(Request::Help) => output(options::help(), &environment),
        Ok(Request::Usage) => output(options::usage().to_owned(), &environment),
        Ok(Request::Version) => output(
            concat!(env!("CARGO_PKG_VERSION"), "\n").to_owned(),
            &environment,
        ),
        Ok(Request::Feature(feature)) => feature::status(feature),
        Ok(Request::Test(messages, options)) => say(messages, &terminal(&options, &environment)),
        Ok(Request::Run(options)) => {
            let terminal = Arc::new(terminal(&options, &environment));
            terminal.listen(&environment);
            let logged = syslog::log(arguments, &environment);
            let ran = logged.and_then(|()| run(&options, &environment, file_mode_mask, &terminal));
            let Err(failure) = ran;
            terminal.fail(&failure.with_default_status(FAILED))
        }
        Err(failure) => terminal(&plain, &environment).fail(&failure),
    }
}

/// Where messages go: standard error, with this process' number.
fn terminal(options: &Options, environment: &Environment) -> Terminal {
    let verbosity = Verbosity::of(options.verbose, options.quiet);
    let mut settings = Settings::new(
        verbosity,
        WhenColour::Auto,
        ProgressMode::Quiet,
        environment,
    );
    settings.prefix = format!("ch-run[{}]: ", std::process::id());
    settings.log_file = None;
    settings.repeats_first = true;
    Terminal::on_standard_error(&settings)
}

fn output(text: String, environment: &Environment) -> ExitCode {
    let terminal = terminal(&Options::default(), environment);
    match terminal.output(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => terminal.fail(&failure.with_status(FAILED)),
    }
}

/// Prints what a test of messages wants.
fn say(messages: TestMessages, terminal: &Terminal) -> ExitCode {
    match messages {
        TestMessages::Kinds { fail } => {
            terminal.message(Kind::Trace, "trace");
            terminal.message(Kind::Debug, "debug");
            terminal.verbose("verbose");
            terminal.info("info");
            terminal.warning("warning");
            if fail {
                let message = "the program failed inexplicably (\"log-fail\" specified)";
                return terminal.fail(&Failure::new(message).with_status(FAILED));
            }
        }
        TestMessages::Warnings(count) => {
            for number in 1..=count {
                terminal.warning(format_args!("this is warning {number}!"));
            }
        }
    }
    terminal.reprint_warnings();
    ExitCode::SUCCESS
}

/// Becomes the command. Returns only why that did not work.
fn run(
    options: &Options,
    environment: &Environment,
    file_mode_mask: u32,
    terminal: &Arc<Terminal>,
) -> Result<Infallible, Failure> {
    environment::check_engine(environment)?;
    let path = storage_location(options.storage.as_deref(), environment, terminal)?;
    let storage = Storage::open_existing(&path, storage_options(environment)).map_err(advised)?;
    if storage.is_none() && options.storage.is_some() {
        terminal.warning(format_args!(
            "storage directory not found: {}",
            path.display()
        ));
    }
    let image = Image::find(options, storage, &path)?;
    check_mount_point(options, &image, terminal)?;
    check_writing(options, &image, terminal)?;
    let caller = Identity::current();
    let inside = whom(options, &image, caller)?;
    let wishes = Wishes {
        options,
        environment,
        config: image.config()?,
        caller,
        inside,
        file_mode_mask,
    };
    let mut spec = wishes.spec()?;
    report::plan(&image, &spec, inside, terminal);
    let lease = image.lease()?;
    // Whoever the command is meant to be, its supervisor must be root.
    let inside = match spec.emulation {
        Mode::Supervisor => {
            spec.remembered = image.remembered()?;
            Identity::ROOT
        }
        Mode::Seccomp | Mode::Fakeroot | Mode::None => inside,
    };
    enter(options, inside).map_err(|error| diagnosed(error, environment))?;
    let (root, engine) = image.mount(&spec, options.changes_in_memory())?;
    report::mounted(engine, &spec, terminal);
    if let Some(lease) = lease {
        ch_linux::process::place_descriptor(lease, free_descriptor()?)?;
    }
    terminal.reprint_warnings();
    silence(options)?;
    let notice = |notice| {
        // Who wants a clean environment knows that there is no PATH in it.
        if notice != InPlaceNotice::PathNotSet || !options.clean_env {
            terminal.warning(notice);
        }
    };
    ch_container::exec(root, &spec, &notice).map_err(|error| not_executed(error, environment))
}

/// Who the command is to be.
fn whom(options: &Options, image: &Image, caller: Identity) -> Result<Identity, Failure> {
    if let Some(user) = &options.user {
        return Ok(image.users()?.identity(user)?);
    }
    Ok(Identity {
        uid: options.uid.unwrap_or(caller.uid),
        gid: options.gid.unwrap_or(caller.gid),
    })
}

/// Makes the namespaces. With one for processes, another process goes on.
fn enter(options: &Options, inside: Identity) -> Result<(), SetUpError> {
    ch_container::enter(inside)?;
    if options.no_network {
        ch_container::isolate_network()?;
    }
    if options.pid {
        ch_container::isolate_processes()?;
    }
    Ok(())
}

fn storage_options(environment: &Environment) -> ch_storage::Options {
    ch_storage::Options {
        boot: environment.text(environment::CH_IMAGE_TEST_BOOT_ID),
        ..ch_storage::Options::default()
    }
}

/// What is written into an image that others may be using, or forgotten, is not what was asked for.
fn check_writing(options: &Options, image: &Image, terminal: &Terminal) -> Result<(), Failure> {
    let forgotten = options.changes_in_memory().is_some();
    let stored = matches!(image, Image::Stored { .. });
    match (options.write, forgotten, stored) {
        (true, false, true) if options.unsafe_paths => {
            Err(Failure::not_yet("--unsafe --write by name").with_hint("use --write-fake"))
        }
        (true, false, true) => Err(Failure::new("--write invalid when running by name")),
        (true, true, _) if options.home => {
            terminal.warning("--home implies --write-fake: in spite of --write, changes of the image will be lost");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// `--mount` is for images that need a place; those of today need none.
fn check_mount_point(options: &Options, image: &Image, terminal: &Terminal) -> Result<(), Failure> {
    let Some(point) = &options.mount_point else {
        return Ok(());
    };
    let shown = point.display();
    match fs::metadata(point) {
        Ok(found) if found.is_dir() => {
            if matches!(image, Image::Directory(_)) {
                terminal.warning("--mount invalid with directory image, ignoring");
            }
            Ok(())
        }
        Ok(_) => Err(Failure::new(format_args!("not a directory: {shown}"))),
        Err(error) => Err(Failure::new(format_args!(
            "can't stat mount point: {shown}: {error}"
        ))),
    }
}

/// A number for the lease that nothing of the caller has, outer leases included.
///
/// Where no number as high as wanted is allowed, it is the highest that is.
fn free_descriptor() -> Result<i32, Failure> {
    let limit = limits::open_files().and_then(|limit| i32::try_from(limit).ok());
    let limit = limit.unwrap_or(i32::MAX);
    let is_free = |number: &i32| !Path::new(&format!("/proc/self/fd/{number}")).exists();
    (LEASE_DESCRIPTOR..limit)
        .find(is_free)
        .or_else(|| (0..limit.min(LEASE_DESCRIPTOR)).rev().find(is_free))
        .ok_or_else(|| Failure::new("too many open files").with_hint("ulimit -n"))
}

/// `-qq` and `-qqq` silence the command as well.
fn silence(options: &Options) -> Result<(), Failure> {
    let streams: &[i32] = match options.quiet {
        0 | 1 => &[],
        2 => &[1],
        _ => &[1, 2],
    };
    for stream in streams {
        let nowhere = File::options().write(true).open("/dev/null")?;
        ch_linux::process::place_descriptor(nowhere, *stream)?;
    }
    Ok(())
}

/// The failure of a set-up, as its reason if that is known.
fn diagnosed(error: SetUpError, environment: &Environment) -> Failure {
    let in_container = environment::says_container(environment);
    match error.diagnose(in_container) {
        Some(found) => Failure::caused(found.message, &error).with_any_hint(found.hint),
        None => advised(error),
    }
}

/// Why the command does not run.
fn not_executed(error: InPlaceError, environment: &Environment) -> Failure {
    match error {
        InPlaceError::SetUp(error) => diagnosed(error, environment),
        InPlaceError::Environment(error) => Failure::from(error),
        InPlaceError::Exec(error) => advised(error).with_status(NOT_EXECUTED),
    }
}
