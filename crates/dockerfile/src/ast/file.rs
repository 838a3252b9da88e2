//! The file: directives, global arguments, stages; and what their names refer to.

use std::collections::HashMap;
use std::fmt;

use crate::ast::Command;
use crate::check::{CheckOptions, Finding, Skip};
use crate::source::{Source, Span, Word};

/// A whole Dockerfile, syntactically correct.
#[derive(Debug, Clone)]
pub struct File {
    /// What all spans point into.
    pub source: Source,
    /// The settings of the first lines.
    pub directives: Directives,
    /// `ARG` instructions before the first `FROM`.
    pub globals: Vec<GlobalArgument>,
    /// At least one stage.
    pub stages: Vec<Stage>,
    /// What the author may want to change, by position.
    pub findings: Vec<Finding>,
    pub(crate) names: StageNames,
}

/// The character that continues lines and protects characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    /// `\`
    #[default]
    Backslash,
    /// `` ` ``, chosen by a directive.
    Backtick,
}

impl Escape {
    /// The character itself.
    pub fn char(self) -> char {
        match self {
            Escape::Backslash => '\\',
            Escape::Backtick => '`',
        }
    }
}

/// Whose rules decide where builders disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// BuildKit's.
    Docker,
    /// Those of Charliecloud's `ch-image`.
    Charliecloud,
}

/// The parser directives of the first lines.
#[derive(Debug, Clone, Default)]
pub struct Directives {
    /// `escape=`
    pub escape: Escape,
    /// `syntax=`: the frontend that the author had in mind.
    pub syntax: Option<Word>,
    /// `check=`
    pub check: CheckOptions,
    /// `ch-image dialect=`, and where.
    pub dialect: Option<(Dialect, Span)>,
}

/// The instruction words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each is the word of the language that it is named after"
)]
pub enum Keyword {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Nsync,
    OnBuild,
    Rsync,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
}

impl Keyword {
    /// All words, in alphabetic order.
    pub const ALL: [Keyword; 20] = [
        Keyword::Add,
        Keyword::Arg,
        Keyword::Cmd,
        Keyword::Copy,
        Keyword::Entrypoint,
        Keyword::Env,
        Keyword::Expose,
        Keyword::From,
        Keyword::Healthcheck,
        Keyword::Label,
        Keyword::Maintainer,
        Keyword::Nsync,
        Keyword::OnBuild,
        Keyword::Rsync,
        Keyword::Run,
        Keyword::Shell,
        Keyword::StopSignal,
        Keyword::User,
        Keyword::Volume,
        Keyword::Workdir,
    ];

    /// The word in upper case.
    pub fn name(self) -> &'static str {
        match self {
            Keyword::Add => "ADD",
            Keyword::Arg => "ARG",
            Keyword::Cmd => "CMD",
            Keyword::Copy => "COPY",
            Keyword::Entrypoint => "ENTRYPOINT",
            Keyword::Env => "ENV",
            Keyword::Expose => "EXPOSE",
            Keyword::From => "FROM",
            Keyword::Healthcheck => "HEALTHCHECK",
            Keyword::Label => "LABEL",
            Keyword::Maintainer => "MAINTAINER",
            Keyword::Nsync => "NSYNC",
            Keyword::OnBuild => "ONBUILD",
            Keyword::Rsync => "RSYNC",
            Keyword::Run => "RUN",
            Keyword::Shell => "SHELL",
            Keyword::StopSignal => "STOPSIGNAL",
            Keyword::User => "USER",
            Keyword::Volume => "VOLUME",
            Keyword::Workdir => "WORKDIR",
        }
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// What all instructions have. Displays as `RUN make`: the word in upper case, then the text.
#[derive(Debug, Clone)]
pub struct Header {
    /// The instruction word.
    pub keyword: Keyword,
    /// Where the word stands.
    pub keyword_span: Span,
    /// The whole instruction, with its here-documents.
    pub span: Span,
    /// What follows the word, on one line: no continuations, no comments, no bodies of here-documents.
    pub text: String,
    /// The comment lines directly above, without `#` and the blank behind it.
    pub comments: Vec<String>,
    /// Checks that a comment directly above switches off.
    pub skip: Skip,
}

impl fmt::Display for Header {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.keyword.name())?;
        if self.text.is_empty() {
            return Ok(());
        }
        write!(formatter, " {}", self.text)
    }
}

