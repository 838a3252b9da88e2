//! What of a layer depends on the layers below it.
//!
//! An archive may leave out directories that lower layers have, remove names of directories that none
//! has, and link to files of lower layers. In a layer directory the first would change attributes,
//! the second would be ghosts that can be listed but not looked at, and the third is impossible.
//!
//! Such a layer is named after those below it even where nothing had to be adjusted. That is known only
//! once they are there, and whether it is the same elsewhere depends on what is below there: a name that
//! others share would then be a promise that only one look has kept.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ch_linux::file::{self, Kind, OFlags};
use ch_linux::{SyscallError, in_root, xattr};

use crate::stack::{self, Found, Stack};
use crate::unpack::{LowerLink, OPAQUE, Unpacked, WHITEOUT};

/// Why a layer does not fit on those below it.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// Something is a hard link to nothing.
    #[error(
        "hard link {path:?} to {target:?}, which neither this layer nor one below has as a file"
    )]
    LinkToNowhere {
        /// Where the file is wanted.
        path: PathBuf,
        /// What was to be linked.
        target: PathBuf,
    },
    /// The kernel refused.
    #[error("can't adjust {path:?} to the layers below")]
    Adjust {
        /// What was being adjusted.
        path: PathBuf,
        /// What the kernel said.
        source: SyscallError,
    },
}

/// Adjusts the layer in `files`, just unpacked, to the layers `below` it, top first.
///
/// Directories that the archive left out get the attributes of the lower ones, whiteouts where no lower
/// directory is are dropped (and taken from the count), files that only lower layers have are copied.
pub fn settle(
    files: BorrowedFd<'_>,
    unpacked: &mut Unpacked,
    below: &Stack<'_>,
) -> Result<(), SettleError> {
    let adjust = |path: &Path| {
        let path = path.to_owned();
        move |source| SettleError::Adjust { path, source }
    };
    for link in &unpacked.lower_links {
        copy_lower(files, link, below)?;
    }
    for path in &unpacked.whiteout_parents {
        unpacked.whiteouts -= drop_ghosts(files, path, below).map_err(adjust(path))?;
    }
    // Last, and the deepest first: the work above changes times of directories.
    for path in unpacked.implied.iter().rev() {
        take_attributes(files, path, below).map_err(adjust(path))?;
    }
    Ok(())
}

/// Copies a file that a lower layer has.
fn copy_lower(
    files: BorrowedFd<'_>,
    link: &LowerLink,
    below: &Stack<'_>,
) -> Result<(), SettleError> {
    let nowhere = || SettleError::LinkToNowhere {
        path: link.path.clone(),
        target: link.target.clone(),
    };
    let adjust = |source| SettleError::Adjust {
        path: link.path.clone(),
        source,
    };
    let stack = below.under(files);
    let found = stack.find(&link.target).map_err(adjust)?;
    let found = found
        .filter(|found| found.status.kind == Kind::File)
        .ok_or_else(nowhere)?;
    copy_file(files, link, &found).map_err(adjust)
}

fn copy_file(files: BorrowedFd<'_>, link: &LowerLink, found: &Found) -> Result<(), SyscallError> {
    let directory = open_parent(files, &link.path)?;
    let before = file::status(&directory)?.modified;
    let original = file::open_at(&found.parent, last(&link.target), OFlags::RDONLY)?;
    let copy = file::create_at(&directory, last(&link.path), 0o600)?;
    if !file::try_reflink(&copy, &original) {
        let copied = io::copy(
            &mut &File::from(original.as_fd().try_clone_to_owned().map_err(duplicate)?),
            &mut &File::from(copy.as_fd().try_clone_to_owned().map_err(duplicate)?),
        );
        copied.map_err(|error| SyscallError::new("copy_file_range", "", error))?;
    }
    copy_attributes(&original, &copy)?;
    file::set_mode(&copy, found.status.mode)?;
    file::set_modified(&copy, found.status.modified)?;
    file::set_modified(&directory, before)
}

