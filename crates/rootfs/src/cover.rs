//! The cover: mount points that the scaffold cannot give, because the image hides what is below it.
//!
//! A whiteout, an opaque directory, a dangling link or an object of another kind keeps the scaffold from
//! showing. Then what is missing is put *above* the image's layers, in directories that carry the
//! attributes of the image's own, so that nothing of the image looks different.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ch_linux::SyscallError;
use ch_linux::file::{self, Kind, OFlags};
use ch_linux::in_root;
use ch_linux::tree::Directory;
use ch_storage::RootAttributes;

use crate::attributes;
use crate::mount_points::{Artificial, MountPoints, PlaceKind};
use crate::resolve;
use crate::scaffold;

/// Mount points that `root` does not have, by their real place.
pub(crate) fn missing(
    root: impl AsFd,
    points: &MountPoints,
) -> Result<BTreeMap<PathBuf, PlaceKind>, SyscallError> {
    let mut missing = BTreeMap::new();
    for (path, kind) in points.iter() {
        if !is_there(&root, path, kind, points.keeps(path))? {
            let follow = kind == PlaceKind::Directory;
            // A link to itself can't be mounted over as a directory; the mount will say so.
            if let Some(place) = resolve::canonical(&root, path, follow)? {
                missing.insert(place, kind);
            }
        }
    }
    Ok(missing)
}

/// Whether something of that kind can be mounted at `path`: files go onto a link itself. Something else counts if
/// it is to be `kept`.
fn is_there(
    root: impl AsFd,
    path: &Path,
    kind: PlaceKind,
    kept: bool,
) -> Result<bool, SyscallError> {
    let follow = match kind {
        PlaceKind::Directory => OFlags::PATH,
        PlaceKind::File => OFlags::PATH | OFlags::NOFOLLOW,
    };
    let Ok(object) = in_root::open(root, path, follow) else {
        return Ok(false);
    };
    let is_directory = file::status(&object)?.kind == Kind::Directory;
    Ok(kept || is_directory == (kind == PlaceKind::Directory))
}

/// Fills `cover`, an empty directory, for a stack that shows as `root`, and says what is in it that
/// the image has not.
pub(crate) fn fill(
    cover: &Directory,
    root: impl AsFd,
    missing: &BTreeMap<PathBuf, PlaceKind>,
) -> Result<Artificial, SyscallError> {
    let mut artificial = Artificial::default();
    let mut copied = BTreeMap::new();
    for (path, kind) in missing {
        let parent = path.parent().unwrap_or(Path::new(""));
        let directory = fill_parents(cover, &root, parent, &mut copied)?;
        match kind {
            PlaceKind::Directory => {
                let made = directory.ensure_directory(name_of(path))?;
                made.set_mode(scaffold::DIRECTORY_MODE)?;
                file::set_modified(&made, scaffold::TIME)?;
            }
            PlaceKind::File => {
                let made = directory.make_file(name_of(path), scaffold::FILE_MODE)?;
                file::set_modified(&made, scaffold::TIME)?;
            }
        }
        artificial.insert(path, *kind);
    }
    // Filling them changed their times; deepest first.
    for (path, attributes) in copied.iter().rev() {
        let directory = in_root::open(cover, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        attributes::apply_time(directory, attributes)?;
    }
    attributes::apply(
        cover,
        &attributes::capture(open_directory(&root, Path::new("."))?)?,
    )?;
    Ok(artificial)
}

/// Makes the directories of `path` in `cover`, with the attributes they have in `root`.
fn fill_parents(
    cover: &Directory,
    root: impl AsFd,
    path: &Path,
    copied: &mut BTreeMap<PathBuf, RootAttributes>,
) -> Result<Directory, SyscallError> {
    let mut directory = cover.try_clone()?;
    let mut done = PathBuf::new();
    for name in path {
        done.push(name);
        directory = directory.ensure_directory(name)?;
        if copied.contains_key(&done) {
            continue;
        }
        let wanted = match open_directory(&root, &done) {
            Ok(original) => attributes::capture(original)?,
            Err(_) => attributes::default_root(),
        };
        attributes::apply(&directory, &wanted)?;
        copied.insert(done.clone(), wanted);
    }
    Ok(directory)
}

fn open_directory(root: impl AsFd, path: &Path) -> Result<std::os::fd::OwnedFd, SyscallError> {
    in_root::open(
        root,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW,
    )
}

fn name_of(path: &Path) -> &std::ffi::OsStr {
    path.file_name()
        .expect("a mount point is never the root itself")
}
