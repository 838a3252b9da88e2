//! Reset: everything goes to the trash, and the layout is made anew.
//!
//! The mark `tmp/reset` is made before the first entry moves and removed after the new `VERSION` is there;
//! a reset that was killed is finished by whoever opens the directory next. The old `VERSION` stays until then:
//! without it, and with a foreign file not moved yet, the directory would not be known for ours.

use std::path::Path;

use ch_linux::SyscallError;
use ch_linux::boot;
use ch_linux::lock;
use ch_linux::tree::{Budget, Directory};

use super::exclusion::{DirectoryLock, Waiting};
use super::{Opened, ResetError, check_ownership, error::io, layout, names, version, walk};
use crate::sealed::Origin;
use crate::space::is_no_space;
use crate::{Holders, Options, trash};

/// Empties the storage directory at `path`; what it held is in the trash of the new one.
pub(crate) fn reset(path: &Path, options: &Options) -> Result<Opened, ResetError> {
    let not_storage = || ResetError::NotStorage {
        path: path.to_owned(),
    };
    let (root, _) = walk::to(path, false)?.ok_or_else(not_storage)?;
    if !version::is_any_of_ours(&root)? {
        return Err(not_storage());
    }
    check_ownership(&root)?;
    let failed = io(path);
    let tmp = root.ensure_directory(names::TMP).map_err(&failed)?;
    let exclusive = DirectoryLock::exclusive(&root, options)?;
    wait_for_leases(&tmp, path, options)?;
    root.set_mode(0o700).map_err(&failed)?;
    mark(&root, &tmp).map_err(&failed)?;
    redo(&root, &tmp, options).map_err(&failed)?;
    layout::announce(&root, options);
    drop(exclusive);
    let lock = super::lock_shared(&root, options)?.flatten();
    Ok(Opened { root, lock })
}

/// Makes the mark of a reset. Where there is not even an inode for it, a file of an ordinary directory that the
/// reset would take away becomes the mark.
fn mark(root: &Directory, tmp: &Directory) -> Result<(), SyscallError> {
    match tmp.ensure_file(names::RESET) {
        Err(error) if is_no_space(&error) => root
            .rename(names::INDEX, tmp, names::RESET)
            .map_err(|_| error),
        other => other.map(drop),
    }
}

/// Does what a reset has to do after its mark is made; also if a part of it was done already. On a full file
/// system there may be no space for the new entries until the old ones are deleted.
pub(super) fn redo(
    root: &Directory,
    tmp: &Directory,
    options: &Options,
) -> Result<(), SyscallError> {
    let work = || {
        clear(root, tmp, options)?;
        layout::lay_out(root, tmp)
    };
    match work() {
        Err(error) if is_no_space(&error) => {
            let trash = tmp.try_directory(names::TRASH)?.ok_or(error)?;
            trash::empty(&trash, &mut Budget::UNLIMITED.clone())?;
            work()
        }
        other => other,
    }
}

/// Moves everything but the version, the lock, the mark and the trash itself to the trash.
pub(super) fn clear(
    root: &Directory,
    tmp: &Directory,
    options: &Options,
) -> Result<(), SyscallError> {
    let boot = Origin::new(options.boot.clone().or_else(boot::id)).boot;
    let trash = tmp.ensure_directory(names::TRASH)?;
    for entry in root.entries()? {
        if entry.name != names::TMP && entry.name != names::VERSION {
            trash::discard(&trash, &boot, root, &entry.name)?;
        }
    }
    let kept = [names::LOCK, names::RESET, names::TRASH];
    for entry in tmp.entries()? {
        if !kept.iter().any(|kept| entry.name == *kept) {
            trash::discard_work(&trash, &boot, tmp, &entry.name)?;
        }
    }
    Ok(())
}

/// Containers hold no lock of the directory, only a lease on their layers.
fn wait_for_leases(
    tmp: &Directory,
    path: &Path,
    options: &Options,
) -> Result<(), super::OpenError> {
    let failed = io(path);
    let Some(leases) = tmp.try_directory(names::LEASES).map_err(&failed)? else {
        return Ok(());
    };
    if !options.locking {
        return Ok(());
    }
    let mut wait = Waiting::new(options);
    for entry in leases.entries().map_err(&failed)? {
        while let Some(lease) = leases.try_file(&entry.name).map_err(&failed)? {
            if lock::try_lock(&lease, lock::Sharing::Exclusive).map_err(&failed)? {
                break;
            }
            wait.nap(|| Holders::of(&lease))?;
        }
    }
    Ok(())
}
