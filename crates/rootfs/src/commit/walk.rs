//! One walk over an upper directory.
//!
//! By descriptor, with one open at a time however deep the tree is: the way up is `..`, which nobody can
//! move any more. Times of directories are put back where taking something out changed them.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::vec;

use ch_linux::file::{self, Entry, Kind, Status};
use ch_linux::{SyscallError, overlay, xattr};
use ch_ownership::{Kept, Override, Owner, Place};

use super::CommitError;
use super::inherited::Inherited;
use super::learned::Learned;
use crate::mount_points::{Artificial, PlaceKind};
use crate::scaffold;
use crate::stack::{Found, Stack};

/// What an upper directory holds after the walk.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) whiteouts: u64,
    pub(super) opaque: u64,
    pub(super) warnings: Vec<String>,
    /// Content of the owners file: what files themselves could not carry.
    pub(super) owners: Vec<u8>,
}

/// A walk in progress.
pub(super) struct Walk<'a> {
    stack: &'a Stack,
    inherited: Inherited<'a>,
    learned: &'a Learned,
    /// Path below the root of what is looked at.
    path: PathBuf,
    found: Walked,
}

/// A directory on the way down.
struct Level<'a> {
    rest: vec::IntoIter<Entry>,
    /// Before the walk changed anything.
    before: Status,
    artificial: Option<&'a Artificial>,
    opaque: bool,
    /// Number of names that stay.
    kept: u64,
    /// Number of names that were taken out.
    removed: u64,
}

/// What becomes of a name.
enum Fate<'a> {
    Kept,
    Removed,
    Entered(OwnedFd, Level<'a>),
}

impl<'a> Walk<'a> {
    pub(super) fn new(stack: &'a Stack, learned: &'a Learned) -> Self {
        Self {
            stack,
            inherited: Inherited::new(stack),
            learned,
            path: PathBuf::new(),
            found: Walked::default(),
        }
    }

    /// Walks `root`, in which `artificial` was never the image's.
    pub(super) fn run(
        mut self,
        root: impl AsFd,
        artificial: &'a Artificial,
    ) -> Result<Walked, CommitError> {
        let status = self.check(file::status(&root))?;
        if status.mode & 0o700 != 0o700 {
            self.check(file::set_mode(&root, status.mode | 0o700))?;
        }
        let mut directory = self.check(file::open_directory_at(&root, "."))?;
        let mut level = self.enter(&directory, status, None, Some(artificial))?;
        let mut above: Vec<(OsString, Level<'a>)> = Vec::new();
        loop {
            if let Some(entry) = level.rest.next() {
                self.path.push(&entry.name);
                match self.visit(&directory, &entry.name, level.artificial)? {
                    Fate::Kept => level.kept += 1,
                    Fate::Removed => level.removed += 1,
                    Fate::Entered(inner, inner_level) => {
                        directory = inner;
                        above.push((entry.name, std::mem::replace(&mut level, inner_level)));
                        continue;
                    }
                }
                self.path.pop();
                continue;
            }
            if level.removed > 0 {
                // What was taken out was never there.
                self.check(file::set_modified(&directory, level.before.modified))?;
            }
            let Some((name, outer)) = above.pop() else {
                return Ok(self.found);
            };
            let done = std::mem::replace(&mut level, outer);
            directory = self.check(file::open_directory_at(&directory, ".."))?;
            if self.is_leaving(&done)? {
                self.check(file::remove_directory_at(&directory, &name))?;
                level.removed += 1;
            } else {
                self.found.entries += 1;
                self.found.opaque += u64::from(done.opaque);
                level.kept += 1;
            }
            self.path.pop();
        }
    }

    /// Begins with an open directory, which had this `status` before anything was changed, and which
    /// has `inherited` from the one below, unless it was made anew.
    fn enter(
        &mut self,
        directory: &OwnedFd,
        status: Status,
        inherited: Option<Owner>,
        artificial: Option<&'a Artificial>,
    ) -> Result<Level<'a>, CommitError> {
        let opaque = self.check(ch_layer::is_opaque(directory))?;
        self.put_right(directory, &status, inherited.filter(|_| !opaque))?;
        Ok(Level {
            rest: self.check(file::entries(directory))?.into_iter(),
            before: status,
            artificial,
            opaque,
            kept: 0,
            removed: 0,
        })
    }

