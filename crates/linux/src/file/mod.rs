//! Files and directories by descriptor: open, create, look, change, remove.
//!
//! Every name is one that is looked up in a directory descriptor. Nothing here follows a symbolic link
//! in the last component, except [`open`] without `NOFOLLOW` and what is built on it. Descriptors are close-on-exec. Names
//! are bytes; nothing is assumed about their encoding. The process' umask never decides a mode that
//! a caller asked for by [`set_mode`].

mod regular;

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    self, Access, AtFlags, CWD, FileType, Mode, RawDir, RenameFlags, SeekFrom, Timespec, Timestamps,
};
use rustix::io::Errno;

pub use regular::{open_regular, read_at_most, read_regular, read_regular_at};
pub use rustix::fs::OFlags;

use crate::SyscallError;

/// What kind of object a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// FIFO.
    Fifo,
    /// Socket.
    Socket,
    /// Character device.
    Character,
    /// Block device.
    Block,
    /// The file system does not say, or says something newer than this list.
    Unknown,
}

impl From<FileType> for Kind {
    fn from(file_type: FileType) -> Self {
        match file_type {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice => Self::Character,
            FileType::BlockDevice => Self::Block,
            FileType::Unknown => Self::Unknown,
        }
    }
}

/// A time as files carry it; seconds before 1970 are negative, nanoseconds always count upwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// The two numbers of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// What `stat(2)` says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// File system the object is on.
    pub filesystem: u64,
    /// Number of the object there.
    pub inode: u64,
    /// Its kind.
    pub kind: Kind,
    /// The twelve permission bits.
    pub mode: u32,
    /// Owner, as this process' user namespace sees it.
    pub uid: u32,
    /// Group, likewise.
    pub gid: u32,
    /// Number of names.
    pub links: u64,
    /// Bytes of content.
    pub size: u64,
    /// Blocks of 512 bytes really used.
    pub blocks: u64,
    /// Time of the last change of content.
    pub modified: Time,
    /// Time of the last change of anything.
    pub changed: Time,
    /// Numbers, if this is a device.
    pub device: Device,
}

impl Status {
    /// Whether this is what overlayfs keeps for a removed name: a character device 0:0.
    pub fn is_whiteout(&self) -> bool {
        self.kind == Kind::Character && self.device == Device { major: 0, minor: 0 }
    }
}

impl From<fs::Stat> for Status {
    fn from(stat: fs::Stat) -> Self {
        let time = |seconds, nanoseconds| Time {
            seconds,
            nanoseconds: nanoseconds as u32,
        };
        Self {
            filesystem: stat.st_dev,
            inode: stat.st_ino,
            kind: FileType::from_raw_mode(stat.st_mode).into(),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            links: stat.st_nlink,
            size: stat.st_size as u64,
            blocks: stat.st_blocks as u64,
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
            device: Device {
                major: fs::major(stat.st_rdev),
                minor: fs::minor(stat.st_rdev),
            },
        }
    }
}

/// Name and kind of one object in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// One component.
    pub name: OsString,
    /// Its kind, or [`Kind::Unknown`] on file systems that do not tell while listing.
    pub kind: Kind,
}

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that an ordinary user may still use.
    pub available: u64,
}

fn failed(
    call: &'static str,
    name: impl AsRef<OsStr>,
) -> impl FnOnce(rustix::io::Errno) -> SyscallError {
    move |errno| SyscallError::new(call, format!("{:?}", name.as_ref()), errno)
}

fn failed_on(call: &'static str, fd: impl AsFd) -> impl FnOnce(rustix::io::Errno) -> SyscallError {
    move |errno| SyscallError::new(call, fd.as_fd().as_raw_fd().to_string(), errno)
}

/// Opens a path of the host, relative to the current directory.
pub fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, SyscallError> {
    fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).map_err(failed("open", path))
}

/// Opens `name` in `directory`; a symbolic link is not followed.
pub fn open_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
    flags: OFlags,
) -> Result<OwnedFd, SyscallError> {
    let name = name.as_ref();
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    fs::openat(directory, name, flags, Mode::empty()).map_err(failed("openat", name))
}

