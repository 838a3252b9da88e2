//! Opening: from a path to a directory that is ours, whole, and locked as it should be.
//!
//! Nothing is written into a directory before it was recognised as empty, or as ours and unfinished.
//! `VERSION` is the last thing written at creation, and `tmp/reset` the first at a reset: whoever finds
//! no `VERSION`, or finds that mark, finishes the job under the exclusive lock, if he came to write. To readers
//! such a directory is empty.

mod error;
mod exclusion;
mod layout;
mod reset;
#[cfg(test)]
mod tests;
mod version;
mod walk;

use std::path::Path;

use ch_linux::tree::Directory;

pub use error::{OpenError, ResetError};
pub(crate) use exclusion::DirectoryLock;
pub use layout::is_ours;
pub(crate) use layout::names;
pub(crate) use reset::reset;

use crate::{Notice, Options};
use error::io;
use version::Found;
use walk::Creation;

/// A storage directory found, in order, and locked.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) root: Directory,
    pub(crate) lock: Option<DirectoryLock>,
}

/// Opens the storage directory at `path` for writing, creating it if need be.
pub(crate) fn open_or_create(path: &Path, options: &Options) -> Result<Opened, OpenError> {
    let (root, creation) = walk::to(path, true)?.expect("what is missing was created");
    check_ownership(&root)?;
    loop {
        match version::recognise(&root)? {
            Found::Ours => {}
            Found::Empty | Found::Unfinished => layout::finish(&root, options)?,
        }
        if let Some(lock) = lock_shared(&root, options)? {
            warn_of_memory(&root, creation, options)?;
            return Ok(Opened { root, lock });
        }
    }
}

/// Opens the storage directory at `path` without making anything; nothing if there is none yet, or none whole.
pub(crate) fn open_existing(path: &Path, options: &Options) -> Result<Option<Opened>, OpenError> {
    let Some((root, _)) = walk::to(path, false)? else {
        return Ok(None);
    };
    check_ownership(&root)?;
    loop {
        match version::recognise(&root)? {
            Found::Ours => {}
            Found::Empty | Found::Unfinished => return Ok(None),
        }
        if let Some(lock) = lock_shared(&root, options)? {
            return Ok(Some(Opened { root, lock }));
        }
    }
}

/// The shared lock (`Some(None)` where none is wanted or possible), or `None` if a reset came before it.
fn lock_shared(
    root: &Directory,
    options: &Options,
) -> Result<Option<Option<DirectoryLock>>, OpenError> {
    if !options.locking {
        return Ok(Some(None));
    }
    let lock = DirectoryLock::shared(root, options)?;
    Ok(matches!(version::recognise(root)?, Found::Ours).then_some(lock))
}

/// Refuses a directory that others own or may write to.
fn check_ownership(root: &Directory) -> Result<(), OpenError> {
    let attributes = root.attributes().map_err(io(root.path()))?;
    if attributes.uid != ch_linux::boot::effective_user() {
        let (path, owner) = (root.path().to_owned(), attributes.uid);
        return Err(OpenError::ForeignOwner { path, owner });
    }
    if attributes.mode & 0o022 != 0 {
        let path = root.path().to_owned();
        return Err(OpenError::WritableByOthers {
            path,
            mode: attributes.mode,
        });
    }
    Ok(())
}

fn warn_of_memory(
    root: &Directory,
    creation: Creation,
    options: &Options,
) -> Result<(), OpenError> {
    const ENOUGH: u64 = 2 << 30;
    if creation == Creation::Found {
        return Ok(());
    }
    let system = ch_linux::sync::describe(root).map_err(io(root.path()))?;
    if system.in_memory && system.free < ENOUGH {
        let path = root.path().to_owned();
        options.notify.send(&Notice::SmallMemory {
            path,
            free: system.free,
        });
    }
    Ok(())
}
