//! `index.json`: the images as other tools see them, which read the directory as an OCI image layout.
//!
//! Made from the records each time one changes, never read by us. Images that were built here have no
//! manifest before they are pushed or exported, and are not in it.

use std::ffi::OsStr;

use ch_linux::SyscallError;
use ch_linux::lock;
use ch_oci::{Descriptor, Index, OrderedMap, annotation};

use super::{ImageRecord, list};
use crate::Storage;
use crate::durability::UNMARKED;
use crate::opening::names;

/// The lock of the index. Whoever holds it waits for nothing else, so it may be taken under a key lock.
const LOCK: &str = "index";

/// Brings `index.json` up to date.
pub(super) fn update(storage: &Storage) -> Result<(), SyscallError> {
    let inner = storage.inner();
    let locks = inner.tmp.ensure_directory(names::LOCKS)?;
    let _lock = lock::lock_name(&locks, OsStr::new(LOCK), Some(&mut |_| {}))?;
    // Records that can't be read can't be shown to others; a failed call is no reason to show none of them.
    let images = list(storage)?.images;
    let index = Index::new(images.into_iter().filter_map(entry).collect());
    let mut bytes = serde_json::to_vec_pretty(&index).expect("descriptors can be printed");
    bytes.push(b'\n');
    if inner.root.try_read(names::INDEX)?.as_deref() == Some(&bytes) {
        return Ok(());
    }
    let scratch = storage.scratch()?;
    let draft = ch_linux::boot::unique();
    scratch.directory().write(&draft, UNMARKED, &bytes)?;
    scratch
        .directory()
        .rename(&draft, &inner.root, names::INDEX)
}

fn entry(image: ImageRecord) -> Option<Descriptor> {
    let mut manifest = image.manifest?;
    let mut annotations = OrderedMap::default();
    annotations.insert(annotation::REF_NAME, image.name.to_string());
    manifest.annotations = Some(annotations);
    Some(manifest)
}
