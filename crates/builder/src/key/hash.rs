//! The hash behind every key: named fields, each with its length, so that no two lists of fields
//! give the same bytes.

use sha2::{Digest as _, Sha256};

/// A key under construction.
#[derive(Clone)]
pub(crate) struct KeyHash(Sha256);

impl KeyHash {
    /// Starts a key of one kind; the kind's name carries its format version.
    pub(crate) fn new(kind: &str) -> Self {
        let mut hash = Self(Sha256::new());
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

    /// The digest.
    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// The digest in lower-case hexadecimal digits.
    pub(crate) fn hex(self) -> String {
        hex(&self.finish())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
            hash.hex()
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
