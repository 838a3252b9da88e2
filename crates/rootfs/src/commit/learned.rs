//! What is known, from outside, of objects that can't carry it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ch_linux::file::{Kind, Status};
use ch_ownership::Override;

use super::Shared;

/// What objects of a workspace are believed to be: by number, and where an overlay has given an object another number
/// when it was changed, by path.
#[derive(Debug, Default)]
pub struct Learned {
    numbers: HashMap<u64, Override>,
    paths: HashMap<PathBuf, Override>,
    /// Files that the layer is to have from an older one.
    pub(super) shared: Option<Shared>,
    /// See [`Learned::files_are_made`].
    pub(super) files_are_made: bool,
}

impl Learned {
    /// Adds the object `inode`, which was last seen at `path` below the root.
    pub fn add(&mut self, inode: u64, path: PathBuf, believed: Override) {
        self.numbers.insert(inode, believed);
        self.paths.insert(path, believed);
    }

    /// Adds the object at `path` below the root, which stays there until the commit.
    pub fn add_at(&mut self, path: PathBuf, believed: Override) {
        self.paths.insert(path, believed);
    }

    /// Adds all that `other` knows, in place of what was known of the same objects.
    pub fn absorb(&mut self, other: Self) {
        self.numbers.extend(other.numbers);
        self.paths.extend(other.paths);
    }

    /// Lets the layer have these files as well.
    pub fn share(&mut self, shared: Shared) {
        self.shared = Some(shared);
    }

    /// Says that every regular file was made by the caller, none by changing one of the image: what is believed of it
    /// is with it, unless it was added here.
    pub fn files_are_made(&mut self) {
        self.files_are_made = true;
    }

    /// What was added at `path`.
    pub fn at(&self, path: &Path) -> Option<Override> {
        self.paths.get(path).copied()
    }

    /// What the object at `path`, of this `status`, is believed to be.
    pub(super) fn get(&self, path: &Path, status: &Status) -> Option<Override> {
        let found = self
            .numbers
            .get(&status.inode)
            .or_else(|| self.paths.get(path));
        found.copied().filter(|believed| fits(believed, status))
    }
}

/// Whether an object can be what is believed of it.
fn fits(believed: &Override, status: &Status) -> bool {
    use ch_ownership::Kind as Believed;
    match believed.kind {
        Believed::File | Believed::Block(_) | Believed::Character(_) => status.kind == Kind::File,
        Believed::Directory => status.kind == Kind::Directory,
        Believed::Symlink => status.kind == Kind::Symlink,
        Believed::Pipe => status.kind == Kind::Fifo,
        Believed::Socket => status.kind == Kind::Socket,
    }
}
