//! The root of a container that is being set up.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ch_linux::file::OFlags;
use ch_linux::mount::{self, Depth};
use ch_linux::{SyscallError, in_root};

use crate::error::SetUpError;

/// Files that a container gets over the image's.
const OWN_FILES: [&str; 4] = [
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/passwd",
    "/etc/group",
];

/// An attached root on which mounts are put. The host's tree is still what paths lead to.
#[derive(Debug)]
pub(crate) struct Ground {
    root: OwnedFd,
}

impl Ground {
    /// Attaches the detached mount `root` over the host's root. Paths still start at what is covered.
    pub(crate) fn attach(root: OwnedFd) -> Result<Self, SetUpError> {
        let place = mount::open_place("/".as_ref());
        place
            .and_then(|place| mount::attach(&root, place))
            .map_err(|error| SetUpError::Root {
                cause: error.into(),
            })?;
        Ok(Self { root })
    }

    /// The root itself.
    pub(crate) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Opens a place for a mount. Links inside the root are followed, but for a link in the place of one
    /// of our own files: that is covered itself, wherever it leads.
    pub(crate) fn place(&self, path: &Path) -> Result<OwnedFd, SyscallError> {
        let ours = OWN_FILES.iter().any(|file| path == Path::new(file));
        let flags = if ours {
            OFlags::PATH | OFlags::NOFOLLOW
        } else {
            OFlags::PATH
        };
        in_root::open(&self.root, path, flags)
    }

    /// Puts a detached mount on the directory `path`.
    pub(crate) fn attach_directory(&self, mount: impl AsFd, path: &Path) -> Result<(), SetUpError> {
        let place = in_root::open(&self.root, path, OFlags::PATH | OFlags::DIRECTORY)
            .map_err(|error| SetUpError::no_place(path, error))?;
        mount::attach(mount, place).map_err(|error| SetUpError::Mount {
            path: path.into(),
            cause: error.into(),
        })
    }

    /// Binds a directory of the host, and all below it, at the same path.
    pub(crate) fn bind_host(&self, path: &Path) -> Result<(), SetUpError> {
        let copy = mount::open_place(path)
            .and_then(|source| mount::clone(source, Depth::Recursive))
            .map_err(|error| SetUpError::Mount {
                path: path.into(),
                cause: error.into(),
            })?;
        self.attach_directory(copy, path)
    }

    /// Makes it the root of this mount namespace; the host's tree can no longer be reached.
    pub(crate) fn become_root(self) -> Result<(), SetUpError> {
        mount::pivot(&self.root).map_err(|error| SetUpError::Pivot {
            cause: error.into(),
        })
    }
}
