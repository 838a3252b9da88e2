//! Roots for reading: for `COPY --from` by the mounter, for `ch-run` in its own namespaces.
//!
//! `ch-run` becomes the command, so it must not leave anything that someone would have to tidy up:
//! its scaffold and cover live on a small tmpfs of its mount namespace and are gone with it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use ch_linux::SyscallError;
use ch_linux::file;
use ch_linux::mount::{self, Attributes, FileSystem};
use ch_linux::overlay::{self, Naming};
use ch_linux::tree::Directory;
use ch_ownership::{OWNERS_FILE, Override, Owner, Owners};
use ch_storage::{Draft, LayerId, RootAttributes, Storage};

use crate::diagnosis::{self, Diagnosis};
use crate::mount_points::{Artificial, MountPoints};
use crate::stack::{Roots, Stack};
use crate::{StackError, attributes, cover, scaffold};

/// Most bytes of a directory image's owners that are read: a line or two for each of a million files.
const LARGEST_OWNERS: u64 = 256 << 20;

/// A root with an image's files that nobody can change.
#[derive(Debug)]
pub struct View {
    // The mount must end before the draft goes.
    root: OwnedFd,
    _draft: Draft,
}

impl View {
    pub(crate) fn new(root: OwnedFd, draft: Draft) -> Self {
        Self {
            root,
            _draft: draft,
        }
    }

    /// The root.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// Why there is no root to look at.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The layers can't be used.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// Mount points can't be made.
    #[error("can't make mount points")]
    MountPoints(#[source] SyscallError),
    /// The image can't be opened.
    #[error("can't open {path}")]
    Open {
        /// Its path.
        path: PathBuf,
        /// What failed.
        source: SyscallError,
    },
    /// The kernel refuses.
    #[error("{}", .0.message)]
    Refused(Diagnosis, #[source] SyscallError),
    /// A directory lacks a mount point, and the kernel refuses what would add it.
    #[error("can't bind: destination not found: {}", place.display())]
    NoPlace {
        /// Where in the container.
        place: PathBuf,
        /// Why it can't be added.
        source: Box<ViewError>,
    },
}

impl ViewError {
    /// What could be done about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused(diagnosis, _) => diagnosis.hint.as_deref(),
            Self::NoPlace { source, .. } => source.hint(),
            Self::Stack(_) | Self::MountPoints(_) | Self::Open { .. } => None,
        }
    }
}

/// Mounts an image of `storage`, `layers` bottom first, detached and read-only, with `points` to mount on.
///
/// For a process of one thread that has entered its own user and mount namespaces.
pub fn mount_image(
    storage: &Storage,
    layers: &[LayerId],
    points: &MountPoints,
) -> Result<OwnedFd, ViewError> {
    mount_image_by(None, storage, layers, points)
}

/// Like [`mount_image`], with layers named as an older kernel needs it, if that is said.
pub fn mount_image_by(
    naming: Option<Naming>,
    storage: &Storage,
    layers: &[LayerId],
    points: &MountPoints,
) -> Result<OwnedFd, ViewError> {
    let stack = Stack::open(storage, layers, &Roots::default())?;
    // The storage's own descriptor is of another mount namespace, which the kernel does not take.
    let open = |name: String| open_lower(&storage.path().join(name));
    Shown {
        name: storage.path(),
        lowers: stack.names().map(open).collect::<Result<_, _>>()?,
        root: stack.root().clone(),
        naming,
    }
    .mount(points)
}

/// What objects of an image, `layers` bottom first, are believed to be that can't carry it, by paths below its root.
pub fn kept_beside(
    storage: &Storage,
    layers: &[LayerId],
) -> Result<Vec<(PathBuf, Override)>, ViewError> {
    let stack = Stack::open(storage, layers, &Roots::default())?;
    Ok(stack.kept_beside()?)
}

/// The same of a directory image, which says it in `ch/owners`. Without our config beside it, that is any file; and what
/// makes no sense says nothing.
pub fn kept_in(directory: &Path) -> Vec<(PathBuf, Override)> {
    let ours = directory.join("ch");
    if !ours.join("config.json").exists() {
        return Vec::new();
    }
    let text = file::read_regular(&ours.join(OWNERS_FILE), LARGEST_OWNERS).unwrap_or_default();
    let owners = Owners::read(&text[..]).unwrap_or_default();
    let believed = |(path, owner): (&[u8], &Owner)| {
        Some((PathBuf::from(OsStr::from_bytes(path)), owner.believed?))
    };
    owners.iter().filter_map(believed).collect()
}

