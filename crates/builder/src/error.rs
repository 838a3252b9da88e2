//! Why a build stopped, and at which instruction.

use std::error::Error;
use std::fmt;

use ch_container::RunError;
use ch_dockerfile::ast::StageError;
use ch_dockerfile::substitute::SubstituteError;
use ch_dockerfile::{Excerpt, Source, Span, TriggerError};
use ch_linux::SyscallError;
use ch_linux::signal::Signal;
use ch_rootfs::SpawnError;

use crate::context::error::did_you_mean;
use crate::{CopyError, IgnoreError, ModeError};

/// Why an image could not be built.
///
/// Displays as one sentence, followed by the lines of the Dockerfile that it is about; the cause is
/// the `source`.
#[derive(Debug)]
pub struct BuildError(Box<Parts>);

#[derive(Debug)]
struct Parts {
    problem: Problem,
    excerpt: Option<Excerpt>,
    hint: Option<String>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Part of the language that this version does not execute.
    #[error("not yet supported: {0}")]
    NotSupported(String),
    /// `--build-arg` that no `ARG` asks for.
    #[error("--build-arg: not consumed: {}", .0.join(" "))]
    NotConsumed(Vec<String>),
    /// `SOURCE_DATE_EPOCH` is no time.
    #[error("invalid SOURCE_DATE_EPOCH: {0}")]
    SourceDate(String),
    /// A word has no meaning.
    #[error("{keyword}: {word}")]
    Substitute {
        /// The instruction.
        keyword: &'static str,
        /// The word as written.
        word: String,
        /// What is wrong with it.
        source: SubstituteError,
    },
    /// A name is empty after substitution.
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    /// The image of a `FROM` is empty after substitution.
    #[error("base name ({0}) should not be blank")]
    BlankBase(String),
    /// The image of a `FROM` is no reference.
    #[error(transparent)]
    Reference(ch_oci::ReferenceError),
    /// The platform of a `FROM` is none.
    #[error("failed to parse platform {text}")]
    Platform {
        /// As written.
        text: String,
        /// What is wrong with it.
        source: ch_oci::PlatformError,
    },
    /// `COPY --from` names a stage that can't be copied from.
    #[error("COPY --from: {0}")]
    From(StageError),
    /// `COPY --from` depends on more than arguments.
    #[error(
        "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a \
         workaround"
    )]
    UnknownFrom,
    /// The image of a `COPY --from` can't be had.
    #[error("can't get image: {name}")]
    Source {
        /// Its name.
        name: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The stage that is asked for does not exist.
    #[error("target stage \"{target}\" could not be found{}", did_you_mean(similar.as_deref()))]
    NoTarget {
        /// As asked for.
        target: String,
        /// The name of a stage that is written almost so.
        similar: Option<String>,
    },
    /// The stage that is to be executed again does not exist.
    #[error("--no-cache-filter: stage {stage} does not exist{}", did_you_mean(similar.as_deref()))]
    NoRebuiltStage {
        /// As asked for.
        stage: String,
        /// The name of a stage that is written almost so.
        similar: Option<String>,
    },
    /// What an image has for those that are built on it makes no sense.
    #[error("ONBUILD: {0}")]
    Trigger(TriggerError),
    /// The image of a `FROM` can't be had.
    #[error("can't get base image: {name}")]
    Base {
        /// Its name.
        name: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The image of a `FROM` is not there, although it was pulled.
    #[error("no such image: {0}")]
    NoImage(String),
    /// An element of a list is empty after substitution.
    #[error("{0} specified can not be an empty string")]
    EmptyElement(&'static str),
    /// `EXPOSE` of something that is no port.
    #[error("invalid containerPort: {0}")]
    Port(String),
    /// `EXPOSE` of an unknown protocol.
    #[error("invalid proto: {0}")]
    Protocol(String),
    /// `STOPSIGNAL` of something that is no signal.
    #[error("invalid signal: {0}")]
    Signal(String),
    /// `COPY` of something that only `ADD` can fetch.
    #[error("source can't be a URL for COPY: {0}")]
    UrlSource(String),
    /// There is nothing that `COPY` could read.
    #[error("no context because \"-\" given")]
    NoContext,
    /// The context can't be opened.
    #[error("context must be a directory: {path}")]
    Context {
        /// As given.
        path: String,
        /// What failed.
        source: SyscallError,
    },
    /// What the context hides can't be found out.
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
    /// `COPY` failed.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// `--chmod` of something that is no mode.
    #[error(transparent)]
    Mode(#[from] ModeError),
    /// The directory of `WORKDIR` can't be made.
    #[error("WORKDIR: can't make the directory")]
    WorkingDirectory(#[source] CopyError),
    /// Something else stands where `WORKDIR` wants a directory.
    #[error("WORKDIR: not a directory: {0}")]
    NotADirectory(String),
    /// Symbolic links of the image on the way of `WORKDIR` lead in a circle.
    #[error("WORKDIR: too many levels of symbolic links: {0}")]
    TooManyLinks(String),
    /// A command ended with another status than 0.
    #[error("build failed: RUN command exited with {0}")]
    Exited(u8),
    /// A command was killed.
    #[error("build failed: RUN command killed by {0}")]
    Killed(Signal),
    /// A command that prepares the image for `fakeroot` failed.
    #[error("build failed: --force: init step {number} {end}")]
    Init {
        /// Which of the commands, from 1.
        number: usize,
        /// How it ended.
        end: String,
    },
    /// A command was never executed.
    #[error("build failed: RUN can't be started: {0}")]
    NotStarted(RunError),
    /// A container did not end as containers do.
    #[error("build failed: {0}")]
    Container(RunError),
    /// The user wanted the build to end.
    #[error("stopped")]
    Stopped,
    /// The process that mounts could not be started.
    #[error(transparent)]
    Mounter(SpawnError),
    /// The files of a step can't be mounted or kept.
    #[error("{failure}")]
    Files {
        /// What could not be done.
        failure: &'static str,
        /// What failed.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Problem {
    /// Makes a problem of whatever failed below.
    pub(crate) fn files<E>(failure: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        move |source| Self::Files {
            failure,
            source: source.into(),
        }
    }
}

impl BuildError {
    /// The sentence alone.
    pub fn message(&self) -> String {
        self.0.problem.to_string()
    }

    /// The lines of the Dockerfile that it is about.
    pub fn excerpt(&self) -> Option<&Excerpt> {
        self.0.excerpt.as_ref()
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// What went wrong.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// The same error, at a place of the Dockerfile if it has none yet.
    pub(crate) fn at(mut self, source: &Source, span: Span) -> Self {
        self.0
            .excerpt
            .get_or_insert_with(|| Excerpt::new(source, span));
        self
    }

    /// The same error, of an image that is copied from.
    pub(crate) fn of_source(mut self) -> Self {
        self.0.problem = match self.0.problem {
            Problem::Base { name, source } => Problem::Source { name, source },
            problem => problem,
        };
        self
    }

    /// The same error with advice, if there is any.
    pub(crate) fn with_any_hint(mut self, hint: Option<String>) -> Self {
        self.0.hint = hint.or(self.0.hint);
        self
    }
}

impl<P: Into<Problem>> From<P> for BuildError {
    fn from(problem: P) -> Self {
        let problem = problem.into();
        let hint = match &problem {
            Problem::Reference(error) => error.hint().map(str::to_owned),
            Problem::Platform { source, .. } => Some(source.hint().to_owned()),
            _ => None,
        };
        Self(Box::new(Parts {
            problem,
            excerpt: None,
            hint,
        }))
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.problem.fmt(f)?;
        match &self.0.excerpt {
            Some(excerpt) => write!(f, "\n\n{excerpt}"),
            None => Ok(()),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.problem {
            // Their own text is part of ours.
            Problem::NotStarted(error) | Problem::Container(error) => error.source(),
            problem => problem.source(),
        }
    }
}
