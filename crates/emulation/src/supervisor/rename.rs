//! New names of what can't carry what is believed of it: an overlay gives such an object of a lower layer another
//! number, by which it would not be known any more.

use std::ffi::CStr;

use ch_linux::{Errno, behalf};
use ch_ownership::Override;

use super::caller::Caller;
use super::object::Object;
use super::remembered::Identity;
use super::{DONE, Replied, Reply, Supervisor};
use crate::calls::{Destination, Target};

/// `RENAME_EXCHANGE`.
const EXCHANGE: u32 = 2;

/// An object that is to have another name.
struct Moving {
    before: Identity,
    believed: Override,
    /// It has no other name, which would keep the number.
    is_alone: bool,
}

impl Supervisor {
    pub(super) fn rename(
        &self,
        caller: &Caller<'_>,
        from: &Destination,
        to: &Destination,
        flags: u32,
    ) -> Replied {
        if self.remembered.is_empty() {
            return Ok(Reply::Continue);
        }
        let Ok((directory, name)) = self.open_parent(caller, from) else {
            return Ok(Reply::Continue);
        };
        let moving = self.moving(&directory, &name);
        if moving.is_none() && flags & EXCHANGE == 0 {
            return Ok(Reply::Continue);
        }
        let Ok((new_directory, new_name)) = self.open_parent(caller, to) else {
            return Ok(Reply::Continue);
        };
        let exchanged = match flags & EXCHANGE {
            0 => None,
            _ => self.moving(&new_directory, &new_name),
        };
        if moving.is_none() && exchanged.is_none() {
            return Ok(Reply::Continue);
        }
        let (from, to) = (&directory.descriptor, &new_directory.descriptor);
        behalf::rename(from, &name, to, &new_name, flags)?;
        if let Some(moving) = moving {
            self.moved(&moving, &new_directory, &new_name)?;
        }
        if let Some(exchanged) = exchanged {
            self.moved(&exchanged, &directory, &name)?;
        }
        DONE
    }

    pub(super) fn link(&self, caller: &Caller<'_>, source: &Target, to: &Destination) -> Replied {
        if self.remembered.is_empty() {
            return Ok(Reply::Continue);
        }
        let Ok(object) = self.object(caller, source) else {
            return Ok(Reply::Continue);
        };
        let before = object.status.identity();
        let Some(believed) = self.remembered.get(before) else {
            return Ok(Reply::Continue);
        };
        let Ok((directory, name)) = self.open_parent(caller, to) else {
            return Ok(Reply::Continue);
        };
        behalf::link(&object.path(), &directory.descriptor, &name)?;
        let linked = directory.at(&name)?;
        // Else the old number stays with names that the copy does not have.
        if object.status.links() == 1 {
            self.remembered.same(before, linked.status.identity());
        }
        self.believe(&linked, &believed)?;
        DONE
    }

    /// What is at `name`, if something is remembered of it.
    fn moving(&self, directory: &Object, name: &CStr) -> Option<Moving> {
        let status = directory.at(name).ok()?.status;
        let before = status.identity();
        let believed = self.remembered.get(before)?;
        Some(Moving {
            before,
            believed,
            is_alone: status.links() == 1,
        })
    }

    fn moved(&self, moving: &Moving, directory: &Object, name: &CStr) -> Result<(), Errno> {
        let object = directory.at(name)?;
        if moving.is_alone {
            self.remembered.remove(moving.before);
        }
        self.believe(&object, &moving.believed)
    }
}
