//! An open directory and what is done by name in it.
//!
//! Invariants: names hold no `/`; the last component is never followed when it is a symbolic link.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RawMode, RenameFlags, Stat};
use rustix::io::Errno;

use crate::SyscallError;

/// A directory held open, with the path it had for messages.
#[derive(Debug)]
pub struct Directory {
    descriptor: OwnedFd,
    path: PathBuf,
}

/// What kind of object a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Other,
}

impl Kind {
    fn from_mode(mode: RawMode) -> Self {
        match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            _ => Self::Other,
        }
    }
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, without any `/`.
    pub name: OsString,
    /// What it stands for.
    pub kind: Kind,
}

/// The attributes of an object that storage decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Bytes that it takes on the disk.
    pub allocated: u64,
    /// Device and inode: equal for two names of one object.
    pub identity: (u64, u64),
    /// Seconds of the last modification.
    pub modified: i64,
}

#[expect(
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    reason = "widths of `stat` members differ between architectures"
)]
impl From<Stat> for Attributes {
    fn from(stat: Stat) -> Self {
        Self {
            kind: Kind::from_mode(stat.st_mode),
            mode: u32::from(stat.st_mode) & 0o7777,
            uid: stat.st_uid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            // In units of 512 bytes, whatever the file system has.
            allocated: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
            identity: (stat.st_dev as u64, stat.st_ino as u64),
            modified: stat.st_mtime as i64,
        }
    }
}

