//! Files of an image, read without mounting it: what has to be known before it is known whether a mount is needed.

use std::path::{Path, PathBuf};

use ch_linux::SyscallError;
use ch_linux::file::{self, Kind};
use ch_storage::{LayerId, Storage};

use crate::StackError;
use crate::resolve::follow;
use crate::stack::{Roots, Stack};

/// What the file `path` of an image with `layers`, bottom first, holds, at most `most` bytes; nothing if it is no
/// regular file. Links are followed inside the image.
pub fn read_file(
    storage: &Storage,
    layers: &[LayerId],
    path: &Path,
    most: u64,
) -> Result<Option<Vec<u8>>, StackError> {
    let stack = Stack::open(storage, layers, &Roots::default())?;
    let Some(path) = follow(path, true, |path| link_target(&stack, path))? else {
        return Ok(None);
    };
    let Some(found) = stack.find(&path)? else {
        return Ok(None);
    };
    if found.status.kind != Kind::File {
        return Ok(None);
    }
    let name = path.file_name().unwrap_or_default();
    let read = file::read_regular_at(&found.parent, name, most);
    let read = read.map_err(|error| SyscallError::new("read", format!("{path:?}"), error));
    let content = read.map_err(|source| stack.look_failed(found.layer, source))?;
    Ok(Some(content))
}

/// Where `path` leads if it is a link.
fn link_target(stack: &Stack, path: &Path) -> Result<Option<PathBuf>, StackError> {
    let Some(found) = stack.find(path)? else {
        return Ok(None);
    };
    if found.status.kind != Kind::Symlink {
        return Ok(None);
    }
    let target = file::read_link_at(&found.parent, path.file_name().unwrap_or_default());
    let target = target.map_err(|source| stack.look_failed(found.layer, source))?;
    Ok(Some(target))
}
