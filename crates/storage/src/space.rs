//! Space: what happens when the file system, or the user's share of it, is full.
//!
//! What a command had begun goes to the trash with its drafts, so that is where space comes from: the trash is
//! emptied, and whatever can be done once more is done once more. Only then the command fails, and what
//! it took is deleted before the user hears of it.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use ch_linux::SyscallError;
use ch_linux::tree::Budget;

use crate::Storage;

/// Calls that fail with `ENOSPC` for want of something other than space: a limit of namespaces is reached.
const NAMESPACE_CALLS: [&str; 5] = ["clone", "clone3", "fork", "setns", "unshare"];

const MOUNTS: &str = "/proc/self/mountinfo";

/// There is no space left where the storage directory is. What a failed command left there is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSpace {
    path: PathBuf,
    file_system: Option<PathBuf>,
}

impl NoSpace {
    /// What the user can do.
    pub const HINT: &str = "ch-image prune; or free space on that file system";

    /// The storage directory at `path` has no space left.
    pub fn at(path: &Path) -> Self {
        let mounts = std::fs::read(MOUNTS).unwrap_or_default();
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self {
            path: path.to_owned(),
            file_system: mount_point(&mounts, &real),
        }
    }
}

impl fmt::Display for NoSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "no space left in storage directory: {path}")?;
        match &self.file_system {
            Some(mount) => write!(f, " (file system {})", mount.display()),
            None => Ok(()),
        }
    }
}

impl Error for NoSpace {}

/// Whether `error` goes back to a write for which there was no space, or no quota.
pub fn is_no_space(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if is_of_namespaces(&error.to_string()) {
            return false;
        }
        if let Some(error) = error.downcast_ref::<SyscallError>() {
            return is_full(error.kind());
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            // A failed call may be inside, where `source` does not lead.
            return match error.get_ref() {
                Some(inner) if inner.is::<SyscallError>() => is_no_space(inner),
                _ => is_full(error.kind()),
            };
        }
        next = error.source();
    }
    false
}

/// Whether a failed call, as every error of one is displayed, is about namespaces. It may have been told by
/// another process, so it is known by its text alone.
fn is_of_namespaces(text: &str) -> bool {
    let call = text.split_once('(').map(|(call, _)| call);
    call.is_some_and(|call| NAMESPACE_CALLS.contains(&call))
}

fn is_full(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl Storage {
    /// Does `work`; if that fails for want of space and there is trash of earlier work, empties the trash and
    /// does it once more. `work` leaves nothing but trash when it fails.
    pub fn with_space<T, E: Error + 'static>(
        &self,
        mut work: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let had_trash = self.has_trash();
        match work() {
            Err(error) if had_trash && is_no_space(&error) => {
                self.empty_trash_or_tell();
                work()
            }
            result => result,
        }
    }

    /// Frees what a command took that failed for want of space, after its drafts are gone, and says what is
    /// to be told of it.
    pub fn no_space(&self) -> NoSpace {
        self.empty_trash_or_tell();
        NoSpace::at(self.path())
    }

    fn has_trash(&self) -> bool {
        let entries = self.inner().trash.entries();
        entries.is_ok_and(|entries| !entries.is_empty())
    }

    fn empty_trash_or_tell(&self) {
        if let Err(error) = self.empty_trash(Budget::UNLIMITED) {
            tracing::debug!("the trash can't be emptied: {error}");
        }
    }
}

/// The mount in the text of `/proc/self/mountinfo` that `path` is on: the longest, and of those the last one.
fn mount_point(mounts: &[u8], path: &Path) -> Option<PathBuf> {
    let points = mounts.split(|byte| *byte == b'\n').filter_map(|line| {
        let field = line.split(|byte| *byte == b' ').nth(4)?;
        Some(PathBuf::from(std::ffi::OsString::from_vec(unescape(field))))
    });
    points
        .filter(|point| path.starts_with(point))
        .max_by_key(|point| point.as_os_str().len())
}

