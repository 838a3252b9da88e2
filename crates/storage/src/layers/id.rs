//! Names of layers.

use std::fmt;

use ch_oci::Digest;
use serde::{Deserialize, Serialize};

/// Name of a layer: `d-<diff ID>` pulled, `c-<chain hash>` pulled but dependent on its parent, `g-<hash>` the files
/// of a directory, `r-<random>` made here. Only `[0-9a-z-]`, so it needs no escaping in mount options.
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

    /// The files of a directory of the host that is packed as `archive`.
    pub fn gathered(archive: &Digest) -> Self {
        Self(format!("g-{}", archive.hex()).into())
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
}
