//! From a stack of layers to a root that can be written in, and from its changes to a new layer.
//!
//! ```text
//! layers of the parent ──┐
//! mount points ──────────┼─> prepare ─> Workspace { root }  ─> commit ─> a new layer, or none
//! a fresh draft ─────────┘      (a step writes below `root`)
//! ```
//!
//! The engine is overlayfs in a user namespace with one identity. That namespace lives in the
//! [`Mounter`], a process of one thread which answers with descriptors of detached mounts, so whoever
//! uses a [`Workspace`] needs no namespace of its own. Where overlayfs is refused, or the storage
//! directory cannot hold its changes, other engines will stand behind the same functions; until then
//! the error says what is missing.
//!
//! [`flatten`] copies a stack into a plain directory instead: for users, and for what cannot mount.
//!
//! Invariants: a published layer is never written; nothing is written into a layer for mount points
//! (they come from the scaffold below, or the cover above the image's layers); a layer exists only if
//! the step changed something.

mod attributes;
mod commit;
mod content;
mod cover;
mod diagnosis;
mod flat;
mod mount_points;
mod mounter;
mod probe;
mod read;
mod resolve;
mod scaffold;
mod shape;
mod stack;
mod view;
mod workspace;

pub use ch_linux::surroundings::Diagnosis;
pub use commit::{CommitError, Committed, Learned, Shared};
pub use content::{ContentError, LayerContent, StackContent};
pub use flat::{FlattenError, Flattened, flatten, furnish, unfurnish};
pub use mount_points::{MountPoints, PlaceKind};
pub use mounter::{MOUNTER, MountError, Mounter, SpawnError};
pub use probe::probe;
pub use read::read_file;
pub use shape::{is_unlike_an_image, missing_directories};
pub use stack::StackError;
pub use view::{
    View, ViewError, kept_beside, kept_in, mount_directory, mount_directory_by,
    mount_directory_in_memory, mount_image, mount_image_by, mount_image_in_memory, try_mount,
};
pub use workspace::{Beside, PrepareError, Workspace, prepare, view};
