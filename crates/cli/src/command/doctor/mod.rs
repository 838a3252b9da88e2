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
use serde::Serialize;

use super::json::{self, FormatArgs};
use super::{Context, probe};
use crate::failure::Failure;
use check::{Check, Status};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    format: FormatArgs,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
struct Report {
    checks: Vec<Check>,
    /// How layers are put together; nothing where they can't be.
    engine: Option<&'static str>,
    /// The mode of root emulation that `build` has here.
    emulation: &'static str,
}

/// Prints a line for each check; status 1 if `build` or `pull` can't work.
pub(super) fn run(arguments: &DoctorArgs, context: &Context) -> Result<ExitCode, Failure> {
    let found = probe::run()?;
    let mut checks = machine::checks(&found, &context.environment);
    checks.extend(storage::checks(context));
    checks.extend(programs::checks(&context.environment));
    let mounts = |check: &Check| check.id == storage::OVERLAY && check.status == Status::Ok;
    let report = Report {
        engine: checks.iter().any(mounts).then_some("overlay"),
        emulation: machine::mode(&found).name(),
        checks,
    };
    if arguments.format.is_json(context) {
        json::print("doctor", &report, context)?;
    } else {
        let lines: String = report.checks.iter().map(ToString::to_string).collect();
        context.terminal.output(lines)?;
    }
    let fails = |check: &Check| check.status == Status::Fail;
    Ok(if report.checks.iter().any(fails) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
