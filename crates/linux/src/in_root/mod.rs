//! Paths as a process inside `root` would see them, opened from outside.
//!
//! `root` is a descriptor of a directory; absolute paths and links start there, and `..` stops there.
//! The kernel does it (`openat2` with `RESOLVE_IN_ROOT`, Linux 5.6); where it cannot, and for paths
//! longer than it takes at once, [`walk`] goes component by component. Both give the same answer:
//! one table of cases is run on both. Invariant: no descriptor of anything outside `root` is ever
//! returned, also while others rename and replace what is on the way.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::SyscallError;

/// Longest path that one system call takes, with its final NUL.
const LONGEST: usize = 4096;

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// Opens `path` below `root`: no symbolic link and no `..` leads out of it.
///
/// `flags` must not create; with `NOFOLLOW` a link in the last place is not followed.
pub fn open(root: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd, SyscallError> {
    if path.as_os_str().len() >= LONGEST {
        return walk(root, path, flags);
    }
    let name = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    loop {
        let flags = flags | OFlags::CLOEXEC;
        match fs::openat2(&root, name, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            Ok(fd) => return Ok(fd),
            // A rename on the way made `..` uncertain: the kernel wants to be asked again.
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::NOSYS | Errno::PERM) => return walk(root, path, flags),
            Err(errno) => return Err(failed("openat2", &root, path, errno)),
        }
    }
}

/// What [`open`] does, without `openat2(2)`: every component by its own descriptor, `..` by going
/// back to the descriptor that was passed on the way down.
pub fn walk(root: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd, SyscallError> {
    let fail = |errno| failed("openat", &root, path, errno);
    let mut above: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    let mut rest = components(path);
    let must_be_directory = ends_as_directory(path);
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            above.pop();
            continue;
        }
        let here = above.last().map_or(root.as_fd(), OwnedFd::as_fd);
        let last = rest.is_empty();
        let found = fs::statat(here, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(fail)?;
        let kind = FileType::from_raw_mode(found.st_mode);
        let follow = !last || must_be_directory || !flags.contains(OFlags::NOFOLLOW);
        if kind == FileType::Symlink && follow {
            links += 1;
            if links > MOST_LINKS {
                return Err(fail(Errno::LOOP));
            }
            let target = fs::readlinkat(here, &name, Vec::new())
                .map_err(fail)?
                .into_bytes();
            let target = Path::new(OsStr::from_bytes(&target));
            if target.is_absolute() {
                above.clear();
            }
            let mut spliced = components(target);
            spliced.append(&mut rest);
            rest = spliced;
            continue;
        }
        if last {
            let extra = if must_be_directory {
                OFlags::DIRECTORY
            } else {
                OFlags::empty()
            };
            let flags = flags | extra | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            return fs::openat(here, &name, flags, Mode::empty()).map_err(fail);
        }
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        above.push(fs::openat(here, &name, step, Mode::empty()).map_err(fail)?);
    }
    let here = above.last().map_or(root.as_fd(), OwnedFd::as_fd);
    fs::openat(here, ".", flags | OFlags::CLOEXEC, Mode::empty()).map_err(fail)
}

/// The names in `path` and its `..`, from left to right.
pub fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// Whether the path itself says that it names a directory.
fn ends_as_directory(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.ends_with(b"/") || bytes.ends_with(b"/.")
}

fn failed(call: &'static str, root: impl AsFd, path: &Path, errno: Errno) -> SyscallError {
    let root = root.as_fd().as_raw_fd();
    SyscallError::new(call, format!("{root}, {path:?}, RESOLVE_IN_ROOT"), errno)
}

#[cfg(test)]
mod tests;
