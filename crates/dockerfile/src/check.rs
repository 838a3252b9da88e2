//! Checks: what is correct, but perhaps not what the author wants. Here: those that need nothing but the text.

use crate::source::Span;

/// The rules that the parser itself can see broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A stage's name is given twice.
    DuplicateStageName,
    /// `RUN` without a command.
    EmptyRun,
    /// Arguments that start with `[` are no JSON array.
    JsonLookalike,
    /// `ENV` or `LABEL` without `=`.
    LegacyKeyValueFormat,
    /// `MAINTAINER`
    MaintainerDeprecated,
    /// A blank line between continued lines.
    NoEmptyContinuation,
    /// A stage called `scratch` or `context`.
    ReservedStageName,
    /// A stage's name is not in lower case.
    StageNameCasing,
}

impl Rule {
    /// The name that authors know it by.
    pub fn name(self) -> &'static str {
        match self {
            Rule::DuplicateStageName => "DuplicateStageName",
            Rule::EmptyRun => "EmptyRun",
            Rule::JsonLookalike => "JSONLookalike",
            Rule::LegacyKeyValueFormat => "LegacyKeyValueFormat",
            Rule::MaintainerDeprecated => "MaintainerDeprecated",
            Rule::NoEmptyContinuation => "NoEmptyContinuation",
            Rule::ReservedStageName => "ReservedStageName",
            Rule::StageNameCasing => "StageNameCasing",
        }
    }
}

/// A rule, and where it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// Where.
    pub span: Span,
}

/// Which rules are switched off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Skip {
    /// None.
    #[default]
    None,
    /// Every one.
    All,
    /// These; there may be unknown names among them.
    Rules(Vec<String>),
}

impl Skip {
    /// Is `rule` switched off?
    pub fn contains(&self, rule: &str) -> bool {
        match self {
            Skip::None => false,
            Skip::All => true,
            Skip::Rules(names) => names.iter().any(|name| name == rule),
        }
    }
}

/// The `check` directive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// `skip=`
    pub skip: Skip,
    /// `error=`: findings make the build fail.
    pub error: bool,
    /// `experimental=`: experimental rules that are switched on, in the same notation as `skip`.
    pub experimental: Skip,
}
