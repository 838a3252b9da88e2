//! Directories: made or merged, filled on all cores, and given their attributes at the end.
//!
//! A directory made here gets them as soon as it has all its names. One that the image had waits until nothing more
//! is written, since the kernel copies it up when something is first written below it, and puts the time back then
//! that its parent had before: it would do so after we had set another one.

use std::ffi::OsStr;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ch_linux::SyscallError;
use ch_linux::file::{self, Kind, OFlags};
use ch_linux::in_root;
use ch_rootfs::Learned;

use super::likeness::{agrees, believe, set_attributes};
use super::{Worker, Writer};
use crate::context::error::{CopyError, reading, writing};
use crate::context::pool::Tasks;
use crate::context::resolve::Operand;
use crate::context::scan::seen::{Directory, Object, Seen};
use crate::context::scan::{duplicate, open_object};

/// So many entries of a directory are one task.
const SHARE: usize = 128;

/// A piece of work.
pub(super) enum Task<'a> {
    /// A directory that has been made.
    Enter {
        above: Arc<Level<'a>>,
        name: &'a OsStr,
        seen: &'a Directory,
        fresh: bool,
    },
    /// Some entries of one that is open.
    Fill {
        level: Arc<Level<'a>>,
        entries: Range<usize>,
    },
}

/// A directory that is being copied.
pub(super) struct Level<'a> {
    pub(super) seen: &'a Directory,
    pub(super) source: File,
    pub(super) made: File,
    /// Path in the image.
    pub(super) path: PathBuf,
    /// It was made here: there can be nothing in the way.
    pub(super) fresh: bool,
    /// Entries that are not there yet.
    missing: AtomicUsize,
    /// It is in the upper directory.
    is_up: AtomicBool,
}

/// A directory that the image had before.
pub(super) struct Merged<'a> {
    seen: &'a Directory,
    path: PathBuf,
}

impl<'a> Task<'a> {
    /// The directory whose contents are wanted, but not itself.
    pub(super) fn top(
        seen: &'a Seen,
        operand: &Operand,
        made: &File,
        path: &Path,
    ) -> Result<Self, CopyError> {
        let directory = &seen.directories[0];
        let level = Level::new(
            directory,
            duplicate(&operand.descriptor).map_err(reading(&operand.path))?,
            duplicate(made).map_err(writing(path))?,
            path.to_owned(),
            false,
        );
        Ok(Self::Fill {
            level: Arc::new(level),
            entries: 0..directory.entries.len(),
        })
    }
}

impl<'a> Level<'a> {
    fn new(seen: &'a Directory, source: File, made: File, path: PathBuf, fresh: bool) -> Self {
        Self {
            seen,
            source,
            made,
            path,
            fresh,
            missing: AtomicUsize::new(seen.entries.len()),
            is_up: AtomicBool::new(fresh),
        }
    }

    /// Sees to it that the directory is in the upper one, where files will be put into it.
    pub(super) fn bring_up(&self) -> Result<(), SyscallError> {
        if self.is_up.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let status = file::status(&self.made)?;
        // The kernel copies up what is changed, even to what it was.
        file::set_modified(&self.made, status.modified)
    }

    /// Opens the directory `name`, which has been made.
    fn descend(&self, name: &OsStr, seen: &'a Directory, fresh: bool) -> Result<Self, CopyError> {
        let path = self.path.join(name);
        let opened = open_object(&self.source, name);
        let (source, _) = opened.map_err(reading(&seen.path))?;
        let made = file::open_directory_at(&self.made, name).map_err(writing(&path))?;
        Ok(Self::new(seen, source, made.into(), path, fresh))
    }
}

