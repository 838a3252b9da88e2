//! `ch-image`: from the command line to an exit status.
//!
//! One file per sub-command, with its arguments and what it does. Everything else here is shared by
//! all of them: the common options, the context they run in, and where the storage directory is.

mod build;
mod build_cache;
mod command_line;
mod common;
mod completion;
mod context;
mod delete;
mod dependencies;
mod doctor;
mod export;
mod gestalt;
mod history;
mod import;
mod inspect;
mod json;
mod later;
mod ledger;
mod list;
mod location;
mod login;
mod output;
mod pages;
mod platform;
mod probe;
mod prune;
mod pull;
mod push;
mod registry;
mod reset;
mod size;
mod storage_path;
mod tag;
mod transfer;
mod undelete;
mod usage;

pub(crate) use command_line::command as command_line_of_image;
pub(crate) use location::storage_location;
pub(crate) use probe::PROBE;

use std::ffi::OsString;
use std::panic;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use ch_linux::limits;
use ch_linux::signal::{self, Signal};
use command_line::{Answer, Command, Request};
use context::Context;

use crate::environment::{self, Environment};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::terminal::{Settings, Terminal};

/// What a command leaves behind: nothing, or why not.
type Done = Result<(), Failure>;

/// Runs `ch-image` with `arguments` (without the program's name); `file_mode_mask` is the caller's.
pub(crate) fn main(
    arguments: &[OsString],
    environment: Environment,
    file_mode_mask: u32,
) -> ExitCode {
    match command_line::parse(arguments, &environment) {
        Ok(request) => run(request, environment, file_mode_mask),
        Err(answer) => reply(&answer),
    }
}

/// Does what was asked for.
fn run(request: Request, environment: Environment, file_mode_mask: u32) -> ExitCode {
    let Request {
        command,
        common,
        shortened,
    } = request;
    let settings = common.settings(&environment);
    let terminal = match Terminal::open(&settings) {
        Ok(terminal) => Arc::new(terminal),
        Err(failure) => return Terminal::on_standard_error(&settings).fail(&failure),
    };
    if let Err(failures) = command_line::check(&common) {
        for failure in &failures {
            terminal.error(failure);
        }
        return ExitCode::FAILURE;
    }
    terminal.listen(&environment);
    report_panics(Arc::clone(&terminal));
    common.note_options_without_meaning(&terminal);
    for option in shortened {
        terminal.verbose(format_args!(
            "--{option}: not written in full; a later version may have more options that begin so"
        ));
    }
    limits::raise_open_files();
    // A file that may not grow is an error that names the file.
    signal::ignore(Signal::FILE_SIZE);
    let interrupt = match Interrupt::watch(&terminal) {
        Ok(interrupt) => interrupt,
        Err(failure) => return terminal.fail(&failure),
    };
    let context = Context {
        environment,
        terminal: Arc::clone(&terminal),
        common,
        interrupt,
        file_mode_mask,
        opened: OnceLock::new(),
    };
    let debug = environment::check_unset(&context.environment, &[environment::CH_IMAGE_DEBUG]);
    let status = match debug.and_then(|()| dispatch(command, &context)) {
        Ok(status) => {
            terminal.reprint_warnings();
            status
        }
        Err(failure) => terminal.fail(&context.explain(failure)),
    };
    context.tidy();
    status
}

fn dispatch(command: Command, context: &Context) -> Result<ExitCode, Failure> {
    json::check(&command, context)?;
    let done = match command {
        Command::Dependencies => return dependencies::run(context),
        Command::Doctor(arguments) => return doctor::run(&arguments, context),
        Command::Build(arguments) => build::run(&arguments, context),
        Command::Completion(arguments) => completion::run(&arguments, context),
        Command::BuildCache(arguments) => build_cache::run(&arguments, context),
        Command::Delete(arguments) => delete::run(&arguments, context),
        Command::Export(arguments) => export::run(&arguments, context),
        Command::Gestalt(arguments) => gestalt::run(&arguments, context),
        Command::History(arguments) => history::run(&arguments, context),
        Command::Import(arguments) => import::run(&arguments, context),
        Command::Inspect(arguments) => inspect::run(&arguments, context),
        Command::Later(what) => Err(Failure::not_yet(what)),
        Command::List(arguments) => list::run(&arguments, context),
        Command::Prune(arguments) => prune::run(&arguments, context),
        Command::Login(arguments) => login::log_in(&arguments, context),
        Command::Logout(arguments) => login::log_out(&arguments, context),
        Command::Pages(arguments) => pages::run(&arguments, context),
        Command::Pull(arguments) => pull::run(&arguments, context),
        Command::Push(arguments) => push::run(&arguments, context),
        Command::Reset => reset::run(context),
        Command::StoragePath => storage_path::run(context),
        Command::Tag(arguments) => tag::run(&arguments, context),
        Command::Undelete(arguments) => undelete::run(&arguments, context),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Answers a command line that asks for nothing to be done.
fn reply(answer: &Answer) -> ExitCode {
    let terminal = Terminal::on_standard_error(&Settings::default());
    match answer {
        Answer::Output(text) => match terminal.output(text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => terminal.fail(&failure),
        },
        Answer::Help(text) => {
            terminal.plain(text);
            ExitCode::FAILURE
        }
        Answer::Usage(text) => {
            terminal.plain(text);
            ExitCode::from(2)
        }
    }
}

/// A panic is a bug of ours: it is reported as such, with the status of any other failure.
fn report_panics(terminal: Arc<Terminal>) {
    panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or("no description");
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let failure = Failure::new(format_args!("internal error: {text} ({place})"))
            .with_hint("this is a bug; please report it, with the command and its -vv output");
        terminal.fail(&failure);
        ch_linux::process::exit_now(1);
    }));
}
