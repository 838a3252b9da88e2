//! A map of strings that keeps the order in which its keys were written.
//!
//! Labels, exposed ports and volumes are JSON objects; a config that goes through us must come out with
//! its members in the order they had. Sizes are tens, but a hostile registry sends 100,000: keys are hashed.

use std::fmt;
use std::marker::PhantomData;

use indexmap::IndexMap;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Key-value pairs in the order of first insertion. Keys are unique.
#[derive(Clone, Debug)]
pub struct OrderedMap<V>(IndexMap<String, V>);

impl<V> OrderedMap<V> {
    /// Value of `key`.
    pub fn get(&self, key: &str) -> Option<&V> {
        self.0.get(key)
    }

    /// Sets `key`, in its old place if it had one, else at the end.
    pub fn insert(&mut self, key: impl Into<String>, value: V) {
        self.0.insert(key.into(), value);
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<V> Default for OrderedMap<V> {
    fn default() -> Self {
        Self(IndexMap::new())
    }
}

/// Equal maps have the same order, too: they are the same document.
impl<V: PartialEq> PartialEq for OrderedMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().eq(&other.0)
    }
}

impl<V: Eq> Eq for OrderedMap<V> {}

impl<K: Into<String>, V> FromIterator<(K, V)> for OrderedMap<V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map = Self::default();
        for (key, value) in pairs {
            map.insert(key, value);
        }
        map
    }
}

impl<V: Serialize> Serialize for OrderedMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for OrderedMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

struct Pairs<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
    type Value = OrderedMap<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<OrderedMap<V>, A::Error> {
        let mut map = OrderedMap::default();
        while let Some((key, value)) = access.next_entry::<String, V>()? {
            map.insert(key, value);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_first_insertion_stays_and_counts() {
        let mut map: OrderedMap<u8> = [("z", 1), ("a", 2)].into_iter().collect();
        map.insert("z", 3);
        assert_eq!(map.iter().collect::<Vec<_>>(), [("z", &3), ("a", &2)]);
        let other: OrderedMap<u8> = [("a", 2), ("z", 3)].into_iter().collect();
        assert_ne!(map, other);
        assert_eq!(map, map.clone());
    }

    /// With linear searches this takes minutes.
    #[test]
    fn two_hundred_thousand_keys_are_read_and_found() {
        let keys = || (0..200_000).map(|number| number.to_string());
        let map: OrderedMap<()> = keys().map(|key| (key, ())).collect();
        assert_eq!(map.len(), 200_000);
        assert!(keys().all(|key| map.get(&key).is_some()));
    }
}
