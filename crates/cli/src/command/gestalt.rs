//! `ch-image gestalt`: what this program and machine are like, for scripts.

use clap::{Args, ValueEnum};

use super::{Context, Done, storage_path};
use crate::failure::Failure;
use crate::terminal::Kind;

/// Arguments of `gestalt`.
#[derive(Debug, Args)]
pub(crate) struct GestaltArgs {
    /// What to report on; without it, the choices are listed
    selector: Option<Selector>,

    /// With "logging": exit with an error
    #[arg(long)]
    fail: bool,
}

/// The aspects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Selector {
    Bucache,
    BucacheDot,
    Logging,
    PythonPath,
    StoragePath,
}

pub(super) fn run(arguments: &GestaltArgs, context: &Context) -> Done {
    if arguments.fail && arguments.selector != Some(Selector::Logging) {
        return Err(Failure::usage("--fail is for \"gestalt logging\""));
    }
    match arguments.selector {
        None => {
            let names = Selector::value_variants()
                .iter()
                .filter_map(ValueEnum::to_possible_value);
            let names: String = names.map(|name| format!("{}\n", name.get_name())).collect();
            context.terminal.output(names)
        }
        Some(Selector::Bucache) => Ok(()),
        Some(Selector::BucacheDot) => graphviz(context),
        Some(Selector::Logging) => logging(arguments.fail, context),
        Some(Selector::PythonPath) => Err(Failure::new("no Python: ch-image is a native program")),
        Some(Selector::StoragePath) => storage_path::run(context),
    }
}

/// Whether Graphviz could draw the build cache.
fn graphviz(context: &Context) -> Done {
    if context.environment.program("dot").is_some() {
        return Ok(());
    }
    Err(Failure::new(
        "dot failed with exit code 127, assuming not present",
    ))
}

/// One message of each kind.
fn logging(fail: bool, context: &Context) -> Done {
    let terminal = &context.terminal;
    terminal.message(Kind::Trace, "trace");
    terminal.message(Kind::Debug, "debug");
    terminal.verbose("verbose");
    terminal.info("info");
    terminal.warning("warning");
    terminal.error(&Failure::new("error"));
    if fail {
        return Err(Failure::new("the program failed inexplicably"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::command::common::Common;
    use crate::environment::{CH_LOG_FILE, Environment};
    use crate::terminal::Terminal;

    #[test]
    fn a_log_that_cannot_be_opened_is_an_error() {
        let environment: Environment = [(CH_LOG_FILE, "/nowhere/f")].into_iter().collect();
        let failure = Terminal::open(&Common::default().settings(&environment)).unwrap_err();
        assert_eq!(
            failure.message(),
            "can't open for at: /nowhere/f: No such file or directory"
        );
    }
}
