//! The mount API of Linux 5.2 and later.
//!
//! A mount is a descriptor first ("detached") and gets its place afterwards, by descriptor too, so no
//! path is looked up twice. All of it needs `CAP_SYS_ADMIN` in the user namespace that owns the
//! caller's mount namespace.

use std::ffi::{CStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, StatVfsMountFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};

pub use rustix::mount::MountAttrFlags as Attributes;

use crate::SyscallError;
use crate::error::flags;

/// Whether an operation covers the mounts below too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// This mount only.
    One,
    /// And all below it.
    Recursive,
}

/// How mounts made elsewhere show in this namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Later mounts of the host appear here, ours do not appear there.
    Slave,
    /// Neither sees the other's.
    Private,
}

/// Sets the propagation of all mounts of this namespace.
pub fn set_propagation(propagation: Propagation) -> Result<(), SyscallError> {
    let (kind, name) = match propagation {
        Propagation::Slave => (MountPropagationFlags::DOWNSTREAM, "MS_SLAVE"),
        Propagation::Private => (MountPropagationFlags::PRIVATE, "MS_PRIVATE"),
    };
    rustix::mount::mount_change("/", kind | MountPropagationFlags::REC)
        .map_err(|errno| SyscallError::new("mount", format!("\"/\", MS_REC|{name}"), errno))
}

/// A file system that is being configured: `fsopen(2)`.
#[derive(Debug)]
pub struct FileSystem {
    kind: String,
    context: OwnedFd,
}

impl FileSystem {
    /// Begins a file system of `kind`, such as `tmpfs`.
    pub fn open(kind: &str) -> Result<Self, SyscallError> {
        rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
            .map(|context| Self {
                kind: kind.to_owned(),
                context,
            })
            .map_err(|errno| SyscallError::new("fsopen", format!("{kind:?}"), errno))
    }

    /// Sets an option without value.
    pub fn flag(&self, key: &str) -> Result<(), SyscallError> {
        rustix::mount::fsconfig_set_flag(&self.context, key)
            .map_err(|errno| self.failed("FSCONFIG_SET_FLAG", key, errno))
    }

    /// Sets an option to `value`, at most 255 bytes.
    pub fn string(&self, key: &str, value: &str) -> Result<(), SyscallError> {
        rustix::mount::fsconfig_set_string(&self.context, key, value)
            .map_err(|errno| self.failed("FSCONFIG_SET_STRING", &format!("{key}={value}"), errno))
    }

    /// Sets an option to an open file of this mount namespace.
    pub fn descriptor(&self, key: &str, value: impl AsFd) -> Result<(), SyscallError> {
        rustix::mount::fsconfig_set_fd(&self.context, key, value)
            .map_err(|errno| self.failed("FSCONFIG_SET_FD", key, errno))
    }

    /// Makes the file system and a detached mount of it.
    pub fn mount(&self, attributes: Attributes) -> Result<OwnedFd, SyscallError> {
        rustix::mount::fsconfig_create(&self.context)
            .map_err(|errno| self.failed("FSCONFIG_CMD_CREATE", "", errno))?;
        rustix::mount::fsmount(&self.context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(
            |errno| {
                let attributes = flags("", attributes.iter_names());
                SyscallError::new("fsmount", format!("{:?}, {attributes}", self.kind), errno)
            },
        )
    }

    /// An error of `fsconfig(2)` that carries what the file system itself said.
    fn failed(&self, command: &str, option: &str, errno: rustix::io::Errno) -> SyscallError {
        let mut arguments = format!("{:?}, {command}", self.kind);
        if !option.is_empty() {
            arguments.push_str(&format!(", {option:?}"));
        }
        for line in self.log() {
            arguments.push_str(&format!("; {line}"));
        }
        SyscallError::new("fsconfig", arguments, errno)
    }

    /// Messages of the file system, one a read, oldest first, without their level.
    fn log(&self) -> Vec<String> {
        let Ok(copy) = self.context.try_clone() else {
            return Vec::new();
        };
        let mut file = File::from(copy);
        let mut lines = Vec::new();
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = file.read(&mut buffer) {
            let line = String::from_utf8_lossy(&buffer[..length]);
            let line = line.trim();
            lines.push(
                line.split_once(' ')
                    .map_or(line, |(_, text)| text)
                    .to_owned(),
            );
        }
        lines
    }
}

/// Makes a detached mount of what `source` refers to: a bind mount without place.
///
/// `source` must have been opened in this mount namespace.
pub fn clone(source: impl AsFd, depth: Depth) -> Result<OwnedFd, SyscallError> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if depth == Depth::Recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    rustix::mount::open_tree(&source, "", flags).map_err(|errno| {
        let arguments = describe(&source, flags.iter_names());
        SyscallError::new("open_tree", arguments, errno)
    })
}

