//! What a call asks for: its arguments by their meaning, whatever the call and the machine.

use super::numbers::Table;
use super::{Call, NEW_MOUNTS, NEW_USERS, SOL_SOCKET, Width};

/// An address in the caller's memory; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointer(pub u64);

/// The object that a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where a relative path starts: a descriptor, or [`Target::HERE`].
    pub(crate) directory: i32,
    /// The path; without one the object is `directory` itself.
    pub(crate) path: Option<Pointer>,
    /// Whether a link at its end is followed.
    pub(crate) follow: bool,
    /// Whether an empty path means `directory` itself (`AT_EMPTY_PATH`).
    pub(crate) empty: bool,
}

impl Target {
    /// `AT_FDCWD`: the working directory.
    pub(crate) const HERE: i32 = -100;

    fn path(path: u64, follow: bool) -> Self {
        Self::at(Self::HERE as u64, path, follow)
    }

    fn at(directory: u64, path: u64, follow: bool) -> Self {
        Self {
            directory: directory as i32,
            path: Some(Pointer(path)),
            follow,
            empty: false,
        }
    }

    fn descriptor(descriptor: u64) -> Self {
        Self {
            directory: descriptor as i32,
            path: None,
            follow: true,
            empty: true,
        }
    }

    /// With `AT_SYMLINK_NOFOLLOW` and `AT_EMPTY_PATH` of `flags`.
    fn flagged(directory: u64, path: u64, flags: u64) -> Self {
        Self {
            empty: flags & AT_EMPTY_PATH != 0,
            ..Self::at(directory, path, flags & AT_SYMLINK_NOFOLLOW == 0)
        }
    }
}

const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
const AT_EACCESS: u64 = 0x200;
const AT_SYMLINK_FOLLOW: u64 = 0x400;
const AT_EMPTY_PATH: u64 = 0x1000;

/// A name that a call makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// As in [`Target`].
    pub(crate) directory: i32,
    /// The path.
    pub(crate) path: Pointer,
}

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// `mkdir(2)` with this mode.
    Directory(u32),
    /// `mknod(2)` with this mode, which has the type, and device as the kernel packs it.
    Special(u32, u32),
    /// `symlink(2)` to this text.
    Symlink(Pointer),
}

/// The form in which a caller wants metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatBuffer {
    /// `struct stat` of x86-64 and x32.
    X86_64,
    /// `struct stat` of 64-bit Arm.
    Aarch64,
    /// `struct stat` of 32-bit machines.
    Old,
    /// `struct stat64` of 32-bit x86.
    I386Long,
    /// `struct stat64` of 32-bit Arm.
    ArmLong,
}

/// Where an extended attribute's name and value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// Its name.
    pub(crate) name: Pointer,
    /// Its value.
    pub(crate) value: Pointer,
    /// Length of the value.
    pub(crate) size: u64,
    /// `XATTR_CREATE`, `XATTR_REPLACE`.
    pub(crate) flags: u32,
}

/// Where the newer calls have what [`Attribute`] says: all but the name in a `struct xattr_args`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttributeArguments {
    /// Its name.
    pub(crate) name: Pointer,
    /// The structure.
    pub(crate) structure: Pointer,
    /// What the caller takes for its size.
    pub(crate) size: u64,
    /// Whether the value is to be set.
    pub(crate) set: bool,
}

/// Where `capget(2)` and `capset(2)` have their header and sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CapabilitySets {
    /// `struct __user_cap_header_struct`.
    pub(crate) header: Pointer,
    /// One or two of `struct __user_cap_data_struct`.
    pub(crate) data: Pointer,
}

/// A change of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// `setuid(2)`.
    User(Option<u32>),
    /// `setgid(2)`.
    Group(Option<u32>),
    /// `setreuid(2)`.
    RealEffectiveUsers([Option<u32>; 2]),
    /// `setregid(2)`.
    RealEffectiveGroups([Option<u32>; 2]),
    /// `setresuid(2)`.
    Users([Option<u32>; 3]),
    /// `setresgid(2)`.
    Groups([Option<u32>; 3]),
    /// `setfsuid(2)`.
    FileUser(Option<u32>),
    /// `setfsgid(2)`.
    FileGroup(Option<u32>),
    /// `setgroups(2)`: how many, where.
    Supplementary(u64, Pointer),
    /// `capset(2)`.
    Capabilities(CapabilitySets),
}

