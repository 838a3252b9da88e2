//! What the registry has of an image, for `list IMAGE_REF`.

use std::fmt::Write as _;

use ch_oci::{Descriptor, Document, Platform, RemoteReference};
use ch_registry::{FetchError, Fetched};

use crate::command::{Context, platform};
use crate::failure::{Failure, advised};

/// How much of a digest is shown.
const DIGEST_DIGITS: usize = 11;

/// The lines about the registry's side; none of them is local.
pub(super) fn lines(reference: &RemoteReference, context: &Context) -> Result<String, Failure> {
    let found = fetch(reference, context)?.map(|fetched| fetched.document);
    let host = platform::host(&context.terminal).architecture_name();
    Ok(describe(found.as_ref(), &host))
}

/// What the registry answers; nothing if it has none, or not for us.
pub(super) fn fetch(
    reference: &RemoteReference,
    context: &Context,
) -> Result<Option<Fetched>, Failure> {
    match context.client()?.manifest(reference) {
        Ok(fetched) => Ok(Some(fetched)),
        Err(FetchError::Unauthorized { .. }) => Ok(None),
        Err(error) => Err(advised(error)),
    }
}

fn describe(found: Option<&Document>, host: &str) -> String {
    let (available, aware, architectures) = match found {
        None => (
            "no (or you are not authorized)",
            "n/a",
            vec!["n/a".to_owned()],
        ),
        Some(Document::Manifest(_)) => ("yes", "no", vec!["unknown".to_owned()]),
        Some(Document::Index(index)) => ("yes", "yes", architectures(&index.manifests)),
    };
    let mut text = format!(
        "available remotely:  {available}\n\
         remote arch-aware:   {aware}\n\
         host architecture:   {host}\n"
    );
    for (index, architecture) in architectures.iter().enumerate() {
        let label = if index == 0 { "archs available:" } else { "" };
        let _ = writeln!(text, "{label:<20} {architecture}");
    }
    text
}

/// Name and digest of every image of an index, by name.
fn architectures(entries: &[Descriptor]) -> Vec<String> {
    let mut images: Vec<(String, String)> = entries
        .iter()
        .filter(|entry| entry.artifact_type.is_none())
        .filter_map(|entry| Some((entry.platform.as_ref().filter(is_image)?, entry)))
        .map(|(platform, entry)| {
            let digest = entry.digest.hex().chars().take(DIGEST_DIGITS).collect();
            (platform.architecture_name(), digest)
        })
        .collect();
    images.sort();
    images.dedup_by(|one, other| one.0 == other.0);
    if images.is_empty() {
        return vec!["None".to_owned()];
    }
    let width = images
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    images
        .iter()
        .map(|(name, digest)| format!("{name:width$}  {digest}"))
        .collect()
}

/// Attestations say that they are for an unknown machine.
pub(super) fn is_image(platform: &&Platform) -> bool {
    platform.os == "linux" && platform.architecture != "unknown"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Document {
        let entry = |os: &str, architecture: &str, digit: char| {
            format!(
                r#"{{"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1,
                    "digest": "sha256:{}", "platform": {{"os": "{os}", "architecture": "{architecture}"}}}}"#,
                digit.to_string().repeat(64)
            )
        };
        let entries = [
            entry("linux", "ppc64le", 'a'),
            entry("linux", "amd64", 'b'),
            entry("unknown", "unknown", 'c'),
            entry("windows", "amd64", 'd'),
        ];
        let text = format!(
            r#"{{"schemaVersion": 2, "manifests": [{}]}}"#,
            entries.join(",")
        );
        Document::parse(text.as_bytes(), None).unwrap()
    }

    #[test]
    fn an_index_is_shown_entry_by_entry() {
        let expected = "available remotely:  yes\n\
            remote arch-aware:   yes\n\
            host architecture:   amd64\n\
            archs available:     amd64    bbbbbbbbbbb\n\
            \x20                    ppc64le  aaaaaaaaaaa\n";
        assert_eq!(describe(Some(&index()), "amd64"), expected);
    }

    #[test]
    fn what_is_not_there_is_not_applicable() {
        let expected = "available remotely:  no (or you are not authorized)\n\
            remote arch-aware:   n/a\n\
            host architecture:   amd64\n\
            archs available:     n/a\n";
        assert_eq!(describe(None, "amd64"), expected);
    }
}
