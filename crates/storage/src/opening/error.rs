//! Why a storage directory can't be opened or reset, and what to do about it.

use std::path::{Path, PathBuf};

use ch_linux::SyscallError;

use crate::Holders;

/// Why the storage directory can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Written by a newer ch-image.
    #[error("incompatible storage directory v{version}: {}", path.display())]
    Newer {
        /// The storage directory.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// `VERSION` is there and says nothing we know.
    #[error("malformed storage version: {text:?}")]
    MalformedVersion {
        /// What it says.
        text: String,
    },
    /// The other ch-image's.
    #[error("{} is a storage directory of Charliecloud's ch-image", path.display())]
    Charliecloud {
        /// The directory.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("storage directory seems invalid: {}", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// It, or a directory or link on the way where others may write, belongs to someone else.
    #[error("storage directory belongs to another user: {} (uid {owner})", path.display())]
    ForeignOwner {
        /// What belongs to someone else.
        path: PathBuf,
        /// To whom.
        owner: u32,
    },
    /// Others could change what is in it.
    #[error("storage directory is writable by others: {} (mode {mode:04o})", path.display())]
    WritableByOthers {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is something, and it is no directory.
    #[error("storage directory seems invalid: not a directory: {}", path.display())]
    NotADirectory {
        /// What is there.
        path: PathBuf,
    },
    /// Links lead in circles.
    #[error("storage directory: too many symbolic links: {}", path.display())]
    TooManyLinks {
        /// The path asked for.
        path: PathBuf,
    },
    /// Part of it lies on another file system.
    #[error("storage directory must be one file system: {} is another", path.display())]
    OtherFileSystem {
        /// The part.
        path: PathBuf,
    },
    /// Someone has it for himself, or we want it for ourselves and others are in it.
    #[error("storage directory is already in use")]
    InUse {
        /// By whom.
        holders: Holders,
    },
    /// Nothing can be written there.
    #[error("storage directory is read-only: {}", path.display())]
    ReadOnly {
        /// The directory.
        path: PathBuf,
    },
    /// Nothing can be written there, because of the mode.
    #[error("storage directory is read-only: {}", path.display())]
    NotWritable {
        /// The directory, or the part of it.
        path: PathBuf,
    },
    /// The file system can't lock.
    #[error("not yet supported: file system of {} has no locks", path.display())]
    NoLocks {
        /// The directory.
        path: PathBuf,
        /// How it said so.
        source: SyscallError,
    },
    /// Anything else that the system said.
    #[error("can't open storage directory: {}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What failed.
        source: SyscallError,
    },
}

impl OpenError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Newer { .. } => "use a newer ch-image, or ch-image reset".to_owned(),
            Self::Charliecloud { path } => format!(
                "name another place with -s or CH_IMAGE_STORAGE; images come over with: \
                 ch-image import {}/img/NAME NAME",
                path.display()
            ),
            Self::Foreign { .. } | Self::NotADirectory { .. } => {
                "name a directory that does not exist yet".to_owned()
            }
            Self::ForeignOwner { path, .. } => format!(
                "name a directory of yours with -s or CH_IMAGE_STORAGE, e.g. {}/ch-image",
                path.display()
            ),
            Self::NotWritable { path } => format!("chmod u+w {}", path.display()),
            Self::WritableByOthers { path, .. } => format!("chmod go-w {}", path.display()),
            Self::InUse { holders } if !holders.processes.is_empty() => {
                format!("in use by {}", holders.named())
            }
            Self::NoLocks { .. } => {
                "name a directory on another file system with -s or CH_IMAGE_STORAGE".to_owned()
            }
            _ => return None,
        })
    }
}

/// Makes an [`OpenError::Io`] or its more telling relative of a failed system call.
pub(super) fn io(path: &Path) -> impl Fn(SyscallError) -> OpenError + '_ {
    move |source| {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::ReadOnlyFilesystem => OpenError::ReadOnly { path },
            _ if ch_linux::lock::is_unsupported(&source) && source.call() == "flock" => {
                OpenError::NoLocks { path, source }
            }
            _ => OpenError::Io { path, source },
        }
    }
}

/// Why a storage directory can't be reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Nothing there, or nothing of ours.
    #[error("{} not a builder storage", path.display())]
    NotStorage {
        /// The path asked for.
        path: PathBuf,
    },
    /// It can't be opened, or is in use.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl ResetError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotStorage { .. } => None,
            Self::Open(error) => error.hint(),
        }
    }
}
