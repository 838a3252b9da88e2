//! The private `/dev` of a `RUN`: a few harmless devices, its own terminals and shared memory.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ch_linux::mount::{self, Attributes, Depth, FileSystem};
use ch_linux::{SyscallError, file};

use super::ground::Ground;
use crate::error::SetUpError;
use crate::report::Notice;

/// Devices of the host that every `RUN` has; only the first must exist.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links, and where they lead.
const LINKS: [(&str, &str); 5] = [
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// File systems below `/dev`.
struct Part {
    name: &'static str,
    kind: &'static str,
    flags: &'static [&'static str],
    options: &'static [(&'static str, &'static str)],
    attributes: Attributes,
}

const PARTS: [Part; 3] = [
    Part {
        name: "pts",
        kind: "devpts",
        // No gid=5: that group is not mapped.
        flags: &["newinstance"],
        options: &[("ptmxmode", "0666"), ("mode", "0620")],
        attributes: Attributes::MOUNT_ATTR_NOSUID.union(Attributes::MOUNT_ATTR_NOEXEC),
    },
    Part {
        name: "shm",
        kind: "tmpfs",
        flags: &[],
        options: &[("mode", "1777"), ("size", "64m")],
        attributes: Attributes::MOUNT_ATTR_NOSUID.union(Attributes::MOUNT_ATTR_NODEV),
    },
    Part {
        name: "mqueue",
        kind: "mqueue",
        flags: &[],
        options: &[],
        attributes: Attributes::MOUNT_ATTR_NOSUID
            .union(Attributes::MOUNT_ATTR_NODEV)
            .union(Attributes::MOUNT_ATTR_NOEXEC),
    },
];

/// Makes and mounts `/dev`; the host's, where not even a tmpfs can be had. `shared` is the size of `/dev/shm`.
pub(super) fn private(
    ground: &Ground,
    shared: Option<u64>,
    notice: &dyn Fn(Notice),
) -> Result<(), SetUpError> {
    let dev = match tmpfs() {
        Ok(dev) => dev,
        Err(error) => {
            notice(Notice::Mount {
                path: "/dev".to_owned(),
                cause: error.into(),
            });
            return ground.bind_host("/dev".as_ref());
        }
    };
    ground.attach_directory(&dev, "/dev".as_ref())?;
    for name in NODES {
        node(&dev, name, notice)?;
    }
    for (name, target) in LINKS {
        file::make_symlink_at(target, &dev, name).map_err(failed(name))?;
    }
    PARTS
        .iter()
        .try_for_each(|part| add_part(&dev, part, shared, notice))
}

fn failed(name: &str) -> impl Fn(SyscallError) -> SetUpError {
    move |error| SetUpError::Mount {
        path: Path::new("/dev").join(name),
        cause: error.into(),
    }
}

fn tmpfs() -> Result<OwnedFd, SyscallError> {
    let tmpfs = FileSystem::open("tmpfs")?;
    for (key, value) in [("mode", "0755"), ("size", "64k"), ("nr_inodes", "1k")] {
        tmpfs.string(key, value)?;
    }
    tmpfs.mount(Attributes::MOUNT_ATTR_NOSUID)
}

/// Puts the host's device on an empty file: making a device is refused, using a bound one is not.
fn node(dev: &OwnedFd, name: &str, notice: &dyn Fn(Notice)) -> Result<(), SetUpError> {
    let source = match mount::open_place(&Path::new("/dev").join(name)) {
        Ok(source) => source,
        Err(error) if name == NODES[0] => return Err(failed(name)(error)),
        Err(_) => {
            notice(Notice::NoDevice(name.to_owned()));
            return Ok(());
        }
    };
    let place = file::create_at(dev, name, 0o666).map_err(failed(name))?;
    mount::clone(source, Depth::One)
        .and_then(|device| mount::attach(device, place))
        .map_err(failed(name))
}

/// A file system of the container's own, or the host's where that is refused.
fn add_part(
    dev: &OwnedFd,
    part: &Part,
    shared: Option<u64>,
    notice: &dyn Fn(Notice),
) -> Result<(), SetUpError> {
    let size = shared.filter(|_| part.name == "shm");
    let own = own_part(part, size);
    let mounted = match own {
        Ok(mounted) => mounted,
        Err(error) => {
            let host = Path::new("/dev").join(part.name);
            notice(Notice::Mount {
                path: host.display().to_string(),
                cause: error.into(),
            });
            let copy =
                mount::open_place(&host).and_then(|source| mount::clone(source, Depth::Recursive));
            match copy {
                Ok(copy) => copy,
                // Neither: the container is without.
                Err(_) => return Ok(()),
            }
        }
    };
    file::make_directory_at(dev, part.name, 0o755)
        .and_then(|()| file::open_directory_at(dev, part.name))
        .and_then(|place| mount::attach(mounted.as_fd(), place))
        .map_err(failed(part.name))
}

fn own_part(part: &Part, size: Option<u64>) -> Result<OwnedFd, SyscallError> {
    let system = FileSystem::open(part.kind)?;
    for flag in part.flags {
        system.flag(flag)?;
    }
    for (key, value) in part.options {
        system.string(key, value)?;
    }
    if let Some(size) = size {
        system.string("size", &size.to_string())?;
    }
    system.mount(part.attributes)
}
