//! Extended attributes by descriptor.
//!
//! Names are bytes up to 255 long. An `O_PATH` descriptor cannot carry the calls: open for reading.
//! "None" and "not supported by this file system" both read as absent; writing tells them apart.

use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{self, XattrFlags};
use rustix::io::Errno;

use crate::SyscallError;

/// The kernel's limit for one value.
const LARGEST: usize = 64 * 1024;

/// The value of `name`; `None` if there is none.
pub fn get(fd: impl AsFd, name: &[u8]) -> Result<Option<Vec<u8>>, SyscallError> {
    // Our own values have at most some forty bytes: one call is enough for nearly all.
    let mut short = [0; 256];
    match fs::fgetxattr(&fd, name, &mut short[..]) {
        Ok(length) => return Ok(Some(short[..length].to_vec())),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
        Err(Errno::RANGE) => {}
        Err(errno) => return Err(failed("fgetxattr", fd, name, errno)),
    }
    let mut value = vec![0; LARGEST];
    match fs::fgetxattr(&fd, name, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA) => Ok(None),
        Err(errno) => Err(failed("fgetxattr", fd, name, errno)),
    }
}

/// Sets `name` to `value`, whether or not it existed.
pub fn set(fd: impl AsFd, name: &[u8], value: &[u8]) -> Result<(), SyscallError> {
    fs::fsetxattr(&fd, name, value, XattrFlags::empty())
        .map_err(|errno| failed("fsetxattr", fd, name, errno))
}

/// Removes `name`; nothing happens if there is none.
pub fn remove(fd: impl AsFd, name: &[u8]) -> Result<(), SyscallError> {
    match fs::fremovexattr(&fd, name) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => Err(failed("fremovexattr", fd, name, errno)),
    }
}

/// All names, sorted.
pub fn names(fd: impl AsFd) -> Result<Vec<Vec<u8>>, SyscallError> {
    let mut size = 1024;
    loop {
        let mut list = vec![0; size];
        match fs::flistxattr(&fd, &mut list[..]) {
            Ok(length) => {
                let mut names: Vec<_> = list[..length]
                    .split(|byte| *byte == 0)
                    .filter(|name| !name.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect();
                names.sort_unstable();
                return Ok(names);
            }
            Err(Errno::RANGE) if size < LARGEST => size = LARGEST,
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(errno) => return Err(failed("flistxattr", fd, b"", errno)),
        }
    }
}

/// Whether a failed [`set`] means that this object or file system has no room for such an attribute,
/// rather than that something is wrong.
pub fn is_refusal(error: &SyscallError) -> bool {
    error.errno().is_some_and(means_refusal)
}

/// Like [`is_refusal`], of the kernel's number alone.
pub fn means_refusal(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::OPNOTSUPP
            | Errno::PERM
            | Errno::NOSPC
            | Errno::DQUOT
            | Errno::TOOBIG
            | Errno::RANGE
            | Errno::INVAL
    )
}

fn failed(call: &'static str, fd: impl AsFd, name: &[u8], errno: Errno) -> SyscallError {
    let fd = fd.as_fd().as_raw_fd();
    SyscallError::new(call, format!("{fd}, \"{}\"", name.escape_ascii()), errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_kept_listed_and_removed() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(get(&file, b"user.a").unwrap(), None);
        set(&file, b"user.a", b"one").unwrap();
        set(&file, b"user.a", b"two").unwrap();
        set(&file, b"user.A", b"").unwrap();
        assert_eq!(get(&file, b"user.a").unwrap(), Some(b"two".to_vec()));
        assert_eq!(get(&file, b"user.A").unwrap(), Some(Vec::new()));
        assert_eq!(
            names(&file).unwrap(),
            [b"user.A".to_vec(), b"user.a".to_vec()]
        );
        remove(&file, b"user.a").unwrap();
        remove(&file, b"user.a").unwrap();
        assert_eq!(names(&file).unwrap(), [b"user.A".to_vec()]);
    }

    #[test]
    fn long_value_is_read_whole() {
        let file = tempfile::tempfile().unwrap();
        let value = vec![b'x'; 1000];
        set(&file, b"user.long", &value).unwrap();
        assert_eq!(get(&file, b"user.long").unwrap(), Some(value));
    }

    #[test]
    fn too_large_a_value_is_a_refusal_and_a_bad_descriptor_is_not() {
        let file = tempfile::tempfile().unwrap();
        let error = set(&file, b"user.large", &vec![b'x'; 70_000]).unwrap_err();
        assert!(is_refusal(&error), "{error}");
        let path = crate::file::open(std::path::Path::new("/"), crate::file::OFlags::PATH).unwrap();
        let error = set(&path, b"user.a", b"b").unwrap_err();
        assert!(!is_refusal(&error), "{error}");
        assert!(error.to_string().contains("user.a"), "{error}");
    }
}
