//! Directories that their mode closes even to the owner.

use std::ffi::OsStr;
use std::vec;

use rustix::io::Errno;

use super::{Directory, Entry, Kind};
use crate::SyscallError;

/// Gives the owner all permissions on every directory of the tree `name` in `parent`, so that plain `rm -rf`
/// can delete it. No link is followed.
///
/// One directory is open at a time, however deep the tree: the way up is `..`.
pub fn open_up_all(parent: &Directory, name: impl AsRef<OsStr>) -> Result<(), SyscallError> {
    let name = name.as_ref();
    let is_directory = parent
        .try_attributes_of(name)?
        .is_some_and(|attributes| attributes.kind == Kind::Directory);
    if !is_directory {
        return Ok(());
    }
    let Some(mut directory) = open_up(parent, name)? else {
        return Ok(());
    };
    let mut rest = below(&directory)?;
    let mut above = Vec::new();
    loop {
        if let Some(entry) = rest.next() {
            if let Some(inner) = open_up(&directory, &entry.name)? {
                directory = inner;
                above.push(std::mem::replace(&mut rest, below(&directory)?));
            }
            continue;
        }
        let Some(outer) = above.pop() else {
            return Ok(());
        };
        rest = outer;
        directory = directory.parent()?;
    }
}

fn below(directory: &Directory) -> Result<vec::IntoIter<Entry>, SyscallError> {
    let mut entries = directory.entries()?;
    entries.retain(|entry| entry.kind == Kind::Directory);
    Ok(entries.into_iter())
}

/// Opens a directory, giving its owner all permissions first if need be; nothing if somebody else has removed
/// it meanwhile.
pub(super) fn open_up(parent: &Directory, name: &OsStr) -> Result<Option<Directory>, SyscallError> {
    match parent.try_directory(name) {
        Ok(Some(directory)) => {
            let mode = directory.attributes()?.mode;
            if mode & 0o700 != 0o700 {
                directory.set_mode(mode | 0o700)?;
            }
            return Ok(Some(directory));
        }
        Err(error) if error.errno() == Some(Errno::ACCESS) => {}
        other => return other,
    }
    // `fchmodat` follows links, so only what is a directory gets here: a link's error is another.
    match parent.set_mode_of(name, 0o700) {
        Err(error) if error.errno() == Some(Errno::NOENT) => return Ok(None),
        other => other?,
    }
    parent.try_directory(name)
}
