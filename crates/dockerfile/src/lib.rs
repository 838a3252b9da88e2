//! The Dockerfile language: text to syntax tree. No I/O, no environment, nothing executed.

pub mod ast;
mod check;
mod diagnostic;
mod ignore;
mod lex;
mod source;
pub mod substitute;
mod suggest;
mod syntax;

use std::{panic, thread};

pub use ast::File;
pub use check::{CheckOptions, Finding, Rule, Skip};
pub use diagnostic::{Diagnostic, Diagnostics, Excerpt};
pub use ignore::{Ignore, IgnoreSyntaxError, Place};
pub use source::{Location, Source, Span, Word};
pub use suggest::suggestion;
pub use syntax::{LARGEST, TriggerError};

/// The generated parser recurses, and the stack of the caller may be of any size (`ulimit -s`).
const STACK: usize = 8 << 20;

/// Parses a Dockerfile. All that is wrong is reported at once.
pub fn parse(source: &Source) -> Result<File, Diagnostics> {
    on_a_large_stack(&|| syntax::parse(source))
}

fn on_a_large_stack<T: Send>(work: &(dyn Fn() -> T + Sync)) -> T {
    thread::scope(|scope| {
        let builder = thread::Builder::new()
            .name("parser".to_owned())
            .stack_size(STACK);
        match builder.spawn_scoped(scope, work) {
            Ok(worker) => worker
                .join()
                .unwrap_or_else(|panic| panic::resume_unwind(panic)),
            // With too many processes, the caller's stack has to do.
            Err(_) => work(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_needs_no_stack() {
        let text = format!("FROM a\nENV {}\nRUN x\n", "A=x ".repeat(1000));
        let source = Source::new("Dockerfile", text);
        let parsed = thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || parse(&source).is_ok());
        assert!(parsed.unwrap().join().unwrap());
    }
}
