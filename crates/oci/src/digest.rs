//! Content digests: `sha256:` and `sha512:` followed by lower-case hex.
//!
//! Invariant: a [`Digest`] has exactly as many digits as its algorithm yields; a [`PartialDigest`] (what a
//! user may write to name a local image) has between one and that many. Both are stored in lower case.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A hash function that registries accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, the usual one.
    Sha256,
    /// SHA-512, allowed by the image specification.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Number of hex digits of a complete digest.
    pub fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// A hasher that has seen nothing yet.
    pub fn hasher(self) -> Hasher {
        match self {
            Self::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
            Self::Sha512 => Hasher::Sha512(sha2::Sha512::new()),
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }
}

/// A digest under computation.
#[derive(Clone)]
pub enum Hasher {
    /// Computes SHA-256.
    Sha256(sha2::Sha256),
    /// Computes SHA-512.
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// Adds `bytes` to what is hashed.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of everything added.
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::from_hash(Algorithm::Sha256, &hasher.finalize()),
            Self::Sha512(hasher) => Digest::from_hash(Algorithm::Sha512, &hasher.finalize()),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256(_) => "Hasher(sha256)",
            Self::Sha512(_) => "Hasher(sha512)",
        })
    }
}

/// A complete digest.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(PartialDigest);

impl Digest {
    /// Reads `algorithm:hex`; upper-case digits are folded.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        PartialDigest::parse(text)?.complete()
    }

    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_hash(Algorithm::Sha256, &sha2::Sha256::digest(bytes))
    }

    /// Which hash function made it.
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// The hex digits without the algorithm.
    pub fn hex(&self) -> &str {
        &self.0.hex
    }

    /// The first seven hex digits, as messages show a layer.
    pub fn short(&self) -> &str {
        &self.0.hex[..7]
    }

    /// The hash that the digits stand for.
    pub fn bytes(&self) -> Vec<u8> {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => digit - b'0',
            digit => digit - b'a' + 10,
        };
        let pairs = self.0.hex.as_bytes().chunks_exact(2);
        pairs
            .map(|pair| value(pair[0]) << 4 | value(pair[1]))
            .collect()
    }

    fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Self {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        let hex = hash
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect();
        Self(PartialDigest { algorithm, hex })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl From<Digest> for PartialDigest {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

/// The beginning of a digest, possibly all of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartialDigest {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl PartialDigest {
    /// Reads `algorithm:hex` with at least one digit; upper case is folded.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let syntax = || DigestError::Syntax {
            text: text.to_owned(),
        };
        let (name, hex) = text.split_once(':').ok_or_else(syntax)?;
        let algorithm = Algorithm::from_name(&name.to_ascii_lowercase()).ok_or_else(syntax)?;
        let digits = 1..=algorithm.hex_length();
        if !digits.contains(&hex.len()) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(syntax());
        }
        Ok(Self {
            algorithm,
            hex: hex.to_ascii_lowercase().into(),
        })
    }

    /// Which hash function is meant.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hex digits that are known.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Whether `digest` begins with this.
    pub fn is_prefix_of(&self, digest: &Digest) -> bool {
        self.algorithm == digest.algorithm() && digest.hex().starts_with(&*self.hex)
    }

    /// The digest, if no digit is missing.
    pub fn complete(self) -> Result<Digest, DigestError> {
        let (have, need) = (self.hex.len(), self.algorithm.hex_length());
        if have < need {
            Err(DigestError::TooShort { have, need })
        } else {
            Ok(Digest(self))
        }
    }
}

impl fmt::Display for PartialDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl fmt::Debug for PartialDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Unknown algorithm, no digits, too many, or something that is no digit.
    #[error("not a digest: {}", crate::shown(text))]
    Syntax {
        /// What was given.
        text: String,
    },
    /// Well formed, but digits are missing.
    #[error("digest too short: {have} of {need} digits")]
    TooShort {
        /// Digits given.
        have: usize,
        /// Digits of a complete one.
        need: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_of_bytes_is_known() {
        assert_eq!(
            Digest::of(b"abc").to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let mut hasher = Algorithm::Sha512.hasher();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert!(
            hasher
                .finish()
                .to_string()
                .starts_with("sha512:ddaf35a193617abacc417349ae204131")
        );
    }

    #[test]
    fn wrong_digests_are_refused_and_case_is_folded() {
        for text in [
            "",
            "sha256",
            "sha256:",
            "md5:ab",
            "sha256:xy",
            "sha256:../../etc/passwd",
        ] {
            assert!(
                matches!(Digest::parse(text), Err(DigestError::Syntax { .. })),
                "{text}"
            );
        }
        let too_long = format!("sha256:{}", "a".repeat(65));
        assert!(matches!(
            Digest::parse(&too_long),
            Err(DigestError::Syntax { .. })
        ));
        assert_eq!(
            Digest::parse("sha256:abc"),
            Err(DigestError::TooShort { have: 3, need: 64 })
        );
        let upper = format!("sha256:{}", "AB".repeat(32));
        assert_eq!(Digest::parse(&upper).unwrap().hex(), "ab".repeat(32));
    }

    #[test]
    fn serde_form_is_the_text_and_is_checked() {
        let digest = Digest::of(b"");
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("\"{digest}\""));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        assert!(serde_json::from_str::<Digest>("\"sha256:12\"").is_err());
    }
}
