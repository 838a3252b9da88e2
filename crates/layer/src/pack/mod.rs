//! From directories to archives.

mod plain;

pub use plain::{PackError, Packed, pack_plain};