impl<'a> Writer<'a> {
    pub(super) fn perform(
        &self,
        worker: &mut Worker<'a>,
        task: Task<'a>,
        tasks: &Tasks<Task<'a>>,
    ) -> Result<(), CopyError> {
        let (level, entries) = match task {
            Task::Enter {
                above,
                name,
                seen,
                fresh,
            } => {
                let level = above.descend(name, seen, fresh)?;
                // Two descriptors less while what is below is written.
                drop(above);
                if seen.entries.is_empty() {
                    return self.filled(worker, &level);
                }
                (Arc::new(level), 0..seen.entries.len())
            }
            Task::Fill { level, entries } => (level, entries),
        };
        let Range { start, end } = entries;
        let mine = start..end.min(start + SHARE);
        if mine.end < end {
            tasks.add(Task::Fill {
                level: Arc::clone(&level),
                entries: mine.end..end,
            });
        }
        self.fill(worker, &level, mine, tasks)
    }

    fn fill(
        &self,
        worker: &mut Worker<'a>,
        level: &Arc<Level<'a>>,
        entries: Range<usize>,
        tasks: &Tasks<Task<'a>>,
    ) -> Result<(), CopyError> {
        let count = entries.len();
        for entry in &level.seen.entries[entries] {
            if let Object::Directory(number) = entry.object {
                let above = Arc::clone(level);
                tasks.add(Task::Enter {
                    fresh: make_directory(level, &entry.name)?,
                    above,
                    name: &entry.name,
                    seen: &self.seen.directories[number],
                });
            } else {
                self.entry(worker, level, entry)?;
            }
        }
        // Whoever writes the last entry sees those of all others.
        if level.missing.fetch_sub(count, Ordering::AcqRel) == count {
            self.filled(worker, level)?;
        }
        Ok(())
    }

    /// A directory has all its names.
    fn filled(&self, worker: &mut Worker<'a>, level: &Level<'a>) -> Result<(), CopyError> {
        let is_top = std::ptr::eq(level.seen, &raw const self.seen.directories[0]);
        if level.fresh {
            let (made, path) = (&level.made, &level.path);
            self.give_attributes(level.seen, made, path, &mut worker.written.learned)
        } else {
            let path = level.path.clone();
            let seen = level.seen;
            worker
                .merged
                .extend((!is_top).then_some(Merged { seen, path }));
            Ok(())
        }
    }

    /// Gives directories that the image had before what they have in the source.
    pub(super) fn finish(
        &self,
        merged: Vec<Merged<'a>>,
        learned: &mut Learned,
    ) -> Result<(), CopyError> {
        for Merged { seen, path } in merged {
            let failed = writing(&path);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let made = in_root::open(self.target.root, &path, flags).map_err(&failed)?;
            let made = File::from(made);
            if !self.is_like(seen, &made).map_err(failed)? {
                self.give_attributes(seen, &made, &path, learned)?;
            }
        }
        Ok(())
    }

    fn give_attributes(
        &self,
        seen: &Directory,
        made: &File,
        path: &Path,
        learned: &mut Learned,
    ) -> Result<(), CopyError> {
        let failed = writing(path);
        let wanted = self.imposed.of(&seen.believed);
        set_attributes(made, &seen.attributes).map_err(&failed)?;
        let _carried = believe(made, path, &wanted, learned).map_err(&failed)?;
        file::set_modified(made, seen.status.modified).map_err(failed)
    }

    fn is_like(&self, seen: &Directory, made: &File) -> Result<bool, SyscallError> {
        let same_time = file::status(made)?.modified == seen.status.modified;
        Ok(same_time && agrees(made, &self.imposed.of(&seen.believed))?)
    }
}

/// Sees to it that there is a directory `name`; whether it is a new one.
fn make_directory(level: &Level<'_>, name: &OsStr) -> Result<bool, CopyError> {
    let failed = |source| writing(&level.path.join(name))(source);
    let existing = if level.fresh {
        None
    } else {
        file::try_status_at(&level.made, name).map_err(failed)?
    };
    match existing.map(|status| status.kind) {
        Some(Kind::Directory) => return Ok(false),
        Some(_) => file::remove_file_at(&level.made, name).map_err(failed)?,
        None => {}
    }
    file::make_directory_at(&level.made, name, 0o700).map_err(failed)?;
    Ok(true)
}
