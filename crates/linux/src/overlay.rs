//! Overlay file systems in a user namespace.
