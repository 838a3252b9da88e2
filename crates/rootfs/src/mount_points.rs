//! Which names of a root will be mounted over.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// What a mount point must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlaceKind {
    /// A directory.
    Directory,
    /// Anything but a directory: a file is mounted on it.
    File,
}

/// A tree of names that will be mounted over, and of the directories they are in.
///
/// Paths are taken as they are written below the root: `.` is dropped and `..` goes up, but not out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountPoints {
    places: BTreeMap<PathBuf, PlaceKind>,
    /// Where an object of another kind is left as it is.
    kept: BTreeSet<PathBuf>,
}

impl MountPoints {
    /// None: for changes written from outside.
    pub fn none() -> Self {
        Self::default()
    }

    /// Those of every `RUN`.
    pub fn run() -> Self {
        let mut points = Self::none();
        for directory in ["dev", "proc", "sys"] {
            points.add(Path::new(directory), PlaceKind::Directory);
        }
        for file in ["etc/hosts", "etc/resolv.conf"] {
            points.add(Path::new(file), PlaceKind::File);
        }
        points
    }

    /// Adds one more; the last kind wins.
    pub fn add(&mut self, path: &Path, kind: PlaceKind) {
        let clean = clean(path);
        if !clean.as_os_str().is_empty() {
            self.kept.remove(&clean);
            self.places.insert(clean, kind);
        }
    }

    /// Adds one that a user chose. If the image has something else there it is not hidden, so that mounting fails.
    pub fn add_chosen(&mut self, path: &Path, kind: PlaceKind) {
        self.add(path, kind);
        self.kept.insert(clean(path));
    }

    /// Whether what the image has at `path` stays, whatever it is.
    pub(crate) fn keeps(&self, path: &Path) -> bool {
        self.kept.contains(path)
    }

    /// All of them, parents before children; paths are relative to the root.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, PlaceKind)> {
        self.places
            .iter()
            .map(|(path, kind)| (path.as_path(), *kind))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// `path` relative to the root, as far as that can be told without looking.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// What scaffold and cover put into a root that the image does not have there: a tree of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Artificial {
    /// Whether the name itself is artificial, or only leads to names that are.
    pub(crate) kind: Option<PlaceKind>,
    children: BTreeMap<OsString, Artificial>,
}

impl Artificial {
    /// Notes `path`, and the directories that lead to it.
    pub(crate) fn insert(&mut self, path: &Path, kind: PlaceKind) {
        let mut node = self;
        for name in path.components() {
            // Every directory of the scaffold is as artificial as what is in it.
            node = node
                .children
                .entry(name.as_os_str().to_owned())
                .or_default();
            node.kind.get_or_insert(PlaceKind::Directory);
        }
        node.kind = Some(kind);
    }

    /// Adds everything of `other`.
    pub(crate) fn merge(&mut self, other: Self) {
        self.kind = other.kind.or(self.kind);
        for (name, child) in other.children {
            self.children.entry(name).or_default().merge(child);
        }
    }

    /// What is artificial below `name`.
    pub(crate) fn child(&self, name: &OsStr) -> Option<&Self> {
        self.children.get(name)
    }

    /// Names directly below, in order.
    pub(crate) fn children(&self) -> impl Iterator<Item = (&OsStr, &Self)> {
        self.children
            .iter()
            .map(|(name, node)| (name.as_os_str(), node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_stay_inside() {
        let mut points = MountPoints::none();
        for path in ["/a/./b", "a/../../c", "/", "", "..", "a/b/"] {
            points.add(Path::new(path), PlaceKind::Directory);
        }
        let paths: Vec<_> = points
            .iter()
            .map(|(path, _)| path.to_str().unwrap())
            .collect();
        assert_eq!(paths, ["a/b", "c"]);
    }

    #[test]
    fn directories_that_lead_to_a_place_are_artificial_too() {
        let mut tree = Artificial::default();
        tree.insert(Path::new("etc/hosts"), PlaceKind::File);
        tree.insert(Path::new("etc"), PlaceKind::Directory);
        let etc = tree.child("etc".as_ref()).unwrap();
        assert_eq!(etc.kind, Some(PlaceKind::Directory));
        assert_eq!(
            etc.child("hosts".as_ref()).unwrap().kind,
            Some(PlaceKind::File)
        );
        assert_eq!(tree.kind, None);
    }
}
