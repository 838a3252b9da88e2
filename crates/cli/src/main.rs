//! `ch-image`, `ch-run` and `ch-convert`: one executable with three names.
//!
//! Everything that decides about images is in the libraries; this crate owns the command line, the
//! terminal, the exit status and the environment variables.

mod binds;
mod command;
mod completion;
mod environment;
mod failure;
mod interrupt;
mod program;
mod run;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    ch_linux::nss::configure();
    let programs = [ch_rootfs::MOUNTER, ch_container::RUNTIME, command::PROBE];
    match ch_linux::reexec::enter(&programs) {
        Some(status) => status,
        None => program::main(),
    }
}
