//! Root emulation: what a command is told when it asks for rights that a user namespace with one
//! mapped user does not have.
//!
//! A [`Mode`] is chosen once per build. [`Mode::filter`] gives the seccomp filter it needs as a plain
//! value; `ch_linux::seccomp` installs it, in the command, as the last thing before `execve`.
//!
//! Invariants: the filter depends on nothing but architecture, call number and (for device nodes) one
//! argument, so the kernel can cache its verdict on every other call; a call is faked in every table
//! that the machine can execute (64-bit, x32 and 32-bit), or a program of the other kind would notice.

mod access_list;
mod calls;
pub mod credentials;
mod filter;
mod mode;
mod supervisor;

pub use mode::{Mode, UnknownMode};
pub use supervisor::{HostMounts, Memory, Supervisor};
