//! Reading JSON that a stranger wrote: bounded depth, and errors that name the member.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Nesting that no image document comes near.
const DEPTH: usize = 64;

/// Why a manifest, index or config could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or a member has the wrong type.
    #[error("{what}: can't parse")]
    Json {
        /// Which document: `manifest`, `config`...
        what: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// Arrays and objects nested too deep.
    #[error("{what}: nested more than {DEPTH} deep")]
    Depth {
        /// Which document.
        what: &'static str,
    },
    /// A member that must be there is not.
    #[error("{what}: no key: {key}")]
    NoKey {
        /// Which document.
        what: &'static str,
        /// Path of the member, with `/` between levels.
        key: String,
    },
    /// The manifest of images before 2016.
    #[error("not yet supported: manifest schema version 1")]
    Schema1,
    /// A kind of manifest that is not understood.
    #[error("unsupported manifest schema version: {}", crate::shown(version))]
    SchemaVersion {
        /// What the document said.
        version: String,
    },
    /// What no process can be given.
    #[error("{what}: NUL character in {key}")]
    Nul {
        /// Which document.
        what: &'static str,
        /// The member, with `/` between levels.
        key: &'static str,
    },
    /// Both an index and a manifest, so that two readers would see two images.
    #[error("manifest: is both an index and the manifest of an image")]
    Ambiguous,
    /// More entries than any honest document has.
    #[error("{what}: more than {limit} {entries}")]
    TooMany {
        /// Which document.
        what: &'static str,
        /// Which entries.
        entries: &'static str,
        /// How many are allowed.
        limit: usize,
    },
}

/// Parses `bytes` into a tree, refusing deep nesting before recursing into it.
pub(crate) fn tree(what: &'static str, bytes: &[u8]) -> Result<Value, DocumentError> {
    if depth(bytes) > DEPTH {
        return Err(DocumentError::Depth { what });
    }
    serde_json::from_slice(bytes).map_err(|source| DocumentError::Json { what, source })
}

/// Turns a tree into a value after checking that the members `required` are there.
///
/// A `*` in a path stands for every element of an array.
pub(crate) fn typed<T: DeserializeOwned>(
    what: &'static str,
    tree: Value,
    required: &[&str],
) -> Result<T, DocumentError> {
    for path in required {
        require(&tree, path.split('/'), "").map_err(|key| DocumentError::NoKey { what, key })?;
    }
    serde_json::from_value(tree).map_err(|source| DocumentError::Json { what, source })
}

fn require<'p>(
    tree: &Value,
    mut path: impl Iterator<Item = &'p str> + Clone,
    above: &str,
) -> Result<(), String> {
    let Some(key) = path.next() else {
        return Ok(());
    };
    let here = |key: &str| {
        if above.is_empty() {
            key.to_owned()
        } else {
            format!("{above}/{key}")
        }
    };
    if key == "*" {
        for (index, element) in tree.as_array().into_iter().flatten().enumerate() {
            require(element, path.clone(), &here(&index.to_string()))?;
        }
        return Ok(());
    }
    let member = tree.get(key).ok_or_else(|| here(key))?;
    require(member, path, &here(key))
}

fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_nesting_is_refused_but_brackets_in_strings_are_not_counted() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert!(matches!(
            tree("x", deep.as_bytes()),
            Err(DocumentError::Depth { .. })
        ));
        let text = format!("\"\\\"{}\"", "[".repeat(100));
        assert!(tree("x", text.as_bytes()).is_ok());
    }

    #[test]
    fn missing_members_are_named_by_path() {
        let tree = serde_json::json!({"layers": [{"digest": 1}, {}]});
        let error = typed::<Value>("manifest", tree, &["layers/*/digest"]).unwrap_err();
        assert_eq!(error.to_string(), "manifest: no key: layers/1/digest");
    }
}