/// Opens the directory `name` in `directory` for reading, or as an anchor for further names.
pub fn open_directory_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
) -> Result<OwnedFd, SyscallError> {
    open_at(directory, name, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Makes the file `name`, which must not exist, open for reading and writing.
pub fn create_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
    mode: u32,
) -> Result<OwnedFd, SyscallError> {
    let name = name.as_ref();
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    fs::openat(directory, name, flags, Mode::from_raw_mode(mode))
        .map_err(|errno| SyscallError::new("openat", format!("{name:?}, O_CREAT|O_EXCL"), errno))
}

/// What is open.
pub fn status(fd: impl AsFd) -> Result<Status, SyscallError> {
    fs::fstat(&fd)
        .map(Status::from)
        .map_err(failed_on("fstat", fd))
}

/// What `name` in `directory` is, the link itself if it is one.
pub fn status_at(directory: impl AsFd, name: impl AsRef<OsStr>) -> Result<Status, SyscallError> {
    let name = name.as_ref();
    fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .map(Status::from)
        .map_err(failed("fstatat", name))
}

/// Like [`status_at`]; `None` if there is no such name.
pub fn try_status_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
) -> Result<Option<Status>, SyscallError> {
    match status_at(directory, name) {
        Ok(status) => Ok(Some(status)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a directory.
pub fn make_directory_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
    mode: u32,
) -> Result<(), SyscallError> {
    let name = name.as_ref();
    fs::mkdirat(directory, name, Mode::from_raw_mode(mode)).map_err(failed("mkdirat", name))
}

/// Makes a FIFO.
pub fn make_fifo_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
    mode: u32,
) -> Result<(), SyscallError> {
    make_node(directory, name.as_ref(), FileType::Fifo, mode)
}

/// Makes a whiteout: a character device 0:0. Linux 5.8 for an ordinary user; EPERM on overlayfs.
pub fn make_whiteout_at(directory: impl AsFd, name: impl AsRef<OsStr>) -> Result<(), SyscallError> {
    make_node(directory, name.as_ref(), FileType::CharacterDevice, 0)
}

fn make_node(
    directory: impl AsFd,
    name: &OsStr,
    kind: FileType,
    mode: u32,
) -> Result<(), SyscallError> {
    fs::mknodat(directory, name, kind, Mode::from_raw_mode(mode), 0)
        .map_err(|errno| SyscallError::new("mknodat", format!("{name:?}, {kind:?}"), errno))
}

/// Makes the symbolic link `name` that says `target`.
pub fn make_symlink_at(
    target: impl AsRef<OsStr>,
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
) -> Result<(), SyscallError> {
    let (target, name) = (target.as_ref(), name.as_ref());
    fs::symlinkat(target, directory, name)
        .map_err(|errno| SyscallError::new("symlinkat", format!("{target:?}, {name:?}"), errno))
}

/// What the symbolic link `name` says.
pub fn read_link_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
) -> Result<PathBuf, SyscallError> {
    let name = name.as_ref();
    fs::readlinkat(directory, name, Vec::new())
        .map(|target| PathBuf::from(OsString::from_vec(target.into_bytes())))
        .map_err(failed("readlinkat", name))
}

/// Gives the object `name` (a link itself, never what it points to) a second name.
pub fn hard_link_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
    new_directory: impl AsFd,
    new_name: impl AsRef<OsStr>,
) -> Result<(), SyscallError> {
    let (name, new_name) = (name.as_ref(), new_name.as_ref());
    fs::linkat(directory, name, new_directory, new_name, AtFlags::empty())
        .map_err(|errno| SyscallError::new("linkat", format!("{name:?}, {new_name:?}"), errno))
}

/// Lets two names change their objects, of any kind, in one step: `renameat2(2)` with `RENAME_EXCHANGE`.
/// `false` on file systems without it (NFS); then nothing happened.
pub fn try_exchange_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
    other_directory: impl AsFd,
    other_name: impl AsRef<OsStr>,
) -> Result<bool, SyscallError> {
    let (name, other) = (name.as_ref(), other_name.as_ref());
    let exchange = RenameFlags::EXCHANGE;
    match fs::renameat_with(directory, name, other_directory, other, exchange) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS) => Ok(false),
        Err(errno) => {
            let arguments = format!("{name:?}, {other:?}, RENAME_EXCHANGE");
            Err(SyscallError::new("renameat2", arguments, errno))
        }
    }
}

/// Removes a name that is no directory.
pub fn remove_file_at(directory: impl AsFd, name: impl AsRef<OsStr>) -> Result<(), SyscallError> {
    let name = name.as_ref();
    fs::unlinkat(directory, name, AtFlags::empty()).map_err(failed("unlinkat", name))
}

