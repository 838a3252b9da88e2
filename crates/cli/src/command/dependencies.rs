//! `ch-image --dependencies`: what keeps this program from working here.
//!
//! Nothing is guessed from versions: [`probe`] tries to make the namespaces that a build needs. What is merely
//! worth knowing, and what can be done, is told by [`doctor`](super::doctor).

use std::process::ExitCode;

use serde::Serialize;

use super::{Context, json, probe};
use crate::failure::Failure;
use crate::terminal::Verbosity;

/// Prints one line for each problem; status 1 if there are any. With `-v` also what only makes things slower. The storage directory is not touched.
pub(super) fn run(context: &Context) -> Result<ExitCode, Failure> {
    let mut report = Report::default();
    if let Err(failure) = context.storage_path() {
        let message = failure.message();
        report
            .problems
            .push(format!("bad dependency: storage directory: {message}"));
    }
    let found = probe::run()?;
    if let Some(error) = &found.namespaces {
        let reason = match probe::explain(error, &context.environment) {
            (message, Some(hint)) => format!("{message} ({})", hint.replace('\n', " ")),
            (message, None) => message,
        };
        report
            .problems
            .push(format!("missing dependency: user namespaces: {reason}"));
    }
    if context.terminal.verbosity() >= Verbosity::VERBOSE {
        if !has_hash_instructions() {
            let note = "the processor can't compute SHA-256 by itself: downloads take longer";
            report.notes.push(format!("note: {note}"));
        }
        if let Some(reason) = found.supervisor {
            report.notes.push(format!(
                "note: root emulation is that of --force=seccomp, as no supervisor is possible: {reason}"
            ));
        }
    }
    if context.common.json.is_some() {
        json::print("dependencies", &report, context)?;
    } else {
        context.terminal.output(report.lines())?;
    }
    Ok(if report.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    problems: Vec<String>,
    notes: Vec<String>,
}

impl Report {
    fn lines(&self) -> String {
        let lines = self.problems.iter().chain(&self.notes);
        lines.map(|line| format!("{line}\n")).collect()
    }
}

/// Whether the processor has instructions for SHA-256, which every download and layer goes through.
pub(super) fn has_hash_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = std::arch::is_x86_feature_detected!("sha");
    #[cfg(target_arch = "aarch64")]
    let has = std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let has = false;
    has
}
