//! Linux, as the other crates see it: every system call wrapper and every `unsafe` block.
//!
//! No policy and no format of ours is in here. A failed call reports all its arguments
//! ([`SyscallError`]); work on paths goes by descriptor.

mod error;

pub use error::SyscallError;
