//! Descriptors: what a manifest says of a blob before anyone has fetched it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, OrderedMap, Platform};

/// Type, digest and size of a blob, with what else the document says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: String,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Number of its bytes.
    pub size: u64,
    /// For which machines it is; in an index only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Where else it can be fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Set for things that are not images (signatures, attestations).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Free text for people and tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<OrderedMap<String>>,
    /// Members not known here, as they were.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Descriptor {
    /// A descriptor without anything optional.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            urls: Vec::new(),
            artifact_type: None,
            annotations: None,
            rest: Map::new(),
        }
    }
}