/// Puts a detached mount onto what `target` refers to, be it a symbolic link itself.
///
/// Afterwards `target` still refers to what is covered, `mount` to what covers it.
pub fn attach(mount: impl AsFd, target: impl AsFd) -> Result<(), SyscallError> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(&mount, "", &target, "", flags).map_err(|errno| {
        let arguments = describe(&target, flags.iter_names());
        SyscallError::new("move_mount", arguments, errno)
    })
}

/// Makes a mount read-only.
///
/// `mount_setattr(2)` is of Linux 5.12. Before it an attached mount is remounted with the flags it
/// has, which must not be lost; that way covers one mount only, so with [`Depth::Recursive`] those
/// below stay as they are.
pub fn set_read_only(mount: impl AsFd, depth: Depth) -> Result<(), SyscallError> {
    match set_attributes(mount.as_fd(), libc::MOUNT_ATTR_RDONLY, depth) {
        Err(error) if error.errno() == Some(rustix::io::Errno::NOSYS) => {
            remount_read_only(mount.as_fd())
        }
        result => result,
    }
}

/// `mount_setattr(2)`, which neither rustix nor the C library wraps.
#[expect(unsafe_code, reason = "no wrapper of mount_setattr(2) exists")]
fn set_attributes(mount: BorrowedFd<'_>, set: u64, depth: Depth) -> Result<(), SyscallError> {
    let change = libc::mount_attr {
        attr_set: set,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let flags = match depth {
        Depth::One => libc::AT_EMPTY_PATH,
        Depth::Recursive => libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
    };
    // SAFETY: the path is a C string and `change` lives through the call, which only reads it; its
    // size is passed along.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(SyscallError::new(
        "mount_setattr",
        format!("attr_set {set:#x}, {depth:?}"),
        error,
    ))
}

/// Read-only by remounting, with the flags that the mount was inherited with.
fn remount_read_only(mount: BorrowedFd<'_>) -> Result<(), SyscallError> {
    let failed = |call| move |errno| SyscallError::new(call, "", errno);
    let before = rustix::fs::fstatvfs(mount)
        .map_err(failed("fstatvfs"))?
        .f_flag;
    let mut wanted = MountFlags::BIND | MountFlags::RDONLY;
    for (found, keep) in [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ] {
        if before.contains(found) {
            wanted |= keep;
        }
    }
    rustix::mount::mount_remount(own_path(mount), wanted, c"").map_err(|errno| {
        let kept = flags("MS_", wanted.iter_names());
        SyscallError::new("mount", format!("MS_REMOUNT|{kept}"), errno)
    })
}

/// Mounts a file system the old way: `mount(2)` with its page of options.
pub fn mount_with_data(kind: &str, target: &Path, data: &CStr) -> Result<(), SyscallError> {
    rustix::mount::mount(kind, target, kind, MountFlags::empty(), data).map_err(|errno| {
        SyscallError::new("mount", format!("{kind:?}, {target:?}, {data:?}"), errno)
    })
}

/// Takes away the mount at `path`; lazily, so that users of it may finish.
pub fn unmount(path: &Path) -> Result<(), SyscallError> {
    rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
        .map_err(|errno| SyscallError::new("umount2", format!("{path:?}, MNT_DETACH"), errno))
}

