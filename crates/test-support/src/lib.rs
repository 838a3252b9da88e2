//! What tests share: a place of their own with a cleared environment, trees and images made on the spot,
//! real registries.
//!
//! A part of the machine that a test needs and that is missing fails the test with a message; nothing is
//! skipped. Tests write only below `TMPDIR`.

mod base;
mod env;
mod fixtures;
mod harness;
mod image;
mod outcome;
mod registry;
mod tree;

pub use base::small_root;
pub use env::TestEnv;
pub use fixtures::debian_archive;
pub use harness::{Case, run_cases};
pub use image::{ImageLayout, run_tool};
pub use outcome::Outcome;
pub use registry::{Access, Registry, Transport};
pub use tree::{Entry, listing, plant};
