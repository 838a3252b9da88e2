//! Namespaces and identity maps.
//!
//! Everything here is for processes with one thread: the kernel refuses a new user namespace to
//! others, and changes of the mount namespace would surprise them.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::SyscallError;
use crate::error::flags;

/// Kinds of namespaces, as one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(UnshareFlags);

impl Kinds {
    /// None at all.
    pub const NONE: Self = Self(UnshareFlags::empty());
    /// Identities and capabilities.
    pub const USER: Self = Self(UnshareFlags::NEWUSER);
    /// Mount points.
    pub const MOUNT: Self = Self(UnshareFlags::NEWNS);
    /// Process numbers; holds for children.
    pub const PID: Self = Self(UnshareFlags::NEWPID);
    /// System V and POSIX message queues, semaphores, shared memory.
    pub const IPC: Self = Self(UnshareFlags::NEWIPC);
    /// Host name.
    pub const UTS: Self = Self(UnshareFlags::NEWUTS);
    /// Network devices and addresses.
    pub const NETWORK: Self = Self(UnshareFlags::NEWNET);

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0.union(other.0))
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0.contains(other.0)
    }
}

/// Leaves the current namespaces of these kinds for new ones.
#[expect(
    unsafe_code,
    reason = "rustix marks unshare as unsafe because of CLONE_FILES"
)]
pub fn unshare(kinds: Kinds) -> Result<(), SyscallError> {
    // SAFETY: `Kinds` cannot hold CLONE_FILES, so descriptors stay shared among threads.
    unsafe { rustix::thread::unshare_unsafe(kinds.0) }
        .map_err(|errno| SyscallError::new("unshare", flags("CLONE_", kinds.0.iter_names()), errno))
}

/// Joins the user namespace that `namespace` refers to; the process has all capabilities in it.
pub fn join_user(namespace: impl AsFd) -> Result<(), SyscallError> {
    let kind = Some(LinkNameSpaceType::User);
    rustix::thread::move_into_link_name_space(namespace.as_fd(), kind)
        .map_err(|errno| SyscallError::new("setns", "CLONE_NEWUSER", errno))
}

/// Opens the user namespace of this process, for another process to [join](join_user).
pub fn current_user() -> Result<OwnedFd, SyscallError> {
    let path = "/proc/self/ns/user";
    File::open(path)
        .map(OwnedFd::from)
        .map_err(|error| SyscallError::new("open", path, error))
}

/// The one user and the one group of a user namespace that is made without privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User ID inside.
    pub uid: u32,
    /// Group ID inside.
    pub gid: u32,
}

impl Identity {
    /// Who root is inside.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };

    /// The effective identity of this process.
    pub fn current() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        }
    }
}

/// Maps `inside` to `outside` in the user namespace that this process has just made.
///
/// `outside` must be [`Identity::current`] of before [`unshare`]: nobody else can be mapped without
/// privileges. The kernel wants `setgroups` denied before the group map, and one write for each.
pub fn map_identity(inside: Identity, outside: Identity) -> Result<(), SyscallError> {
    write_map(
        "/proc/self/uid_map",
        &format!("{} {} 1", inside.uid, outside.uid),
    )?;
    write_map("/proc/self/setgroups", "deny")?;
    write_map(
        "/proc/self/gid_map",
        &format!("{} {} 1", inside.gid, outside.gid),
    )
}

/// Writes `value` to one of the files that describe a user namespace.
fn write_map(path: &str, value: &str) -> Result<(), SyscallError> {
    let mut file = File::options()
        .write(true)
        .open(path)
        .map_err(|error| SyscallError::new("open", path, error))?;
    file.write_all(value.as_bytes())
        .map_err(|error| SyscallError::new("write", format!("{path}, {value:?}"), error))
}

/// Makes a user namespace in which the caller is `inside`, and a mount namespace that it owns.
pub fn enter(inside: Identity) -> Result<(), SyscallError> {
    let outside = Identity::current();
    unshare(Kinds::USER.and(Kinds::MOUNT))?;
    map_identity(inside, outside)
}
