//! What is known of a layer: `layers/<id>/meta.json`.

use std::collections::BTreeMap;

use ch_oci::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::LayerId;

/// How a layer says that a name of the layers below is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WhiteoutEncoding {
    /// A character device 0:0.
    #[default]
    #[serde(rename = "dev")]
    Device,
    /// An empty file with an attribute.
    #[serde(rename = "xattr")]
    Attribute,
    /// A list beside the files.
    #[serde(rename = "list")]
    List,
}

/// What made a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The upper directory of an overlay, or an archive unpacked in that form.
    #[default]
    Overlay,
    /// Changes copied from an upper directory elsewhere.
    Split,
    /// A whole tree compared with its parent.
    Flat,
}

/// Attributes of `/` that a layer sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootAttributes {
    /// Permission bits on disk.
    pub mode: u32,
    /// Modification time: seconds since 1970.
    pub mtime: i64,
    /// And nanoseconds.
    #[serde(default)]
    pub mtime_nanoseconds: u32,
    /// Extended attributes; values in base64.
    #[serde(default, with = "base64_values")]
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What is known of a layer: `meta.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerMeta {
    /// Digest of the uncompressed archive it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff_id: Option<Digest>,
    /// The layer below, where its files depend on that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<LayerId>,
    /// Number of files, directories and other objects in it, whiteouts included.
    pub entries: u64,
    /// Their size.
    pub bytes: u64,
    /// Number of whiteouts.
    pub whiteouts: u64,
    /// Number of opaque directories.
    pub opaque: u64,
    /// Attributes of `/`, if it sets them.
    pub root: Option<RootAttributes>,
    /// When it was made.
    #[serde(with = "crate::time")]
    pub created: Timestamp,
    /// How it says what is gone.
    pub encoding: WhiteoutEncoding,
    /// What made it.
    pub engine: Engine,
    /// How the archive it came from was compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compressor: Option<String>,
    /// What the archive had and could not be kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl LayerMeta {
    /// An empty layer, made now; the caller sets what is different.
    pub fn new() -> Self {
        Self {
            diff_id: None,
            parent: None,
            entries: 0,
            bytes: 0,
            whiteouts: 0,
            opaque: 0,
            root: None,
            created: Timestamp::now(),
            encoding: WhiteoutEncoding::default(),
            engine: Engine::default(),
            compressor: None,
            warnings: Vec::new(),
        }
    }
}

impl Default for LayerMeta {
    fn default() -> Self {
        Self::new()
    }
}

mod base64_values {
    use std::collections::BTreeMap;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        values: &BTreeMap<String, Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(
            values
                .iter()
                .map(|(name, value)| (name, BASE64_STANDARD.encode(value))),
        )
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(from)?;
        let decode = |(name, text): (String, String)| match BASE64_STANDARD.decode(text) {
            Ok(value) => Ok((name, value)),
            Err(error) => Err(de::Error::custom(error)),
        };
        texts.into_iter().map(decode).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_survives_being_written() {
        let meta = LayerMeta {
            diff_id: Some(Digest::of(b"x")),
            parent: Some(LayerId::random()),
            root: Some(RootAttributes {
                mode: 0o700,
                mtime: -1,
                mtime_nanoseconds: 5,
                xattrs: [("user.x".to_owned(), vec![0, 255, 10])].into(),
            }),
            warnings: vec!["socket skipped".to_owned()],
            ..LayerMeta::new()
        };
        let json = serde_json::to_string(&meta).unwrap();
        assert_eq!(serde_json::from_str::<LayerMeta>(&json).unwrap(), meta);
    }
}
