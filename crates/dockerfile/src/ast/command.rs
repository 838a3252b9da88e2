//! The instructions of a stage, one type per kind.

use std::borrow::Cow;

use crate::ast::Definition;
use crate::source::{Span, Word};

/// What an instruction asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `ADD`
    Add(Add),
    /// `ARG name[=value]...`; at least one.
    Arg(Vec<Definition>),
    /// `CMD`; not to be substituted.
    Cmd(Form),
    /// `COPY`
    Copy(Copy),
    /// `ENTRYPOINT`; not to be substituted.
    Entrypoint(Form),
    /// `ENV`, in either form; at least one.
    Env(Vec<Pair>),
    /// `EXPOSE`; to be substituted, then split at blanks.
    Expose(Vec<Word>),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `LABEL`, in either form; at least one.
    Label(Vec<Pair>),
    /// `MAINTAINER text`
    Maintainer(Word),
    /// `ONBUILD instruction`
    OnBuild(OnBuild),
    /// `RSYNC` and `NSYNC`: options, sources and destination, to be substituted.
    Rsync(Vec<Word>),
    /// `RUN`
    Run(Run),
    /// `SHELL ["program", "argument"...]`; at least the program.
    Shell(Vec<Word>),
    /// `STOPSIGNAL signal`, to be substituted.
    StopSignal(Word),
    /// `USER user[:group]`, to be substituted.
    User(Word),
    /// `VOLUME`; at least one, each to be substituted.
    Volume(Vec<Word>),
    /// `WORKDIR path`, to be substituted.
    Workdir(Word),
}

/// A command line: text for a shell, or the arguments themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Text for the shell, exactly as written; may be empty.
    Shell(Word),
    /// The elements of a JSON array, decoded; may be empty except in `RUN`.
    Exec(Vec<Word>),
}

/// `name=value`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// To be substituted; not empty.
    pub name: Word,
    /// To be substituted.
    pub value: Word,
}

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The delimiter without its quotes.
    pub name: String,
    /// No part of the delimiter was quoted.
    pub expand: bool,
    /// `<<-`: leading tabs do not count.
    pub strip_tabs: bool,
    /// The body as written, tabs and carriage returns included; empty or ending in a newline.
    pub body: String,
    /// The operator and its delimiter.
    pub span: Span,
    /// The lines of the body.
    pub body_span: Span,
}

impl Heredoc {
    /// The body, without leading tabs if those do not count.
    pub fn content(&self) -> Cow<'_, str> {
        if !self.strip_tabs {
            return Cow::Borrowed(&self.body);
        }
        let lines = self.body.split_inclusive('\n');
        Cow::Owned(lines.map(|line| line.trim_start_matches('\t')).collect())
    }
}

/// `RUN [flags] command`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// `--mount`, in order.
    pub mounts: Vec<Mount>,
    /// `--network`: `default`, `none` or `host`.
    pub network: Option<Word>,
    /// `--security`: `sandbox` or `insecure`.
    pub security: Option<Word>,
    /// `--device`, in order.
    pub devices: Vec<Word>,
    /// The command.
    pub command: Form,
    /// The here-documents of a shell form, in order.
    pub heredocs: Vec<Heredoc>,
}

/// What the shell of a `RUN` in shell form gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunInput<'a> {
    /// This text is the last argument of the shell.
    Text(Cow<'a, str>),
    /// An executable file `name` with this content; its path is the last argument of the shell.
    Script {
        /// The file's name: the delimiter of the here-document.
        name: &'a str,
        /// The file's content, starting with `#!`.
        content: Cow<'a, str>,
    },
}

impl Run {
    /// What the shell gets; `None` for the exec form.
    pub fn shell_input(&self) -> Option<RunInput<'_>> {
        let Form::Shell(command) = &self.command else {
            return None;
        };
        Some(match self.heredocs.as_slice() {
            [] => RunInput::Text(Cow::Borrowed(&command.text)),
            [only] if only.span == command.span => script_or_text(only),
            several => RunInput::Text(Cow::Owned(with_bodies(&command.text, several))),
        })
    }
}

fn script_or_text(heredoc: &Heredoc) -> RunInput<'_> {
    let content = heredoc.content();
    if content.starts_with("#!") {
        let name = &heredoc.name;
        return RunInput::Script { name, content };
    }
    RunInput::Text(content)
}

fn with_bodies(command: &str, heredocs: &[Heredoc]) -> String {
    let mut text = command.to_owned();
    for heredoc in heredocs {
        text.push('\n');
        text.push_str(&heredoc.body);
        text.push_str(&heredoc.name);
    }
    text
}

/// One `--mount` of a `RUN`; keys are known ones, values are not yet interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `key[=value]`, in order.
    pub options: Vec<MountOption>,
    /// The whole flag.
    pub span: Span,
}

/// One `key[=value]` of a `--mount`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOption {
    /// The key, with synonyms folded.
    pub key: MountKey,
    /// To be substituted, except that of `from`; missing only where the key is a boolean.
    pub value: Option<String>,
}

/// The keys of `--mount`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each is the key of the language that it is named after; synonyms are folded"
)]
pub enum MountKey {
    Type,
    Target,
    Source,
    From,
    ReadWrite,
    ReadOnly,
    Id,
    Sharing,
    Size,
    Required,
    Mode,
    Uid,
    Gid,
    Env,
}

impl Mount {
    /// The value of the last `key=value`.
    pub fn value(&self, key: MountKey) -> Option<&str> {
        let mut found = self.options.iter().rev().filter(|option| option.key == key);
        found.next().and_then(|option| option.value.as_deref())
    }
}

/// What `COPY` and `ADD` have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// `--chown`, to be substituted.
    pub chown: Option<Word>,
    /// `--chmod`, to be substituted.
    pub chmod: Option<Word>,
    /// `--link`
    pub link: bool,
    /// `--exclude`, in order, to be substituted.
    pub excludes: Vec<Word>,
    /// At least one.
    pub sources: Vec<CopySource>,
    /// Where to, to be substituted.
    pub destination: Word,
}

/// One source of `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A path, pattern or URL, to be substituted.
    Path(Word),
    /// A file made of a here-document.
    Heredoc(Heredoc),
}

/// `COPY [flags] source... destination`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// `--from`: a stage, context or image; never empty.
    pub from: Option<Word>,
    /// `--parents`
    pub parents: bool,
    /// Sources, destination and what happens to them.
    pub files: Files,
}

/// `ADD [flags] source... destination`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// `--checksum`, to be substituted.
    pub checksum: Option<Word>,
    /// `--keep-git-dir`
    pub keep_git_dir: Option<bool>,
    /// `--unpack`
    pub unpack: Option<bool>,
    /// Sources, destination and what happens to them.
    pub files: Files,
}

/// `HEALTHCHECK`; durations are in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// What is tested.
    pub test: HealthcheckTest,
    /// `--interval`
    pub interval: Option<i64>,
    /// `--timeout`
    pub timeout: Option<i64>,
    /// `--start-period`
    pub start_period: Option<i64>,
    /// `--start-interval`
    pub start_interval: Option<i64>,
    /// `--retries`
    pub retries: Option<u32>,
}

/// What a `HEALTHCHECK` runs; not to be substituted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthcheckTest {
    /// `NONE`: no test, also none of the base image's.
    None,
    /// `CMD`
    Command(Form),
}

/// `ONBUILD instruction`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnBuild {
    /// What goes into the image's configuration: the instruction with its here-documents.
    pub text: String,
    /// What a build on top of the image will do. Never another `ONBUILD`.
    pub command: Box<Command>,
}
