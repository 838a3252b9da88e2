//! Where a `COPY` or `WORKDIR` writes: a path of the image, resolved inside it, made where missing.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ch_linux::file::{self, Kind, OFlags};
use ch_linux::{SyscallError, in_root};
use ch_ownership::{Override, Place};
use ch_rootfs::Learned;

use super::error::CopyError;
use super::resolve::absent;

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// A destination as the author wrote it, joined to the working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// Absolute path in the image; may hold `..`.
    pub(crate) path: PathBuf,
    /// It ends in `/` or `/.`, or is the working directory itself.
    pub(crate) is_directory: bool,
}

impl Destination {
    /// Reads `text`; empty, `.` and `./` are the working directory as a directory.
    pub(crate) fn new(working_directory: &str, text: &str) -> Self {
        let last = text.rsplit('/').next().unwrap_or_default();
        let is_directory = matches!(last, "" | "." | "..");
        Self {
            path: Path::new("/").join(working_directory).join(text),
            is_directory,
        }
    }
}

/// What a path of the image leads to.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The path without links, below the root.
    pub(crate) path: PathBuf,
    /// What is there; `None` if nothing is.
    pub(crate) kind: Option<Kind>,
}

/// Follows `path` below `root` through all links, also where its end does not exist yet.
pub(crate) fn resolve(root: impl AsFd, path: &Path) -> Result<Resolved, CopyError> {
    let failed = |source| CopyError::Write {
        path: path.to_owned(),
        source,
    };
    let mut resolved = PathBuf::new();
    let mut kind = Some(Kind::Directory);
    let mut rest: VecDeque<OsString> = in_root::components(path);
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            if resolved.pop() {
                kind = status(&root, &resolved).map_err(failed)?;
            }
            continue;
        }
        if matches!(kind, Some(kind) if kind != Kind::Directory) {
            return Err(CopyError::NotADirectory(absolute(&resolved)));
        }
        resolved.push(name);
        kind = if kind.is_some() {
            status(&root, &resolved).map_err(failed)?
        } else {
            None
        };
        if kind == Some(Kind::Symlink) {
            links += 1;
            if links > MOST_LINKS {
                return Err(CopyError::TooManyLinks(path.to_owned()));
            }
            let target = read_link(&root, &resolved).map_err(failed)?;
            resolved.pop();
            if target.is_absolute() {
                resolved.clear();
            }
            let mut followed = in_root::components(&target);
            followed.append(&mut rest);
            rest = followed;
            kind = Some(Kind::Directory);
        }
    }
    Ok(Resolved {
        path: resolved,
        kind,
    })
}

/// Opens the directory `path` (as [`resolve`] gives it), making what is missing: it is believed to be `made`, and what
/// can't carry that is `learned`.
pub(crate) fn ensure_directory(
    root: impl AsFd,
    path: &Path,
    made: &Override,
    learned: &mut Learned,
) -> Result<File, CopyError> {
    let failed = |source| CopyError::Write {
        path: absolute(path),
        source,
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let found = in_root::open(&root, path, flags);
    if let Some(directory) = absent(found).map_err(failed)? {
        return Ok(directory.into());
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().unwrap_or(OsStr::new("."));
    let parent = ensure_directory(root, parent, made, learned)?;
    file::make_directory_at(&parent, name, 0o700).map_err(failed)?;
    let directory = file::open_directory_at(&parent, name).map_err(failed)?;
    match ch_ownership::remember_new(&directory, made).map_err(failed)? {
        Place::Object => {}
        Place::Owners => learned.add_at(path.to_owned(), *made),
    }
    Ok(directory.into())
}

/// `path` below the root, as one would write it inside.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    Path::new("/").join(path)
}

fn status(root: impl AsFd, path: &Path) -> Result<Option<Kind>, SyscallError> {
    let place = in_root::open(root, path, OFlags::PATH | OFlags::NOFOLLOW);
    absent(place)?
        .map(|place| Ok(file::status(&place)?.kind))
        .transpose()
}

fn read_link(root: impl AsFd, path: &Path) -> Result<PathBuf, SyscallError> {
    let parent = path.parent().unwrap_or(Path::new(""));
    let directory: OwnedFd = in_root::open(root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
    file::read_link_at(&directory, path.file_name().unwrap_or_default())
}
