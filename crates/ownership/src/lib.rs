//! What an image believes of a file, and how that is kept on a disk that cannot hold it.
//!
//! An ordinary user's file system knows one owner and no devices, so the believed owner, mode, kind
//! and device numbers of an object lie beside it: in the extended attribute [`OVERRIDE_STAT`] (the
//! convention of containers/storage and fuse-overlayfs) where the object can carry one, in the layer's
//! [`Owners`] file where it cannot. Extended attributes that an ordinary user may not set are kept
//! under other names ([`kept_form`]).
//!
//! Invariants: no attribute means owner 0:0 and the mode on disk; directories on disk are at least
//! 0700 and files at least 0600; set-user-ID and set-group-ID of non-directories are never on disk.

mod attributes;
mod disk;
mod owners;
mod record;

pub use attributes::{Kept, image_form, is_kept, kept_form};
pub use disk::{Place, ReadError, believed, kind_on_disk, read, remember, remember_new};
pub use owners::{FILE as OWNERS_FILE, Owner, Owners, ParseOwnersError, forgotten, line};
pub use record::{Kind, Override, ParseOverrideError};

/// The extended attribute that holds an [`Override`].
pub const OVERRIDE_STAT: &[u8] = b"user.containers.override_stat";
