//! Owners and modes.

use ch_ownership::Kind;

use super::attributes::CAPABILITY;
use super::caller::Caller;
use super::{DONE, Replied, Reply, Supervisor, inherit};
use crate::calls::Target;

impl Supervisor {
    pub(super) fn change_owner(
        &self,
        caller: &Caller<'_>,
        target: &Target,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Replied {
        let object = self.object(caller, target)?;
        if self.is_host(&object) {
            return self.host.change_owner(&object, user, group);
        }
        let before = self.believed(&object);
        let after = self
            .credentials(caller)
            .change_owner(&before, user, group)?;
        if after != before {
            self.believe(&object, &after)?;
        }
        if object.kind() == Kind::File {
            // What a new owner must not get; most files have none.
            let _ = object.remove_attribute(CAPABILITY);
        }
        DONE
    }

    pub(super) fn change_mode(&self, caller: &Caller<'_>, target: &Target, mode: u32) -> Replied {
        let object = self.object(caller, target)?;
        // Links have no modes; the kernel says so.
        if object.kind() == Kind::Symlink {
            return Ok(Reply::Continue);
        }
        if self.is_host(&object) {
            // Not by the kernel, to which the caller could name another file by now.
            object.set_mode(mode & 0o7777)?;
            return DONE;
        }
        let before = self.believed(&object);
        let after = self.credentials(caller).change_mode(&before, mode)?;
        if after != before || after.disk_mode() != object.status.mode() & 0o7777 {
            self.believe(&object, &after)?;
        }
        inherit::follow_mode(&object, &after)?;
        DONE
    }
}
