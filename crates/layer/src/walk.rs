//! What directories that lie over each other show together, one object after the other.
//!
//! Depth first, names in the order of their bytes, so that whoever writes down what he meets writes the same for the
//! same trees, whatever the file system. Each name is decided by the topmost layer that has it. No link is followed.
//! No recursion: trees may be deeper than a thread's stack.

use std::collections::{BTreeMap, btree_map};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use ch_linux::SyscallError;
use ch_linux::file::{self, Kind, Status};

use crate::stack::{is_opaque, is_whiteout};

/// What a walk meets.
#[derive(Debug)]
pub enum Met<'a> {
    /// A directory begins: first the root.
    Enter(Seen<'a>),
    /// Anything else.
    Object(Seen<'a>),
    /// A name of the layers further below that is gone; layers only.
    Whiteout(Seen<'a>),
    /// Everything in a directory was met.
    Leave(Seen<'a>),
}

/// An object that a walk meets.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Path below the root, empty for the root itself.
    pub path: &'a Path,
    /// Place of the layer that has it in the list that is walked.
    pub layer: usize,
    /// The directory itself, or the one that has the object.
    pub directory: &'a OwnedFd,
    /// What it is. On leaving a directory as it was on entering.
    pub status: &'a Status,
    /// Whether it is a directory through which nothing of what lies further below shows.
    pub opaque: bool,
}

/// Where a walk could not go on.
#[derive(Debug, thiserror::Error)]
#[error("can't read {path:?}")]
pub struct WalkError {
    /// Path below the root.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: SyscallError,
}

/// What the names in the directories mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Whiteouts and opaque directories are what overlayfs takes them for.
    Layers,
    /// All is what it is.
    Plain,
}

/// A walk in progress.
#[derive(Debug)]
pub struct Walk {
    meaning: Meaning,
    levels: Vec<Level>,
    /// Of what was met last.
    path: PathBuf,
    now: Now,
}

/// Where a walk is.
#[derive(Debug)]
enum Now {
    Start,
    /// In the last of the levels, which was just entered.
    Entered,
    /// At something in that.
    Object {
        status: Status,
        /// Which of the level's parts has it.
        part: usize,
        is_whiteout: bool,
    },
    /// Behind a directory.
    Left(Level),
    End,
}

/// A directory of one layer that takes part in a merged one.
#[derive(Debug)]
struct Part {
    layer: usize,
    directory: OwnedFd,
}

/// A merged directory.
#[derive(Debug)]
struct Level {
    /// The directories that show in it, top first; one at least.
    parts: Vec<Part>,
    /// Of the topmost.
    status: Status,
    /// Whether the lowest hides what lies below.
    opaque: bool,
    /// The names yet to come, with the place in `parts` of the first that has each.
    rest: btree_map::IntoIter<OsString, usize>,
}

impl Walk {
    /// Through `layers`, top first, as overlayfs would show them.
    pub fn layers<'a>(layers: impl IntoIterator<Item = BorrowedFd<'a>>) -> Result<Self, WalkError> {
        Self::new(Meaning::Layers, layers)
    }

    /// Through one directory that is no layer.
    pub fn plain(directory: BorrowedFd<'_>) -> Result<Self, WalkError> {
        Self::new(Meaning::Plain, [directory])
    }

    fn new<'a>(
        meaning: Meaning,
        layers: impl IntoIterator<Item = BorrowedFd<'a>>,
    ) -> Result<Self, WalkError> {
        let open = || {
            let mut parts = Vec::new();
            let mut opaque = false;
            for (layer, files) in layers.into_iter().enumerate() {
                let directory = file::open_directory_at(files, ".")?;
                opaque = meaning.is_opaque(&directory)?;
                parts.push(Part { layer, directory });
                if opaque {
                    break;
                }
            }
            if parts.is_empty() {
                return Ok(Vec::new());
            }
            Ok(vec![Level::new(parts, opaque)?])
        };
        let path = PathBuf::new();
        match open() {
            Ok(levels) => Ok(Self {
                meaning,
                levels,
                path,
                now: Now::Start,
            }),
            Err(source) => Err(WalkError { path, source }),
        }
    }

    /// Goes on to the next object; `None` when all were met. Without layers there are none.
    pub fn advance(&mut self) -> Result<Option<Met<'_>>, WalkError> {
        self.now = match std::mem::replace(&mut self.now, Now::End) {
            Now::Start if !self.levels.is_empty() => Now::Entered,
            Now::Start | Now::End => Now::End,
            before => {
                if matches!(before, Now::Object { .. } | Now::Left(_)) {
                    self.path.pop();
                }
                self.go_on()?
            }
        };
        Ok(self.met())
    }

    fn go_on(&mut self) -> Result<Now, WalkError> {
        let Some(level) = self.levels.last_mut() else {
            return Ok(Now::End);
        };
        let Some((name, part)) = level.rest.next() else {
            return Ok(self.levels.pop().map_or(Now::End, Now::Left));
        };
        self.path.push(&name);
        self.look(&name, part).map_err(|source| WalkError {
            path: self.path.clone(),
            source,
        })
    }

    /// Looks at `name`, and goes down if it is a directory.
    fn look(&mut self, name: &OsStr, part: usize) -> Result<Now, SyscallError> {
        let level = self.levels.last().expect("the name is one of it");
        let parts = &level.parts[part..];
        let directory = &parts[0].directory;
        let status = file::status_at(directory, name)?;
        if status.kind != Kind::Directory {
            let is_layer = self.meaning == Meaning::Layers;
            return Ok(Now::Object {
                is_whiteout: is_layer && is_whiteout(directory, name, &status)?,
                status,
                part,
            });
        }
        let (merged, opaque) = self.meaning.enter(parts, name)?;
        self.levels.push(Level::new(merged, opaque)?);
        Ok(Now::Entered)
    }

    fn met(&self) -> Option<Met<'_>> {
        Some(match (&self.now, self.levels.last()) {
            (Now::Left(level), _) => Met::Leave(level.seen(&self.path)),
            (Now::Entered, level) => Met::Enter(level?.seen(&self.path)),
            (
                Now::Object {
                    status,
                    part,
                    is_whiteout,
                },
                level,
            ) => {
                let part = &level?.parts[*part];
                let seen = Seen {
                    path: &self.path,
                    layer: part.layer,
                    directory: &part.directory,
                    status,
                    opaque: false,
                };
                if *is_whiteout {
                    Met::Whiteout(seen)
                } else {
                    Met::Object(seen)
                }
            }
            (Now::Start | Now::End, _) => return None,
        })
    }
}

