//! Operands into the tree of a workspace, from outside the container.
//!
//! What is written is what was seen when the key was made, and nothing else: the list of names, modes, times and link
//! targets is that of the scan, and a file whose status does not show that it is still the same is hashed
//! again where it was written.
//!
//! Everything goes by name in an open directory of the destination, and a link that stands there
//! is replaced, never followed. An object that would not change is not written, so that it is not
//! in the layer. What an object can't carry, such as the owner of a link, is handed to the commit.

mod directory;
mod likeness;
mod object;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ch_linux::file::Kind;
use ch_ownership::Override;
use ch_rootfs::Learned;

use super::destination::{self, Destination, ensure_directory};
use super::error::CopyError;
use super::imposed::Imposed;
use super::pool;
use super::previous::{Identity, Previous};
use super::resolve::Operand;
use super::scan::PIECE;
use super::scan::seen::{Object, Seen};

/// The image that is written into.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Its root.
    pub(crate) root: BorrowedFd<'a>,
    /// What one of its objects that can't carry it is believed to be, by path below the root.
    pub(crate) beside: &'a (dyn Fn(&Path) -> Result<Option<Override>, CopyError> + Sync),
}

/// What was written.
#[derive(Default)]
pub(crate) struct Written {
    /// What objects can't carry.
    pub(crate) learned: Learned,
    /// Files that may be shared with the next layer that this instruction makes.
    pub(crate) files: Vec<Identity>,
    /// Files that were not written, since the previous layer has them: directories below the root, and names in them.
    pub(crate) shared: Vec<(PathBuf, OsString)>,
}

impl Written {
    fn absorb(&mut self, mut later: Self) {
        self.learned.absorb(later.learned);
        self.files.append(&mut later.files);
        self.shared.append(&mut later.shared);
    }
}

/// Copies the operands, of which this was `seen`, to `destination`, but for what the `previous` layer has.
pub(crate) fn copy(
    target: Target<'_>,
    operands: &[Operand],
    seen: &[Seen],
    destination: &Destination,
    imposed: &Imposed,
    previous: Option<&Previous>,
) -> Result<Written, CopyError> {
    let mut written = Written::default();
    // Files are made here or not at all, never changed.
    written.learned.files_are_made();
    if operands.is_empty() {
        return Ok(written);
    }
    let resolved = destination::resolve(target.root, &destination.path)?;
    let as_directory = destination.is_directory
        || operands.len() > 1
        || operands.iter().any(Operand::is_directory)
        || resolved.kind == Some(Kind::Directory);
    let is_directory = resolved.kind.is_none_or(|kind| kind == Kind::Directory);
    if as_directory && !is_directory {
        let path = destination.path.components().collect();
        return Err(CopyError::NotADirectory(path));
    }
    let parent = if as_directory {
        resolved.path.as_path()
    } else {
        resolved.path.parent().unwrap_or(Path::new(""))
    };
    let made = imposed.of_parent();
    let directory = ensure_directory(target.root, parent, &made, &mut written.learned)?;
    for (number, (operand, seen)) in operands.iter().zip(seen).enumerate() {
        let is_last = number + 1 == operands.len();
        // Hard links are kept within one operand only.
        let writer = Writer {
            target,
            imposed,
            seen,
            earlier: &written.learned,
            // Nothing is written over what is to be shared, which comes when all else is done.
            previous: previous.filter(|_| is_last),
            links: Mutex::default(),
        };
        let news = if matches!(seen.top, Object::Directory(_)) {
            writer.contents(operand, &directory, parent)?
        } else {
            let name = operand.name();
            let name = match resolved.path.file_name() {
                Some(name) if !as_directory => name,
                _ => &name,
            };
            writer.top_file(operand, &directory, &parent.join(name))?
        };
        // A later operand may replace or remove what this one has written.
        written.files.clear();
        written.absorb(news);
    }
    Ok(written)
}

/// What all threads need that write one operand.
struct Writer<'a> {
    target: Target<'a>,
    imposed: &'a Imposed,
    seen: &'a Seen,
    /// What objects of operands before this one can't carry.
    earlier: &'a Learned,
    previous: Option<&'a Previous>,
    /// First place in the image of a source file with several names.
    links: Mutex<HashMap<(u64, u64), PathBuf>>,
}

/// What one of those threads has.
struct Worker<'a> {
    written: Written,
    piece: Vec<u8>,
    /// Directories that the image had already, and that get their attributes when all else is done.
    merged: Vec<directory::Merged<'a>>,
}

impl Worker<'_> {
    fn new() -> Self {
        Self {
            written: Written::default(),
            piece: vec![0; PIECE],
            merged: Vec::new(),
        }
    }
}

impl<'a> Writer<'a> {
    /// Everything in a directory into `made`, which is `path` in the image.
    fn contents(
        &self,
        operand: &'a Operand,
        made: &File,
        path: &Path,
    ) -> Result<Written, CopyError> {
        let first = directory::Task::top(self.seen, operand, made, path)?;
        let workers = pool::run(
            pool::threads(),
            first,
            Worker::new,
            |worker, task, tasks| self.perform(worker, task, tasks),
        )?;
        let mut written = Written::default();
        let mut merged = Vec::new();
        for mut worker in workers {
            written.absorb(worker.written);
            merged.append(&mut worker.merged);
        }
        self.finish(merged, &mut written.learned)?;
        Ok(written)
    }
}

#[cfg(test)]
mod tests;
