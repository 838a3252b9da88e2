//! Commit: what a step changed becomes a layer, or it turns out that it changed nothing.
//!
//! The upper directory *is* the layer, once leavings of mount points are taken out and modes that would
//! lock out its owner, or give his account away, are written beside the files instead of on them.
//! It is walked once, whatever the size of the image, and renamed into place.

mod inherited;
mod learned;
mod shared;
mod walk;

use ch_linux::SyscallError;
use ch_ownership::{OWNERS_FILE, ReadError};
use ch_storage::{LayerId, LayerMeta, PublishError};

use crate::{StackError, Workspace, attributes};
pub use learned::Learned;
pub use shared::Shared;
use walk::Walk;

/// Why the changes of a step can't become a layer.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A changed file can't be looked at or put right.
    #[error("can't commit /{path}")]
    File {
        /// Which, below the root.
        path: String,
        /// What failed.
        source: SyscallError,
    },
    /// What is remembered of a changed file is garbage.
    #[error("can't commit /{path}")]
    Override {
        /// Which, below the root.
        path: String,
        /// What is wrong.
        source: ReadError,
    },
    /// What files cannot carry can't be written beside them.
    #[error("can't write the owners of a layer")]
    Owners(#[source] SyscallError),
    /// The layers below can't be looked at.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The layer can't be put in its place.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// A step's changes as a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its name.
    pub layer: LayerId,
    /// What was learned while making it.
    pub meta: LayerMeta,
}

impl Workspace {
    /// Makes a layer of the changes; `None` if there are none.
    ///
    /// All processes that work below the root must have ended, and copies of its descriptor be closed.
    pub fn commit(self) -> Result<Option<Committed>, CommitError> {
        self.commit_learned(&Learned::default())
    }

    /// Like [`commit`](Self::commit), with what was learned of objects that can't carry it.
    pub fn commit_learned(self, learned: &Learned) -> Result<Option<Committed>, CommitError> {
        let Self {
            root,
            draft,
            layer,
            stack,
            root_before,
            artificial,
        } = self;
        // Last descriptor of the mount: the kernel is done with the upper directory when this returns.
        drop(root);
        if let Some(shared) = &learned.shared {
            shared.link(&layer.files)?;
        }
        let walked = Walk::new(&stack, learned).run(&layer.files, &artificial)?;
        let root_after = attributes::capture(&layer.files).map_err(|source| CommitError::File {
            path: String::new(),
            source,
        })?;
        let root = (root_after != root_before).then_some(root_after);
        if walked.entries == 0 && root.is_none() {
            return Ok(None);
        }
        if !walked.owners.is_empty() {
            layer
                .directory
                .write(OWNERS_FILE, 0o644, &walked.owners)
                .map_err(CommitError::Owners)?;
        }
        let meta = LayerMeta {
            entries: walked.entries,
            bytes: walked.bytes,
            whiteouts: walked.whiteouts,
            opaque: walked.opaque,
            warnings: walked.warnings,
            root,
            ..LayerMeta::new()
        };
        let id = draft.publish_layer(&LayerId::random(), &meta)?;
        Ok(Some(Committed { layer: id, meta }))
    }
}