/// Replaces `\040` and its like by what they stand for.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\');
        let value = octal.and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        bytes.push(value.unwrap_or(*first));
        rest = value.map_or(after, |_| &after[3..]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Place, make_layer};

    const NO_SPACE: i32 = 28;
    const NO_QUOTA: i32 = 122;

    fn call(name: &'static str, errno: i32) -> SyscallError {
        SyscallError::new(name, "", io::Error::from_raw_os_error(errno))
    }

    #[derive(Debug, thiserror::Error)]
    #[error("can't do it")]
    struct Outer(#[source] io::Error);

    #[test]
    fn want_of_space_is_recognised_behind_other_errors() {
        for errno in [NO_SPACE, NO_QUOTA] {
            assert!(is_no_space(&io::Error::from_raw_os_error(errno)));
            assert!(is_no_space(&call("write", errno)));
            assert!(is_no_space(&Outer(call("write", errno).into())));
        }
        assert!(!is_no_space(&call("write", 5)));
        assert!(!is_no_space(&Outer(io::Error::other("full of itself"))));
    }

    #[test]
    fn a_limit_of_namespaces_is_no_want_of_space() {
        assert!(!is_no_space(&call("unshare", NO_SPACE)));
        assert!(!is_no_space(&Outer(call("clone3", NO_SPACE).into())));
        // What the mounter process was told reaches us as a text and a number.
        #[derive(Debug, thiserror::Error)]
        #[error("unshare(CLONE_NEWUSER)")]
        struct Told(#[source] io::Error);
        assert!(!is_no_space(&Told(io::Error::from_raw_os_error(NO_SPACE))));
    }

    #[test]
    fn work_is_done_once_more_when_the_trash_had_something() {
        let place = Place::new();
        let storage = place.open();
        let mut tries = 0;
        let mut work = || {
            tries += 1;
            if tries < 3 {
                return Err(call("write", NO_SPACE));
            }
            Ok(tries)
        };
        assert!(storage.with_space(&mut work).is_err(), "nothing to empty");
        let layer = make_layer(&storage, "content");
        throw_away(&storage, &layer);
        assert_eq!(storage.with_space(&mut work).unwrap(), 3);
        assert_eq!(place.names("tmp/trash"), Vec::<String>::new());
    }

    fn throw_away(storage: &Storage, layer: &crate::LayerId) {
        let inner = storage.inner();
        let name = layer.as_str();
        crate::trash::discard(&inner.trash, "boot", &inner.layers, name).unwrap();
    }

    #[test]
    fn what_failed_otherwise_is_not_done_again() {
        let place = Place::new();
        let storage = place.open();
        let layer = make_layer(&storage, "content");
        throw_away(&storage, &layer);
        let mut tries = 0;
        let result: Result<(), _> = storage.with_space(|| {
            tries += 1;
            Err(call("write", 5))
        });
        assert!(result.is_err());
        assert_eq!((tries, place.names("tmp/trash").len()), (1, 1));
    }

    #[test]
    fn the_file_system_is_named_by_its_mount_point() {
        let mounts = b"1 0 8:1 / / rw - ext4 /dev/a rw\n\
            2 1 8:2 / /home rw - ext4 /dev/b rw\n\
            3 1 8:3 / /home/my\\040disk rw - xfs /dev/c rw\n";
        let found = |path| mount_point(mounts, Path::new(path));
        assert_eq!(found("/home/me/s"), Some("/home".into()));
        assert_eq!(found("/home/my disk/s"), Some("/home/my disk".into()));
        assert_eq!(found("/homes/s"), Some("/".into()));
        let place = Place::new();
        let text = place.open().no_space().to_string();
        let want = format!(
            "no space left in storage directory: {} (file system /",
            place.path.display()
        );
        assert!(text.starts_with(&want), "{text}");
    }
}