/// One identifier that a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// `getuid(2)`.
    User,
    /// `geteuid(2)`.
    EffectiveUser,
    /// `getgid(2)`.
    Group,
    /// `getegid(2)`.
    EffectiveGroup,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// New owners; `None` leaves one as it is.
    ChangeOwner(Target, Option<u32>, Option<u32>),
    /// A new mode.
    ChangeMode(Target, u32),
    /// To open a file, perhaps a new one: flags and mode.
    Open(Destination, u64, u32),
    /// The same, with a `struct open_how` of this size.
    OpenHow(Destination, Pointer, u64),
    /// A new object other than a file.
    Make(Destination, Node),
    /// A name for a socket: descriptor, address, length.
    Bind(i32, Pointer, u64),
    /// Metadata.
    Stat(Target, StatBuffer, Pointer),
    /// Metadata: flags, mask.
    Statx(Target, u32, u32, Pointer),
    /// An extended attribute's value.
    GetAttribute(Target, Attribute),
    /// The names of extended attributes: buffer and its size.
    ListAttributes(Target, Pointer, u64),
    /// A new value.
    SetAttribute(Target, Attribute),
    /// Either of both, by the newer calls.
    AttributeAt(Target, AttributeArguments),
    /// To remove an extended attribute.
    RemoveAttribute(Target, Pointer),
    /// Whether a file may be used so; by the effective identifiers.
    Access(Target, u32, bool),
    /// Another name for an object in place of the one it has: flags.
    Rename(Destination, Destination, u32),
    /// One more name.
    Link(Target, Destination),
    /// A program.
    Execute(Target),
    /// New credentials.
    Change(Change, Width),
    /// One identifier.
    Identity(Identity, Width),
    /// Real, effective and saved user, into three places.
    Users([Pointer; 3], Width),
    /// The same for groups.
    Groups([Pointer; 3], Width),
    /// Supplementary groups: room for how many, where.
    Supplementary(u64, Pointer, Width),
    /// Sets of capabilities.
    Capabilities(CapabilitySets),
    /// `prctl(2)`.
    Control([u64; 5]),
    /// An option of a socket: descriptor, option, value and where its length is.
    PeerOption(i32, u32, Pointer, Pointer),
    /// To have a root, mounts or users of its own: `CLONE_*` flags.
    Separate(u64),
    /// A new process, as `struct clone_args` says.
    Clone(Pointer),
    /// `socketcall(2)`: which, and where its arguments are, as words of 32 bits.
    SocketCall(u32, Pointer),
}

/// What `call` of `table` asks for with these arguments. `None` where it is of no concern.
pub(crate) fn request(
    table: Table,
    call: Call,
    width: Width,
    arguments: [u64; 6],
) -> Option<Request> {
    let arguments = if table.is_narrow() && table != Table::X32 {
        arguments.map(|argument| argument & u64::from(u32::MAX))
    } else {
        arguments
    };
    files(call, width, arguments)
        .or_else(|| metadata(table, call, arguments))
        .or_else(|| attributes(call, arguments))
        .or_else(|| credentials(call, width, arguments))
        .or_else(|| others(call, arguments))
}

