//! Mounts that a user asked for.

use std::os::fd::OwnedFd;
use std::path::Path;

use ch_linux::SyscallError;
use ch_linux::file::{self, Kind};
use ch_linux::mount::{self, Attributes, Depth, FileSystem};

use super::ground::Ground;
use super::host::Shown;
use crate::error::SetUpError;
use crate::spec::{Mount, Source};

/// Opens every source that is on the host, before anything covers it; `None` for what is made.
pub(super) fn open_sources(mounts: &[Mount]) -> Result<Vec<Option<OwnedFd>>, SetUpError> {
    let open = |mount: &Mount| match &mount.source {
        Source::Bind(path) => open_source(path).map(Some),
        Source::Tmpfs { .. } => Ok(None),
    };
    mounts.iter().map(open).collect()
}

/// Opens the source of a bind mount.
pub(crate) fn open_source(path: &Path) -> Result<OwnedFd, SetUpError> {
    mount::open_place(path).map_err(|error| SetUpError::BindSource {
        source_path: path.to_owned(),
        cause: error.into(),
    })
}

/// Puts one mount in its place, unless it is left out.
pub(super) fn mount(
    ground: &Ground,
    mount: &Mount,
    source: Option<&OwnedFd>,
) -> Result<Option<Shown>, SetUpError> {
    let target = &mount.target;
    let literal = mount.literal.as_ref().map(Path::new);
    let (opened, read_only) = match literal.map(|literal| ground.place(literal)) {
        Some(Ok(place)) => (Ok(place), false),
        _ => (ground.place(target), mount.read_only),
    };
    let place = match opened {
        Ok(place) => place,
        Err(_) if mount.optional => return Ok(None),
        Err(error) => {
            return Err(SetUpError::BindTarget {
                target: target.clone(),
                cause: error.into(),
            });
        }
    };
    let (mounted, is_host) = match (&mount.source, source) {
        (Source::Bind(path), Some(source)) => (bind(path, source, target, &place)?, true),
        (made, _) => (tmpfs(made, target, &place)?, false),
    };
    if read_only {
        mount::set_read_only(&mounted, Depth::Recursive).map_err(|error| SetUpError::Mount {
            path: target.clone(),
            cause: error.into(),
        })?;
    }
    Ok(Shown::new(&mounted, is_host))
}

fn placed(mount: OwnedFd, place: &OwnedFd) -> Result<OwnedFd, SyscallError> {
    mount::attach(&mount, place)?;
    Ok(mount)
}

/// Binds `source` with everything below. The kernel says `EINVAL` to a file on a directory; the reason is that
/// one of the two is none.
fn bind(
    path: &Path,
    source: &OwnedFd,
    target: &Path,
    place: &OwnedFd,
) -> Result<OwnedFd, SetUpError> {
    let failed = |error: SyscallError| SetUpError::Bind {
        source_path: path.to_owned(),
        target: target.to_owned(),
        cause: error.into(),
    };
    let is_directory = |file| file::status(file).map(|status| status.kind == Kind::Directory);
    let from_directory = is_directory(source).map_err(failed)?;
    if from_directory != is_directory(place).map_err(failed)? {
        return Err(SetUpError::BindKinds {
            source_path: path.to_owned(),
            target: target.to_owned(),
            from_directory,
        });
    }
    mount::clone(source, Depth::Recursive)
        .and_then(|copy| placed(copy, place))
        .map_err(failed)
}

fn tmpfs(source: &Source, target: &Path, place: &OwnedFd) -> Result<OwnedFd, SetUpError> {
    let size = match source {
        Source::Tmpfs { size } => size.as_deref(),
        Source::Bind(_) => None,
    };
    let make = || {
        let tmpfs = FileSystem::open("tmpfs")?;
        tmpfs.string("mode", "1777")?;
        if let Some(size) = size {
            tmpfs.string("size", size)?;
        }
        let attributes = Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_NODEV;
        placed(tmpfs.mount(attributes)?, place)
    };
    make().map_err(|error| SetUpError::Tmpfs {
        target: target.to_owned(),
        cause: error.into(),
    })
}
