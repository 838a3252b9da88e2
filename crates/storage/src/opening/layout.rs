//! The entries of the storage directory, and how they come to be.

use std::ffi::OsStr;

use ch_linux::SyscallError;
use ch_linux::sync;
use ch_linux::tree::Directory;

use super::exclusion::DirectoryLock;
use super::version::{self, Found, VERSION};
use super::{OpenError, error::io, reset};
use crate::owner::LOCK_SUFFIX;
use crate::sweep::SCAFFOLD_PREFIX;
use crate::{LayerId, Notice, Options};

/// Names of the entries; the tree is drawn in the crate's documentation.
pub(crate) mod names {
    pub(crate) const VERSION: &str = "VERSION";
    pub(crate) const TMP: &str = "tmp";
    pub(crate) const LAYERS: &str = "layers";
    pub(crate) const BLOBS: &str = "blobs";
    pub(crate) const IMAGES: &str = "images";
    pub(crate) const STATES: &str = "states";
    /// Made when first needed.
    pub(crate) const CONTENTS: &str = "contents";
    pub(crate) const MOUNTS: &str = "mounts";
    /// In `layers/<id>/`: what is known of the layer.
    pub(crate) const META: &str = "meta.json";
    /// In `layers/<id>/`: its files.
    pub(crate) const FILES: &str = "fs";
    /// In `images/`.
    pub(crate) const DELETED: &str = "deleted";
    pub(crate) const OCI_LAYOUT: &str = "oci-layout";
    pub(crate) const INDEX: &str = "index.json";
    /// In `tmp/`: the lock of the whole directory.
    pub(crate) const LOCK: &str = "lock";
    /// In `tmp/`: the directory is being emptied.
    pub(crate) const RESET: &str = "reset";
    /// In `tmp/`: key locks.
    pub(crate) const LOCKS: &str = "locks";
    /// In `tmp/`: lists of layers in use.
    pub(crate) const LEASES: &str = "leases";
    /// In `tmp/`: shared by who claims something, exclusive while a collection decides.
    pub(crate) const CLAIMS: &str = "claims";
    /// In `tmp/`: see [`Storage::is_probed`](crate::Storage::is_probed).
    pub(crate) const PROBED: &str = "probed";
    /// In `tmp/`: what only waits for being deleted.
    pub(crate) const TRASH: &str = "trash";
}

/// An OCI layout without images.
pub(crate) const EMPTY_INDEX: &[u8] = b"{\n  \"schemaVersion\": 2,\n  \"manifests\": []\n}\n";

/// In `tmp/`: beginning of the names of files that [`place`] writes.
const NEW_PREFIX: &str = "new-";

/// Whether something of that name belongs into the storage directory itself.
pub fn is_ours(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| is_file_of_ours(name) || is_directory_of_ours(name))
}

/// Whether a file of that name belongs into the storage directory itself.
pub(super) fn is_file_of_ours(name: &str) -> bool {
    [names::VERSION, names::OCI_LAYOUT, names::INDEX].contains(&name)
}

/// Whether a directory of that name belongs into the storage directory itself.
pub(super) fn is_directory_of_ours(name: &str) -> bool {
    let ours = [
        names::TMP,
        names::LAYERS,
        names::BLOBS,
        names::IMAGES,
        names::STATES,
        names::CONTENTS,
        names::MOUNTS,
    ];
    ours.contains(&name)
}

/// Whether `name` can be something of ours in our directory `directory`.
pub(super) fn may_contain(directory: &str, name: &str) -> bool {
    match directory {
        names::TMP => is_work_of_ours(name),
        names::LAYERS => name.parse::<LayerId>().is_ok(),
        names::BLOBS => ["sha256", "sha512"].contains(&name),
        names::IMAGES => name == names::DELETED || name.ends_with(".json"),
        names::STATES => name.strip_suffix(".json").is_some_and(is_hex),
        names::CONTENTS => is_hex(name),
        _ => false, // cache mounts are made by nobody before `VERSION` is there
    }
}

fn is_work_of_ours(name: &str) -> bool {
    let fixed = [
        names::LOCK,
        names::RESET,
        names::LOCKS,
        names::LEASES,
        names::CLAIMS,
        names::PROBED,
        names::TRASH,
    ];
    fixed.contains(&name)
        || name.strip_prefix(NEW_PREFIX).is_some_and(is_file_of_ours)
        || name.starts_with(SCAFFOLD_PREFIX)
        || is_hex(name.strip_suffix(LOCK_SUFFIX).unwrap_or(name))
}

/// Hashes and unique identifiers.
fn is_hex(text: &str) -> bool {
    text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Finishes the creation, or the reset, of the storage directory `root`, unless another command did.
pub(super) fn finish(root: &Directory, options: &Options) -> Result<(), OpenError> {
    let failed = io(root.path());
    root.set_mode(0o700).map_err(&failed)?;
    root.ensure_directory(names::TMP).map_err(&failed)?;
    let _lock = DirectoryLock::exclusive(root, options)?;
    if version::recognise(root)? == Found::Ours {
        return Ok(());
    }
    let tmp = root.directory(names::TMP).map_err(&failed)?;
    if tmp
        .try_attributes_of(names::RESET)
        .map_err(&failed)?
        .is_some()
    {
        reset::redo(root, &tmp, options).map_err(&failed)?;
    } else {
        lay_out(root, &tmp).map_err(&failed)?;
    }
    announce(root, options);
    Ok(())
}

pub(super) fn announce(root: &Directory, options: &Options) {
    let path = root.path().to_owned();
    options.notify.send(&Notice::Initializing {
        version: VERSION,
        path,
    });
}

/// Makes every entry; `VERSION` last, and only then takes away the mark of a reset.
pub(super) fn lay_out(root: &Directory, tmp: &Directory) -> Result<(), SyscallError> {
    root.ensure_directory(names::BLOBS)?
        .ensure_directory("sha256")?;
    root.ensure_directory(names::IMAGES)?
        .ensure_directory(names::DELETED)?;
    for name in [names::LAYERS, names::STATES, names::MOUNTS] {
        root.ensure_directory(name)?;
    }
    for name in [names::LOCKS, names::LEASES, names::TRASH] {
        tmp.ensure_directory(name)?;
    }
    place(
        root,
        tmp,
        names::OCI_LAYOUT,
        b"{\"imageLayoutVersion\":\"1.0.0\"}\n",
    )?;
    place(root, tmp, names::INDEX, EMPTY_INDEX)?;
    place(root, tmp, names::VERSION, version::text().as_bytes())?;
    match tmp.remove_file(names::RESET) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file beside and renames it in, its content on disk before its name.
fn place(root: &Directory, tmp: &Directory, name: &str, bytes: &[u8]) -> Result<(), SyscallError> {
    let draft = format!("{NEW_PREFIX}{name}");
    if tmp.try_attributes_of(&draft)?.is_some() {
        tmp.remove_file(&draft)?;
    }
    tmp.write(&draft, 0o644, bytes)?;
    sync::file(tmp.file(&draft)?)?;
    tmp.rename(&draft, root, name)
}
