//! `ch-image gestalt`: what this program and machine are like, for scripts.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::json::{self, FormatArgs};
use super::{Context, Done, storage_path};
use crate::failure::Failure;
use crate::terminal::Kind;

/// Arguments of `gestalt`.
#[derive(Debug, Args)]
pub(crate) struct GestaltArgs {
    /// What to report on; without it, the choices are listed
    selector: Option<Selector>,

    #[command(flatten)]
    format: FormatArgs,

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
    if arguments.format.is_json(context) {
        return document(arguments.selector, context);
    }
    match arguments.selector {
        None => {
            let names = names().map(|name| format!("{name}\n"));
            context.terminal.output(names.collect::<String>())
        }
        Some(Selector::Bucache) => Ok(()),
        Some(Selector::BucacheDot) => graphviz(context),
        Some(Selector::Logging) => logging(arguments.fail, context),
        Some(Selector::PythonPath) => Err(no_python()),
        Some(Selector::StoragePath) => storage_path::run(context),
    }
}

/// The names of the aspects.
fn names() -> impl Iterator<Item = String> {
    let values = Selector::value_variants().iter();
    let names = values.filter_map(ValueEnum::to_possible_value);
    names.map(|name| name.get_name().to_owned())
}

/// What is reported, as a document; as without, there is none where the answer is no.
fn document(selector: Option<Selector>, context: &Context) -> Done {
    let mut members = Map::new();
    match selector {
        None => {
            let names = names().map(Value::from).collect();
            members.insert("selectors".to_owned(), Value::Array(names));
        }
        Some(Selector::Bucache) => {
            members.insert("bucache".to_owned(), true.into());
        }
        Some(Selector::BucacheDot) => {
            graphviz(context)?;
            members.insert("bucache_dot".to_owned(), true.into());
        }
        Some(Selector::PythonPath) => return Err(no_python()),
        Some(Selector::StoragePath) => {
            let path = context.storage_path()?;
            json::add_name(&mut members, "storage_path", path.as_os_str());
        }
        Some(Selector::Logging) => {
            return Err(Failure::usage("--json: \"gestalt logging\" has no output"));
        }
    }
    json::print("gestalt", &members, context)
}

fn no_python() -> Failure {
    Failure::new("no Python: ch-image is a native program")
}

/// Whether Graphviz could draw the build cache.
fn graphviz(context: &Context) -> Done {
    match context.environment.program("dot") {
        Some(_) => Ok(()),
        None => Err(Failure::new(
            "dot failed with exit code 127, assuming not present",
        )),
    }
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
