//! From what a caller names to a path that means the same to us.
//!
//! As long as nobody has a root or mounts of its own, a caller's absolute path is ours, and a relative one is below
//! `/proc/TID/cwd`, or below a copy of the caller's descriptor (`/proc/TID/fd/N` where there is none). Where links of
//! `/proc` that depend on who follows them may be on the way, or somebody is apart, the path is [walked](super::walk).

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use ch_linux::file::OFlags;
use ch_linux::{Errno, behalf};

use super::caller::{Caller, joined};
use super::object::Object;
use super::{Supervisor, walk};
use crate::calls::{Destination, Target};

/// How an object can be looked at.
pub(super) enum Way {
    /// By this path, whose last link is followed or not.
    Path(CString, bool),
    /// By this path below an open directory; or that itself, if the path is empty.
    Below(OwnedFd, CString, bool),
    /// Only step by step.
    Steps,
}

impl Supervisor {
    /// The way to what `target` names.
    pub(super) fn way(&self, caller: &Caller<'_>, target: &Target) -> Result<Way, Errno> {
        let Some(text) = self.text(caller, target)? else {
            return Ok(match copied(caller, target.directory) {
                Some(open) => Way::Below(open, CString::default(), true),
                None => Way::Path(base(caller, target.directory), true),
            });
        };
        if self.is_apart() || is_special(text.to_bytes(), target.follow) {
            return Ok(Way::Steps);
        }
        if text.to_bytes().starts_with(b"/") {
            return Ok(Way::Path(text, target.follow));
        }
        Ok(match copied(caller, target.directory) {
            Some(directory) => Way::Below(directory, text, target.follow),
            None => Way::Path(
                joined(&base(caller, target.directory), &text),
                target.follow,
            ),
        })
    }

    /// The path that `target` names; none if it is an open object itself.
    fn text(&self, caller: &Caller<'_>, target: &Target) -> Result<Option<CString>, Errno> {
        let text = match target.path {
            // `AT_EMPTY_PATH` allows none at all, since Linux 6.11.
            Some(pointer) if pointer.0 != 0 || !target.empty => Some(caller.text(pointer)?),
            _ => None,
        };
        let text = text.filter(|text| !text.is_empty());
        if text.is_none() && !target.empty {
            return Err(Errno::NOENT);
        }
        Ok(text)
    }

    /// Opens what `target` names, only to look at it and to change what it is.
    pub(super) fn object(&self, caller: &Caller<'_>, target: &Target) -> Result<Object, Errno> {
        if target.path.is_none() {
            let found = match copied(caller, target.directory) {
                Some(copy) => Object::opened(copy)?,
                None => {
                    require_open(caller, target.directory)?;
                    Object::new(behalf::open(&base(caller, target.directory), OFlags::PATH)?)?
                }
            };
            caller.still_waits()?;
            return Ok(found);
        }
        let found = match self.text(caller, target)? {
            None => Object::new(behalf::open(&base(caller, target.directory), OFlags::PATH)?)?,
            Some(text) => self.open_path(caller, target.directory, &text, target.follow)?,
        };
        caller.still_waits()?;
        Ok(found)
    }

    /// Opens what `path` is to the caller. No link of `/proc` is followed with more rights than the caller has.
    fn open_path(
        &self,
        caller: &Caller<'_>,
        directory: i32,
        path: &CStr,
        follow: bool,
    ) -> Result<Object, Errno> {
        if self.is_apart() || is_special(path.to_bytes(), follow) {
            return walk::to(caller, directory, path, follow);
        }
        let start = if path.to_bytes().starts_with(b"/") {
            behalf::open(c".", OFlags::PATH)?
        } else {
            behalf::open(&base(caller, directory), OFlags::PATH)?
        };
        let link = if follow {
            OFlags::empty()
        } else {
            OFlags::NOFOLLOW
        };
        let flags = u64::from((OFlags::PATH | link).bits());
        match behalf::open_how(&start, path, flags, 0, walk::NO_MAGIC_LINKS) {
            Err(Errno::LOOP) => walk::to(caller, directory, path, follow),
            other => Object::new(other?),
        }
    }

