//! What storage is told of a layer that was unpacked, and what it says when one is packed.

use ch_layer::{Encoding, Unpacked};
use ch_linux::file::Time;
use ch_storage::{LayerMeta, RootAttributes, WhiteoutEncoding};

/// The description of a layer; its diff ID and parent are the caller's.
pub(crate) fn of(unpacked: &Unpacked) -> LayerMeta {
    LayerMeta {
        entries: unpacked.entries + unpacked.whiteouts,
        bytes: unpacked.bytes,
        whiteouts: unpacked.whiteouts,
        opaque: unpacked.opaque,
        root: unpacked.root.as_ref().map(root),
        encoding: match unpacked.encoding {
            Encoding::Device => WhiteoutEncoding::Device,
            Encoding::Attribute => WhiteoutEncoding::Attribute,
        },
        warnings: unpacked.warnings.clone(),
        ..LayerMeta::new()
    }
}

fn root(found: &ch_layer::RootAttributes) -> RootAttributes {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    RootAttributes {
        mode: found.mode,
        mtime: found.modified.seconds,
        mtime_nanoseconds: found.modified.nanoseconds,
        xattrs: found
            .attributes
            .iter()
            .map(|(name, value)| (text(name), value.clone()))
            .collect(),
    }
}

/// What a layer or an image says of `/`, for the archive that is made of it.
pub(crate) fn packed_root(known: &RootAttributes) -> ch_layer::RootAttributes {
    ch_layer::RootAttributes {
        mode: known.mode,
        modified: Time {
            seconds: known.mtime,
            nanoseconds: known.mtime_nanoseconds,
        },
        attributes: known
            .xattrs
            .iter()
            .map(|(name, value)| (name.clone().into_bytes(), value.clone()))
            .collect(),
    }
}
