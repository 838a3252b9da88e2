//! The walk over one operand, on all cores.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ch_linux::SyscallError;
use ch_linux::file::{self, Kind, Status};
use ch_ownership::Override;

use super::holding::{PIECE, holding};
use super::seen::{Directory, Entry, FileSeen, Object, Seen};
use super::{Attribute, duplicate, open_object, sorted_entries};
use crate::context::contents::{self, Contents, Discovery, Known};
use crate::context::error::{CopyError, reading};
use crate::context::ignore::Sight;
use crate::context::original::{Origin, Originals};
use crate::context::pool::{self, Tasks};
use crate::context::resolve::Operand;

/// So many entries of a directory are one task.
const SHARE: usize = 256;

/// What came of a walk.
pub(super) struct Walked {
    pub(super) seen: Seen,
    /// What was found out by reading.
    pub(super) discoveries: Vec<Discovery>,
    /// How many files were read.
    pub(super) read: usize,
}

/// Looks at everything in `operand`.
pub(super) fn walk(
    operand: &Operand,
    originals: Originals<'_>,
    contents: &Contents,
    threads: usize,
) -> Result<Walked, CopyError> {
    let walk = Walk {
        originals,
        contents,
        directories: AtomicUsize::new(0),
    };
    let origin = originals.origin();
    let mut worker = Worker::default();
    if operand.is_directory() {
        let descriptor = duplicate(&operand.descriptor).map_err(reading(&operand.path))?;
        let first = Task::Open {
            number: walk.number(),
            descriptor,
            path: operand.path.clone(),
            sight: operand.sight.clone(),
        };
        let workers = pool::run(threads, first, Worker::default, |worker, task, tasks| {
            walk.perform(worker, task, tasks)
        })?;
        return Ok(assemble(origin, Object::Directory(0), workers));
    }
    let failed = reading(&operand.path);
    // What was opened may have changed since.
    let status = file::status(&operand.descriptor).map_err(&failed)?;
    let top = if status.kind == Kind::File {
        let directory = operand.path.parent().unwrap_or(Path::new(""));
        let known = contents.directory(directory);
        let place = Named {
            directory,
            name: &operand.name(),
            known: &known,
            path: &operand.path,
        };
        Object::File(worker.file(originals, &place, status, || operand.open())?)
    } else {
        let believed = originals.believed(None, &operand.path, &status)?;
        Object::Special { status, believed }
    };
    Ok(assemble(origin, top, vec![worker]))
}

/// Puts the pieces together that workers have made.
fn assemble(origin: Origin, top: Object, workers: Vec<Worker>) -> Walked {
    let (mut headers, mut shares) = (Vec::new(), Vec::new());
    let (mut discoveries, mut read) = (Vec::new(), 0);
    for mut worker in workers {
        headers.append(&mut worker.headers);
        shares.append(&mut worker.shares);
        discoveries.append(&mut worker.discoveries);
        read += worker.read;
    }
    headers.sort_unstable_by_key(|header| header.number);
    shares.sort_unstable_by_key(|share| (share.directory, share.start));
    let hidden: Vec<_> = headers.iter().map(|header| header.hidden).collect();
    let directory = |header: Header| Directory {
        path: header.path,
        status: header.status,
        believed: header.believed,
        attributes: header.attributes,
        entries: Vec::new(),
    };
    let mut directories: Vec<_> = headers.into_iter().map(directory).collect();
    for mut share in shares {
        let entries = &mut directories[share.directory].entries;
        entries.append(&mut share.entries);
    }
    leave_out(&hidden, &mut directories);
    Walked {
        seen: Seen {
            origin,
            top,
            directories,
        },
        discoveries,
        read,
    }
}

/// Leaves out directories that are `hidden` and turned out to have nothing in them that is seen. The operand itself stays.
fn leave_out(hidden: &[bool], directories: &mut [Directory]) {
    let mut empty = vec![false; directories.len()];
    // A directory has a higher number than the one that it is in.
    for number in (0..directories.len()).rev() {
        let entries = &mut directories[number].entries;
        entries.retain(|entry| match entry.object {
            Object::Directory(below) => !empty[below],
            _ => true,
        });
        empty[number] = hidden[number] && entries.is_empty();
    }
}

