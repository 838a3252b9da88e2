//! What is wrong with a Dockerfile, shown with the lines that are wrong.

use std::fmt;

use crate::source::{Source, Span};

/// One thing that is wrong. Displays as message, excerpt and hint, without the word `error:`.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    source: Source,
    span: Option<Span>,
    message: String,
    hint: Option<String>,
}

/// Everything that is wrong with a Dockerfile, by position; never empty.
///
/// Displays all of them: after `error: ` in front of the first, each further one brings its own `error: `.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    omitted: usize,
}

impl std::error::Error for Diagnostics {}

/// The lines of a span, with its characters underlined: what stands below an error message.
#[derive(Debug, Clone)]
pub struct Excerpt {
    source: Source,
    span: Span,
}
impl Diagnostics {
    /// The single diagnostics, by position.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }
}
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.list, self.omitted)
    }
}
