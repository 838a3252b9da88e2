//! The Dockerfile language: text to syntax tree. No I/O, no environment, nothing executed.

pub mod ast;
mod check;
mod diagnostic;
mod lex;
mod source;
pub mod substitute;
mod suggest;
mod syntax;

pub use ast::File;
pub use check::{CheckOptions, Finding, Rule, Skip};
pub use diagnostic::{Diagnostic, Diagnostics, Excerpt};
pub use source::{Location, Source, Span, Word};
pub use suggest::suggestion;
pub use syntax::LARGEST;

/// Parses a Dockerfile. All that is wrong is reported at once.
pub fn parse(source: &Source) -> Result<File, Diagnostics> {
    syntax::parse(source)
}