struct Walk<'a> {
    originals: Originals<'a>,
    contents: &'a Contents,
    /// How many directories were seen so far.
    directories: AtomicUsize,
}

enum Task<'a> {
    /// The operand.
    Open {
        number: usize,
        descriptor: File,
        path: PathBuf,
        sight: Option<Sight>,
    },
    /// A directory to be opened.
    Enter {
        number: usize,
        parent: Arc<Level<'a>>,
        name: OsString,
        sight: Option<Sight>,
    },
    /// Some entries of one.
    Look {
        level: Arc<Level<'a>>,
        entries: Range<usize>,
    },
}

/// A directory that is being looked at.
struct Level<'a> {
    number: usize,
    descriptor: File,
    path: PathBuf,
    /// Those that are seen.
    entries: Vec<(OsString, Kind)>,
    known: Known<'a>,
    sight: Option<Sight>,
}

/// A directory that was opened.
struct Found {
    number: usize,
    descriptor: File,
    path: PathBuf,
    sight: Option<Sight>,
}

/// A directory without what is in it.
struct Header {
    number: usize,
    path: PathBuf,
    status: Status,
    believed: Override,
    attributes: Vec<Attribute>,
    /// It is hidden, and there only for the sake of what may be seen in it.
    hidden: bool,
}

/// Some entries of a directory.
struct Share {
    directory: usize,
    start: usize,
    entries: Vec<Entry>,
}

/// What one thread has seen.
struct Worker {
    headers: Vec<Header>,
    shares: Vec<Share>,
    discoveries: Vec<Discovery>,
    read: usize,
    piece: Vec<u8>,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            shares: Vec::new(),
            discoveries: Vec::new(),
            read: 0,
            piece: vec![0; PIECE],
        }
    }
}

impl<'a> Walk<'a> {
    fn number(&self) -> usize {
        self.directories.fetch_add(1, Ordering::Relaxed)
    }

    fn perform(
        &self,
        worker: &mut Worker,
        task: Task<'a>,
        tasks: &Tasks<Task<'a>>,
    ) -> Result<(), CopyError> {
        match task {
            Task::Open {
                number,
                descriptor,
                path,
                sight,
            } => {
                let found = Found {
                    number,
                    descriptor,
                    path,
                    sight,
                };
                self.enter(worker, found, tasks)
            }
            Task::Enter {
                number,
                parent,
                name,
                sight,
            } => {
                let path = parent.path.join(&name);
                let opened = open_object(&parent.descriptor, &name);
                // A descriptor less while what is below is looked at.
                drop(parent);
                let (descriptor, _) = opened.map_err(reading(&path))?;
                let found = Found {
                    number,
                    descriptor,
                    path,
                    sight,
                };
                self.enter(worker, found, tasks)
            }
            Task::Look { level, entries } => self.look(worker, &level, entries, tasks),
        }
    }

    fn enter(
        &self,
        worker: &mut Worker,
        found: Found,
        tasks: &Tasks<Task<'a>>,
    ) -> Result<(), CopyError> {
        let Found {
            number,
            descriptor,
            path,
            sight,
        } = found;
        let failed = reading(&path);
        let status = file::status(&descriptor).map_err(&failed)?;
        let origin = self.originals.origin();
        worker.headers.push(Header {
            number,
            believed: self.originals.believed(Some(&descriptor), &path, &status)?,
            status,
            attributes: origin.attributes(&descriptor).map_err(&failed)?,
            path: path.clone(),
            hidden: sight
                .as_ref()
                .is_some_and(|sight| sight.hidden_by().is_some()),
        });
        let mut entries = sorted_entries(&descriptor).map_err(&failed)?;
        let known = self.contents.directory(&path);
        let names = entries.iter().map(|(name, _)| name.as_os_str());
        let gone = known.missing_in(names).into_iter();
        worker.discoveries.extend(gone.map(|name| Discovery {
            directory: path.clone(),
            name,
            entry: None,
        }));
        if let Some(sight) = &sight {
            entries.retain(|(name, kind)| sight.enter(name).shows(*kind));
        }
        let level = Arc::new(Level {
            number,
            descriptor,
            path,
            entries,
            known,
            sight,
        });
        let count = level.entries.len();
        for start in (SHARE..count).step_by(SHARE).rev() {
            tasks.add(Task::Look {
                level: Arc::clone(&level),
                entries: start..count.min(start + SHARE),
            });
        }
        self.look(worker, &level, 0..count.min(SHARE), tasks)
    }

