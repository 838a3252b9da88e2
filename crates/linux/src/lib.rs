//! Linux, as the other crates see it: every system call wrapper and every `unsafe` block.
//!
//! No policy and no format of ours is in here. A failed call reports all its arguments
//! ([`SyscallError`]); work on paths goes by descriptor.

pub mod behalf;
pub mod boot;
mod error;
pub mod file;
pub mod in_root;
pub mod limits;
pub mod lock;
pub mod memfd;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod network;
pub mod nss;
pub mod overlay;
pub mod process;
pub mod program;
pub mod reexec;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod standard_output;
pub mod surroundings;
pub mod sync;
pub mod tree;
pub mod tty;
pub mod xattr;

pub use error::{SyscallError, without_number};
pub use rustix::io::Errno;
