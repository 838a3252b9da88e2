//! Whole trees, by descriptor.
//!
//! A [`Directory`] is an open directory in which one works by *name*: no path is resolved twice, and a
//! link planted behind our back is an error instead of a way out. [`remove`] deletes a tree of any
//! depth that its owner can delete at all, including what the kernel's overlay leaves behind.

mod directory;
mod open_up;
mod remove;
mod visit;

#[cfg(test)]
mod tests;

pub use directory::{Attributes, Directory, Entry, Kind};
pub use open_up::open_up_all;
pub use remove::{Budget, remove};
pub use visit::visit_all;
