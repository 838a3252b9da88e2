//! Renaming what can't carry what is believed of it: an overlay gives such an object of a lower layer another number,
//! by which it would not be known any more.

use ch_linux::behalf;

use super::caller::Caller;
use super::object::Object;
use super::{DONE, Replied, Reply, Supervisor};
use crate::calls::Destination;

/// `RENAME_EXCHANGE`.
const EXCHANGE: u32 = 2;

impl Supervisor {
    pub(super) fn rename(
        &self,
        caller: &Caller<'_>,
        from: &Destination,
        to: &Destination,
        flags: u32,
    ) -> Replied {
        if self.remembered.is_empty() || flags & EXCHANGE != 0 {
            return Ok(Reply::Continue);
        }
        let Ok((directory, name)) = self.open_parent(caller, from) else {
            return Ok(Reply::Continue);
        };
        let Ok(object) = Object::at(&directory, &name) else {
            return Ok(Reply::Continue);
        };
        let before = object.status.identity();
        let Some(believed) = self.remembered.get(before) else {
            return Ok(Reply::Continue);
        };
        let Ok((new_directory, new_name)) = self.open_parent(caller, to) else {
            return Ok(Reply::Continue);
        };
        behalf::rename(&directory, &name, &new_directory, &new_name, flags)?;
        let renamed = Object::at(&new_directory, &new_name)?;
        self.remembered.remove(before);
        self.believe(&renamed, &believed)?;
        DONE
    }
}
