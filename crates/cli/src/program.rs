//! Which of the three programs this process is: the basename of `argv[0]` decides.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use ch_linux::process::set_file_mode_mask;
use ch_linux::signal;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::terminal::{Settings, Terminal};
use crate::{command, completion, run};

/// The names the executable answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Image,
    Run,
    Convert,
}

impl Program {
    /// The program meant by `argv[0]`; anything unknown is `ch-image`, so that a copy under another
    /// name still works.
    fn of(argv0: &OsStr) -> Self {
        match Path::new(argv0).file_name().and_then(OsStr::to_str) {
            Some("ch-run") => Self::Run,
            Some("ch-convert") => Self::Convert,
            _ => Self::Image,
        }
    }

    /// The program's command line, for completion.
    fn command(self, environment: &Environment) -> clap::Command {
        match self {
            Self::Image => command::command_line_of_image(environment),
            Self::Run => run::command_line(),
            Self::Convert => clap::Command::new("ch-convert"),
        }
    }
}

/// What is taken away from the modes of files that the programs make for themselves. A stricter one of the caller would
/// make directories that even their owner can't use.
const FILE_MODE_MASK: u32 = 0o022;

/// Runs the program that was asked for.
pub(crate) fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let program = Program::of(&arguments.next().unwrap_or_default());
    let arguments: Vec<OsString> = arguments.collect();
    let environment = Environment::of_process();
    let inherited_mask = set_file_mode_mask(FILE_MODE_MASK);
    signal::keep_ended_children();
    if let Some(status) =
        completion::answer(&arguments, || program.command(&environment), &environment)
    {
        return status;
    }
    match program {
        Program::Image => command::main(&arguments, environment, inherited_mask),
        Program::Run => run::main(&arguments, environment, inherited_mask),
        Program::Convert => {
            let terminal = Terminal::on_standard_error(&Settings::default());
            terminal.fail(&Failure::not_yet("ch-convert"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_argv0_chooses_the_program() {
        let cases = [
            ("ch-image", Program::Image),
            ("/usr/bin/ch-image", Program::Image),
            ("./ch-run", Program::Run),
            ("../x/ch-convert", Program::Convert),
            ("ch-image.old", Program::Image),
            ("", Program::Image),
            ("ch-run/", Program::Run),
        ];
        for (argv0, program) in cases {
            assert_eq!(Program::of(OsStr::new(argv0)), program, "{argv0:?}");
        }
    }
}
