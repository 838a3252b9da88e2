//! System calls made on behalf of another process: what the kernel says to us is what that process is told, so the
//! only error is the kernel's number. Paths are looked up from the working directory, or below a descriptor.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use rustix::fs::{
    self, AtFlags, CWD, Dev, FileType, Mode, OFlags, RenameFlags, ResolveFlags, XattrFlags,
};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags};
use rustix::thread::UnshareFlags;

/// What a call gives, or the kernel's number.
pub type Answer<T> = Result<T, Errno>;

fn number(answer: libc::c_long) -> Answer<i32> {
    i32::try_from(answer)
        .ok()
        .filter(|answer| *answer >= 0)
        .ok_or_else(|| Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
}

/// `open(2)`.
pub fn open(path: &CStr, flags: OFlags) -> Answer<OwnedFd> {
    fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// `openat(2)` of one name.
pub fn open_at(directory: impl AsFd, name: &CStr, flags: OFlags) -> Answer<OwnedFd> {
    fs::openat(directory, name, flags | OFlags::CLOEXEC, Mode::empty())
}

/// `openat2(2)` with these raw flags, mode and `RESOLVE_*`.
pub fn open_how(
    directory: impl AsFd,
    path: &CStr,
    flags: u64,
    mode: u32,
    resolve: u64,
) -> Answer<OwnedFd> {
    let flags = u32::try_from(flags).map_err(|_| Errno::INVAL)?;
    let flags = OFlags::from_bits_retain(flags) | OFlags::CLOEXEC;
    let resolve = ResolveFlags::from_bits_retain(resolve);
    fs::openat2(directory, path, flags, Mode::from_raw_mode(mode), resolve)
}

/// `getxattr(2)` or `lgetxattr(2)`; the length of the value.
pub fn attribute(path: &CStr, follow: bool, name: &CStr, value: &mut [u8]) -> Answer<usize> {
    if follow {
        fs::getxattr(path, name, value)
    } else {
        fs::lgetxattr(path, name, value)
    }
}

/// `getxattrat(2)`, Linux 6.13, of `path` below `directory` or, if it is empty, of that itself; the length of the value.
pub fn attribute_at(
    directory: impl AsFd,
    path: &CStr,
    follow: bool,
    name: &CStr,
    value: &mut [u8],
) -> Answer<usize> {
    /// `struct xattr_args`.
    #[repr(C)]
    struct Arguments {
        value: u64,
        size: u32,
        flags: u32,
    }
    // Not in the C library yet; the same on every machine here.
    const GETXATTRAT: libc::c_long = 464;
    let link = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    let empty = if path.is_empty() {
        libc::AT_EMPTY_PATH
    } else {
        0
    };
    let arguments = Arguments {
        value: value.as_mut_ptr() as u64,
        size: u32::try_from(value.len()).unwrap_or(u32::MAX),
        flags: 0,
    };
    #[expect(unsafe_code, reason = "getxattrat(2) is in no safe wrapper")]
    // SAFETY: both texts are NUL-terminated, the structure has the size that is told, and the kernel writes no more than
    // `size` bytes to `value`.
    let answer = unsafe {
        libc::syscall(
            GETXATTRAT,
            directory.as_fd().as_raw_fd(),
            path.as_ptr(),
            link | empty,
            name.as_ptr(),
            &raw const arguments,
            size_of::<Arguments>(),
        )
    };
    usize::try_from(number(answer)?).map_err(|_| Errno::IO)
}

/// `listxattr(2)` or `llistxattr(2)`; the length of the list.
pub fn attributes(path: &CStr, follow: bool, list: &mut [u8]) -> Answer<usize> {
    if follow {
        fs::listxattr(path, list)
    } else {
        fs::llistxattr(path, list)
    }
}

/// `setxattr(2)` with `XATTR_*` flags.
pub fn set_attribute(path: &CStr, name: &CStr, value: &[u8], flags: u32) -> Answer<()> {
    fs::setxattr(path, name, value, XattrFlags::from_bits_retain(flags))
}

/// `removexattr(2)`.
pub fn remove_attribute(path: &CStr, name: &CStr) -> Answer<()> {
    fs::removexattr(path, name)
}

/// `fgetxattr(2)`, of what is open for more than its path; the length of the value.
pub fn attribute_of(object: impl AsFd, name: &CStr, value: &mut [u8]) -> Answer<usize> {
    fs::fgetxattr(object, name, value)
}

/// `flistxattr(2)`, likewise; the length of the list.
pub fn attributes_of(object: impl AsFd, list: &mut [u8]) -> Answer<usize> {
    fs::flistxattr(object, list)
}

/// `fsetxattr(2)`, likewise, with `XATTR_*` flags.
pub fn set_attribute_of(object: impl AsFd, name: &CStr, value: &[u8], flags: u32) -> Answer<()> {
    fs::fsetxattr(object, name, value, XattrFlags::from_bits_retain(flags))
}

/// `fremovexattr(2)`, likewise.
pub fn remove_attribute_of(object: impl AsFd, name: &CStr) -> Answer<()> {
    fs::fremovexattr(object, name)
}

/// `fchmod(2)`, likewise.
pub fn set_mode_of(object: impl AsFd, mode: u32) -> Answer<()> {
    fs::fchmod(object, Mode::from_raw_mode(mode))
}

/// Whether a descriptor stands for no more than a path: `O_PATH`, of `fcntl(2)`.
pub fn is_only_path(object: impl AsFd) -> Answer<bool> {
    Ok(fs::fcntl_getfl(object)?.contains(OFlags::PATH))
}

/// `chmod(2)`.
pub fn set_mode(path: &CStr, mode: u32) -> Answer<()> {
    fs::chmod(path, Mode::from_raw_mode(mode))
}

/// Gives an object the owner that it has; an overlay copies it up for that.
pub fn touch(object: impl AsFd) -> Answer<()> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    fs::chownat(object, c"", Some(user), Some(group), flags)
}

/// Changes owner and group of an open object, `O_PATH` ones too.
pub fn set_owner(object: impl AsFd, user: Option<u32>, group: Option<u32>) -> Answer<()> {
    let (user, group) = (user.map(fs::Uid::from_raw), group.map(fs::Gid::from_raw));
    fs::chownat(object, c"", user, group, AtFlags::EMPTY_PATH)
}

/// `mkdirat(2)`.
pub fn make_directory(directory: impl AsFd, name: &CStr, mode: u32) -> Answer<()> {
    fs::mkdirat(directory, name, Mode::from_raw_mode(mode))
}

/// `symlinkat(2)`.
pub fn make_symlink(target: &CStr, directory: impl AsFd, name: &CStr) -> Answer<()> {
    fs::symlinkat(target, directory, name)
}

/// `mknodat(2)` with a mode that has the type, for what needs no privilege.
pub fn make_node(directory: impl AsFd, name: &CStr, mode: u32) -> Answer<()> {
    let kind = FileType::from_raw_mode(mode);
    fs::mknodat(
        directory,
        name,
        kind,
        Mode::from_raw_mode(mode),
        Dev::default(),
    )
}

/// `renameat2(2)` with `RENAME_*` flags.
pub fn rename(
    from: impl AsFd,
    name: &CStr,
    to: impl AsFd,
    new_name: &CStr,
    flags: u32,
) -> Answer<()> {
    fs::renameat_with(
        from,
        name,
        to,
        new_name,
        RenameFlags::from_bits_retain(flags),
    )
}

/// `linkat(2)` of the object behind a link of `/proc`, which is what `path` must be.
pub fn link(path: &CStr, directory: impl AsFd, name: &CStr) -> Answer<()> {
    fs::linkat(CWD, path, directory, name, AtFlags::SYMLINK_FOLLOW)
}

/// `readlinkat(2)`.
pub fn link_target(directory: impl AsFd, name: &CStr) -> Answer<CString> {
    fs::readlinkat(directory, name, Vec::new())
}

/// Whether the object is of a `proc` file system.
pub fn is_of_proc(object: impl AsFd) -> bool {
    fs::fstatfs(object).is_ok_and(|system| system.f_type == fs::PROC_SUPER_MAGIC)
}

/// `struct statx`, as it is.
#[derive(Clone, Debug)]
pub struct Statx([u8; 256]);

/// All that `stat(2)` tells.
pub const BASIC_STATS: u32 = 0x7ff;
/// The number of the mount (`STATX_MNT_ID`, Linux 5.8). It costs nothing, so it is always asked for.
const MOUNT: u32 = 0x1000;
/// In its place a number that is never used again (`STATX_MNT_ID_UNIQUE`, Linux 6.8).
pub const UNIQUE_MOUNT: u32 = 0x4000;

impl Statx {
    /// Of the object at `path`, with raw flags.
    pub fn of_path(path: &CStr, flags: u32, mask: u32) -> Answer<Self> {
        Self::ask(libc::AT_FDCWD, path, flags, mask)
    }

    /// Of what is at `path` below `directory` or, if it is empty, of that itself.
    pub fn at(directory: impl AsFd, path: &CStr, flags: u32, mask: u32) -> Answer<Self> {
        let empty = if path.is_empty() {
            AtFlags::EMPTY_PATH
        } else {
            AtFlags::empty()
        };
        Self::ask(
            directory.as_fd().as_raw_fd(),
            path,
            flags | empty.bits(),
            mask,
        )
    }

    /// Of an open object, `O_PATH` ones too.
    pub fn of(object: impl AsFd, flags: u32, mask: u32) -> Answer<Self> {
        let flags = flags | AtFlags::EMPTY_PATH.bits();
        Self::ask(object.as_fd().as_raw_fd(), c"", flags, mask)
    }

    fn ask(directory: i32, path: &CStr, flags: u32, mask: u32) -> Answer<Self> {
        let mut bytes = [0; 256];
        let mask = match mask & UNIQUE_MOUNT {
            0 => mask | MOUNT,
            _ => mask,
        };
        #[expect(unsafe_code, reason = "the structure is wanted as bytes")]
        // SAFETY: the path is NUL-terminated, and the buffer has the size of `struct statx`, which is all that the
        // kernel writes.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_statx,
                directory,
                path.as_ptr(),
                flags,
                mask,
                bytes.as_mut_ptr(),
            )
        };
        number(answer)?;
        Ok(Self(bytes))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 256] {
        &self.0
    }

    /// The word of 16 bits at `offset`.
    pub fn half(&self, offset: usize) -> u16 {
        let bytes = self.0[offset..offset + 2].try_into();
        u16::from_ne_bytes(bytes.expect("two bytes"))
    }

    /// The word of 32 bits at `offset`.
    pub fn word(&self, offset: usize) -> u32 {
        let bytes = self.0[offset..offset + 4].try_into();
        u32::from_ne_bytes(bytes.expect("four bytes"))
    }

    /// The word of 64 bits at `offset`.
    pub fn long(&self, offset: usize) -> u64 {
        let bytes = self.0[offset..offset + 8].try_into();
        u64::from_ne_bytes(bytes.expect("eight bytes"))
    }

    /// Overwrites the bytes from `offset` on.
    pub fn set(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Type and permissions.
    pub fn mode(&self) -> u32 {
        u32::from(self.half(28))
    }

    /// Owner and group, as our user namespace sees them.
    pub fn owner(&self) -> (u32, u32) {
        (self.word(20), self.word(24))
    }

    /// How many names it has.
    pub fn links(&self) -> u32 {
        self.word(16)
    }

    /// Device and inode.
    pub fn identity(&self) -> (u64, u64) {
        let device = u64::from(self.word(136)) << 32 | u64::from(self.word(140));
        (device, self.long(32))
    }

    /// The number of the mount that it was found on, unless another kind of number was asked for.
    pub fn mount(&self) -> Option<u64> {
        (self.word(0) & (MOUNT | UNIQUE_MOUNT) == MOUNT).then(|| self.long(144))
    }

    /// When it was last changed, by the clock of its file system: seconds and nanoseconds.
    pub fn changed(&self) -> (u64, u32) {
        (self.long(96), self.word(104))
    }

    /// Numbers of the device that it is.
    pub fn device(&self) -> (u32, u32) {
        (self.word(128), self.word(132))
    }
}

