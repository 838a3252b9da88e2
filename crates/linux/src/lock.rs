//! Locks of open files: `flock(2)`.
//!
//! A lock belongs to the open file description: it excludes other processes and other threads alike,
//! and vanishes with the last descriptor, so no lock is ever stale.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::SyscallError;
use crate::tree::Directory;

/// Who else may hold the lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Others who share.
    Shared,
    /// Nobody.
    Exclusive,
}

/// Takes the lock of `file` if nobody is in the way; says whether it did.
pub fn try_lock(file: impl AsFd, sharing: Sharing) -> Result<bool, SyscallError> {
    let operation = match sharing {
        Sharing::Shared => FlockOperation::NonBlockingLockShared,
        Sharing::Exclusive => FlockOperation::NonBlockingLockExclusive,
    };
    match flock(file, operation) {
        Err(error) if error.errno() == Some(Errno::WOULDBLOCK) => Ok(false),
        other => other.map(|()| true),
    }
}

/// Takes the lock of `file`, however long that lasts.
pub fn lock(file: impl AsFd, sharing: Sharing) -> Result<(), SyscallError> {
    let operation = match sharing {
        Sharing::Shared => FlockOperation::LockShared,
        Sharing::Exclusive => FlockOperation::LockExclusive,
    };
    flock(file, operation)
}

fn flock(file: impl AsFd, operation: FlockOperation) -> Result<(), SyscallError> {
    loop {
        match rustix::fs::flock(&file, operation) {
            Err(Errno::INTR) => {}
            other => {
                return other.map_err(|errno| SyscallError::new("flock", named(operation), errno));
            }
        }
    }
}

/// As the kernel names it.
fn named(operation: FlockOperation) -> &'static str {
    match operation {
        FlockOperation::LockShared => "LOCK_SH",
        FlockOperation::LockExclusive => "LOCK_EX",
        FlockOperation::Unlock => "LOCK_UN",
        FlockOperation::NonBlockingLockShared => "LOCK_SH|LOCK_NB",
        FlockOperation::NonBlockingLockExclusive => "LOCK_EX|LOCK_NB",
        FlockOperation::NonBlockingUnlock => "LOCK_UN|LOCK_NB",
    }
}

/// Whether a failed lock means that the file system has no locks at all.
pub fn is_unsupported(error: &SyscallError) -> bool {
    matches!(
        error.errno(),
        Some(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP)
    )
}

/// Takes the exclusive lock of the file `name` in `directory`, making the file if there is none.
///
/// Whoever holds such a lock may unlink the file before letting go. So after getting the lock the file
/// must still be the one of that name; else the whole is tried again. `wait` is called once, before
/// blocking; without it, a lock that is taken gives `None`.
pub fn lock_name(
    directory: &Directory,
    name: &OsStr,
    mut wait: Option<&mut dyn FnMut(&File)>,
) -> Result<Option<File>, SyscallError> {
    loop {
        let file = directory.ensure_file(name)?;
        if !try_lock(&file, Sharing::Exclusive)? {
            let Some(wait) = wait.as_mut() else {
                return Ok(None);
            };
            wait(&file);
            lock(&file, Sharing::Exclusive)?;
        }
        if is_named(directory, name, &file)? {
            return Ok(Some(file));
        }
    }
}

/// Takes the exclusive lock of the existing file `name` if it is free; `None` if it is held or gone.
pub fn try_lock_existing(
    directory: &Directory,
    name: &OsStr,
) -> Result<Option<File>, SyscallError> {
    let Some(file) = directory.try_file(name)? else {
        return Ok(None);
    };
    if try_lock(&file, Sharing::Exclusive)? && is_named(directory, name, &file)? {
        return Ok(Some(file));
    }
    Ok(None)
}

fn is_named(directory: &Directory, name: &OsStr, file: &File) -> Result<bool, SyscallError> {
    let open = rustix::fs::fstat(file)
        .map_err(|errno| SyscallError::new("fstat", format!("{name:?}"), errno))?;
    let named = directory.try_attributes_of(name)?;
    let identity = crate::tree::Attributes::from(open).identity;
    Ok(named.is_some_and(|named| named.identity == identity))
}

