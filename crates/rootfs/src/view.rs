//! Roots for reading: for `COPY --from` by the mounter, for `ch-run` in its own namespaces.
//!
//! `ch-run` becomes the command, so it must not leave anything that someone would have to tidy up:
//! its scaffold and cover live on a small tmpfs of its mount namespace and are gone with it. So are changes that are
//! to be thrown away.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use ch_linux::file;
use ch_linux::mount::{self, Attributes, FileSystem, Listed};
use ch_linux::overlay::{self, Naming, Upper};
use ch_linux::tree::Directory;
use ch_linux::{Errno, SyscallError};
use ch_ownership::{OWNERS_FILE, Override, Owner, Owners};
use ch_storage::{Draft, LayerId, RootAttributes, Storage};

use crate::diagnosis::{self, Diagnosis};
use crate::mount_points::{Artificial, MountPoints};
use crate::stack::{Roots, Stack};
use crate::{Beside, StackError, attributes, cover, scaffold};

/// Most bytes of a directory image's owners that are read: a line or two for each of a million files.
const LARGEST_OWNERS: u64 = 256 << 20;

/// A root with an image's files that nobody can change.
#[derive(Debug)]
pub struct View {
    // The mount must end before the draft goes.
    root: OwnedFd,
    stack: Stack,
    _draft: Draft,
}

impl View {
    pub(crate) fn new(root: OwnedFd, stack: Stack, draft: Draft) -> Self {
        Self {
            root,
            stack,
            _draft: draft,
        }
    }

    /// The root.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// What lies beside the image's files, for whoever asks for one at a time.
    pub fn beside(&self) -> Result<Beside<'_>, StackError> {
        Beside::of(&self.stack)
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
    /// A directory has mounts of its own below it, which an overlay can't show.
    #[error("can't overlay {}: other filesystems are mounted below it", path.display())]
    HasMounts {
        /// The directory.
        path: PathBuf,
        /// What is told of them.
        hint: String,
        /// What failed.
        source: SyscallError,
    },
    /// There is no tmpfs for changes, most likely because of its size.
    #[error("cannot mount tmpfs for overlay: {}", reason(.0))]
    Memory(#[source] SyscallError),
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
            Self::HasMounts { hint, .. } => Some(hint),
            Self::Stack(_) | Self::MountPoints(_) | Self::Memory(_) | Self::Open { .. } => None,
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
    shown_image(naming, storage, layers)?.mount(points)
}

/// Mounts an image like [`mount_image`], but so that it can be changed: in memory, in at most `size` (as tmpfs takes it),
/// and until the mount goes.
pub fn mount_image_in_memory(
    storage: &Storage,
    layers: &[LayerId],
    size: &str,
) -> Result<OwnedFd, ViewError> {
    shown_image(None, storage, layers)?.mount_in_memory(size)
}

fn shown_image<'a>(
    naming: Option<Naming>,
    storage: &'a Storage,
    layers: &[LayerId],
) -> Result<Shown<'a>, ViewError> {
    let stack = Stack::open(storage, layers, &Roots::default())?;
    // The storage's own descriptor is of another mount namespace, which the kernel does not take.
    let open = |name: String| open_lower(&storage.path().join(name));
    Ok(Shown {
        name: storage.path(),
        lowers: stack.names().map(open).collect::<Result<_, _>>()?,
        root: stack.root().clone(),
        naming,
    })
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
    let text = owners_of(directory).unwrap_or_default();
    let owners = Owners::read(&text[..]).unwrap_or_default();
    let believed = |(path, owner): (&[u8], &Owner)| {
        Some((PathBuf::from(OsStr::from_bytes(path)), owner.believed?))
    };
    owners.iter().filter_map(believed).collect()
}

/// The text of it. No link is followed: the image's author may have made one to a file of the host.
fn owners_of(directory: &Path) -> io::Result<Vec<u8>> {
    let ours = Directory::open(directory)?.directory("ch")?;
    match ours.try_attributes_of("config.json")? {
        Some(_) => file::read_regular_at(&ours, OWNERS_FILE, LARGEST_OWNERS),
        None => Ok(Vec::new()),
    }
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
    let shown = shown_directory(naming, path, root)?;
    shown.mount(points).map(Some).map_err(|error| match error {
        ViewError::Refused(..) | ViewError::HasMounts { .. } => ViewError::NoPlace {
            place: Path::new("/").join(first),
            source: Box::new(error),
        },
        other => other,
    })
}

