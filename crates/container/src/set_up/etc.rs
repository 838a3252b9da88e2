//! Files that are made for one container: `/etc/hosts` and the like, in a tmpfs that no path leads to.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ch_linux::mount::{self, Attributes, Depth, FileSystem};
use ch_linux::{SyscallError, file, process};

use super::ground::Ground;
use crate::error::SetUpError;

/// A file that is mounted over the image's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Copy {
    /// Where in the container.
    pub(super) path: PathBuf,
    /// What is in it.
    pub(super) content: Vec<u8>,
}

impl Copy {
    pub(super) fn new(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            content: content.into(),
        }
    }
}

/// Those of a `RUN`: writable, and forgotten. What the host lacks stays the image's.
pub(super) fn of_run(host_name: &str, further: &[(IpAddr, String)]) -> Vec<Copy> {
    let mut copies = Vec::new();
    if let Ok(content) = fs::read("/etc/resolv.conf") {
        copies.push(Copy::new("/etc/resolv.conf", content));
    }
    let mut names = hosts(fs::read("/etc/hosts"), host_name);
    for (address, name) in further {
        names.extend_from_slice(format!("{address}\t{name}\n").as_bytes());
    }
    copies.push(Copy::new("/etc/hosts", names));
    copies
}

/// The host's names and the container's own.
fn hosts(of_host: io::Result<Vec<u8>>, host_name: &str) -> Vec<u8> {
    let mut content = of_host.unwrap_or_else(|_| b"127.0.0.1\tlocalhost\n".to_vec());
    if !content.is_empty() && !content.ends_with(b"\n") {
        content.push(b'\n');
    }
    content.extend_from_slice(format!("127.0.0.1\t{host_name}\n").as_bytes());
    content
}

/// Mounts each of `copies` over its path.
///
/// The tmpfs needs a place while its files are being mounted (the kernel copies no mount of a tree that
/// has none); it gets the image's `/dev` for that moment.
pub(super) fn private_copies(ground: &Ground, copies: &[Copy]) -> Result<(), SetUpError> {
    if copies.is_empty() {
        return Ok(());
    }
    let whole = |error: SyscallError| SetUpError::Mount {
        path: "/etc".into(),
        cause: error.into(),
    };
    let tmpfs = FileSystem::open("tmpfs").map_err(whole)?;
    tmpfs.string("mode", "0755").map_err(whole)?;
    let tmpfs = tmpfs
        .mount(Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_NODEV)
        .map_err(whole)?;
    ground.attach_directory(&tmpfs, "/dev".as_ref())?;
    for (number, copy) in copies.iter().enumerate() {
        let failed = |error: SyscallError| SetUpError::Mount {
            path: copy.path.clone(),
            cause: error.into(),
        };
        let made = file::create_at(&tmpfs, number.to_string(), 0o644).map_err(failed)?;
        let mut file = File::from(made);
        file.write_all(&copy.content)
            .map_err(|error| failed(SyscallError::new("write", describe(&copy.path), error)))?;
        let place = ground.place(&copy.path);
        let place = place.map_err(|error| SetUpError::no_place(&copy.path, error))?;
        mount::clone(&file, Depth::One)
            .and_then(|mounted| mount::attach(mounted, place))
            .map_err(failed)?;
    }
    process::change_directory_to(&tmpfs)
        .and_then(|()| mount::unmount(Path::new(".")))
        .map_err(whole)
}

fn describe(path: &Path) -> String {
    format!("{path:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_knows_its_own_name() {
        let rows: [(io::Result<Vec<u8>>, &str); 3] = [
            (
                Ok(b"127.0.0.1 localhost\n".to_vec()),
                "127.0.0.1 localhost\n127.0.0.1\tbox\n",
            ),
            (Ok(b"::1 l".to_vec()), "::1 l\n127.0.0.1\tbox\n"),
            (
                Err(io::Error::from(io::ErrorKind::NotFound)),
                "127.0.0.1\tlocalhost\n127.0.0.1\tbox\n",
            ),
        ];
        for (of_host, expected) in rows {
            assert_eq!(
                String::from_utf8(hosts(of_host, "box")).expect("text"),
                expected
            );
        }
    }
}
