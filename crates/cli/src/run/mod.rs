//! `ch-run`.
use crate::environment::Environment;
use crate::failure::Failure;
use crate::terminal::{Settings, Terminal};
use std::ffi::OsString;
use std::process::ExitCode;
pub(crate) fn main(_: &[OsString], _: Environment) -> ExitCode {
    Terminal::on_standard_error(&Settings::default()).fail(&Failure::new("x"))
}
