//! A workspace: what exists while a step runs.
//!
//! ```text
//! tmp/<owner>/layer/fs/   the upper directory: the step's changes
//! tmp/<owner>/work<n>/    the kernel's, one for each mount
//! tmp/<owner>/cover/      only when the image hides mount points
//! ```
//!
//! Stack, top first: upper, cover, the image's layers from newest to oldest, scaffold.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use ch_linux::SyscallError;
use ch_linux::tree::Directory;
use ch_ownership::{Override, Owners};
use ch_storage::{Draft, LayerDraft, LayerId, PublishError, RootAttributes, Storage};

use crate::mount_points::{Artificial, MountPoints};
use crate::mounter::Layers;
use crate::scaffold::ScaffoldError;
use crate::stack::Stack;
use crate::{Diagnosis, MountError, Mounter, StackError, View, attributes, cover, probe, scaffold};

/// Why a step has no root to work in.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The layers can't be used.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// No place to work in.
    #[error(transparent)]
    Draft(#[from] PublishError),
    /// The directories below `tmp/` can't be made.
    #[error("can't prepare a working directory in storage")]
    Make(#[source] SyscallError),
    /// The stack can't be mounted.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// Overlays can be mounted, but do not work.
    #[error("{}", .0.message)]
    Unsuitable(Diagnosis),
}

impl PrepareError {
    /// What could be done about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Mount(error) => error.hint(),
            Self::Unsuitable(diagnosis) => diagnosis.hint.as_deref(),
            Self::Stack(_) | Self::Draft(_) | Self::Make(_) => None,
        }
    }
}

impl From<ScaffoldError> for PrepareError {
    fn from(error: ScaffoldError) -> Self {
        match error {
            ScaffoldError::Publish(error) => Self::Draft(error),
            ScaffoldError::Make(error) => Self::Make(error),
        }
    }
}

/// A root in which a step makes its changes. Dropped without [`commit`](Workspace::commit), they are lost.
#[derive(Debug)]
pub struct Workspace {
    // The mount must end before the draft goes.
    pub(crate) root: OwnedFd,
    pub(crate) draft: Draft,
    pub(crate) layer: LayerDraft,
    pub(crate) stack: Stack,
    /// Attributes of `/` before the step.
    pub(crate) root_before: RootAttributes,
    /// What the root has and the image has not.
    pub(crate) artificial: Artificial,
}

impl Workspace {
    /// The root, a directory of a detached mount: a container attaches it, and whoever writes from outside
    /// works below it. Neither may outlive the workspace's commit.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// What lies beside the files of the image's layers, for whoever asks for one at a time.
    pub fn beside(&self) -> Result<Beside<'_>, StackError> {
        Beside::of(&self.stack)
    }

    /// What objects of the image are believed to be and can't carry, by path below the root.
    pub fn kept_beside(&self) -> Result<Vec<(PathBuf, Override)>, StackError> {
        self.stack.kept_beside()
    }
}

/// What objects of an image can't carry.
#[derive(Debug)]
pub struct Beside<'a> {
    stack: &'a Stack,
    /// Top first.
    owners: Vec<Owners>,
}

impl<'a> Beside<'a> {
    pub(crate) fn of(stack: &'a Stack) -> Result<Self, StackError> {
        let owners = stack.owners()?;
        Ok(Self { stack, owners })
    }

    /// What the image's object at `path` below the root is believed to be, if it can't carry it.
    pub fn at(&self, path: &Path) -> Result<Option<Override>, StackError> {
        let bytes = path.as_os_str().as_bytes();
        if self.owners.iter().all(|layer| layer.get(bytes).is_none()) {
            return Ok(None);
        }
        let found = self.stack.find(path)?;
        let owner = found.and_then(|found| self.owners[found.layer].get(bytes));
        Ok(owner.and_then(|owner| owner.believed))
    }
}

/// Prepares a root with `layers`, bottom first, in which a step can write, and on which `points` can
/// be mounted over.
pub fn prepare(
    storage: &Storage,
    mounter: &Mounter,
    layers: &[LayerId],
    points: &MountPoints,
) -> Result<Workspace, PrepareError> {
    mounter.once_probed(|| probe::ensure(storage, mounter))?;
    let stack = Stack::open(storage, layers, mounter.roots())?;
    let draft = storage.draft()?;
    let layer = draft.layer()?;
    attributes::apply(&layer.files, stack.root()).map_err(PrepareError::Make)?;
    let root_before = attributes::capture(&layer.files).map_err(PrepareError::Make)?;
    let mut mounting = Mounting {
        mounter,
        draft: &draft,
        scaffold: scaffold::ensure(&draft, points)?,
        stack: &stack,
        cover: false,
        works: 0,
    };
    let mut artificial = scaffold::tree(points);
    let mut root = mounting.mount_writable()?;
    let missing = cover::missing(&root, points).map_err(PrepareError::Make)?;
    if !missing.is_empty() {
        let directory = draft
            .directory()
            .make_directory("cover", 0o755)
            .map_err(PrepareError::Make)?;
        let added = cover::fill(&directory, &root, &missing).map_err(PrepareError::Make)?;
        artificial.merge(added);
        // One upper directory in two mounts at once: the kernel would not mind, and be wrong.
        drop(root);
        mounting.cover = true;
        root = mounting.mount_writable()?;
    }
    Ok(Workspace {
        root,
        layer,
        stack,
        root_before,
        artificial,
        draft,
    })
}

/// Opens a root with `layers`, bottom first, for reading from outside.
pub fn view(
    storage: &Storage,
    mounter: &Mounter,
    layers: &[LayerId],
) -> Result<View, PrepareError> {
    let stack = Stack::open(storage, layers, mounter.roots())?;
    let draft = storage.draft()?;
    // It gives the root its attributes, and a read-only overlay needs two lower directories anyway.
    let cover = draft
        .directory()
        .make_directory("cover", 0o755)
        .map_err(PrepareError::Make)?;
    attributes::apply(&cover, stack.root()).map_err(PrepareError::Make)?;
    let mounting = Mounting {
        mounter,
        draft: &draft,
        scaffold: scaffold::ensure(&draft, &MountPoints::none())?,
        stack: &stack,
        cover: true,
        works: 0,
    };
    let root = mounter.mount(Layers {
        lowers: mounting.lowers(),
        upper: None,
    })?;
    Ok(View::new(root, stack, draft))
}

/// How a stack is mounted, perhaps twice.
struct Mounting<'a> {
    mounter: &'a Mounter,
    draft: &'a Draft,
    scaffold: String,
    stack: &'a Stack,
    cover: bool,
    works: u32,
}

impl Mounting<'_> {
    fn lowers(&self) -> Vec<String> {
        let cover = self
            .cover
            .then(|| format!("{}/cover", self.draft.relative_path()));
        cover
            .into_iter()
            .chain(self.stack.names())
            .chain([self.scaffold.clone()])
            .collect()
    }

    fn mount_writable(&mut self) -> Result<OwnedFd, PrepareError> {
        let here = self.draft.relative_path();
        // A work directory is good for one mount.
        let work = format!("work{}", self.works);
        self.works += 1;
        let _: Directory = self
            .draft
            .directory()
            .make_directory(&work, 0o700)
            .map_err(PrepareError::Make)?;
        let upper = (format!("{here}/layer/fs"), format!("{here}/{work}"));
        Ok(self.mounter.mount(Layers {
            lowers: self.lowers(),
            upper: Some(upper),
        })?)
    }
}
