//! `ch-image`, `ch-run` and `ch-convert`: one executable with three names.
//!
//! Everything that decides about images is in the libraries; this crate owns the command line, the
//! terminal, the exit status and the environment variables.

mod command;
mod environment;
mod failure;
mod program;
mod run;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::main()
}
