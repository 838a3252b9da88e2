//! The sweep: what dead commands left below `tmp/` goes to the trash.
//!
//! The living hold locks on what is theirs, so whatever can be locked, or has no lock at all, is swept. It
//! runs at the start of commands that write, and several may run at once.

use std::ffi::OsStr;

use ch_linux::SyscallError;
use ch_linux::lock;
use ch_linux::tree::Directory;

use crate::opening::names;
use crate::owner::LOCK_SUFFIX;
use crate::{Notice, Storage, trash};

/// Mount points below the lowest layer, made once for all.
pub(crate) const SCAFFOLD_PREFIX: &str = "scaffold-";

impl Storage {
    /// Clears away what no living process owns.
    pub(crate) fn sweep(&self) -> Result<(), SyscallError> {
        let tmp = &self.inner().tmp;
        let mut leftovers = 0;
        for entry in tmp.entries()? {
            let Some(name) = entry.name.to_str() else {
                continue;
            };
            if is_permanent(name) {
                continue;
            }
            leftovers += usize::from(self.sweep_owner(name)?);
        }
        for name in [names::LOCKS, names::LEASES] {
            leftovers += sweep_locks(&tmp.ensure_directory(name)?)?;
        }
        if leftovers > 0 {
            self.inner()
                .options
                .notify
                .send(&Notice::Swept { leftovers });
        }
        Ok(())
    }

    /// Sweeps `<owner>` or `<owner>.lock` unless the owner lives; says whether it did.
    fn sweep_owner(&self, name: &str) -> Result<bool, SyscallError> {
        let tmp = &self.inner().tmp;
        let owner = name.strip_suffix(LOCK_SUFFIX).unwrap_or(name);
        let lock_name = format!("{owner}{LOCK_SUFFIX}");
        let locked = lock::try_lock_existing(tmp, OsStr::new(&lock_name))?;
        if locked.is_none() && tmp.try_attributes_of(&lock_name)?.is_some() {
            return Ok(false);
        }
        if locked.is_none() && tmp.try_attributes_of(owner)?.is_none() {
            return Ok(false); // both names of one owner are in the list; this is the second
        }
        let inner = self.inner();
        trash::discard_work(&inner.trash, &inner.origin.boot, tmp, owner)?;
        if locked.is_some() {
            remove_if_there(tmp, &lock_name)?;
        }
        Ok(true)
    }
}

fn is_permanent(name: &str) -> bool {
    let ours = [
        names::LOCK,
        names::LOCKS,
        names::LEASES,
        names::CLAIMS,
        names::PROBED,
        names::TRASH,
        names::RESET,
    ];
    ours.contains(&name) || name.starts_with(SCAFFOLD_PREFIX)
}

/// Removes the lock files in `directory` that nobody holds; says how many.
fn sweep_locks(directory: &Directory) -> Result<usize, SyscallError> {
    let mut swept = 0;
    for entry in directory.entries()? {
        // Held until the name is gone: else somebody may take the lock in between, and not be alone with it.
        if let Some(_held) = lock::try_lock_existing(directory, &entry.name)? {
            remove_if_there(directory, &entry.name)?;
            swept += 1;
        }
    }
    Ok(swept)
}

pub(crate) fn remove_if_there(
    directory: &Directory,
    name: impl AsRef<OsStr>,
) -> Result<(), SyscallError> {
    match directory.remove_file(name) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
