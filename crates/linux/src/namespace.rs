//! Namespaces and identity maps.
