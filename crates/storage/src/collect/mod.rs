//! Collection: what nobody needs any more goes away.
//!
//! Needed is what an image names, what a state names that is kept, and what a living command has claimed. A
//! collection reads what there is, then the leases, then the records, all while nobody can claim anything (see
//! [`crate::claims`]); whoever publishes a record lives until it has its name, so one of the two shows it. What is
//! not needed is renamed into the trash, records and states before the layers that they name, so a killed collection leaves
//! nothing that names what is gone. Deleting comes last, when nobody waits any more.
//!
//! A record may be in memory only when it is read; after a power cut the one that it replaced would be back. So
//! everything is taken to disk between two looks, and only what was not needed at both goes.

mod inventory;
mod plan;
mod remove;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ch_linux::SyscallError;
use ch_linux::tree::Budget;
use jiff::Timestamp;

use crate::{CommitError, ImageRecord, Key, RecordError, Storage};
pub(crate) use inventory::{Inventory, Mount};
pub(crate) use plan::Plan;

/// Which states go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StateChoice {
    /// None.
    #[default]
    Keep,
    /// Those that lead to no image.
    Unneeded,
    /// All.
    All,
}

/// What is to go. Layers and blobs that nothing names always do.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Deleted images, which then can't come back.
    pub deleted: bool,
    /// States, and the layers that only they name.
    pub states: StateChoice,
    /// Archives of layers that a registry has.
    pub fetchable: bool,
    /// Cache mounts.
    pub mounts: bool,
    /// Only what was not used for so long.
    pub older_than: Option<Duration>,
    /// Only until layers, blobs and states take no more bytes than this; what was not used longest goes first.
    pub keep: Option<u64>,
    /// Only what these images, which were purged, have left.
    pub purged: Option<Vec<ImageRecord>>,
}

impl Selection {
    /// What is garbage without anybody saying so.
    pub fn garbage() -> Self {
        Self {
            deleted: true,
            states: StateChoice::Unneeded,
            ..Self::default()
        }
    }

    /// The build cache.
    pub fn cache() -> Self {
        Self {
            states: StateChoice::All,
            ..Self::default()
        }
    }

    /// Everything but images.
    pub fn all_but_images() -> Self {
        Self {
            deleted: true,
            states: StateChoice::All,
            fetchable: true,
            mounts: true,
            ..Self::default()
        }
    }

    /// What `records`, which were purged, have left.
    pub fn purged(records: Vec<ImageRecord>) -> Self {
        Self {
            states: StateChoice::Unneeded,
            purged: Some(records),
            ..Self::default()
        }
    }
}

/// Things of one kind that went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// How many.
    pub count: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

impl Amount {
    fn of(sizes: impl Iterator<Item = u64>) -> Self {
        sizes.fold(Self::default(), |sum, bytes| Self {
            count: sum.count + 1,
            bytes: sum.bytes + bytes,
        })
    }
}

/// What a collection has freed, or would free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freed {
    /// States.
    pub states: Amount,
    /// Layers.
    pub layers: Amount,
    /// Blobs.
    pub blobs: Amount,
    /// Deleted images.
    pub images: Amount,
    /// Cache mounts.
    pub mounts: Amount,
    /// Number of layers and blobs that would have gone, were they not in use.
    pub in_use: usize,
}

impl Freed {
    /// Size of all of it.
    pub fn bytes(&self) -> u64 {
        let all = [
            self.states,
            self.layers,
            self.blobs,
            self.images,
            self.mounts,
        ];
        all.iter().map(|amount| amount.bytes).sum()
    }
}

/// Why nothing was collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The records can't be read, or one of them can't: nobody knows what it names.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What is there can't be looked at or taken away.
    #[error("can't collect garbage")]
    Io(#[from] SyscallError),
    /// It is not certain which records would be there after a power cut.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl CollectError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Record(error) => error.hint(),
            Self::Io(_) | Self::Commit(_) => None,
        }
    }
}

impl Storage {
    /// Frees what `selection` says and nobody needs. One collection at a time; nobody else has to leave.
    pub fn collect(&self, selection: &Selection) -> Result<Freed, CollectError> {
        let _alone = self.once(&Key::Collection)?;
        let now = Timestamp::now().as_second();
        let mounts = self.chosen_mounts(selection)?;
        let first = if self.syncs() {
            let gate = self.close_claims()?;
            let plan = Plan::new(&Inventory::read(self, &mounts)?, selection, now);
            drop(gate);
            self.sync()?;
            Some(plan)
        } else {
            None
        };
        let gate = self.close_claims()?;
        let inventory = Inventory::read(self, &mounts)?;
        let mut plan = Plan::new(&inventory, selection, now);
        if let Some(first) = first {
            plan.retain(&first);
        }
        let freed = plan.freed(&inventory);
        self.remove(&plan)?;
        drop(gate);
        self.empty_trash(Budget::UNLIMITED)?;
        Ok(freed)
    }

    /// What [`Storage::collect`] would free now. Nothing is taken away but the leases of the dead.
    pub fn collectable(&self, selection: &Selection) -> Result<Freed, CollectError> {
        let inventory = Inventory::read(self, &self.chosen_mounts(selection)?)?;
        let plan = Plan::new(&inventory, selection, Timestamp::now().as_second());
        Ok(plan.freed(&inventory))
    }

    /// The cache mounts, if they are to go.
    fn chosen_mounts(&self, selection: &Selection) -> Result<Vec<Mount>, SyscallError> {
        if !selection.mounts {
            return Ok(Vec::new());
        }
        inventory::measure_mounts(self)
    }
}
