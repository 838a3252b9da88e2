//! What can go wrong in a `COPY`.

use std::path::{Path, PathBuf};

use ch_linux::SyscallError;
use ch_ownership::ReadError;
use ch_rootfs::StackError;

use super::destination::absolute;
use super::pattern::MalformedPatternError;

/// Why a `COPY` can't be done.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A source without wildcard does not exist.
    #[error("source not found: {source_text}{}", did_you_mean(.nearest.as_deref()))]
    NotFound {
        /// The source as the author wrote it.
        source_text: String,
        /// What exists and is written almost so.
        nearest: Option<String>,
        /// Set when nothing else was found either.
        source: Option<NoSourcesError>,
    },
    /// A source exists only for someone who may leave the context.
    #[error("can't COPY from outside context: {source_text}")]
    Outside {
        /// The source as the author wrote it.
        source_text: String,
        /// What is the case inside.
        source: OutsideError,
    },
    /// A source is hidden by the context's ignore file.
    #[error("source not found: {source_text}")]
    Excluded {
        /// The source as the author wrote it.
        source_text: String,
        /// Where that is written.
        source: ExcludedError,
    },
    /// A wildcard that is not well-formed.
    #[error("source {source_text}")]
    Pattern {
        /// The source as the author wrote it.
        source_text: String,
        /// What is wrong with it.
        source: MalformedPatternError,
    },
    /// The destination must be a directory and is something else.
    #[error("can't COPY: not a directory: {}", .0.display())]
    NotADirectory(PathBuf),
    /// A directory of the image stands where a file is to be.
    #[error("cannot replace directory {} with file", .0.display())]
    DirectoryInTheWay(PathBuf),
    /// Symbolic links of the image lead in a circle.
    #[error("can't COPY: too many levels of symbolic links: {}", .0.display())]
    TooManyLinks(PathBuf),
    /// What lies beside the image's files can't be understood.
    #[error("can't read the owners of the image's files")]
    Owners(#[source] StackError),
    /// What was written may not be what the copy was looked up by.
    #[error("can't COPY: a source changed while it was copied")]
    Changed(#[source] ChangedError),
    /// What is believed of a source can't be understood.
    #[error("can't read the owner of {}", .path.display())]
    Believed {
        /// Path in the image that it comes from.
        path: PathBuf,
        /// Why not.
        source: ReadError,
    },
    /// A source could not be read.
    #[error("can't read {}", .path.display())]
    Read {
        /// Path in the context.
        path: PathBuf,
        /// What failed.
        source: SyscallError,
    },
    /// Something in the image could not be written.
    #[error("can't write {}", .path.display())]
    Write {
        /// Path in the image.
        path: PathBuf,
        /// What failed.
        source: SyscallError,
    },
}

/// What can't be read at `path` of the context.
pub(super) fn reading(path: &Path) -> impl Fn(SyscallError) -> CopyError + use<> {
    let path = path.to_owned();
    move |source| CopyError::Read {
        path: path.clone(),
        source,
    }
}

/// What can't be written at `path` of the image.
pub(super) fn writing(path: &Path) -> impl Fn(SyscallError) -> CopyError + use<> {
    let path = absolute(path);
    move |source| CopyError::Write {
        path: path.clone(),
        source,
    }
}

/// Adds that the user may have meant something else.
pub(crate) fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean {name}?)"))
}

/// No source of the instruction was found.
#[derive(Debug, thiserror::Error)]
#[error("no sources found")]
pub struct NoSourcesError;

/// The line of an ignore file that hides something.
#[derive(Debug, Clone, thiserror::Error)]
#[error("excluded by {}:{line}", file.display())]
pub struct ExcludedError {
    /// The ignore file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
}

/// A source is not what it was when the copy was looked up.
#[derive(Debug, thiserror::Error)]
#[error("{} is not what it was a moment ago", .0.display())]
pub struct ChangedError(
    /// Path in the context.
    pub PathBuf,
);

/// How a source leaves its root.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// By `..`; what is there inside, after stopping at the root, does not exist.
    #[error("source not found: {0}: it is outside the context")]
    DotDot(String),
    /// By a symbolic link.
    #[error("{0} is a symbolic link that leads outside the context")]
    Link(String),
}
