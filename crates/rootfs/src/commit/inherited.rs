//! What changed objects have from the layers below although they cannot carry it.
//!
//! The kernel copies an object up with what is on disk. What lies beside it, in the owners file of the
//! layer that has it, is for us to take over: to an object at the same path, of the same kind and, if it
//! is a symbolic link, that says the same.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ch_linux::file::{self, Kind, Status};
use ch_ownership::{Override, Owner, Owners};

use crate::StackError;
use crate::stack::{Found, Stack};

/// What lies beside the files of the layers below; read when it is first asked for.
pub(super) struct Inherited<'a> {
    stack: &'a Stack,
    /// Top first.
    owners: OnceCell<Vec<Owners>>,
}

impl<'a> Inherited<'a> {
    pub(super) fn new(stack: &'a Stack) -> Self {
        Self {
            stack,
            owners: OnceCell::new(),
        }
    }

    /// What the object `name` in `directory`, of this `status`, has from the one below at `path`.
    pub(super) fn get(
        &self,
        path: &Path,
        directory: &OwnedFd,
        name: &OsStr,
        status: &Status,
    ) -> Result<Option<Owner>, StackError> {
        let owners = self.owners()?;
        let bytes = path.as_os_str().as_bytes();
        if owners.iter().all(|layer| layer.get(bytes).is_none()) {
            return Ok(None);
        }
        let Some(found) = self.stack.find(path)? else {
            return Ok(None);
        };
        let Some(owner) = owners[found.layer].get(bytes) else {
            return Ok(None);
        };
        if found.status.kind != status.kind || !says_the_same(&found, directory, name) {
            return Ok(None);
        }
        Ok(Some(Owner {
            believed: owner.believed.map(|believed| Override {
                // Whoever changed the mode on disk meant the other one.
                mode: if found.status.mode == status.mode {
                    believed.mode
                } else {
                    status.mode
                },
                ..believed
            }),
            attributes: owner.attributes.clone(),
        }))
    }

    fn owners(&self) -> Result<&[Owners], StackError> {
        if let Some(owners) = self.owners.get() {
            return Ok(owners);
        }
        let owners = self.stack.owners()?;
        Ok(self.owners.get_or_init(|| owners))
    }
}

/// Whether links lead to the same; what is no link does anyway.
fn says_the_same(found: &Found, directory: &OwnedFd, name: &OsStr) -> bool {
    if found.status.kind != Kind::Symlink {
        return true;
    }
    let before = file::read_link_at(&found.parent, name);
    let after = file::read_link_at(directory, name);
    matches!((before, after), (Ok(before), Ok(after)) if before == after)
}
