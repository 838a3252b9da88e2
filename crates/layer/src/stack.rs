//! What shows through a stack of layer directories, found without mounting it.

use std::ffi::OsStr;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ch_linux::file::{self, Kind, Status};
use ch_linux::{SyscallError, xattr};

use crate::unpack::{OPAQUE, WHITEOUT};

/// Layer directories, top first.
#[derive(Debug, Clone)]
pub struct Stack<'a> {
    layers: Vec<BorrowedFd<'a>>,
}

/// What a stack has at a path.
#[derive(Debug)]
pub struct Found {
    /// The directory that has it, in the topmost layer that does.
    pub parent: OwnedFd,
    /// What it is.
    pub status: Status,
}

impl<'a> Stack<'a> {
    /// Looks through `layers`, top first.
    pub fn new(layers: impl IntoIterator<Item = BorrowedFd<'a>>) -> Self {
        Self {
            layers: layers.into_iter().collect(),
        }
    }

    /// The same with one more layer on top.
    pub(crate) fn under(&self, top: BorrowedFd<'a>) -> Self {
        Self::new(std::iter::once(top).chain(self.layers.iter().copied()))
    }

    /// The directories that are merged as the root.
    pub(crate) fn roots(&self) -> Result<Vec<OwnedFd>, SyscallError> {
        let mut visible = Vec::new();
        for layer in &self.layers {
            let root = file::open_directory_at(layer, ".")?;
            let opaque = is_opaque(&root)?;
            visible.push(root);
            if opaque {
                break;
            }
        }
        Ok(visible)
    }

    /// What shows at `path`, which is relative, clean and not empty. No link is followed.
    pub fn find(&self, path: &Path) -> Result<Option<Found>, SyscallError> {
        let mut visible = self.roots()?;
        let components: Vec<&[u8]> = path
            .as_os_str()
            .as_bytes()
            .split(|byte| *byte == b'/')
            .collect();
        let Some((last, directories)) = components.split_last() else {
            return Ok(None);
        };
        for name in directories {
            visible = enter(&visible, OsStr::from_bytes(name))?;
        }
        top(visible, OsStr::from_bytes(last))
    }
}

/// The directories that are merged as `name`.
pub(crate) fn enter(visible: &[OwnedFd], name: &OsStr) -> Result<Vec<OwnedFd>, SyscallError> {
    let mut merged = Vec::new();
    for directory in visible {
        let Some(status) = file::try_status_at(directory, name)? else {
            continue;
        };
        if status.kind != Kind::Directory {
            break;
        }
        let found = file::open_directory_at(directory, name)?;
        let opaque = is_opaque(&found)?;
        merged.push(found);
        if opaque {
            break;
        }
    }
    Ok(merged)
}

/// The directory at a canonical path below `root`; `None` where there is none, or a link instead.
pub(crate) fn try_directory(root: impl AsFd, path: &Path) -> Result<Option<OwnedFd>, SyscallError> {
    let mut here = file::open_directory_at(root, ".")?;
    for name in path {
        here = match file::open_directory_at(&here, name) {
            Ok(next) => next,
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(None),
            Err(error) => return Err(error),
        };
    }
    Ok(Some(here))
}

/// Whether nothing of the layers below shows in this directory.
pub fn is_opaque(directory: impl AsFd) -> Result<bool, SyscallError> {
    Ok(xattr::get(directory, OPAQUE)?.is_some_and(|value| value == b"y"))
}

/// The topmost object `name`.
fn top(visible: Vec<OwnedFd>, name: &OsStr) -> Result<Option<Found>, SyscallError> {
    for parent in visible {
        if let Some(status) = file::try_status_at(&parent, name)? {
            let hidden = is_whiteout(&parent, name, &status)?;
            return Ok((!hidden).then_some(Found { parent, status }));
        }
    }
    Ok(None)
}

/// Whether `name` in `directory`, of this `status`, hides what is below it: a device 0:0, or the form that needs no
/// device.
pub fn is_whiteout(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
    status: &Status,
) -> Result<bool, SyscallError> {
    if status.kind != Kind::File || status.size != 0 {
        return Ok(status.is_whiteout());
    }
    let file = file::open_at(directory, name.as_ref(), file::OFlags::RDONLY)?;
    Ok(xattr::get(file, WHITEOUT)?.is_some())
}