fn files(call: Call, width: Width, [a, b, c, d, e, _]: [u64; 6]) -> Option<Request> {
    let to = |directory: u64, path| Destination {
        directory: directory as i32,
        path: Pointer(path),
    };
    let here = |path| Destination {
        directory: Target::HERE,
        path: Pointer(path),
    };
    let owner = |target, user, group| {
        Request::ChangeOwner(target, identifier(user, width), identifier(group, width))
    };
    let mode = |mode: u64| mode as u32 & 0xffff;
    const CREAT: u64 = 0o1 | 0o100 | 0o1000;
    Some(match call {
        Call::Chown => owner(Target::path(a, true), b, c),
        Call::Lchown => owner(Target::path(a, false), b, c),
        Call::Fchown => owner(Target::descriptor(a), b, c),
        // Unknown flags the kernel refuses.
        Call::Fchownat if e & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 => return None,
        Call::Fchmodat2 if d & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 => return None,
        Call::Fchownat => owner(Target::flagged(a, b, e), c, d),
        Call::Chmod => Request::ChangeMode(Target::path(a, true), mode(b)),
        Call::Fchmod => Request::ChangeMode(Target::descriptor(a), mode(b)),
        Call::Fchmodat => Request::ChangeMode(Target::at(a, b, true), mode(c)),
        Call::Fchmodat2 => Request::ChangeMode(Target::flagged(a, b, d), mode(c)),
        Call::Open => Request::Open(here(a), b, mode(c)),
        Call::Creat => Request::Open(here(a), CREAT, mode(b)),
        Call::Openat => Request::Open(to(a, b), c, mode(d)),
        Call::Openat2 => Request::OpenHow(to(a, b), Pointer(c), d),
        Call::Mkdir => Request::Make(here(a), Node::Directory(mode(b))),
        Call::Mkdirat => Request::Make(to(a, b), Node::Directory(mode(c))),
        Call::Mknod => Request::Make(here(a), Node::Special(mode(b), c as u32)),
        Call::Mknodat => Request::Make(to(a, b), Node::Special(mode(c), d as u32)),
        Call::Symlink => Request::Make(here(b), Node::Symlink(Pointer(a))),
        Call::Symlinkat => Request::Make(to(b, c), Node::Symlink(Pointer(a))),
        Call::Rename => Request::Rename(here(a), here(b), 0),
        Call::Renameat => Request::Rename(to(a, b), to(c, d), 0),
        Call::Renameat2 => Request::Rename(to(a, b), to(c, d), e as u32),
        Call::Link => Request::Link(Target::path(a, false), here(b)),
        Call::Linkat => {
            let source = Target {
                follow: e & AT_SYMLINK_FOLLOW != 0,
                ..Target::flagged(a, b, e)
            };
            Request::Link(source, to(c, d))
        }
        Call::Access => Request::Access(Target::path(a, true), b as u32, false),
        Call::Faccessat => Request::Access(Target::at(a, b, true), c as u32, false),
        Call::Faccessat2 => {
            Request::Access(Target::flagged(a, b, d), c as u32, d & AT_EACCESS != 0)
        }
        Call::Execve => Request::Execute(Target::path(a, true)),
        Call::Execveat => Request::Execute(Target::flagged(a, b, e)),
        _ => return None,
    })
}

fn metadata(table: Table, call: Call, [a, b, c, d, e, _]: [u64; 6]) -> Option<Request> {
    let buffer = match table {
        Table::X86_64 | Table::X32 => StatBuffer::X86_64,
        Table::Aarch64 => StatBuffer::Aarch64,
        Table::I386 | Table::Arm => StatBuffer::Old,
    };
    let long = match table {
        Table::Arm => StatBuffer::ArmLong,
        _ => StatBuffer::I386Long,
    };
    Some(match call {
        Call::Stat => Request::Stat(Target::path(a, true), buffer, Pointer(b)),
        Call::Lstat => Request::Stat(Target::path(a, false), buffer, Pointer(b)),
        Call::Fstat => Request::Stat(Target::descriptor(a), buffer, Pointer(b)),
        Call::Fstatat => Request::Stat(Target::flagged(a, b, d), buffer, Pointer(c)),
        Call::Stat64 => Request::Stat(Target::path(a, true), long, Pointer(b)),
        Call::Lstat64 => Request::Stat(Target::path(a, false), long, Pointer(b)),
        Call::Fstat64 => Request::Stat(Target::descriptor(a), long, Pointer(b)),
        Call::Fstatat64 => Request::Stat(Target::flagged(a, b, d), long, Pointer(c)),
        Call::Statx => Request::Statx(Target::flagged(a, b, c), c as u32, d as u32, Pointer(e)),
        _ => return None,
    })
}

