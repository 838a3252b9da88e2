//! Variables: what `$name` and `${name...}` in a word stand for. Pure: the caller says what is set.

use crate::ast::Escape;

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
    #[error("syntax error: missing '}}'")]
    MissingBrace,
    #[error("unsupported modifier ({modifier}) in substitution")]
    UnsupportedModifier { modifier: String },
    #[error("invalid escape '\\{character}'")]
    InvalidEscape { character: char },
    #[error("substitutions are nested too deeply")]
    TooDeep,
    #[error("{name}: {message}")]
    Required { name: String, message: String },
}

/// What is set: the value of a name.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Substitutes one word of an instruction: removes quotes and escapes, replaces variables, unset ones by nothing.
pub fn word(text: &str, escape: Escape, lookup: &Lookup<'_>) -> Result<Expanded, SubstituteError> {
    let _ = (text, escape, lookup);
    unimplemented!()
}

/// Substitutes the body of a here-document: `\` protects, quotes are ordinary characters.
pub fn body(text: &str, lookup: &Lookup<'_>) -> Result<Expanded, SubstituteError> {
    let _ = (text, lookup);
    unimplemented!()
}

/// Replaces only variables that are set; all other text stays, quotes and escapes too.
///
/// For elements of exec forms and values of build arguments. The only error is that of `${name:?}`.
pub fn set_only(text: &str, lookup: &Lookup<'_>) -> Result<String, SubstituteError> {
    let _ = (text, lookup);
    unimplemented!()
}
