//! Manifests and indexes, OCI and Docker schema 2, told apart and checked.
//!
//! The type comes from `mediaType` in the document, else from what the server said, else from the keys. A
//! document that could be read as both is refused: two readers would see two different images.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Descriptor, DocumentError, Format, OrderedMap, SelectError, Wanted, json, media_type, platform,
};

/// Most entries an index may have.
const INDEX_ENTRIES: usize = 1000;
/// Most layers an image may have.
const LAYERS: usize = 1000;

/// What a registry answers when asked for a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Box<Manifest>),
    /// Several, for different platforms.
    Index(Index),
}

impl Document {
    /// The media type that the document itself names.
    pub fn media_type(&self) -> Option<&str> {
        match self {
            Self::Manifest(manifest) => manifest.media_type.as_deref(),
            Self::Index(index) => index.media_type.as_deref(),
        }
    }

    /// Reads `bytes`; `content_type` is what the server called them, if it did.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, DocumentError> {
        let tree = json::tree("manifest", bytes)?;
        refuse_other_schemas(&tree)?;
        let has = |key: &str| tree.get(key).is_some();
        let (manifest, index) = (has("config") || has("layers"), has("manifests"));
        if manifest && index {
            return Err(DocumentError::Ambiguous);
        }
        let content_type = content_type.map(media_type::without_parameters);
        let declared = tree
            .get("mediaType")
            .and_then(Value::as_str)
            .or(content_type);
        let is_index = match declared {
            Some(media_type::OCI_INDEX | media_type::DOCKER_INDEX) => true,
            Some(media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST) => false,
            _ => index,
        };
        if is_index {
            Index::from_tree(tree).map(Self::Index)
        } else {
            Manifest::from_tree(tree).map(|manifest| Self::Manifest(Box::new(manifest)))
        }
    }
}

fn refuse_other_schemas(tree: &Value) -> Result<(), DocumentError> {
    match tree.get("schemaVersion") {
        None => Ok(()),
        Some(version) if version.as_u64() == Some(2) => Ok(()),
        Some(version) if version.as_u64() == Some(1) => Err(DocumentError::Schema1),
        Some(version) => Err(DocumentError::SchemaVersion {
            version: version.to_string(),
        }),
    }
}

/// The manifest of one image: its config and its layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    #[serde(default = "schema_version")]
    pub schema_version: u32,
    /// Media type of this document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Set for things that are not images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The image config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Free text for people and tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<OrderedMap<String>>,
    /// Members not known here, as they were.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Manifest {
    /// A manifest of these parts, which are called as `format` calls them.
    pub fn new(format: Format, config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: schema_version(),
            media_type: Some(format.manifest().to_owned()),
            artifact_type: None,
            config,
            layers,
            annotations: None,
            rest: Map::new(),
        }
    }

    /// The document; digests of new images are over these bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and maps with string keys serialise")
    }

    /// Refuses what is stored like an image but is none; `reference` is how the user called it.
    pub fn require_image(&self, reference: &dyn std::fmt::Display) -> Result<(), NotAnImage> {
        let media_type = match &self.artifact_type {
            Some(artifact) => artifact,
            None if media_type::is_image_config(&self.config.media_type) => return Ok(()),
            None => &self.config.media_type,
        };
        Err(NotAnImage {
            reference: reference.to_string(),
            media_type: media_type.clone(),
        })
    }

    fn from_tree(tree: Value) -> Result<Self, DocumentError> {
        let required = [
            "config",
            "config/mediaType",
            "config/digest",
            "config/size",
            "layers",
            "layers/*/mediaType",
            "layers/*/digest",
            "layers/*/size",
        ];
        let manifest: Self = json::typed("manifest", tree, &required)?;
        limit("layers", manifest.layers.len(), LAYERS)?;
        Ok(manifest)
    }
}

/// A list of manifests of the same image for different platforms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    #[serde(default = "schema_version")]
    pub schema_version: u32,
    /// Media type of this document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The entries.
    pub manifests: Vec<Descriptor>,
    /// Free text for people and tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<OrderedMap<String>>,
    /// Members not known here, as they were.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Index {
    /// An OCI index of these entries.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: schema_version(),
            media_type: Some(media_type::OCI_INDEX.to_owned()),
            manifests,
            annotations: None,
            rest: Map::new(),
        }
    }

    /// The document.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and maps with string keys serialise")
    }

    /// The entry that serves `wanted` best. It may be an index again.
    pub fn select(&self, wanted: &Wanted) -> Result<&Descriptor, SelectError> {
        platform::select(&self.manifests, wanted)
    }

    fn from_tree(tree: Value) -> Result<Self, DocumentError> {
        let required = [
            "manifests",
            "manifests/*/mediaType",
            "manifests/*/digest",
            "manifests/*/size",
        ];
        let index: Self = json::typed("manifest", tree, &required)?;
        limit("entries", index.manifests.len(), INDEX_ENTRIES)?;
        Ok(index)
    }
}

fn schema_version() -> u32 {
    2
}

fn limit(entries: &'static str, count: usize, limit: usize) -> Result<(), DocumentError> {
    if count > limit {
        return Err(DocumentError::TooMany {
            what: "manifest",
            entries,
            limit,
        });
    }
    Ok(())
}

/// A registry holds more than images: charts, signatures, documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a container image: {reference}: {}", crate::shown(media_type))]
pub struct NotAnImage {
    reference: String,
    media_type: String,
}

impl NotAnImage {
    /// What it is instead, where the type tells.
    pub fn hint(&self) -> Option<&'static str> {
        let kinds = [
            ("helm", "this is a Helm chart"),
            (
                "sylabs.sif",
                "this is a SIF image; download the file and use import",
            ),
            ("cosign", "this is a signature"),
            ("notary", "this is a signature"),
            ("in-toto", "this is an attestation"),
            ("spdx", "this is a bill of materials"),
            ("cyclonedx", "this is a bill of materials"),
        ];
        kinds
            .iter()
            .find(|(part, _)| self.media_type.contains(part))
            .map(|(_, hint)| *hint)
    }
}

#[cfg(test)]
mod tests;
