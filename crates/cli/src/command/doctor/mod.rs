//! `ch-image doctor`: what this machine, its kernel and the storage directory can do, and what was chosen for that.
//!
//! Everything is tried, nothing is guessed from versions. What is made for it is gone afterwards; a storage
//! directory that does not exist is tried beside the place where it would be.

mod check;
mod machine;
mod programs;
mod storage;

use std::process::ExitCode;

use clap::Args;

use super::Context;
use crate::failure::Failure;
use check::{Check, Status};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {}

/// Prints a line for each check; status 1 if `build` or `pull` can't work.
pub(super) fn run(_arguments: &DoctorArgs, context: &Context) -> Result<ExitCode, Failure> {
    let mut checks = machine::checks(context)?;
    checks.extend(storage::checks(context));
    checks.extend(programs::checks(&context.environment));
    let report: String = checks.iter().map(ToString::to_string).collect();
    context.terminal.output(report)?;
    let fails = |check: &Check| check.status == Status::Fail;
    Ok(if checks.iter().any(fails) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
