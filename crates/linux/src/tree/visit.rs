//! Looking at whole trees.

use std::mem;

use super::{Directory, Entry};
use crate::SyscallError;

/// How many directories stay open. Others move only what is near the top of a tree; further down the way up is `..`.
const OPEN_LEVELS: usize = 32;

/// Shows `visit` every entry below `top`, with the directory that it is in. What it opens is gone into.
///
/// Neither a stack frame nor a descriptor is needed per level, however deep the tree.
pub fn visit_all(
    top: &Directory,
    mut visit: impl FnMut(&Directory, &Entry) -> Result<Option<Directory>, SyscallError>,
) -> Result<(), SyscallError> {
    let mut directory = top.try_clone()?;
    let mut rest = directory.entries()?.into_iter();
    let mut above = Vec::new();
    loop {
        if let Some(entry) = rest.next() {
            let Some(inner) = visit(&directory, &entry)? else {
                continue;
            };
            let entries = inner.entries()?;
            let outer = mem::replace(&mut directory, inner);
            let outer = (above.len() < OPEN_LEVELS).then_some(outer);
            above.push((outer, mem::replace(&mut rest, entries.into_iter())));
            continue;
        }
        let Some((outer, entries)) = above.pop() else {
            return Ok(());
        };
        rest = entries;
        directory = match outer {
            Some(open) => open,
            None => directory.parent()?,
        };
    }
}
