//! The calls that the supervisor answers: their numbers in every table, and what their arguments ask for. Pure.

mod numbers;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use numbers::{Table, X32_BIT, call_of};
pub(crate) use request::request;
pub(crate) use request::{
    Attribute, AttributeArguments, CapabilitySets, Change, Destination, Identity, Node, Pointer,
    Request, StatBuffer, Target,
};

/// A call by its name; the tables of older machines have some of them twice, with identifiers of 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    Access,
    Bind,
    Capget,
    Capset,
    Chmod,
    Chown,
    Chroot,
    Clone,
    Clone3,
    Creat,
    Execve,
    Execveat,
    Faccessat,
    Faccessat2,
    Fchmod,
    Fchmodat,
    Fchmodat2,
    Fchown,
    Fchownat,
    Fgetxattr,
    Flistxattr,
    Fremovexattr,
    Fsetxattr,
    Fstat,
    Fstat64,
    Fstatat,
    Fstatat64,
    Getegid,
    Geteuid,
    Getgid,
    Getgroups,
    Getresgid,
    Getresuid,
    Getsockopt,
    Getuid,
    Getxattr,
    Getxattrat,
    IoUringSetup,
    KexecLoad,
    Lchown,
    Lgetxattr,
    Link,
    Linkat,
    Listxattr,
    Listxattrat,
    Llistxattr,
    Lremovexattr,
    Lsetxattr,
    Lstat,
    Lstat64,
    Mkdir,
    Mkdirat,
    Mknod,
    Mknodat,
    Open,
    Openat,
    Openat2,
    PivotRoot,
    Prctl,
    Removexattr,
    Removexattrat,
    Rename,
    Renameat,
    Renameat2,
    Setfsgid,
    Setfsuid,
    Setgid,
    Setgroups,
    Setns,
    Setregid,
    Setresgid,
    Setresuid,
    Setreuid,
    Setuid,
    Setxattr,
    Setxattrat,
    Socketcall,
    Stat,
    Stat64,
    Statx,
    Symlink,
    Symlinkat,
    Unshare,
}

/// Width of the identifiers that a call takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// Those of old tables: 0xffff leaves as is, what does not fit is shown as 65534.
    Sixteen,
    /// All others.
    ThirtyTwo,
}

/// Which arguments of a call concern the supervisor; with all others it is the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    /// Any.
    All,
    /// The argument of this index has one of these bits.
    Bits(u8, u32),
    /// The argument of this index is one of these.
    OneOf(u8, &'static [u32]),
    /// `SOL_SOCKET` and one of these options.
    SocketOption(&'static [u32]),
    /// None: the call is refused.
    Refused,
}

/// `O_CREAT` and `__O_TMPFILE`, the same on every machine here.
const CREATES: u32 = 0o100 | 0o20_000_000;
/// `PR_*` of keepcaps, bounding set, timer slack, securebits and ambient set.
const CONTROLS: [u32; 9] = [7, 8, 23, 24, 27, 28, 29, 30, 47];
/// `CLONE_NEWUSER`.
pub(crate) const NEW_USERS: u32 = 0x1000_0000;
/// `CLONE_NEWNS`.
pub(crate) const NEW_MOUNTS: u32 = 0x0002_0000;
/// `SO_PEERCRED`, `SO_PEERGROUPS`.
pub(crate) const PEER_OPTIONS: [u32; 2] = [17, 59];
/// `SYS_BIND`, `SYS_GETSOCKOPT` of `socketcall(2)`.
const SOCKET_CALLS: [u32; 2] = [2, 15];
/// `SOL_SOCKET` on every machine here.
pub(crate) const SOL_SOCKET: u32 = 1;

impl Call {
    /// Which arguments concern the supervisor.
    pub(crate) fn concern(self) -> Concern {
        match self {
            Self::Open => Concern::Bits(1, CREATES),
            Self::Openat => Concern::Bits(2, CREATES),
            Self::Clone | Self::Unshare => Concern::Bits(0, NEW_MOUNTS | NEW_USERS),
            Self::Prctl => Concern::OneOf(0, &CONTROLS),
            Self::Socketcall => Concern::OneOf(0, &SOCKET_CALLS),
            Self::Getsockopt => Concern::SocketOption(&PEER_OPTIONS),
            Self::IoUringSetup | Self::KexecLoad => Concern::Refused,
            _ => Concern::All,
        }
    }
}