/// Removes an empty directory.
pub fn remove_directory_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
) -> Result<(), SyscallError> {
    let name = name.as_ref();
    fs::unlinkat(directory, name, AtFlags::REMOVEDIR).map_err(failed("unlinkat", name))
}

/// Sets the twelve permission bits of what is open.
pub fn set_mode(fd: impl AsFd, mode: u32) -> Result<(), SyscallError> {
    fs::fchmod(&fd, Mode::from_raw_mode(mode)).map_err(|errno| {
        let arguments = format!("{}, {mode:#o}", fd.as_fd().as_raw_fd());
        SyscallError::new("fchmod", arguments, errno)
    })
}

/// Whether this process may make and remove names in `directory`: `faccessat(2)`. On a read-only file system it may
/// not either.
pub fn is_writable(directory: impl AsFd) -> Result<bool, SyscallError> {
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    match rustix::fs::accessat(directory, ".", wanted, AtFlags::EACCESS) {
        Ok(()) => Ok(true),
        Err(Errno::ACCESS | Errno::ROFS | Errno::PERM) => Ok(false),
        Err(errno) => Err(SyscallError::new("faccessat", "\".\", W_OK", errno)),
    }
}

/// Sets the time of the last change of content; the time of the last access stays.
pub fn set_modified(fd: impl AsFd, time: Time) -> Result<(), SyscallError> {
    fs::futimens(&fd, &modified(time)).map_err(failed_on("futimens", fd))
}

/// Like [`set_modified`], for `name` in `directory`; the link itself if it is one.
pub fn set_modified_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
    time: Time,
) -> Result<(), SyscallError> {
    let name = name.as_ref();
    fs::utimensat(directory, name, &modified(time), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(failed("utimensat", name))
}

fn modified(time: Time) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: fs::UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: time.seconds,
            tv_nsec: time.nanoseconds.into(),
        },
    }
}

/// Makes a file exactly `size` bytes long; what is new reads as zeros and takes no room.
pub fn set_size(fd: impl AsFd, size: u64) -> Result<(), SyscallError> {
    fs::ftruncate(&fd, size).map_err(failed_on("ftruncate", fd))
}

/// The next piece of a file with holes that is none, from `offset` on; `None` if there is none to the end. Moves the
/// position of `fd`. `lseek(2)`, `SEEK_DATA` and `SEEK_HOLE`; a file system that knows no holes has one piece.
pub fn data_after(fd: impl AsFd, offset: u64) -> Result<Option<Range<u64>>, SyscallError> {
    let start = match fs::seek(&fd, SeekFrom::Data(offset)) {
        Err(Errno::NXIO) => return Ok(None),
        other => other.map_err(failed_on("lseek", &fd))?,
    };
    let end = fs::seek(&fd, SeekFrom::Hole(start)).map_err(failed_on("lseek", &fd))?;
    Ok(Some(start..end))
}

/// Lets `copy`, an empty file, share the blocks of `original` where the file system can do that.
/// `false` where it cannot; then nothing happened.
pub fn try_reflink(copy: impl AsFd, original: impl AsFd) -> bool {
    fs::ioctl_ficlone(copy, original).is_ok()
}

/// All names in an open directory, `.` and `..` left out, in the file system's order.
///
/// Reads from the beginning whatever was read before: the descriptor's position is not used.
pub fn entries(directory: impl AsFd) -> Result<Vec<Entry>, SyscallError> {
    let own = fs::openat(
        &directory,
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(failed("openat", "."))?;
    let mut buffer = vec![MaybeUninit::uninit(); 32 * 1024];
    let mut reader = RawDir::new(&own, &mut buffer);
    let mut found = Vec::new();
    while let Some(entry) = reader.next() {
        let entry = entry.map_err(failed_on("getdents64", &own))?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let name = OsString::from_vec(name.to_vec());
            found.push(Entry {
                name,
                kind: entry.file_type().into(),
            });
        }
    }
    Ok(found)
}

/// Room on the file system of `fd`.
pub fn space(fd: impl AsFd) -> Result<Space, SyscallError> {
    let found = fs::fstatvfs(&fd).map_err(failed_on("fstatvfs", fd))?;
    Ok(Space {
        total: found.f_blocks.saturating_mul(found.f_frsize),
        available: found.f_bavail.saturating_mul(found.f_frsize),
    })
}

/// Opens the directory at a path of the host; symbolic links on the way are followed.
pub fn open_directory(path: &Path) -> Result<OwnedFd, SyscallError> {
    fs::openat(
        CWD,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(failed("open", path))
}

#[cfg(test)]
mod tests;
