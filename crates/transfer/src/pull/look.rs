//! What a registry has under a name, without bringing any of it into storage.

use ch_oci::{Digest, Document, Manifest, RemoteReference, Wanted};
use ch_registry::Client;

use super::{DEEPEST_INDEX, PullError};

/// An image as a registry describes it.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Digest of the manifest.
    pub digest: Digest,
    /// The manifest, byte for byte.
    pub manifest_bytes: Vec<u8>,
    /// The same, understood.
    pub manifest: Manifest,
    /// The config, byte for byte.
    pub config: Vec<u8>,
}

/// Asks for the image that `remote` names, of an index for the one that is `wanted`.
pub fn look(
    client: &Client,
    remote: &RemoteReference,
    wanted: &Wanted,
) -> Result<Looked, PullError> {
    let mut fetched = client.manifest(remote)?;
    for _ in 0..=DEEPEST_INDEX {
        let entry = match fetched.document {
            Document::Manifest(manifest) => {
                manifest.require_image(remote)?;
                return Ok(Looked {
                    digest: fetched.digest,
                    config: client.config(remote, &manifest.config)?,
                    manifest_bytes: fetched.bytes,
                    manifest: *manifest,
                });
            }
            Document::Index(index) => index.select(wanted)?.clone(),
        };
        fetched = client.manifest_of(remote, &entry)?;
    }
    Err(PullError::Nested(DEEPEST_INDEX))
}
