//! What of a layer depends on the layers below it.
//!
//! An archive may leave out directories that lower layers have, remove names of directories that none
//! has, and link to files of lower layers. In a layer directory the first would change attributes,
//! the second would be ghosts that can be listed but not looked at, and the third is impossible.
//!
//! Such a layer is named after those below it even where nothing had to be adjusted. That is known only
//! once they are there, and whether it is the same elsewhere depends on what is below there: a name that
//! others share would then be a promise that only one look has kept.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ch_linux::file::{self, Kind, OFlags, Time};
use ch_linux::{SyscallError, in_root, xattr};

use crate::stack::{self, Found, Stack};
use crate::unpack::{LowerLink, OPAQUE, Unpacked};

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
    let top = || Place::root(files, below).map_err(adjust(Path::new("")));
    let mut place = top()?;
    for path in &unpacked.whiteout_parents {
        place.go(path).map_err(adjust(path))?;
        if !(path.as_os_str().is_empty() || place.shows_through()) {
            unpacked.whiteouts -= drop_ghosts(files, path).map_err(adjust(path))?;
        }
    }
    let mut place = top()?;
    let mut left_out = Vec::new();
    for path in &unpacked.implied {
        place.go(path).map_err(adjust(path))?;
        if let Some(directory) = place.lower.first() {
            left_out.push(Lower::of(path, directory).map_err(adjust(path))?);
        }
    }
    // Last, and the deepest first: the work above changes times of directories.
    for lower in left_out.iter().rev() {
        lower.give(files).map_err(adjust(lower.path))?;
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
    for (name, value) in remembered(&original)? {
        xattr::set(&copy, &name, &value)?;
    }
    file::set_mode(&copy, found.status.mode)?;
    file::set_modified(&copy, found.status.modified)?;
    file::set_modified(&directory, before)
}

fn duplicate(error: io::Error) -> SyscallError {
    SyscallError::new("fcntl", "F_DUPFD_CLOEXEC", error)
}

/// Drops the whiteouts in a directory that no lower layer has, or through which nothing shows; says
/// how many there were.
fn drop_ghosts(files: BorrowedFd<'_>, path: &Path) -> Result<u64, SyscallError> {
    let Some(directory) = stack::try_directory(files, path)? else {
        return Ok(0);
    };
    let before = file::status(&directory)?.modified;
    let mut dropped = 0;
    for entry in file::entries(&directory)? {
        let status = file::status_at(&directory, &entry.name)?;
        if stack::is_whiteout(&directory, &entry.name, &status)? {
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

/// What a directory that the archive left out takes from the lower one.
struct Lower<'a> {
    path: &'a Path,
    directory: Remembered,
    mode: u32,
    modified: Time,
}

impl<'a> Lower<'a> {
    fn of(path: &'a Path, directory: &OwnedFd) -> Result<Self, SyscallError> {
        let status = file::status(directory)?;
        Ok(Self {
            path,
            directory: remembered(directory)?,
            mode: status.mode,
            modified: status.modified,
        })
    }

    fn give(&self, files: BorrowedFd<'_>) -> Result<(), SyscallError> {
        let directory = in_root::open(files, self.path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        for (name, value) in &self.directory {
            xattr::set(&directory, name, value)?;
        }
        file::set_mode(&directory, self.mode)?;
        file::set_modified(&directory, self.modified)
    }
}

/// A directory that this layer and those below it may have.
///
/// It goes down, and back to the root for what is elsewhere: an archive that names one file below a thousand
/// directories tells of each of them, and to look for every one from the root would take the square of that.
struct Place<'a> {
    files: BorrowedFd<'a>,
    below: &'a Stack<'a>,
    path: PathBuf,
    /// This layer's, as long as something shows through it.
    own: OwnedFd,
    /// Those of lower layers that are merged here, top first, unless this layer hides them further up.
    lower: Vec<OwnedFd>,
    /// Whether this layer hides what is in them.
    is_opaque: bool,
}

impl<'a> Place<'a> {
    fn root(files: BorrowedFd<'a>, below: &'a Stack<'a>) -> Result<Self, SyscallError> {
        let own = file::open_directory_at(files, ".")?;
        Ok(Self {
            files,
            below,
            path: PathBuf::new(),
            is_opaque: stack::is_opaque(&own)?,
            lower: below.roots()?,
            own,
        })
    }

    fn go(&mut self, path: &Path) -> Result<(), SyscallError> {
        if !path.starts_with(&self.path) {
            *self = Self::root(self.files, self.below)?;
        }
        for name in path.strip_prefix(&self.path).unwrap_or(path) {
            self.enter(name)?;
        }
        Ok(())
    }

    fn enter(&mut self, name: &OsStr) -> Result<(), SyscallError> {
        self.path.push(name);
        if !self.shows_through() {
            self.lower.clear();
            return Ok(());
        }
        self.lower = stack::enter(&self.lower, name)?;
        match stack::try_directory(&self.own, Path::new(name))? {
            Some(own) => {
                self.is_opaque = stack::is_opaque(&own)?;
                self.own = own;
            }
            None => self.is_opaque = true,
        }
        Ok(())
    }

    /// Whether lower layers have a directory here that this layer does not hide.
    fn shows_through(&self) -> bool {
        !self.is_opaque && !self.lower.is_empty()
    }
}

/// Names and values of what is remembered of an object, without what steers overlayfs.
type Remembered = Vec<(Vec<u8>, Vec<u8>)>;

fn remembered(object: &OwnedFd) -> Result<Remembered, SyscallError> {
    let mut found = Remembered::new();
    for name in xattr::names(object)? {
        let steers =
            name.starts_with(b"user.overlay.") && !name.starts_with(b"user.overlay.overlay.");
        if steers || !name.starts_with(b"user.") {
            continue;
        }
        if let Some(value) = xattr::get(object, &name)? {
            found.push((name, value));
        }
    }
    Ok(found)
}

fn open_parent(files: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, SyscallError> {
    let parent = path.parent().unwrap_or(Path::new(""));
    in_root::open(files, parent, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn last(path: &Path) -> &OsStr {
    path.file_name().unwrap_or(OsStr::from_bytes(b"."))
}