/// Makes `root`, an attached mount, the root of this mount namespace and the working directory;
/// the old root is gone afterwards.
///
/// Where the host's root is the initial ramfs, `pivot_root(2)` is refused: there the new root is
/// moved over it instead, which makes the old tree just as unreachable.
pub fn pivot(root: impl AsFd) -> Result<(), SyscallError> {
    rustix::process::fchdir(&root).map_err(|errno| SyscallError::new("fchdir", "root", errno))?;
    match rustix::process::pivot_root(".", ".") {
        Ok(()) => unmount(Path::new("."))?,
        Err(rustix::io::Errno::INVAL) => {
            rustix::mount::mount_move(".", "/")
                .map_err(|errno| SyscallError::new("mount", "\".\", \"/\", MS_MOVE", errno))?;
            rustix::process::chroot(".")
                .map_err(|errno| SyscallError::new("chroot", "\".\"", errno))?;
        }
        Err(errno) => return Err(SyscallError::new("pivot_root", "\".\", \".\"", errno)),
    }
    rustix::process::chdir("/").map_err(|errno| SyscallError::new("chdir", "\"/\"", errno))
}

/// A mount of this namespace, as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub number: u64,
    /// That of the mount it is on.
    pub parent: u64,
    /// Its device, as in [`Statx::identity`](crate::behalf::Statx::identity).
    pub device: u64,
    /// Where it is, with blanks and the like as `\040`.
    pub place: String,
    /// The type of its file system, such as `ext4`.
    pub kind: String,
}

impl Listed {
    /// Where it is, as it is called.
    pub fn path(&self) -> PathBuf {
        let mut bytes = Vec::with_capacity(self.place.len());
        let mut rest = self.place.as_bytes();
        while let Some((&first, behind)) = rest.split_first() {
            let code = behind.get(..3).filter(|_| first == b'\\');
            let code = code.and_then(|digits| str::from_utf8(digits).ok());
            match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &behind[3..];
                }
                None => {
                    bytes.push(first);
                    rest = behind;
                }
            }
        }
        PathBuf::from(OsString::from_vec(bytes))
    }
}

/// The mounts that this process can reach: `/proc/self/mountinfo`.
pub fn table() -> Result<Vec<Listed>, SyscallError> {
    const TABLE: &str = "/proc/self/mountinfo";
    let text = std::fs::read(TABLE)
        .map_err(|error| SyscallError::new("read", format!("{TABLE:?}"), error))?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter_map(listed).collect())
}

/// A line of `/proc/PID/mountinfo`.
fn listed(line: &str) -> Option<Listed> {
    let mut fields = line.split(' ');
    let number = fields.next()?.parse().ok()?;
    let parent = fields.next()?.parse().ok()?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let (major, minor): (u64, u64) = (major.parse().ok()?, minor.parse().ok()?);
    let place = fields.nth(1)?.to_owned();
    let kind = fields.skip_while(|field| *field != "-").nth(1)?.to_owned();
    Some(Listed {
        number,
        parent,
        device: major << 32 | minor,
        place,
        kind,
    })
}

/// Opens `path` as a place for a mount, or as its source: `O_PATH`, links followed.
pub fn open_place(path: &Path) -> Result<OwnedFd, SyscallError> {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| SyscallError::new("open", format!("{path:?}, O_PATH"), errno))
}

/// The path by which `/proc` leads to a descriptor of this process.
pub(crate) fn own_path(descriptor: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

/// A descriptor and flags as an error shows them: the file's name is worth more than its number.
fn describe<T>(descriptor: &impl AsFd, names: impl Iterator<Item = (&'static str, T)>) -> String {
    let flags = flags("", names);
    match std::fs::read_link(own_path(descriptor.as_fd())) {
        Ok(name) => format!("{name:?}, {flags}"),
        Err(_) => flags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_table_are_understood() {
        let line = r"36 35 98:1 /a /mnt\040b rw,noatime master:1 - ext3 /dev/root rw";
        let expected = Listed {
            number: 36,
            parent: 35,
            device: 98 << 32 | 1,
            place: r"/mnt\040b".to_owned(),
            kind: "ext3".to_owned(),
        };
        assert_eq!(expected.path(), Path::new("/mnt b"));
        assert_eq!(listed(line), Some(expected));
        assert_eq!(listed("36 35"), None);
    }
}