/// Process IDs that hold a `flock` lock on `file`, as far as `/proc/locks` tells.
///
/// Only for messages: other machines' processes are not in there, and on file systems whose device
/// numbers differ between `stat` and the superblock (btrfs) nobody is found.
pub fn holders(file: impl AsFd) -> Vec<u32> {
    let (Ok(stat), Ok(locks)) = (
        rustix::fs::fstat(file),
        std::fs::read_to_string("/proc/locks"),
    ) else {
        return Vec::new();
    };
    let (major, minor) = (
        rustix::fs::major(stat.st_dev),
        rustix::fs::minor(stat.st_dev),
    );
    let wanted = format!("{major:02x}:{minor:02x}:{}", stat.st_ino);
    let own = std::process::id();
    locks
        .lines()
        .filter_map(|line| holder(line, &wanted))
        .filter(|pid| *pid != own)
        .collect()
}

/// The process of one line `1: FLOCK ADVISORY WRITE 4321 08:01:1234 0 EOF`, if it is about `wanted`.
fn holder(line: &str, wanted: &str) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    if fields.next()? != "FLOCK" {
        return None; // "->" is somebody who waits
    }
    let pid = fields.nth(2)?;
    (fields.next()? == wanted).then(|| pid.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::open(temporary.path()).unwrap();
        (temporary, directory)
    }

    #[test]
    fn exclusive_lock_keeps_others_out_until_it_is_dropped() {
        let (_temporary, directory) = directory();
        let name = OsStr::new("key");
        let held = lock_name(&directory, name, None).unwrap().unwrap();
        assert!(lock_name(&directory, name, None).unwrap().is_none());
        assert!(try_lock_existing(&directory, name).unwrap().is_none());
        drop(held);
        assert!(lock_name(&directory, name, None).unwrap().is_some());
    }

    #[test]
    fn failed_locks_are_told_as_the_kernel_names_them() {
        let nowhere = crate::mount::open_place(std::path::Path::new("/")).unwrap();
        let error = try_lock(nowhere, Sharing::Shared).unwrap_err();
        assert_eq!(error.to_string(), "flock(LOCK_SH|LOCK_NB)");
    }

    #[test]
    fn shared_locks_go_together() {
        let (_temporary, directory) = directory();
        let first = directory.ensure_file("lock").unwrap();
        let second = directory.ensure_file("lock").unwrap();
        assert!(try_lock(&first, Sharing::Shared).unwrap());
        assert!(try_lock(&second, Sharing::Shared).unwrap());
        assert!(!try_lock(&first, Sharing::Exclusive).unwrap());
    }

    #[test]
    fn waiter_of_an_unlinked_file_locks_the_new_one() {
        let (_temporary, directory) = directory();
        let name = OsStr::new("key");
        let held = lock_name(&directory, name, None).unwrap().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let mut waiting = |_: &File| sender.send(()).unwrap();
                lock_name(&directory, name, Some(&mut waiting))
                    .unwrap()
                    .unwrap()
            });
            receiver.recv().unwrap();
            directory.remove_file(name).unwrap();
            drop(held);
            let got = waiter.join().unwrap();
            assert!(is_named(&directory, name, &got).unwrap());
        });
    }

    #[test]
    fn holders_line_is_read() {
        let line = "3: FLOCK  ADVISORY  WRITE 4321 08:01:1234 0 EOF";
        assert_eq!(holder(line, "08:01:1234"), Some(4321));
        assert_eq!(holder(line, "08:01:1235"), None);
        assert_eq!(
            holder(
                "3: -> FLOCK  ADVISORY  WRITE 4321 08:01:1234 0 EOF",
                "08:01:1234"
            ),
            None
        );
        assert_eq!(
            holder(
                "3: POSIX  ADVISORY  WRITE 4321 08:01:1234 0 EOF",
                "08:01:1234"
            ),
            None
        );
    }
}