    /// Opens the directory in which `place` is, and gives the name there.
    pub(super) fn open_parent(
        &self,
        caller: &Caller<'_>,
        place: &Destination,
    ) -> Result<(Object, CString), Errno> {
        let text = caller.text(place.path)?;
        let (parent, name) = parent_and_name(text.to_bytes()).ok_or(Errno::NOENT)?;
        if matches!(name, b"" | b"." | b"..") {
            return Err(Errno::EXIST);
        }
        let c_string = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno::INVAL);
        let (parent, name) = (c_string(parent)?, c_string(name)?);
        let directory = self.open_path(caller, place.directory, &parent, true)?;
        caller.still_waits()?;
        Ok((directory, name))
    }
}

/// The directory of a path, and the name there; `None` if the path is empty.
pub(super) fn parent_and_name(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    // Slashes behind the last name say that a directory is meant.
    let end = path.iter().rposition(|byte| *byte != b'/');
    let path = &path[..end.map_or(0, |end| end + 1)];
    Some(match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) => (b"/", &path[1..]),
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b".", path),
    })
}

/// Fails unless the caller has that descriptor, and not only for its path.
fn require_open(caller: &Caller<'_>, descriptor: i32) -> Result<(), Errno> {
    let mut text = [0; 128];
    let path = caller.in_proc(&format!("fdinfo/{descriptor}"));
    let information = behalf::read(&path, &mut text).map_err(|_| Errno::BADF)?;
    let flags = std::str::from_utf8(information)
        .ok()
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("flags:")))
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    match flags {
        Some(flags) if flags & OFlags::PATH.bits() != 0 => Err(Errno::BADF),
        _ => Ok(()),
    }
}

/// A descriptor of the caller, which takes half the time of a way through `/proc`, where the kernel can.
fn copied(caller: &Caller<'_>, descriptor: i32) -> Option<OwnedFd> {
    if descriptor == Target::HERE {
        return None;
    }
    caller.known.copy(caller.thread, descriptor)
}

/// Where relative paths of a caller start.
pub(super) fn base(caller: &Caller<'_>, directory: i32) -> CString {
    if directory == Target::HERE {
        caller.in_proc("cwd")
    } else {
        caller.in_proc(&format!("fd/{directory}"))
    }
}

/// Our own path of an open object.
pub(super) fn of_descriptor(object: &OwnedFd) -> CString {
    use std::os::fd::AsRawFd as _;
    let path = format!("self/fd/{}", object.as_raw_fd());
    CString::new(path).expect("a number holds no NUL")
}

/// Whether a path may lead over `/proc/self`, `/dev/fd` or `/dev/stdin`; or, if it is followed to its end, be a name in
/// one of their directories.
pub(super) fn is_special(path: &[u8], follow: bool) -> bool {
    let has = |part: &[u8]| path.windows(part.len()).any(|window| window == part);
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let number = !last.is_empty() && last.iter().all(u8::is_ascii_digit);
    let is_of_directory = number || last.starts_with(b"std");
    follow && is_of_directory || has(b"proc") || has(b"fd") || has(b"self")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_depend_on_who_follows_them_are_special() {
        for path in [
            "/proc/self/fd/3",
            "/dev/fd/3",
            "fd/3",
            "3",
            "/dev/stdin",
            "stdout",
            "self/exe",
        ] {
            assert!(is_special(path.as_bytes(), true), "{path}");
        }
        assert!(!is_special(b"/many/1", false));
        for path in ["/etc/passwd", ".", "usr/lib", "/dev/null", "/usr/share/doc"] {
            assert!(!is_special(path.as_bytes(), true), "{path}");
        }
    }
}