/// One instruction of a stage, other than its `FROM`.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// Word, place and text.
    pub header: Header,
    /// What it asks for.
    pub command: Command,
}

/// An `ARG` before the first `FROM`.
#[derive(Debug, Clone)]
pub struct GlobalArgument {
    /// Word, place and text.
    pub header: Header,
    /// What it defines; at least one.
    pub definitions: Vec<Definition>,
}

/// One `name` or `name=value` of an `ARG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The name, to be substituted.
    pub name: Word,
    /// The default value, to be substituted.
    pub value: Option<Word>,
}

/// A `FROM` and the instructions up to the next one.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Word, place and text of the `FROM`.
    pub header: Header,
    /// What it starts from.
    pub from: From,
    /// The instructions that follow.
    pub instructions: Vec<Instruction>,
}

impl Stage {
    /// The name after `AS`, in lower case.
    pub fn name(&self) -> Option<&str> {
        self.from.name.as_ref().map(|name| name.text.as_str())
    }
}

/// `FROM [--platform=P] [--arg=N=V]... image [AS name]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// `--platform`
    pub platform: Option<Word>,
    /// `--arg`, in order: `NAME=VALUE`, the value to be substituted.
    pub arguments: Vec<Word>,
    /// Image or stage, to be substituted.
    pub image: Word,
    /// The name after `AS`, folded to lower case.
    pub name: Option<Word>,
}

/// Why a stage that `from=` names can't be used; the field is the stage as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StageError {
    #[error("circular dependency detected on stage: {stage}: stage {stage} is the current stage")]
    Current { stage: String },
    #[error("stage {stage} does not exist yet")]
    Later { stage: String },
    #[error("stage {stage} does not exist")]
    Unknown { stage: String },
    #[error("invalid negative stage index {stage}")]
    Negative { stage: String },
}

/// Which stages have which name.
#[derive(Debug, Clone, Default)]
pub(crate) struct StageNames {
    by_name: HashMap<String, Vec<usize>>,
    count: usize,
}

impl StageNames {
    /// Adds the next stage. Was its name given before?
    pub(crate) fn add(&mut self, name: Option<&str>) -> bool {
        let index = self.count;
        self.count += 1;
        name.is_some_and(|name| {
            let stages = self.by_name.entry(name.to_owned()).or_default();
            stages.push(index);
            stages.len() > 1
        })
    }

    /// See [`File::stage_named`].
    fn named(&self, name: &str, before: usize) -> Option<usize> {
        let stages = self.by_name.get(&name.to_lowercase())?;
        stages.iter().rfind(|index| **index < before).copied()
    }

    /// What `from=reference` in stage number `current` refers to: a stage, or (`None`) something else.
    pub(crate) fn referred(
        &self,
        reference: &str,
        current: usize,
    ) -> Result<Option<usize>, StageError> {
        let stage = reference.to_owned();
        if let Some(found) = self.named(reference, current) {
            return Ok(Some(found));
        }
        if reference.strip_prefix('-').is_some_and(is_number) {
            return Err(StageError::Negative { stage });
        }
        if is_number(reference) {
            return match reference.parse::<usize>() {
                Ok(index) if index < current => Ok(Some(index)),
                Ok(index) if index == current => Err(StageError::Current { stage }),
                Ok(index) if index < self.count => Err(StageError::Later { stage }),
                _ => Err(StageError::Unknown { stage }),
            };
        }
        match self.by_name.get(&reference.to_lowercase()) {
            Some(stages) if stages[0] == current => Err(StageError::Current { stage }),
            Some(_) => Err(StageError::Later { stage }),
            None => Ok(None),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl File {
    /// What `FROM name` means in stage number `before`, if a stage at all: the last one of that name before it.
    pub fn stage_named(&self, name: &str, before: usize) -> Option<usize> {
        self.names.named(name, before)
    }
}