impl Level {
    fn new(parts: Vec<Part>, opaque: bool) -> Result<Self, SyscallError> {
        let mut names = BTreeMap::new();
        for (at, part) in parts.iter().enumerate() {
            for entry in file::entries(&part.directory)? {
                names.entry(entry.name).or_insert(at);
            }
        }
        Ok(Self {
            status: file::status(&parts[0].directory)?,
            parts,
            opaque,
            rest: names.into_iter(),
        })
    }

    fn seen<'a>(&'a self, path: &'a Path) -> Seen<'a> {
        Seen {
            path,
            layer: self.parts[0].layer,
            directory: &self.parts[0].directory,
            status: &self.status,
            opaque: self.opaque,
        }
    }
}

impl Meaning {
    fn is_opaque(self, directory: impl AsFd) -> Result<bool, SyscallError> {
        Ok(self == Self::Layers && is_opaque(directory)?)
    }

    /// The directories that are merged as `name`, which is one in the first of `parts`; and whether the lowest hides
    /// what lies below.
    fn enter(self, parts: &[Part], name: &OsStr) -> Result<(Vec<Part>, bool), SyscallError> {
        let mut merged = Vec::new();
        for part in parts {
            let Some(status) = file::try_status_at(&part.directory, name)? else {
                continue;
            };
            if status.kind != Kind::Directory {
                return Ok((merged, true));
            }
            let directory = file::open_directory_at(&part.directory, name)?;
            let opaque = self.is_opaque(&directory)?;
            merged.push(Part {
                layer: part.layer,
                directory,
            });
            if opaque {
                return Ok((merged, true));
            }
        }
        Ok((merged, false))
    }
}