    /// Looks at `name` in `directory`.
    fn visit(
        &mut self,
        directory: &OwnedFd,
        name: &OsStr,
        artificial: Option<&'a Artificial>,
    ) -> Result<Fate<'a>, CommitError> {
        let artificial = artificial.and_then(|tree| tree.child(name));
        let status = self.check(file::status_at(directory, name))?;
        if status.kind == Kind::Directory {
            let inherited = self.beside(directory, name, &status)?;
            let inner = self.check(overlay::open_change(directory, name, &status))?;
            let level = self.enter(&inner, status, inherited, artificial)?;
            return Ok(Fate::Entered(inner, level));
        }
        if self.is_leaving_of(artificial, &status)? {
            self.check(file::remove_file_at(directory, name))?;
            return Ok(Fate::Removed);
        }
        self.found.entries += 1;
        if status.is_whiteout() {
            self.found.whiteouts += 1;
            return Ok(Fate::Kept);
        }
        if status.kind == Kind::File {
            self.found.bytes += status.size;
        }
        if self.is_right(&status) {
            self.warn_of(name);
            return Ok(Fate::Kept);
        }
        let inherited = self.beside(directory, name, &status)?;
        if status.kind == Kind::File {
            let file = self.check(overlay::open_change(directory, name, &status))?;
            self.put_right(&file, &status, inherited)?;
        } else {
            self.keep_beside(&inherited.unwrap_or_default());
        }
        self.warn_of(name);
        Ok(Fate::Kept)
    }

    /// Whether whoever made a file has done all that there is to do: it need not be opened.
    fn is_right(&self, status: &Status) -> bool {
        self.learned.files_are_made
            && status.kind == Kind::File
            && self.learned.at(&self.path).is_none()
    }

    fn warn_of(&mut self, name: &OsStr) {
        if name.as_bytes().starts_with(b".wh.") {
            let warning = format!(
                "/{}: its name means a removal, so it can't be pushed",
                self.shown()
            );
            self.found.warnings.push(warning);
        }
    }

    /// What an object has that it can't carry: learned of it in this step, or else from the one below.
    fn beside(
        &self,
        directory: &OwnedFd,
        name: &OsStr,
        status: &Status,
    ) -> Result<Option<Owner>, CommitError> {
        let inherited = self.inherited.get(&self.path, directory, name, status)?;
        Ok(match self.learned.get(&self.path, status) {
            Some(believed) => Some(Owner {
                believed: Some(believed).filter(|believed| !believed.is_plain()),
                ..inherited.unwrap_or_default()
            }),
            None => inherited,
        })
    }

    /// Whether a name that is no directory is only what scaffold or cover had there, copied up
    /// unchanged or removed, while the image has nothing.
    fn is_leaving_of(
        &self,
        artificial: Option<&Artificial>,
        status: &Status,
    ) -> Result<bool, CommitError> {
        let Some(artificial) = artificial else {
            return Ok(false);
        };
        let as_made = artificial.kind == Some(PlaceKind::File)
            && status.kind == Kind::File
            && (status.size, status.mode) == (0, scaffold::FILE_MODE)
            && status.modified == scaffold::TIME;
        Ok((status.is_whiteout() || as_made) && self.stack.find(&self.path)?.is_none())
    }

    /// Whether a directory is there only because of scaffold or cover: empty, and as it was below.
    fn is_leaving(&self, done: &Level<'_>) -> Result<bool, CommitError> {
        if done.kept > 0 || done.opaque || done.artificial.is_none() {
            return Ok(false);
        }
        let mode = done.before.mode;
        Ok(match self.stack.find(&self.path)? {
            // What removed a name in it changed its time as well.
            None => {
                let same_time = done.removed > 0 || done.before.modified == scaffold::TIME;
                same_time && mode == scaffold::DIRECTORY_MODE
            }
            Some(Found { status, .. }) => {
                done.removed > 0 && status.kind == Kind::Directory && status.mode == mode
            }
        })
    }

    /// Gives an object a mode that its owner can work with, and remembers the true one with it; what
    /// it cannot carry, some of it `inherited`, is kept beside it.
    fn put_right(
        &mut self,
        object: &OwnedFd,
        status: &Status,
        inherited: Option<Owner>,
    ) -> Result<(), CommitError> {
        let carried = ch_ownership::read(object).map_err(|source| CommitError::Override {
            path: self.shown(),
            source,
        })?;
        let mut beside = inherited.unwrap_or_default();
        let believed = match carried {
            // The mode on disk belongs to what is remembered: nobody changed it since.
            Some(found) if found.disk_mode() == status.mode => found,
            Some(found) => Override {
                mode: status.mode,
                ..found
            },
            None => beside.believed.unwrap_or(Override {
                uid: 0,
                gid: 0,
                mode: status.mode,
                kind: match status.kind {
                    Kind::Directory => ch_ownership::Kind::Directory,
                    _ => ch_ownership::Kind::File,
                },
            }),
        };
        let is_there = match carried {
            Some(carried) => carried == believed,
            None => believed.is_plain(),
        };
        let fits =
            is_there || self.check(ch_ownership::remember(object, &believed))? == Place::Object;
        beside.believed = (!fits).then_some(believed);
        self.check(drop_carried(object, &mut beside))?;
        self.keep_beside(&beside);
        Ok(())
    }

    /// Keeps what the present object cannot carry.
    fn keep_beside(&mut self, owner: &Owner) {
        if owner != &Owner::default() {
            let line = ch_ownership::line(self.path.as_os_str().as_bytes(), owner);
            self.found.owners.extend(line.into_bytes());
        }
    }

    fn check<T>(&self, result: Result<T, SyscallError>) -> Result<T, CommitError> {
        result.map_err(|source| CommitError::File {
            path: self.shown(),
            source,
        })
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

/// Drops inherited attributes that the object was given itself.
fn drop_carried(object: &OwnedFd, beside: &mut Owner) -> Result<(), SyscallError> {
    let mut dropped = Vec::new();
    for (name, value) in &beside.attributes {
        if let Kept::As(on_disk, _) = ch_ownership::kept_form(name, value)
            && xattr::get(object, &on_disk)?.is_some()
        {
            dropped.push(name.clone());
        }
    }
    beside.attributes.retain(|name, _| !dropped.contains(name));
    Ok(())
}