fn attributes(call: Call, [a, b, c, d, e, f]: [u64; 6]) -> Option<Request> {
    let attribute = |flags: u64| Attribute {
        name: Pointer(b),
        value: Pointer(c),
        size: d,
        flags: flags as u32,
    };
    let (follow, link, open) = (
        Target::path(a, true),
        Target::path(a, false),
        Target::descriptor(a),
    );
    Some(match call {
        // Unknown flags the kernel refuses.
        Call::Getxattrat | Call::Setxattrat | Call::Listxattrat | Call::Removexattrat
            if c as u32 & !((AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) as u32) != 0 =>
        {
            return None;
        }
        Call::Getxattrat | Call::Setxattrat => {
            let arguments = AttributeArguments {
                name: Pointer(d),
                structure: Pointer(e),
                size: f,
                set: call == Call::Setxattrat,
            };
            Request::AttributeAt(Target::flagged(a, b, c), arguments)
        }
        Call::Listxattrat => Request::ListAttributes(Target::flagged(a, b, c), Pointer(d), e),
        Call::Removexattrat => Request::RemoveAttribute(Target::flagged(a, b, c), Pointer(d)),
        Call::Getxattr => Request::GetAttribute(follow, attribute(0)),
        Call::Lgetxattr => Request::GetAttribute(link, attribute(0)),
        Call::Fgetxattr => Request::GetAttribute(open, attribute(0)),
        Call::Setxattr => Request::SetAttribute(follow, attribute(e)),
        Call::Lsetxattr => Request::SetAttribute(link, attribute(e)),
        Call::Fsetxattr => Request::SetAttribute(open, attribute(e)),
        Call::Listxattr => Request::ListAttributes(follow, Pointer(b), c),
        Call::Llistxattr => Request::ListAttributes(link, Pointer(b), c),
        Call::Flistxattr => Request::ListAttributes(open, Pointer(b), c),
        Call::Removexattr => Request::RemoveAttribute(follow, Pointer(b)),
        Call::Lremovexattr => Request::RemoveAttribute(link, Pointer(b)),
        Call::Fremovexattr => Request::RemoveAttribute(open, Pointer(b)),
        _ => return None,
    })
}

fn credentials(call: Call, width: Width, [a, b, c, ..]: [u64; 6]) -> Option<Request> {
    let id = |value| identifier(value, width);
    let sets = CapabilitySets {
        header: Pointer(a),
        data: Pointer(b),
    };
    let places = [Pointer(a), Pointer(b), Pointer(c)];
    let change = match call {
        Call::Setuid => Change::User(id(a)),
        Call::Setgid => Change::Group(id(a)),
        Call::Setreuid => Change::RealEffectiveUsers([id(a), id(b)]),
        Call::Setregid => Change::RealEffectiveGroups([id(a), id(b)]),
        Call::Setresuid => Change::Users([id(a), id(b), id(c)]),
        Call::Setresgid => Change::Groups([id(a), id(b), id(c)]),
        Call::Setfsuid => Change::FileUser(id(a)),
        Call::Setfsgid => Change::FileGroup(id(a)),
        // The kernel takes an `int`.
        Call::Setgroups => Change::Supplementary(a & u64::from(u32::MAX), Pointer(b)),
        Call::Capset => Change::Capabilities(sets),
        Call::Getuid => return Some(Request::Identity(Identity::User, width)),
        Call::Geteuid => return Some(Request::Identity(Identity::EffectiveUser, width)),
        Call::Getgid => return Some(Request::Identity(Identity::Group, width)),
        Call::Getegid => return Some(Request::Identity(Identity::EffectiveGroup, width)),
        Call::Getresuid => return Some(Request::Users(places, width)),
        Call::Getresgid => return Some(Request::Groups(places, width)),
        Call::Getgroups => {
            let room = a & u64::from(u32::MAX);
            return Some(Request::Supplementary(room, Pointer(b), width));
        }
        Call::Capget => return Some(Request::Capabilities(sets)),
        _ => return None,
    };
    Some(Request::Change(change, width))
}

fn others(call: Call, [a, b, c, d, e, _]: [u64; 6]) -> Option<Request> {
    Some(match call {
        Call::Bind => Request::Bind(a as i32, Pointer(b), c & u64::from(u32::MAX)),
        Call::Getsockopt if b as u32 == SOL_SOCKET => {
            Request::PeerOption(a as i32, c as u32, Pointer(d), Pointer(e))
        }
        Call::Prctl => Request::Control([a & u64::from(u32::MAX), b, c, d, e]),
        Call::Chroot | Call::PivotRoot => Request::Separate(NEW_MOUNTS.into()),
        // Whatever the namespace is of.
        Call::Setns => Request::Separate(u64::from(NEW_MOUNTS | NEW_USERS)),
        Call::Unshare | Call::Clone => Request::Separate(a),
        Call::Clone3 => Request::Clone(Pointer(a)),
        Call::Socketcall => Request::SocketCall(a as u32, Pointer(b)),
        _ => return None,
    })
}

/// An identifier as an argument; -1 leaves as is.
fn identifier(value: u64, width: Width) -> Option<u32> {
    match width {
        Width::ThirtyTwo => Some(value as u32).filter(|value| *value != u32::MAX),
        Width::Sixteen => Some(u32::from(value as u16)).filter(|value| *value != 0xffff),
    }
}
