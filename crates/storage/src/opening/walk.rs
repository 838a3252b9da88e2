//! The way to the storage directory, one component at a time.
//!
//! Only links of root and of the caller are followed: anybody may put a link into `/var/tmp`. For the same
//! reason nothing is created in a directory that someone else made in such a place.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use ch_linux::tree::{Attributes, Directory, Kind};

use super::OpenError;
use super::error::io;

const MOST_LINKS: u32 = 40;
const STICKY: u32 = 0o1000;

/// Whether the walk made the directory it arrived at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Creation {
    Created,
    Found,
}

/// Goes to `path`, which is absolute, making what is missing if `create` says so.
pub(super) fn to(path: &Path, create: bool) -> Result<Option<(Directory, Creation)>, OpenError> {
    let failed = io(path);
    let mut way = Way {
        here: root()?,
        shared_parent: false,
        todo: Vec::new(),
        links: 0,
    };
    way.push(path);
    let mut creation = Creation::Found;
    while let Some(name) = way.todo.pop() {
        if way.step(&name, path)? {
            continue;
        }
        if !create {
            return Ok(None);
        }
        way.refuse_foreign_parent()?;
        match way.here.make_directory(&name, 0o700) {
            Ok(_) => creation = Creation::Created,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        way.todo.push(name);
    }
    let opened = way.here.directory(".").map_err(failed)?;
    Ok(Some((
        Directory::from_descriptor(opened.into(), path),
        creation,
    )))
}

fn root() -> Result<Directory, OpenError> {
    Directory::open_for_search(Path::new("/")).map_err(io(Path::new("/")))
}

struct Way {
    here: Directory,
    /// The directory above `here` is one where everybody may create, as `/var/tmp` is.
    shared_parent: bool,
    /// Components still to go, the next one last.
    todo: Vec<OsString>,
    links: u32,
}

impl Way {
    fn push(&mut self, path: &Path) {
        self.todo.extend(
            path.components()
                .rev()
                .filter_map(|component| match component {
                    Component::Normal(name) => Some(name.to_owned()),
                    Component::ParentDir => Some(OsString::from("..")),
                    Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
                }),
        );
    }

    /// Goes one component further; says whether that exists.
    fn step(&mut self, name: &OsStr, path: &Path) -> Result<bool, OpenError> {
        let failed = io(path);
        match self.here.directory_for_search(name) {
            Ok(next) => {
                let above = self.here.attributes().map_err(failed)?;
                self.shared_parent = above.mode & STICKY != 0 && above.mode & 0o022 != 0;
                self.here = next;
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => match self.here.try_attributes_of(name).map_err(&failed)? {
                Some(link) if link.kind == Kind::Link => {
                    self.follow(name, &link, path)?;
                    Ok(true)
                }
                Some(found) if found.kind != Kind::Directory => Err(OpenError::NotADirectory {
                    path: self.here.path().join(name),
                }),
                _ => Err(failed(error)),
            },
        }
    }

    fn follow(&mut self, name: &OsStr, link: &Attributes, path: &Path) -> Result<(), OpenError> {
        let place = || -> PathBuf { self.here.path().join(name) };
        if link.uid != 0 && link.uid != ch_linux::boot::effective_user() {
            return Err(OpenError::ForeignOwner {
                path: place(),
                owner: link.uid,
            });
        }
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(OpenError::TooManyLinks {
                path: path.to_owned(),
            });
        }
        let target = self.here.link_target(name).map_err(io(path))?;
        self.push(&target);
        if target.is_absolute() {
            self.here = root()?;
            self.shared_parent = false;
        }
        Ok(())
    }

    /// `/var/tmp/me` that somebody else made would let him replace what we put there.
    fn refuse_foreign_parent(&self) -> Result<(), OpenError> {
        if !self.shared_parent {
            return Ok(());
        }
        let here = self.here.attributes().map_err(io(self.here.path()))?;
        if here.uid == 0 || here.uid == ch_linux::boot::effective_user() {
            return Ok(());
        }
        Err(OpenError::ForeignOwner {
            path: self.here.path().to_owned(),
            owner: here.uid,
        })
    }
}
