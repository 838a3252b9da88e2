//! What can go wrong, and to whose account it goes.

use std::io;
use std::path::PathBuf;

use ch_linux::SyscallError;

use super::content::{Full, RoomError};
use super::name::NameProblem;
use crate::stream::{Blame, FormatError, StreamError};
use crate::tar::{self, ArchiveProblem, Member};

/// Why a layer could not be unpacked. Names of members are escaped; offsets count uncompressed bytes.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The input failed.
    #[error("can't read the archive")]
    Read(#[source] io::Error),
    /// It is not compressed in a way that we know, or not rightly.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The archive is malformed.
    #[error("member \"{member}\", offset {offset}: {problem}")]
    Archive {
        /// Its name, as far as it was read.
        member: String,
        /// Where its header is.
        offset: u64,
        /// What is wrong.
        problem: ArchiveProblem,
    },
    /// A member asks for something impossible.
    #[error("member \"{member}\", offset {offset}: {problem}")]
    Name {
        /// Its name.
        member: String,
        /// Where its header is.
        offset: u64,
        /// What is wrong.
        problem: NameProblem,
    },
    /// A member could not be written.
    #[error("member \"{member}\", offset {offset}: can't be written")]
    Write {
        /// Its name.
        member: String,
        /// Where its header is.
        offset: u64,
        /// What the kernel said.
        source: SyscallError,
    },
    /// What is left to do after the last member failed.
    #[error("{path:?} can't be completed")]
    Complete {
        /// Path in the layer.
        path: PathBuf,
        /// What the kernel said.
        source: SyscallError,
    },
    /// The file system would be too full.
    #[error("{available} bytes are free, {keep} must stay free")]
    NoSpace {
        /// Bytes that were free.
        available: u64,
        /// Bytes that must stay free.
        keep: u64,
        /// Of the kind that the kernel's own refusal has.
        source: io::Error,
    },
}

impl UnpackError {
    /// Whether there is not enough room, by our rule or by the kernel's.
    pub fn is_no_space(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            Self::NoSpace { .. } => true,
            Self::Write { source, .. } | Self::Complete { source, .. } => {
                matches!(source.kind(), StorageFull | QuotaExceeded)
            }
            _ => false,
        }
    }
}

impl Blame for UnpackError {
    fn blames_content(&self) -> bool {
        matches!(
            self,
            Self::Archive { .. } | Self::Name { .. } | Self::Read(_) | Self::Format(_)
        )
    }
}

impl From<tar::Error> for UnpackError {
    fn from(error: tar::Error) -> Self {
        match error {
            tar::Error::Read(source) => Self::Read(source),
            tar::Error::Archive {
                member,
                offset,
                problem,
            } => Self::Archive {
                member: member.escape_ascii().to_string(),
                offset,
                problem,
            },
        }
    }
}

impl From<StreamError<Self>> for UnpackError {
    fn from(error: StreamError<Self>) -> Self {
        match error {
            StreamError::Input(source) => Self::Read(source),
            StreamError::Format(error) => Self::Format(error),
            StreamError::Reader(error) => error,
        }
    }
}

/// Why one member could not be made; who it is comes later.
#[derive(Debug)]
pub(super) enum MemberError {
    Name(NameProblem),
    Kernel(SyscallError),
    Room(RoomError),
    Stream(tar::Error),
}

impl MemberError {
    /// The error of `member`.
    pub(super) fn of(self, member: &Member) -> UnpackError {
        let (offset, name) = (member.offset, member.path.escape_ascii().to_string());
        match self {
            Self::Name(problem) => UnpackError::Name {
                member: name,
                offset,
                problem,
            },
            Self::Kernel(source) | Self::Room(RoomError::Unknown(source)) => UnpackError::Write {
                member: name,
                offset,
                source,
            },
            Self::Room(RoomError::Full(Full { available, keep })) => UnpackError::NoSpace {
                available,
                keep,
                source: io::ErrorKind::StorageFull.into(),
            },
            Self::Stream(error) => error.into(),
        }
    }
}

impl From<NameProblem> for MemberError {
    fn from(problem: NameProblem) -> Self {
        Self::Name(problem)
    }
}

impl From<SyscallError> for MemberError {
    fn from(error: SyscallError) -> Self {
        Self::Kernel(error)
    }
}

impl From<RoomError> for MemberError {
    fn from(error: RoomError) -> Self {
        Self::Room(error)
    }
}

impl From<tar::Error> for MemberError {
    fn from(error: tar::Error) -> Self {
        Self::Stream(error)
    }
}
