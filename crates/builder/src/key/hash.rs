//! The hash behind every key: named fields, each with its length, so that no two lists of fields
//! give the same bytes.

use ch_oci::{Algorithm, Digest, Hasher};
use ch_storage::StateId;

/// A key under construction.
#[derive(Debug)]
pub(crate) struct KeyHash(Hasher);

impl KeyHash {
    /// Starts a key of one kind; the kind's name carries its format version.
    pub(crate) fn new(kind: &str) -> Self {
        let mut hash = Self(Algorithm::Sha256.hasher());
        hash.bytes(kind.as_bytes());
        hash
    }

    /// Adds a field.
    pub(crate) fn field(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.bytes(name.as_bytes());
        self.bytes(value.as_ref());
        self
    }

    /// Adds a list; its length is part of it.
    pub(crate) fn list<T: AsRef<[u8]>>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    ) -> &mut Self {
        let values = values.into_iter();
        self.field(name, (values.len() as u64).to_le_bytes());
        for value in values {
            self.bytes(value.as_ref());
        }
        self
    }

    /// Starts the key of the state that `instruction` leads to from `parent`.
    pub(crate) fn after(parent: &StateId, instruction: &str) -> Self {
        let mut hash = Self::new(instruction);
        hash.field("parent", parent.as_str());
        hash
    }

    /// The digest.
    pub(crate) fn finish(self) -> Digest {
        self.0.finish()
    }

    /// The digest as bytes.
    pub(crate) fn finish_bytes(self) -> [u8; 32] {
        let bytes = self.finish().bytes();
        bytes.try_into().expect("SHA-256 has 32 bytes")
    }

    /// The state with this key.
    pub(crate) fn state(self) -> StateId {
        StateId::new(&self.finish())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_between_fields_count() {
        let key = |fields: &[(&str, &str)]| {
            let mut hash = KeyHash::new("test");
            for (name, value) in fields {
                hash.field(name, value);
            }
            hash.finish()
        };
        assert_ne!(key(&[("a", "bc")]), key(&[("ab", "c")]));
        assert_ne!(key(&[("a", "b"), ("c", "d")]), key(&[("a", "bcd")]));
        let mut one = KeyHash::new("test");
        one.list("l", ["a", "b"]);
        let mut two = KeyHash::new("test");
        two.list("l", ["a"]).field("b", "");
        assert_ne!(one.finish(), two.finish());
    }
}
