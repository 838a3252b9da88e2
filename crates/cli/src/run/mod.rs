//! `ch-run`.
mod options;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::terminal::{Settings, Terminal};
use std::ffi::OsString;
use std::process::ExitCode;
pub(crate) fn main(a: &[OsString], _: Environment) -> ExitCode {
    let _ = options::parse(a);
    Terminal::on_standard_error(&Settings::default()).fail(&Failure::new("x"))
}