/// The beginning of the file at `path`, as much as fits into `buffer`: for the short ones of `/proc`.
pub fn read<'a>(path: &CStr, buffer: &'a mut [u8]) -> Answer<&'a [u8]> {
    read_at(CWD, path, buffer)
}

/// Like [`read`], of a file in `directory`.
pub fn read_at<'a>(directory: impl AsFd, name: &CStr, buffer: &'a mut [u8]) -> Answer<&'a [u8]> {
    let file = open_at(directory, name, OFlags::RDONLY)?;
    let length = rustix::io::read(file, &mut *buffer)?;
    Ok(&buffer[..length])
}

/// Gives the calling thread a working directory and a mask of its own.
pub fn own_directory_and_mask() -> Answer<()> {
    #[expect(
        unsafe_code,
        reason = "rustix warns of descriptors, which are not unshared here"
    )]
    // SAFETY: `CLONE_FS` changes neither descriptors nor namespaces.
    unsafe {
        rustix::thread::unshare_unsafe(UnshareFlags::FS)
    }
}

/// `fchdir(2)`.
pub fn change_directory(directory: impl AsFd) -> Answer<()> {
    rustix::process::fchdir(directory)
}

/// A copy of a descriptor of the process `process`.
pub fn copy_descriptor(process: u32, descriptor: i32) -> Answer<OwnedFd> {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    let process = rustix::process::pidfd_open(process.ok_or(Errno::SRCH)?, PidfdFlags::empty())?;
    rustix::process::pidfd_getfd(process, descriptor, PidfdGetfdFlags::empty())
}

