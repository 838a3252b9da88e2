//! What is known of an image: `images/<name>.json`.

use ch_oci::{Descriptor, Digest, Reference};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{LayerId, StateId};

/// Which command made an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageOrigin {
    /// `pull`, also on behalf of `FROM`.
    Pull,
    /// `build`.
    Build,
    /// `import`.
    Import,
    /// `modify`.
    Modify,
    /// `tag`.
    Tag,
}

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageLayer {
    /// Its files.
    pub id: LayerId,
    /// Digest of its uncompressed archive, where it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff_id: Option<Digest>,
    /// Its archive as a registry has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<Descriptor>,
    /// Repositories known to have that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
}

impl ImageLayer {
    /// A layer that was made here.
    pub fn made(id: LayerId) -> Self {
        Self {
            id,
            diff_id: None,
            blob: None,
            repositories: Vec::new(),
        }
    }
}

/// An image as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Its name as the user wrote it, without transport. A valid reference.
    #[serde(with = "super::name::serde_text")]
    pub name: Reference,
    /// Which command made it.
    pub origin: ImageOrigin,
    /// What a build upon it hashes first.
    pub identity: String,
    /// The OCI config, byte for byte.
    #[serde(with = "base64_bytes")]
    pub config: Vec<u8>,
    /// The manifest it was pulled by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Descriptor>,
    /// The index that named the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Descriptor>,
    /// The reference that the registry was asked for, filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The mirror that answered instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// The state of the build that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateId>,
    /// Its layers, lowest first.
    pub layers: Vec<ImageLayer>,
    /// When it was stored.
    #[serde(with = "crate::time")]
    pub created: Timestamp,
    /// Only its first layers were unpacked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}

impl ImageRecord {
    /// Its layers, lowest first.
    pub fn layer_ids(&self) -> Vec<LayerId> {
        self.layers.iter().map(|layer| layer.id.clone()).collect()
    }

    /// The blobs it names; any of them may have been pruned.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Digest> {
        let layers = self.layers.iter().filter_map(|layer| layer.blob.as_ref());
        self.manifest
            .iter()
            .chain(&self.index)
            .chain(layers)
            .map(|descriptor| &descriptor.digest)
    }

    /// Whether it says the same as `other`, but for the time.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        *self
            == Self {
                created: self.created,
                ..other.clone()
            }
    }
}

mod base64_bytes {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        BASE64_STANDARD
            .decode(String::deserialize(from)?)
            .map_err(de::Error::custom)
    }
}