const OPEN: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const SEARCH: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Directory {
    /// Opens `path`, which is resolved as the kernel does; the last component must not be a link.
    pub fn open(path: &Path) -> Result<Self, SyscallError> {
        let descriptor = rustix::fs::openat(rustix::fs::CWD, path, OPEN, Mode::empty())
            .map_err(|errno| SyscallError::new("openat", quote(path), errno))?;
        Ok(Self {
            descriptor,
            path: path.to_owned(),
        })
    }

    /// Opens `path` only to reach what is in it: needs search permission, not read permission.
    pub fn open_for_search(path: &Path) -> Result<Self, SyscallError> {
        let descriptor = rustix::fs::openat(rustix::fs::CWD, path, SEARCH, Mode::empty())
            .map_err(|errno| SyscallError::new("openat", quote(path), errno))?;
        Ok(Self {
            descriptor,
            path: path.to_owned(),
        })
    }

    /// Makes a `Directory` of a descriptor; `path` is what messages call it.
    pub fn from_descriptor(descriptor: OwnedFd, path: impl Into<PathBuf>) -> Self {
        Self {
            descriptor,
            path: path.into(),
        }
    }

    /// The path this directory was opened by, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the directory `name`.
    pub fn directory(&self, name: impl AsRef<OsStr>) -> Result<Self, SyscallError> {
        self.open_below(name.as_ref(), OPEN)
    }

    /// Opens the directory `name` only to reach what is in it.
    pub fn directory_for_search(&self, name: impl AsRef<OsStr>) -> Result<Self, SyscallError> {
        self.open_below(name.as_ref(), SEARCH)
    }

    /// Opens the directory `name`, or says that there is none.
    pub fn try_directory(&self, name: impl AsRef<OsStr>) -> Result<Option<Self>, SyscallError> {
        absent_as_none(self.directory(name))
    }

    /// Opens the directory that this one is in.
    pub(super) fn parent(&self) -> Result<Self, SyscallError> {
        let mut parent = self.directory("..")?;
        parent.path = self.path.parent().unwrap_or(&self.path).to_owned();
        Ok(parent)
    }

    fn open_below(&self, name: &OsStr, flags: OFlags) -> Result<Self, SyscallError> {
        let descriptor = rustix::fs::openat(self, name, flags, Mode::empty())
            .map_err(|errno| self.error("openat", name, errno))?;
        Ok(Self {
            descriptor,
            path: self.path.join(name),
        })
    }

    /// Makes the directory `name` with exactly `mode`, whatever the umask, and opens it.
    pub fn make_directory(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Self, SyscallError> {
        let name = name.as_ref();
        rustix::fs::mkdirat(self, name, Mode::RWXU)
            .map_err(|errno| self.error("mkdirat", name, errno))?;
        let made = self.directory(name)?;
        made.set_mode(mode)?;
        Ok(made)
    }

    /// Opens the directory `name`, making it with mode 0700 if there is none.
    pub fn ensure_directory(&self, name: impl AsRef<OsStr>) -> Result<Self, SyscallError> {
        let name = name.as_ref();
        match self.directory(name) {
            Err(error) if error.errno() == Some(Errno::NOENT) => {}
            other => return other,
        }
        match self.make_directory(name, 0o700) {
            Err(error) if error.errno() == Some(Errno::EXIST) => self.directory(name),
            other => other,
        }
    }

    /// Sets the permission bits of this directory itself.
    pub fn set_mode(&self, mode: u32) -> Result<(), SyscallError> {
        rustix::fs::fchmod(self, Mode::from_raw_mode(mode)).map_err(|errno| {
            SyscallError::new(
                "fchmod",
                format!("{}, {mode:04o}", quote(&self.path)),
                errno,
            )
        })
    }

    /// Sets the permission bits of the file or directory `name`, which must not be a link.
    pub fn set_mode_of(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<(), SyscallError> {
        let name = name.as_ref();
        rustix::fs::chmodat(self, name, Mode::from_raw_mode(mode), AtFlags::empty())
            .map_err(|errno| self.error("fchmodat", name, errno))
    }

    /// Sets the modification time of `name` to now.
    pub fn touch(&self, name: impl AsRef<OsStr>) -> Result<(), SyscallError> {
        let name = name.as_ref();
        let now = rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        let times = rustix::fs::Timestamps {
            last_access: now,
            last_modification: now,
        };
        rustix::fs::utimensat(self, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.error("utimensat", name, errno))
    }

    /// Opens the file `name` for reading.
    pub fn file(&self, name: impl AsRef<OsStr>) -> Result<File, SyscallError> {
        self.open_file(name.as_ref(), OFlags::RDONLY, 0)
    }

    /// Opens the file `name` for reading, or says that there is none.
    pub fn try_file(&self, name: impl AsRef<OsStr>) -> Result<Option<File>, SyscallError> {
        absent_as_none(self.file(name))
    }

    /// Opens the file `name` for reading and writing, making it with mode 0600 if there is none.
    pub fn ensure_file(&self, name: impl AsRef<OsStr>) -> Result<File, SyscallError> {
        self.open_file(name.as_ref(), OFlags::RDWR | OFlags::CREATE, 0o600)
    }

    /// Makes the file `name`, which must not exist, with exactly `mode`, open for writing.
    pub fn make_file(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<File, SyscallError> {
        let name = name.as_ref();
        let file = self.open_file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0o600)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
            .map_err(|errno| self.error("fchmod", name, errno))?;
        Ok(file)
    }

    fn open_file(&self, name: &OsStr, flags: OFlags, mode: u32) -> Result<File, SyscallError> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        rustix::fs::openat(self, name, flags, Mode::from_raw_mode(mode))
            .map(File::from)
            .map_err(|errno| self.error("openat", name, errno))
    }

    /// Makes the file `name`, which must not exist, with exactly `mode` and `bytes` in it.
    pub fn write(
        &self,
        name: impl AsRef<OsStr>,
        mode: u32,
        bytes: &[u8],
    ) -> Result<(), SyscallError> {
        let name = name.as_ref();
        self.make_file(name, mode)?
            .write_all(bytes)
            .map_err(|source| SyscallError::new("write", self.quoted(name), source))
    }

    /// The whole content of the file `name`, or nothing if there is none.
    pub fn try_read(&self, name: impl AsRef<OsStr>) -> Result<Option<Vec<u8>>, SyscallError> {
        let name = name.as_ref();
        let Some(mut file) = self.try_file(name)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|source| SyscallError::new("read", self.quoted(name), source))?;
        Ok(Some(bytes))
    }

    /// Attributes of this directory itself.
    pub fn attributes(&self) -> Result<Attributes, SyscallError> {
        rustix::fs::fstat(self)
            .map(Attributes::from)
            .map_err(|errno| SyscallError::new("fstat", quote(&self.path), errno))
    }

    /// Attributes of `name`, of the link itself if it is one; or nothing if there is no such name.
    pub fn try_attributes_of(
        &self,
        name: impl AsRef<OsStr>,
    ) -> Result<Option<Attributes>, SyscallError> {
        let name = name.as_ref();
        let found = rustix::fs::statat(self, name, AtFlags::SYMLINK_NOFOLLOW)
            .map(Attributes::from)
            .map_err(|errno| self.error("fstatat", name, errno));
        absent_as_none(found)
    }

    /// Where the symbolic link `name` points.
    pub fn link_target(&self, name: impl AsRef<OsStr>) -> Result<PathBuf, SyscallError> {
        let name = name.as_ref();
        rustix::fs::readlinkat(self, name, Vec::new())
            .map(|target| PathBuf::from(OsString::from_vec(target.into_bytes())))
            .map_err(|errno| self.error("readlinkat", name, errno))
    }

    /// All names in this directory, in the kernel's order.
    pub fn entries(&self) -> Result<Vec<Entry>, SyscallError> {
        let failed = |errno| SyscallError::new("getdents64", quote(&self.path), errno);
        let mut entries = Vec::new();
        for entry in Dir::read_from(self).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if is_dot(name) {
                continue;
            }
            let name = OsStr::from_bytes(name.to_bytes()).to_owned();
            let kind = match entry.file_type() {
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Directory,
                FileType::Symlink => Kind::Link,
                FileType::Unknown => match self.try_attributes_of(&name)? {
                    Some(attributes) => attributes.kind,
                    None => continue,
                },
                _ => Kind::Other,
            };
            entries.push(Entry { name, kind });
        }
        Ok(entries)
    }

    /// Renames `name` to `new_name` in `target`, replacing what may be replaced there.
    pub fn rename(
        &self,
        name: impl AsRef<OsStr>,
        target: &Self,
        new_name: impl AsRef<OsStr>,
    ) -> Result<(), SyscallError> {
        let (name, new_name) = (name.as_ref(), new_name.as_ref());
        rustix::fs::renameat(self, name, target, new_name)
            .map_err(|errno| self.rename_error("renameat", name, target, new_name, errno))
    }

    /// Renames `name` to `new_name` in `target`; fails with `EEXIST` if that is taken.
    ///
    /// `renameat2(2)` with `RENAME_NOREPLACE`. File systems without it (NFS) get the check and a
    /// plain rename: both names are ours alone there, except between two makers of one object.
    pub fn rename_new(
        &self,
        name: impl AsRef<OsStr>,
        target: &Self,
        new_name: impl AsRef<OsStr>,
    ) -> Result<(), SyscallError> {
        let (name, new_name) = (name.as_ref(), new_name.as_ref());
        let failed = |errno| self.rename_error("renameat2", name, target, new_name, errno);
        match rustix::fs::renameat_with(self, name, target, new_name, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => match target.try_attributes_of(new_name)? {
                Some(_) => Err(failed(Errno::EXIST)),
                None => self.rename(name, target, new_name),
            },
            other => other.map_err(failed),
        }
    }

    /// Removes the name of a file.
    pub fn remove_file(&self, name: impl AsRef<OsStr>) -> Result<(), SyscallError> {
        self.unlink(name.as_ref(), AtFlags::empty())
    }

    /// Removes the empty directory `name`.
    pub fn remove_directory(&self, name: impl AsRef<OsStr>) -> Result<(), SyscallError> {
        self.unlink(name.as_ref(), AtFlags::REMOVEDIR)
    }

    fn unlink(&self, name: &OsStr, flags: AtFlags) -> Result<(), SyscallError> {
        rustix::fs::unlinkat(self, name, flags).map_err(|errno| self.error("unlinkat", name, errno))
    }

    /// A second descriptor of the same directory.
    pub fn try_clone(&self) -> Result<Self, SyscallError> {
        let descriptor = rustix::io::fcntl_dupfd_cloexec(self, 3)
            .map_err(|errno| SyscallError::new("fcntl", quote(&self.path), errno))?;
        Ok(Self {
            descriptor,
            path: self.path.clone(),
        })
    }

    fn error(&self, call: &'static str, name: &OsStr, errno: Errno) -> SyscallError {
        SyscallError::new(call, self.quoted(name), errno)
    }

    fn rename_error(
        &self,
        call: &'static str,
        name: &OsStr,
        target: &Self,
        new_name: &OsStr,
        errno: Errno,
    ) -> SyscallError {
        let arguments = format!("{}, {}", self.quoted(name), target.quoted(new_name));
        SyscallError::new(call, arguments, errno)
    }

    fn quoted(&self, name: &OsStr) -> String {
        quote(&self.path.join(name))
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl From<Directory> for OwnedFd {
    fn from(directory: Directory) -> Self {
        directory.descriptor
    }
}

pub(super) fn is_dot(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

fn quote(path: &Path) -> String {
    format!("{path:?}")
}

fn absent_as_none<T>(result: Result<T, SyscallError>) -> Result<Option<T>, SyscallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.errno() == Some(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}
