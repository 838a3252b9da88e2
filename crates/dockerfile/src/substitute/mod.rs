//! Variables: what `$name` and `${name...}` in a word stand for. Pure: the caller says what is set.
//!
//! Time is proportional to the length of the word and of the values put in: nesting is limited, and nothing is read twice.

mod pattern;
mod scan;

use crate::ast::Escape;
use scan::{Escapes, Scanner};

/// A word after substitution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The result, without quotes and escapes.
    pub text: String,
    /// Names that were replaced by nothing because they are not set, in order of use.
    pub undefined: Vec<String>,
}

/// Why a word has no meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum SubstituteError {
    #[error("unexpected end of statement while looking for matching single-quote")]
    SingleQuote,
    #[error("unexpected end of statement while looking for matching double-quote")]
    DoubleQuote,
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    #[error("syntax error: missing '{expected}'")]
    Unfinished { expected: char },
    #[error("unsupported modifier ({modifier}) in substitution")]
    UnsupportedModifier { modifier: String },
    #[error("invalid escape '\\{character}'")]
    InvalidEscape { character: char },
    #[error("syntax error: substitutions are nested too deeply")]
    TooDeep,
    #[error("substitutions make a text of more than 1 MiB")]
    TooLong,
    #[error("{name}: {message}")]
    Required { name: String, message: String },
}

/// What is set: the value of a name.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Substitutes one word of an instruction: removes quotes and escapes, replaces variables, unset ones by nothing.
pub fn word(text: &str, escape: Escape, lookup: &Lookup<'_>) -> Result<Expanded, SubstituteError> {
    Scanner::new(text, escape.char(), true, lookup).all(Escapes::Removed)
}

/// Like [`word`], for a word with wildcards: an escape outside quotes stays, as `\`, with what it protects.
pub fn wildcards(
    text: &str,
    escape: Escape,
    lookup: &Lookup<'_>,
) -> Result<Expanded, SubstituteError> {
    Scanner::new(text, escape.char(), true, lookup).all(Escapes::Kept)
}

/// Substitutes the body of a here-document: `\` protects, quotes are ordinary characters.
pub fn body(text: &str, lookup: &Lookup<'_>) -> Result<Expanded, SubstituteError> {
    Scanner::new(text, '\\', false, lookup).all(Escapes::Removed)
}

/// Replaces only variables that are set; all other text stays, quotes and escapes too.
///
/// For elements of exec forms and values of build arguments. The only errors are that of `${name:?}`, and a result
/// that is too long.
pub fn set_only(text: &str, lookup: &Lookup<'_>) -> Result<String, SubstituteError> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    // Once something is not closed, whatever follows is not tried again: that would cost quadratic time.
    let mut closed = true;
    while let Some(at) = rest.find('$') {
        let protected = rest[..at].ends_with('\\');
        result.push_str(&rest[..at]);
        rest = &rest[at..];
        let attempt = (!protected && closed && scan::names_something_set(rest, lookup))
            .then(|| Scanner::new(rest, '\\', true, lookup).first_variable());
        rest = match attempt {
            Some(Ok((value, remainder))) => {
                append(&mut result, &value, text)?;
                remainder
            }
            Some(Err(error @ (SubstituteError::Required { .. } | SubstituteError::TooLong))) => {
                return Err(error);
            }
            other => {
                closed &= !matches!(other, Some(Err(ref error)) if reaches_the_end(error));
                result.push('$');
                &rest[1..]
            }
        };
    }
    result.push_str(rest);
    Ok(result)
}

/// By how much a result may be longer than its text: far more than the kernel takes as one argument. A few lines
/// in which each variable holds the one before several times would fill any memory.
const MOST_ADDED: usize = 1 << 20;

/// Appends a value to the result of `text`.
fn append(result: &mut String, value: &str, text: &str) -> Result<(), SubstituteError> {
    if result.len() + value.len() > text.len() + MOST_ADDED {
        return Err(SubstituteError::TooLong);
    }
    result.push_str(value);
    Ok(())
}

fn reaches_the_end(error: &SubstituteError) -> bool {
    use SubstituteError::{DoubleQuote, SingleQuote, TooDeep, Unfinished};
    matches!(
        error,
        SingleQuote | DoubleQuote | Unfinished { .. } | TooDeep
    )
}

/// What is wrong with a word whatever the variables are.
pub(crate) fn syntax_error(text: &str, escape: Escape) -> Option<SubstituteError> {
    static_error(word(text, escape, &|_| None))
}

/// What is wrong with the body of a here-document whatever the variables are.
pub(crate) fn body_syntax_error(text: &str) -> Option<SubstituteError> {
    static_error(body(text, &|_| None))
}

/// Errors that may depend on values are not among them; they appear when the values are known.
fn static_error(result: Result<Expanded, SubstituteError>) -> Option<SubstituteError> {
    result.err().filter(|error| {
        !matches!(
            error,
            SubstituteError::Required { .. }
                | SubstituteError::InvalidEscape { .. }
                | SubstituteError::TooLong
        )
    })
}
