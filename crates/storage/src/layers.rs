//! Layers: directories of files that never change, and what is known of each.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use ch_linux::SyscallError;
use ch_linux::tree::Directory;
use ch_oci::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Storage;
use crate::durability::{MARKED, Object};
use crate::opening::names;
use crate::sealed::{self, Sealed};
use crate::storage::lock;

/// Name of a layer: `d-<diff ID>` pulled, `c-<chain hash>` pulled but dependent on its parent, `r-<random>` made
/// here. Only `[0-9a-z-]`, so it needs no escaping in mount options.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LayerId(Box<str>);

/// A text that names no layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a layer ID: {text:?}")]
pub struct NotALayerId {
    text: String,
}

impl LayerId {
    /// The layer that unpacks to the archive of `diff_id`, whatever lies below it.
    pub fn pulled(diff_id: &Digest) -> Self {
        Self(format!("d-{}", diff_id.hex()).into())
    }

    /// A pulled layer whose files depend on those below it; `chain` is a hash over all of them.
    pub fn chained(chain: &Digest) -> Self {
        Self(format!("c-{}", chain.hex()).into())
    }

    /// A new layer that is like no other.
    pub fn random() -> Self {
        Self(format!("r-{}", ch_linux::boot::unique()).into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for LayerId {
    type Error = NotALayerId;

    fn try_from(text: String) -> Result<Self, NotALayerId> {
        let good = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte == b'-';
        match text.split_once('-') {
            Some((kind, rest))
                if kind.len() == 1
                    && !rest.is_empty()
                    && text.len() <= 200
                    && text.bytes().all(good) =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(NotALayerId { text }),
        }
    }
}

impl From<LayerId> for String {
    fn from(id: LayerId) -> Self {
        id.0.into()
    }
}

impl std::str::FromStr for LayerId {
    type Err = NotALayerId;

    fn from_str(text: &str) -> Result<Self, NotALayerId> {
        text.to_owned().try_into()
    }
}

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

/// Why a layer can't be looked at. One that is not there is no error.
#[derive(Debug, thiserror::Error)]
#[error("storage: can't read layer {layer}")]
pub struct LayerError {
    /// Which.
    pub layer: LayerId,
    source: SyscallError,
}

/// A layer that exists and may be believed.
#[derive(Debug)]
pub struct Layer {
    /// Its name.
    pub id: LayerId,
    /// What is known of it.
    pub meta: LayerMeta,
    directory: Directory,
}

impl Layer {
    /// `layers/<id>`, where `owners` may lie beside the files.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// `layers/<id>/fs`, the root of its files.
    pub fn files(&self) -> Result<Directory, LayerError> {
        self.directory
            .directory(names::FILES)
            .map_err(|source| LayerError {
                layer: self.id.clone(),
                source,
            })
    }
}

/// The layers of a storage directory.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    storage: &'a Storage,
}

impl<'a> Layers<'a> {
    pub(crate) fn new(storage: &'a Storage) -> Self {
        Self { storage }
    }

    /// The layer `id`, or nothing: not there, torn, or written before a power cut and not marked. What is of
    /// no use any more goes to the trash.
    pub fn get(&self, id: &LayerId) -> Result<Option<Layer>, LayerError> {
        self.read(id).map_err(|source| LayerError {
            layer: id.clone(),
            source,
        })
    }

    /// Whether [`Layers::get`] would find it. Looked up once per process.
    pub fn contains(&self, id: &LayerId) -> Result<bool, LayerError> {
        if lock(&self.storage.inner().known_layers).contains(id) {
            return Ok(true);
        }
        Ok(self.get(id)?.is_some())
    }

    fn read(&self, id: &LayerId) -> Result<Option<Layer>, SyscallError> {
        let inner = self.storage.inner();
        let Some(directory) = inner.layers.try_directory(id.as_str())? else {
            return Ok(None);
        };
        let mode = directory
            .try_attributes_of(names::META)?
            .map_or(0, |found| found.mode);
        let bytes = directory.try_read(names::META)?.unwrap_or_default();
        let meta = match sealed::unseal::<LayerMeta>(&bytes) {
            Ok(Sealed { origin, value }) if mode == MARKED || origin == inner.origin => value,
            Ok(Sealed { origin, .. }) if origin.host != inner.origin.host => return Ok(None),
            Ok(_) | Err(_) => {
                tracing::info!("layer {id} did not survive; to the trash");
                self.drop_unusable(id)?;
                return Ok(None);
            }
        };
        lock(&inner.known_layers).insert(id.clone());
        Ok(Some(Layer {
            id: id.clone(),
            meta,
            directory,
        }))
    }

    /// A read-only storage keeps what it has; it is not believed all the same.
    fn drop_unusable(&self, id: &LayerId) -> Result<(), SyscallError> {
        let dropped = self
            .storage
            .discard(&self.storage.inner().layers, id.as_str());
        match dropped {
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Ok(()),
            other => other,
        }
    }

    /// Whether the layer carries the mark of being on disk; a layer that is not there does not.
    pub(crate) fn is_marked(&self, id: &LayerId) -> Result<bool, SyscallError> {
        let inner = self.storage.inner();
        if inner.durability.is_pending(&Object::Layer(id.clone())) {
            return Ok(false);
        }
        let Some(directory) = inner.layers.try_directory(id.as_str())? else {
            return Ok(false);
        };
        let meta = directory.try_attributes_of(names::META)?;
        Ok(meta.is_some_and(|meta| meta.mode == MARKED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_layer_ids() {
        let digest = Digest::of(b"");
        for id in [
            LayerId::pulled(&digest),
            LayerId::chained(&digest),
            LayerId::random(),
        ] {
            assert_eq!(id.as_str().parse(), Ok(id.clone()));
        }
        for text in [
            "", "-", "d-", "../x", "d-../x", "d-A", "r-a:b", "r-a,b", "rr-a", "d-\u{e9}",
        ] {
            assert!(text.parse::<LayerId>().is_err(), "{text}");
        }
    }

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
