//! The trash: what only waits for being deleted.
//!
//! Deleting many files slows down the creation of others for a minute on ext4, so nothing is deleted
//! before or while a command works: it is renamed into `tmp/trash/<boot>-<number>`, and the trash is
//! emptied, a little at a time, when nobody waits any more.

use std::ffi::OsStr;
use std::time::Duration;

use ch_linux::SyscallError;
use ch_linux::tree::{self, Budget, Directory};

use crate::layers::LayerMeta;
use crate::opening::names;
use crate::{Notice, Storage, sealed};

/// More than this in the trash is deleted to the end.
const TOO_MUCH: u64 = 10 << 30;
/// With less than this free, all of the trash is deleted: it may be what fills the file system.
const SCARCE: u64 = 256 << 20;

/// Moves `name` of `directory` to the trash; it may be gone already.
pub(crate) fn discard(
    trash: &Directory,
    boot: &str,
    directory: &Directory,
    name: impl AsRef<OsStr>,
) -> Result<(), SyscallError> {
    let place = format!("{boot}-{}", ch_linux::boot::unique());
    match directory.rename(name, trash, place) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Moves `name` of `directory` to the trash if it has this `identity`. Another command may have found the same
/// fault, and put something good in its place meanwhile.
pub(crate) fn discard_only(
    trash: &Directory,
    boot: &str,
    directory: &Directory,
    name: &str,
    identity: (u64, u64),
) -> Result<(), SyscallError> {
    let place = format!("{boot}-{}", ch_linux::boot::unique());
    match directory.rename(name, trash, &place) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    let moved = trash.try_attributes_of(&place)?;
    if moved.is_none_or(|moved| moved.identity == identity) {
        return Ok(());
    }
    match trash.rename_new(&place, directory, name) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Moves work in progress to the trash. What ran in it may have closed directories to their owner, who is to be
/// able to delete the storage directory with `rm -rf` at any time, so they are opened up first.
pub(crate) fn discard_work(
    trash: &Directory,
    boot: &str,
    directory: &Directory,
    name: impl AsRef<OsStr>,
) -> Result<(), SyscallError> {
    let name = name.as_ref();
    if let Err(error) = tree::open_up_all(directory, name) {
        tracing::debug!("directories stay closed: {error}");
    }
    discard(trash, boot, directory, name)
}

/// Deletes what is in `trash` as far as `budget` goes; says whether all is gone.
pub(crate) fn empty(trash: &Directory, budget: &mut Budget) -> Result<bool, SyscallError> {
    let mut all = true;
    for entry in trash.entries()? {
        if budget.is_spent() {
            return Ok(false);
        }
        // What another command is deleting too may be left to it.
        all &= tree::remove(trash, &entry.name, budget)?;
    }
    Ok(all)
}

impl Storage {
    /// Empties the trash a little: for at most 50 ms or 1,000 entries, unless it holds too much or space is scarce.
    ///
    /// To be called at the end of a command, after its result was reported. What can't be deleted stays; nobody is harmed.
    pub fn tidy(&self) -> Result<(), SyscallError> {
        let free = ch_linux::sync::describe(&self.inner().root)?.free;
        if free < SCARCE {
            return self.empty_trash(Budget::UNLIMITED).map(|_| ());
        }
        // Ten GiB, or a fifth of what is free, if that is less.
        if self.trashed_bytes()? > TOO_MUCH.min(free / 5) {
            self.inner().options.notify.send(&Notice::EmptyingTrash);
            return self.empty_trash(Budget::UNLIMITED).map(|_| ());
        }
        self.empty_trash(Budget::new(1_000, Duration::from_millis(50)))
            .map(|_| ())
    }

    /// Deletes what is in the trash as far as `budget` goes; says whether all is gone.
    pub fn empty_trash(&self, mut budget: Budget) -> Result<bool, SyscallError> {
        empty(&self.inner().trash, &mut budget)
    }

    /// Size of the trash, as far as it is layers, which know theirs. Looking at the rest would cost as
    /// much as deleting it.
    fn trashed_bytes(&self) -> Result<u64, SyscallError> {
        let trash = &self.inner().trash;
        let mut bytes = 0;
        for entry in trash.entries()? {
            let Ok(item) = trash.directory(&entry.name) else {
                continue;
            };
            let meta = item.try_read(names::META)?.unwrap_or_default();
            if let Ok(meta) = sealed::unseal::<LayerMeta>(&meta) {
                bytes += meta.value.bytes;
            }
        }
        Ok(bytes)
    }
}
