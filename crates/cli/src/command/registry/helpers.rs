//! Credential helpers: the programs themselves, as the environment has them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ch_linux::program::Program;
use ch_registry::{HelperAnswer, HelperCall, RunHelper};

use crate::environment::Environment;

/// How long a helper may take; it may be asking a person.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs helpers that are in `$PATH`, with this environment but its secrets.
pub(super) fn in_environment(environment: &Environment) -> RunHelper {
    let environment = environment.clone();
    Arc::new(move |call| run(call, &environment))
}

fn run(call: &HelperCall<'_>, environment: &Environment) -> io::Result<HelperAnswer> {
    let path = environment.program(&call.program).ok_or_else(|| {
        let text = format!("there is no {} in $PATH", call.program);
        io::Error::new(io::ErrorKind::NotFound, text)
    })?;
    let answer = Program {
        path: &path,
        arguments: &[call.action],
        environment: &environment.without_secrets().collect::<Vec<_>>(),
        limit: LIMIT,
    }
    .run(call.input)?;
    Ok(HelperAnswer {
        success: answer.success,
        output: answer.output,
        errors: answer.errors,
    })
}
