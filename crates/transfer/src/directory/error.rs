//! Why an image could not be put into a directory.

use std::path::PathBuf;

use ch_linux::SyscallError;
use ch_rootfs::FlattenError;
use ch_storage::LeaseError;

/// Why an image could not be put into a directory. What was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// There is something else in it.
    #[error("can't flatten: {} exists but does not appear to be an image", .0.display())]
    NotAnImage(PathBuf),
    /// There is a file.
    #[error("can't flatten: {} exists but is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// It belongs to the storage directory.
    #[error("can't flatten: {} is in the storage directory", .0.display())]
    InStorage(PathBuf),
    /// It has no name that could be given to another directory.
    #[error("can't flatten: {} can't be replaced", .0.display())]
    Nameless(PathBuf),
    /// It can't be reached.
    #[error("can't flatten: can't open {}", directory.display())]
    Open {
        /// Which.
        directory: PathBuf,
        /// What failed.
        source: SyscallError,
    },
    /// There can be no directory beside it.
    #[error("can't flatten: can't make a directory beside {}", directory.display())]
    Beside {
        /// Which.
        directory: PathBuf,
        /// What failed.
        source: SyscallError,
    },
    /// The layers went away.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// There is not enough room.
    #[error("no space left: {}", directory.display())]
    NoSpace {
        /// The directory that was wanted.
        directory: PathBuf,
        /// What was noticed.
        source: FlattenError,
    },
    /// The layers can't be copied.
    #[error("can't flatten into {}", directory.display())]
    Flatten {
        /// The directory that was wanted.
        directory: PathBuf,
        /// What failed.
        source: FlattenError,
    },
    /// What belongs to a directory image beside the layers can't be made.
    #[error("can't complete {}", directory.display())]
    Complete {
        /// The directory that was wanted.
        directory: PathBuf,
        /// What failed.
        source: SyscallError,
    },
    /// The new directory can't take its place.
    #[error("can't replace {}", directory.display())]
    Replace {
        /// The directory that was wanted.
        directory: PathBuf,
        /// What failed.
        source: SyscallError,
    },
}