fn duplicate(error: io::Error) -> SyscallError {
    SyscallError::new("fcntl", "F_DUPFD_CLOEXEC", error)
}

/// Drops the whiteouts in a directory that no lower layer has, or through which nothing shows; says
/// how many there were.
fn drop_ghosts(files: BorrowedFd<'_>, path: &Path, below: &Stack<'_>) -> Result<u64, SyscallError> {
    if path.as_os_str().is_empty() || shows_through(files, path, below)? {
        return Ok(0);
    }
    let Some(directory) = stack::try_directory(files, path)? else {
        return Ok(0);
    };
    let before = file::status(&directory)?.modified;
    let mut dropped = 0;
    for entry in file::entries(&directory)? {
        if is_whiteout(&directory, &entry.name)? {
            file::remove_file_at(&directory, &entry.name)?;
            dropped += 1;
        }
    }
    if xattr::get(&directory, OPAQUE)?.is_some_and(|value| value == b"x") {
        xattr::remove(&directory, OPAQUE)?;
    }
    file::set_modified(&directory, before)?;
    Ok(dropped)
}

/// Whether lower layers have a directory at `path` that this layer does not hide.
fn shows_through(
    files: BorrowedFd<'_>,
    path: &Path,
    below: &Stack<'_>,
) -> Result<bool, SyscallError> {
    if is_hidden(files, path)? {
        return Ok(false);
    }
    Ok(below
        .find(path)?
        .is_some_and(|found| found.status.kind == Kind::Directory))
}

/// Whether this layer hides what lower layers have in the directory `path`.
fn is_hidden(files: BorrowedFd<'_>, path: &Path) -> Result<bool, SyscallError> {
    for path in path.ancestors() {
        match stack::try_directory(files, path)? {
            Some(directory) if !stack::is_opaque(&directory)? => {}
            _ => return Ok(true),
        }
    }
    Ok(false)
}

fn is_whiteout(directory: &OwnedFd, name: &OsString) -> Result<bool, SyscallError> {
    let status = file::status_at(directory, name)?;
    if status.kind != Kind::File || status.size != 0 {
        return Ok(status.is_whiteout());
    }
    let file = file::open_at(directory, name, OFlags::RDONLY)?;
    Ok(xattr::get(file, WHITEOUT)?.is_some())
}

/// Gives a directory that the archive left out the attributes of the lower one.
fn take_attributes(
    files: BorrowedFd<'_>,
    path: &Path,
    below: &Stack<'_>,
) -> Result<(), SyscallError> {
    if is_hidden(files, path.parent().unwrap_or(Path::new("")))? {
        return Ok(());
    }
    let Some(found) = below.find(path)? else {
        return Ok(());
    };
    if found.status.kind != Kind::Directory {
        return Ok(());
    }
    let lower = file::open_directory_at(&found.parent, last(path))?;
    let directory = in_root::open(files, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    copy_attributes(&lower, &directory)?;
    file::set_mode(&directory, found.status.mode)?;
    file::set_modified(&directory, found.status.modified)
}

/// Copies what is remembered of an object, but not what steers overlayfs.
fn copy_attributes(original: &OwnedFd, copy: &OwnedFd) -> Result<(), SyscallError> {
    for name in xattr::names(original)? {
        let steers =
            name.starts_with(b"user.overlay.") && !name.starts_with(b"user.overlay.overlay.");
        if steers || !name.starts_with(b"user.") {
            continue;
        }
        if let Some(value) = xattr::get(original, &name)? {
            xattr::set(copy, &name, &value)?;
        }
    }
    Ok(())
}

fn open_parent(files: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, SyscallError> {
    let parent = path.parent().unwrap_or(Path::new(""));
    in_root::open(files, parent, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn last(path: &Path) -> &OsStr {
    path.file_name().unwrap_or(OsStr::from_bytes(b"."))
}