/// Mounts the directory `path` as [`mount_image_in_memory`] does an image.
pub fn mount_directory_in_memory(path: &Path, size: &str) -> Result<OwnedFd, ViewError> {
    shown_directory(None, path, open_lower(path)?)?.mount_in_memory(size)
}

fn shown_directory(
    naming: Option<Naming>,
    path: &Path,
    root: OwnedFd,
) -> Result<Shown<'_>, ViewError> {
    let attributes = attributes::capture(&root).map_err(|source| ViewError::Open {
        path: path.to_owned(),
        source,
    })?;
    Ok(Shown {
        name: path,
        lowers: vec![root],
        root: attributes,
        naming,
    })
}

/// Finds out whether this process could mount an image, or with `changes` one that can be changed in memory.
pub fn try_mount(changes: bool) -> Result<(), ViewError> {
    let nothing = Shown {
        name: Path::new("/"),
        lowers: Vec::new(),
        root: attributes::default_root(),
        naming: None,
    };
    if changes {
        nothing.mount_in_memory(GROUND_SIZE)?;
    } else {
        nothing.mount(&MountPoints::none())?;
    }
    Ok(())
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
        let ground = Ground::new(GROUND_SIZE).map_err(ViewError::MountPoints)?;
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

    fn mount_in_memory(&self, size: &str) -> Result<OwnedFd, ViewError> {
        let ground = Ground::new(size).map_err(ViewError::Memory)?;
        let make = |name| ground.directory(name, &Artificial::default());
        let made = || Ok((make("upper")?, make("work")?, make("lower")?));
        let (upper, work, lower) = made().map_err(ViewError::Memory)?;
        attributes::apply(&upper, &self.root).map_err(ViewError::Memory)?;
        // An image without a layer is an overlay, too.
        let lowers = self.lowers.iter().map(AsFd::as_fd).chain([lower.as_fd()]);
        let stack = overlay::Stack {
            lowers: lowers.collect(),
            upper: Some(Upper {
                files: upper.as_fd(),
                work: work.as_fd(),
            }),
        };
        let naming = self.naming.unwrap_or_else(|| Naming::probe(&upper));
        overlay::mount(&stack, naming).map_err(|error| self.refused("can't overlay", error))
    }

    fn overlay(&self, above: &Directory, below: &Directory) -> Result<OwnedFd, ViewError> {
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
        let what = "can't mount the image: overlay";
        overlay::mount(&stack, naming).map_err(|error| self.refused(what, error))
    }

    /// Why there is no overlay: `what`, if nothing else is known.
    fn refused(&self, what: &str, error: SyscallError) -> ViewError {
        if error.errno() == Some(Errno::INVAL)
            && let Some(first) = mounted_below(self.name)
        {
            return ViewError::HasMounts {
                path: self.name.to_owned(),
                hint: format!("the first is {}", first.display()),
                source: error,
            };
        }
        let errno = error.errno().map(|errno| errno.raw_os_error());
        let diagnosis = diagnosis::of_view(self.name, what, &error, errno);
        ViewError::Refused(diagnosis, error)
    }
}

/// The first mount that this process sees below `path`.
fn mounted_below(path: &Path) -> Option<PathBuf> {
    let table = mount::table().ok()?;
    let mut places = table.iter().map(Listed::path);
    places.find(|place| place.starts_with(path) && place != path)
}

/// The kernel's words.
fn reason(error: &SyscallError) -> String {
    let errno = error.errno().map(|errno| errno.raw_os_error());
    let text = errno.map(|errno| io::Error::from_raw_os_error(errno).to_string());
    ch_linux::without_number(text.unwrap_or_else(|| error.to_string()))
}

/// A small tmpfs that only this mount namespace knows, for a moment: overlays keep what they need.
struct Ground {
    directory: Directory,
}

/// Where it is attached meanwhile: a directory that every container is given, and in which no layer is.
/// Not `/proc`, through which older kernels are told what to mount.
const PLACE: &str = "/sys";

/// How large it is if only mount points are on it.
const GROUND_SIZE: &str = "1m";

impl Ground {
    fn new(size: &str) -> Result<Self, SyscallError> {
        let tmpfs = FileSystem::open("tmpfs")?;
        tmpfs.string("mode", "0755")?;
        tmpfs.string("size", size)?;
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
