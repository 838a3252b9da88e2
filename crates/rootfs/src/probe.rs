//! Whether overlays on this storage directory do what they promise.
//!
//! A mount that succeeds proves nothing: without working attributes or whiteouts the first removal of
//! something fails, or comes back later. So once for each boot, and each mount of the storage directory, a small
//! overlay is tried: a file and a directory of the lower layer are removed, the directory is made again.

use ch_linux::SyscallError;
use ch_linux::file;
use ch_storage::{Draft, Storage};

use crate::diagnosis::{self, Diagnosis};
use crate::mounter::Layers;
use crate::{Mounter, PrepareError};

/// Makes sure that overlays on `storage` were seen to work since this machine was started and the directory mounted.
pub(crate) fn ensure(storage: &Storage, mounter: &Mounter) -> Result<(), PrepareError> {
    if storage.is_probed()? {
        return Ok(());
    }
    probe(storage, mounter)?;
    storage.note_probed()?;
    Ok(())
}

/// Tries an overlay on `storage`, whatever was seen before. Nothing is left of it.
pub fn probe(storage: &Storage, mounter: &Mounter) -> Result<(), PrepareError> {
    let draft = storage.draft()?;
    match try_overlay(&draft, mounter)? {
        Some(fault) => Err(PrepareError::Unsuitable(fault)),
        None => Ok(()),
    }
}

/// Mounts, changes and looks; what does not work is returned.
fn try_overlay(draft: &Draft, mounter: &Mounter) -> Result<Option<Diagnosis>, PrepareError> {
    let here = draft.relative_path();
    let make = || -> Result<(), SyscallError> {
        for name in ["upper", "work"] {
            draft.directory().make_directory(name, 0o700)?;
        }
        let lower = draft.directory().make_directory("lower", 0o700)?;
        lower
            .make_directory("directory", 0o700)?
            .make_file("hidden", 0o600)?;
        lower.make_file("removed", 0o600)?;
        Ok(())
    };
    make().map_err(PrepareError::Make)?;
    let root = mounter.mount(Layers {
        lowers: vec![format!("{here}/lower")],
        upper: Some((format!("{here}/upper"), format!("{here}/work"))),
    })?;
    let change = || -> Result<bool, SyscallError> {
        file::remove_file_at(&root, "removed")?;
        let directory = file::open_directory_at(&root, "directory")?;
        file::remove_file_at(directory, "hidden")?;
        file::remove_directory_at(&root, "directory")?;
        file::make_directory_at(&root, "directory", 0o700)?;
        let upper = draft.directory().directory("upper")?;
        let made_again = upper.directory("directory")?;
        Ok(file::status_at(&upper, "removed")?.is_whiteout() && ch_layer::is_opaque(made_again)?)
    };
    Ok(match change() {
        Ok(true) => None,
        Ok(false) => Some(diagnosis::of_changes(draft.storage().path(), None)),
        Err(error) => Some(diagnosis::of_changes(draft.storage().path(), Some(&error))),
    })
}
