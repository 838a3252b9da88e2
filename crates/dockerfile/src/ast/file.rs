//! The file: directives, global arguments, stages.

use std::fmt;

use crate::ast::{Command, StageNames};
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