/// Mounts the directory `path` as [`mount_image`] does an image; `None` if it has all of `points`, so
/// that it can be bound as it is.
pub fn mount_directory(path: &Path, points: &MountPoints) -> Result<Option<OwnedFd>, ViewError> {
    mount_directory_by(None, path, points)
}

/// Like [`mount_directory`], with layers named as an older kernel needs it, if that is said.
pub fn mount_directory_by(
    naming: Option<Naming>,
    path: &Path,
    points: &MountPoints,
) -> Result<Option<OwnedFd>, ViewError> {
    let root = open_lower(path)?;
    let missing = cover::missing(&root, points).map_err(ViewError::MountPoints)?;
    let Some(first) = missing.keys().next() else {
        return Ok(None);
    };
    let attributes = attributes::capture(&root).map_err(|source| ViewError::Open {
        path: path.to_owned(),
        source,
    })?;
    let shown = Shown {
        name: path,
        lowers: vec![root],
        root: attributes,
        naming,
    };
    shown.mount(points).map(Some).map_err(|error| match error {
        ViewError::Refused(..) => ViewError::NoPlace {
            place: Path::new("/").join(first),
            source: Box::new(error),
        },
        other => other,
    })
}

fn open_lower(path: &Path) -> Result<OwnedFd, ViewError> {
    ch_linux::file::open_directory(path).map_err(|source| ViewError::Open {
        path: path.to_owned(),
        source,
    })
}

/// What is to be seen.
struct Shown<'a> {
    /// What messages call it.
    name: &'a Path,
    /// Top first.
    lowers: Vec<OwnedFd>,
    root: RootAttributes,
    /// The best that the kernel knows, if not said.
    naming: Option<Naming>,
}

impl Shown<'_> {
    fn mount(&self, points: &MountPoints) -> Result<OwnedFd, ViewError> {
        let ground = Ground::new().map_err(ViewError::MountPoints)?;
        let failed = ViewError::MountPoints;
        let below = ground
            .directory("scaffold", &scaffold::tree(points))
            .map_err(failed)?;
        let above = ground
            .directory("root", &Artificial::default())
            .map_err(failed)?;
        attributes::apply(&above, &self.root).map_err(failed)?;
        let root = self.overlay(&above, &below)?;
        let missing = cover::missing(&root, points).map_err(failed)?;
        if missing.is_empty() {
            return Ok(root);
        }
        let cover = ground
            .directory("cover", &Artificial::default())
            .map_err(failed)?;
        cover::fill(&cover, &root, &missing).map_err(failed)?;
        self.overlay(&cover, &below)
    }

    fn overlay(&self, above: &Directory, below: &Directory) -> Result<OwnedFd, ViewError> {
        let refused = |error: SyscallError| {
            let errno = error.errno().map(|errno| errno.raw_os_error());
            let diagnosis = diagnosis::of_overlay(self.name, &error.to_string(), errno);
            ViewError::Refused(diagnosis, error)
        };
        let lowers = [above.as_fd()]
            .into_iter()
            .chain(self.lowers.iter().map(AsFd::as_fd))
            .chain([below.as_fd()])
            .collect();
        let stack = overlay::Stack {
            lowers,
            upper: None,
        };
        let naming = self.naming.unwrap_or_else(|| Naming::probe(above));
        overlay::mount(&stack, naming).map_err(refused)
    }
}

/// A small tmpfs that only this mount namespace knows, for a moment: overlays keep what they need.
struct Ground {
    directory: Directory,
}

/// Where it is attached meanwhile: a directory that every container is given, and in which no layer is.
/// Not `/proc`, through which older kernels are told what to mount.
const PLACE: &str = "/sys";

impl Ground {
    fn new() -> Result<Self, SyscallError> {
        let tmpfs = FileSystem::open("tmpfs")?;
        tmpfs.string("mode", "0755")?;
        tmpfs.string("size", "1m")?;
        let mounted = tmpfs.mount(Attributes::empty())?;
        mount::attach(&mounted, mount::open_place(PLACE.as_ref())?)?;
        Ok(Self {
            directory: Directory::from_descriptor(mounted, "mount points"),
        })
    }

    fn directory(&self, name: &str, tree: &Artificial) -> Result<Directory, SyscallError> {
        let directory = self
            .directory
            .make_directory(name, scaffold::DIRECTORY_MODE)?;
        scaffold::fill(&directory, tree)?;
        Ok(directory)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // If it stays, it only hides a directory from a process that is about to leave this root.
        let _ = mount::unmount(PLACE.as_ref());
    }
}
