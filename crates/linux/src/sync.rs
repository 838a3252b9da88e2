//! Durability: what is on disk, and what kind of disk it is.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, StatVfsMountFlags, StatxFlags};
use rustix::io::Errno;

use crate::SyscallError;

/// Writes everything of the file system that holds `file` to disk: `syncfs(2)`.
///
/// Reports failed write-back since Linux 5.8, of writes made after `file` was opened. `file` must be a
/// real descriptor, not one of `O_PATH`.
pub fn file_system(file: impl AsFd) -> Result<(), SyscallError> {
    rustix::fs::syncfs(file).map_err(|errno| SyscallError::new("syncfs", "", errno))
}

/// Writes one file's data to disk: `fdatasync(2)`.
pub fn file(file: impl AsFd) -> Result<(), SyscallError> {
    rustix::fs::fdatasync(file).map_err(|errno| SyscallError::new("fdatasync", "", errno))
}

/// What the file system of a directory says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// Its files are in memory only (tmpfs, ramfs): there is nothing to sync.
    pub in_memory: bool,
    /// It is mounted read-only.
    pub read_only: bool,
    /// Bytes an ordinary user can still write.
    pub free: u64,
}

const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// Asks the file system that holds `file`: `fstatfs(2)`, `fstatvfs(2)`.
pub fn describe(file: impl AsFd) -> Result<FileSystem, SyscallError> {
    let kind = rustix::fs::fstatfs(&file)
        .map_err(|errno| SyscallError::new("fstatfs", "", errno))?
        .f_type;
    let space =
        rustix::fs::fstatvfs(&file).map_err(|errno| SyscallError::new("fstatvfs", "", errno))?;
    #[expect(
        clippy::cast_sign_loss,
        reason = "the member is signed here, unsigned elsewhere"
    )]
    let kind = (kind as u64) & 0xffff_ffff;
    Ok(FileSystem {
        in_memory: kind == TMPFS || kind == RAMFS,
        read_only: space.f_flag.contains(StatVfsMountFlags::RDONLY),
        free: space.f_bavail.saturating_mul(space.f_frsize),
    })
}

/// Identifier of the mount that `file` was opened by, unique while it is mounted: `statx(2)`, Linux 5.8. Nothing on
/// kernels that do not tell.
pub fn mount_id(file: impl AsFd) -> Result<Option<u64>, SyscallError> {
    match rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID) {
        Ok(found) if found.stx_mask & StatxFlags::MNT_ID.bits() != 0 => Ok(Some(found.stx_mnt_id)),
        Ok(_) | Err(Errno::NOSYS) => Ok(None),
        Err(errno) => Err(SyscallError::new("statx", "", errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_from_disk() {
        let shm = std::fs::File::open("/dev/shm").unwrap();
        assert!(describe(&shm).unwrap().in_memory);
        let proc = std::fs::File::open("/proc").unwrap();
        assert!(!describe(&proc).unwrap().in_memory);
    }

    #[test]
    fn mounts_are_told_apart() {
        let mount = |path| mount_id(std::fs::File::open(path).unwrap()).unwrap();
        assert!(mount("/proc").is_some());
        assert_eq!(mount("/proc"), mount("/proc/self"));
        assert_ne!(mount("/proc"), mount("/dev/shm"));
    }

    #[test]
    fn syncfs_refuses_a_descriptor_that_is_only_a_path() {
        let path = rustix::fs::open(
            "/",
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        let error = file_system(&path).unwrap_err();
        assert_eq!(error.errno(), Some(rustix::io::Errno::BADF));
    }
}
