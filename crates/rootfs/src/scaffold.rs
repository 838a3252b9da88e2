//! The scaffold: empty directories and files at the bottom of a stack, to mount over.
//!
//! It is made once for each set of mount points and shared by all steps. Being lowest, it shows only
//! where the image has nothing, and never decides an attribute of what the image has.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use ch_linux::SyscallError;
use ch_linux::file::{self, Time};
use ch_linux::tree::Directory;
use ch_storage::{Draft, PublishError};

use crate::mount_points::{Artificial, MountPoints, PlaceKind};

/// Mode of an artificial directory.
pub(crate) const DIRECTORY_MODE: u32 = 0o755;
/// Mode of an artificial file.
pub(crate) const FILE_MODE: u32 = 0o644;
/// Time of everything artificial.
pub(crate) const TIME: Time = Time {
    seconds: 0,
    nanoseconds: 0,
};

/// Why the mount points of a step can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScaffoldError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Make(#[from] SyscallError),
}

/// Path of the scaffold for `points`, relative to the storage directory; made if there is none.
pub(crate) fn ensure(draft: &Draft, points: &MountPoints) -> Result<String, ScaffoldError> {
    let hash = hash(points);
    let name = format!("tmp/scaffold-{hash}");
    if draft.storage().scaffold(&hash)?.is_none() {
        let directory = draft
            .directory()
            .make_directory("scaffold", DIRECTORY_MODE)?;
        fill(&directory, &tree(points))?;
        draft.publish_scaffold("scaffold", &hash)?;
    }
    Ok(name)
}

/// The names of `points` as a tree.
pub(crate) fn tree(points: &MountPoints) -> Artificial {
    let mut tree = Artificial::default();
    for (path, kind) in points.iter() {
        tree.insert(path, kind);
    }
    tree
}

/// Makes everything of `tree` in `directory`, then sets the directory's time.
pub(crate) fn fill(directory: &Directory, tree: &Artificial) -> Result<(), SyscallError> {
    for (name, node) in tree.children() {
        match node.kind {
            Some(PlaceKind::File) => {
                let file = directory.make_file(name, FILE_MODE)?;
                file::set_modified(&file, TIME)?;
            }
            Some(PlaceKind::Directory) | None => {
                fill(&directory.make_directory(name, DIRECTORY_MODE)?, node)?;
            }
        }
    }
    file::set_modified(directory, TIME)
}

/// A name for a set of mount points. Two versions of this program may choose different ones, which
/// costs a second scaffold and nothing else.
fn hash(points: &MountPoints) -> String {
    let mut hasher = DefaultHasher::new();
    for (path, kind) in points.iter() {
        (Path::as_os_str(path), kind).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}
