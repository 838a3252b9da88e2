//! Text that somebody else controls: an image, an archive, the author of a context.
//!
//! Where text is expected there may be a FIFO without a writer, a terminal, a device or a file without
//! end. Nothing here waits, makes a terminal this process' own, or keeps more than the caller allows.
//! Errors do not name the file: the caller knows what its user calls it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::{Kind, OFlags, open, open_at, status};
use crate::SyscallError;

const WITHOUT_WAITING: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Opens the regular file at `path` of this process' root for reading; links are followed. Anything else is
/// `InvalidInput`.
pub fn open_regular(path: &Path) -> io::Result<File> {
    checked(open(path, WITHOUT_WAITING))
}

/// All of the regular file at `path`, as [`open_regular`] opens it; `FileTooLarge` if that is more than `most` bytes.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_at_most(open_regular(path)?, most)
}

/// Like [`read_regular`], for `name` in `directory`; a link is no regular file.
pub fn read_regular_at(
    directory: impl AsFd,
    name: impl AsRef<OsStr>,
    most: u64,
) -> io::Result<Vec<u8>> {
    match open_at(directory, name, WITHOUT_WAITING) {
        Err(error) if error.errno() == Some(rustix::io::Errno::LOOP) => Err(not_regular()),
        opened => read_at_most(checked(opened)?, most),
    }
}

/// Everything up to the end of `source`; `FileTooLarge` if that is more than `most` bytes.
pub fn read_at_most(source: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    source
        .take(most.saturating_add(1))
        .read_to_end(&mut content)?;
    if content.len() as u64 > most {
        let message = format!("larger than {} MiB", most >> 20);
        return Err(io::Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(content)
}

fn checked(opened: Result<OwnedFd, SyscallError>) -> io::Result<File> {
    let opened = opened.map_err(kernel_words)?;
    match status(&opened).map_err(kernel_words)?.kind {
        Kind::File => Ok(opened.into()),
        _ => Err(not_regular()),
    }
}

fn not_regular() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "not a regular file")
}

/// Without the call and its path.
fn kernel_words(error: SyscallError) -> io::Error {
    match error.errno() {
        // A socket, or a device that is not there.
        Some(rustix::io::Errno::NXIO) => not_regular(),
        Some(errno) => errno.into(),
        None => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{make_fifo_at, make_symlink_at, open_directory};

    const MOST: u64 = 1 << 20;

    #[test]
    fn only_regular_files_of_a_limited_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let fd = open_directory(directory.path()).unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("text"), "a\n").unwrap();
        std::fs::write(at("limit"), vec![0; 1 << 20]).unwrap();
        let huge = File::create(at("huge")).unwrap();
        huge.set_len(1 << 40).unwrap();
        make_fifo_at(&fd, "fifo", 0o600).unwrap();
        make_symlink_at("/dev/zero", &fd, "zero").unwrap();
        make_symlink_at("text", &fd, "link").unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let rows = [
            ("text", Ok(2), Ok(2)),
            ("limit", Ok(1 << 20), Ok(1 << 20)),
            ("huge", Err("larger than 1 MiB"), Err("larger than 1 MiB")),
            ("fifo", Err("not a regular file"), Err("not a regular file")),
            ("zero", Err("not a regular file"), Err("not a regular file")),
            (
                "directory",
                Err("not a regular file"),
                Err("not a regular file"),
            ),
            (
                "socket",
                Err("not a regular file"),
                Err("not a regular file"),
            ),
            ("link", Ok(2), Err("not a regular file")),
        ];
        for (name, by_path, by_name) in rows {
            let shown = |read: io::Result<Vec<u8>>| {
                read.map(|content| content.len())
                    .map_err(|error| error.to_string())
            };
            let expected = |row: Result<usize, &str>| row.map_err(str::to_owned);
            assert_eq!(
                shown(read_regular(&at(name), MOST)),
                expected(by_path),
                "{name}"
            );
            assert_eq!(
                shown(read_regular_at(&fd, name, MOST)),
                expected(by_name),
                "{name} by descriptor"
            );
        }
        let missing = read_regular_at(&fd, "nothing", MOST).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(missing.raw_os_error().is_some());
    }
}
