//! `ch-image completion`: the script that teaches a shell to complete our command lines.

use clap::Args;

use super::{Context, Done};
use crate::completion::{self, Shell};

/// Arguments of `completion`.
#[derive(Debug, Args)]
pub(crate) struct CompletionArgs {
    /// The shell, which is to execute the script at its start
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script for all of our programs.
pub(super) fn run(arguments: &CompletionArgs, context: &Context) -> Done {
    for program in ["ch-image", "ch-run"] {
        let script = completion::script(arguments.shell, program)?;
        context.terminal.output(script)?;
    }
    Ok(())
}
