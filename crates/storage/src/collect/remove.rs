//! Taking away what a plan says: names of layers first, then the layers.

use ch_linux::SyscallError;
use ch_linux::tree::Directory;

use super::Plan;
use crate::opening::names;
use crate::sweep::remove_if_there;
use crate::{Storage, trash};

impl Storage {
    /// Deletes the records and states that `plan` names, and moves everything else to the trash.
    pub(super) fn remove(&self, plan: &Plan) -> Result<(), SyscallError> {
        let inner = self.inner();
        if let Some(deleted) = self.images().deleted_directory()? {
            let files = plan.deleted.iter().chain(&plan.broken_deleted);
            files
                .into_iter()
                .try_for_each(|file| remove_if_there(&deleted, file))?;
        }
        let states = plan.states.iter().map(crate::StateId::file_name);
        for file in states.chain(plan.broken_states.iter().cloned()) {
            remove_if_there(&inner.states, file)?;
        }
        for id in &plan.layers {
            self.throw_away(&inner.layers, id.as_str())?;
        }
        for digest in &plan.blobs {
            let blobs = &inner.blobs;
            if let Some(directory) = blobs.try_directory(digest.algorithm().name())? {
                self.throw_away(&directory, digest.hex())?;
            }
        }
        if let Some(mounts) = self.directory().try_directory(names::MOUNTS)? {
            for name in &plan.mounts {
                trash::discard_work(&inner.trash, &inner.origin.boot, &mounts, name)?;
            }
        }
        Ok(())
    }

    fn throw_away(&self, directory: &Directory, name: &str) -> Result<(), SyscallError> {
        let inner = self.inner();
        trash::discard(&inner.trash, &inner.origin.boot, directory, name)
    }
}