    fn look(
        &self,
        worker: &mut Worker,
        level: &Arc<Level<'a>>,
        range: Range<usize>,
        tasks: &Tasks<Task<'a>>,
    ) -> Result<(), CopyError> {
        let start = range.start;
        let mut entries = Vec::with_capacity(range.len());
        for (name, kind) in &level.entries[range] {
            let object = if *kind == Kind::Directory {
                let number = self.number();
                tasks.add(Task::Enter {
                    number,
                    parent: Arc::clone(level),
                    name: name.clone(),
                    sight: level.sight.as_ref().map(|sight| sight.enter(name)),
                });
                Some(Object::Directory(number))
            } else {
                worker.object(self.originals, level, name, *kind)?
            };
            entries.extend(object.map(|object| Entry {
                name: name.clone(),
                object,
            }));
        }
        worker.shares.push(Share {
            directory: level.number,
            start,
            entries,
        });
        Ok(())
    }
}

/// A file's name, and what is known of its directory.
struct Named<'a> {
    directory: &'a Path,
    name: &'a OsStr,
    known: &'a Known<'a>,
    path: &'a Path,
}

impl Worker {
    /// Anything but a directory.
    fn object(
        &mut self,
        originals: Originals<'_>,
        level: &Level<'_>,
        name: &OsStr,
        kind: Kind,
    ) -> Result<Option<Object>, CopyError> {
        if kind == Kind::Socket {
            return Ok(None);
        }
        let path = level.path.join(name);
        let failed = reading(&path);
        let status = file::status_at(&level.descriptor, name).map_err(&failed)?;
        Ok(Some(match kind {
            Kind::File => {
                let place = Named {
                    directory: &level.path,
                    name,
                    known: &level.known,
                    path: &path,
                };
                let open = || open_object(&level.descriptor, name).map(|(object, _)| object);
                Object::File(self.file(originals, &place, status, open)?)
            }
            Kind::Symlink => Object::Symlink {
                target: file::read_link_at(&level.descriptor, name).map_err(&failed)?,
                believed: originals.believed(None, &path, &status)?,
                status,
            },
            _ => Object::Special {
                believed: originals.believed(None, &path, &status)?,
                status,
            },
        }))
    }

    /// A file, which is opened only if the index does not know it.
    fn file(
        &mut self,
        originals: Originals<'_>,
        place: &Named<'_>,
        status: Status,
        open: impl FnOnce() -> Result<File, SyscallError>,
    ) -> Result<FileSeen, CopyError> {
        if let Some(holding) = place.known.get(place.name, &status) {
            return Ok(FileSeen {
                believed: originals.believed(None, place.path, &status)?,
                status,
                holding,
                settled: true,
            });
        }
        let failed = reading(place.path);
        let began = contents::now();
        let object = open().map_err(&failed)?;
        let before = file::status(&object).map_err(&failed)?;
        let believed = originals.believed(Some(&object), place.path, &before)?;
        let holding = holding(&object, originals.origin(), &mut self.piece).map_err(&failed)?;
        self.read += 1;
        // Whoever is written to while he is read is read again.
        let settled = before == status
            && file::status(&object).map_err(&failed)? == before
            && contents::is_settled(&status, began);
        if settled {
            self.discoveries.push(Discovery {
                directory: place.directory.to_owned(),
                name: place.name.to_owned(),
                entry: Some((status, holding)),
            });
        }
        Ok(FileSeen {
            status: before,
            believed,
            holding,
            settled,
        })
    }
}
