//! What the same `COPY` wrote last time, so that unchanged files need not be copied again.
//!
//! ```text
//! ch-image copy 1\n <layer>\n                  then, sorted, 16 bytes for each file:
//! the beginning of H(path, content, attributes, owner, mode, time)
//! ```
//!
//! It is found under a hash of the instruction, in which nothing of the content is. Losing it costs a plain copy.
//! Invariant: a file is in the list only if it is in the layer, has one name there, and carries all that is believed
//! of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ch_linux::file::{self, OFlags, Status, Time};
use ch_linux::in_root;
use ch_linux::tree::Directory;
use ch_oci::Digest;
use ch_ownership::Override;
use ch_rootfs::Shared;
use ch_storage::{Layer, LayerId, Lease, Storage};

use super::contents::Holding;
use crate::key::KeyHash;

const HEAD: &[u8] = b"ch-image copy 1\n";
/// Longer than any two of billions of files will share.
const LENGTH: usize = 16;

/// Everything that a file of a layer is, as one short hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity([u8; LENGTH]);

impl Identity {
    /// A file at `path` of the image.
    pub(crate) fn new(path: &Path, holding: &Holding, believed: &Override, modified: Time) -> Self {
        let mut key = KeyHash::new("copied 1");
        key.field("path", path.as_os_str().as_encoded_bytes())
            .field("holds", holding)
            .field("is", believed.to_string())
            .field("seconds", modified.seconds.to_le_bytes())
            .field("nanoseconds", modified.nanoseconds.to_le_bytes());
        let bytes = key.finish_bytes();
        let (short, _) = bytes.split_at(LENGTH);
        Self(short.try_into().expect("it is that long"))
    }
}

/// A layer that the same instruction made, and what it copied into it.
#[derive(Debug)]
pub(crate) struct Previous {
    layer: Layer,
    /// The root of its files.
    files: Directory,
    table: Vec<u8>,
    /// Keeps others from freeing the layer.
    lease: Lease,
}

impl Previous {
    /// What the storage directory knows of the instruction `key`, if that layer is still there and none of `layers`.
    pub(crate) fn load(storage: &Storage, key: &Digest, layers: &[LayerId]) -> Option<Self> {
        let bytes = storage.content_table(key)?;
        let rest = bytes.strip_prefix(HEAD)?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let layer: LayerId = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        // Two layers of one image do not share files: its programs would see links that are none.
        if layers.contains(&layer) {
            return None;
        }
        let lease = storage.lease(std::slice::from_ref(&layer)).ok()?;
        let table = rest[end + 1..].to_vec();
        let layer = storage.layers().get(&layer).ok()??;
        let files = layer.files().ok()?;
        (table.len() % LENGTH == 0).then_some(Self {
            layer,
            files,
            table,
            lease,
        })
    }

    /// What a new layer is to have of this one: each a directory below the root and a name in it.
    pub(crate) fn share(self, files: Vec<(PathBuf, OsString)>) -> Shared {
        let mut shared = Shared::new(self.layer, self.lease);
        for (directory, name) in files {
            shared.add(&directory, name);
        }
        shared
    }

    /// Whether the layer has just this file, at `path`, of a source with that `status`.
    pub(crate) fn has(&self, wanted: &Identity, path: &Path, status: &Status) -> bool {
        let (all, _) = self.table.as_chunks::<LENGTH>();
        all.binary_search(&wanted.0).is_ok() && self.is_whole(path, status)
    }

    /// Whether the layer's file looks like what was copied there: when it is linked, it is too late to copy it.
    fn is_whole(&self, path: &Path, status: &Status) -> bool {
        let opened = in_root::open(&self.files, path, OFlags::PATH | OFlags::NOFOLLOW);
        let found = opened.and_then(|file| file::status(&file));
        found.is_ok_and(|found| {
            let looks = |it: &Status| (it.kind, it.size, it.modified);
            looks(&found) == looks(status)
        })
    }
}

/// Remembers that the instruction `key` made `layer` with these files.
pub(crate) fn remember(storage: &Storage, key: &Digest, layer: &LayerId, mut files: Vec<Identity>) {
    files.sort_unstable();
    let mut bytes = HEAD.to_vec();
    bytes.extend(format!("{layer}\n").as_bytes());
    bytes.extend(files.iter().flat_map(|file| file.0));
    if let Err(error) = storage.put_content_table(key, &bytes) {
        tracing::debug!("a copy is not remembered: {error}");
    }
}