/// A handle of one thread, of which descriptors can be copied (`PIDFD_THREAD`, Linux 6.9).
pub fn open_thread(thread: u32) -> Answer<OwnedFd> {
    let thread = i32::try_from(thread).ok().and_then(Pid::from_raw);
    let flags = PidfdFlags::from_bits_retain(OFlags::EXCL.bits());
    rustix::process::pidfd_open(thread.ok_or(Errno::SRCH)?, flags)
}

/// A copy of a descriptor of the thread that has this handle; `ESRCH` if it is gone.
pub fn copy_from(thread: impl AsFd, descriptor: i32) -> Answer<OwnedFd> {
    rustix::process::pidfd_getfd(thread, descriptor, PidfdGetfdFlags::empty())
}

/// `bind(2)` to a raw address.
pub fn bind(socket: impl AsFd, address: &[u8]) -> Answer<()> {
    let length = libc::socklen_t::try_from(address.len()).map_err(|_| Errno::INVAL)?;
    #[expect(
        unsafe_code,
        reason = "the address is another program's, and may be malformed"
    )]
    // SAFETY: the kernel reads `length` bytes of the address and checks them.
    let answer = unsafe { libc::bind(socket.as_fd().as_raw_fd(), address.as_ptr().cast(), length) };
    number(answer.into()).map(drop)
}

/// The process at the other end of a socket, by its number in our PID namespace (`SO_PEERCRED`).
pub fn peer(socket: impl AsFd) -> Answer<u32> {
    let peer = rustix::net::sockopt::socket_peercred(socket)?;
    Ok(peer.pid.as_raw_nonzero().get().cast_unsigned())
}
