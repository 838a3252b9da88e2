//! `access(2)`: what somebody who is not root would be allowed. For root the kernel knows.

use ch_linux::Errno;

use super::caller::Caller;
use super::{DONE, Replied, Reply, Supervisor};
use crate::calls::Target;

impl Supervisor {
    pub(super) fn access(
        &self,
        caller: &Caller<'_>,
        target: &Target,
        wanted: u32,
        effective: bool,
    ) -> Replied {
        let credentials = self.credentials(caller);
        let root = credentials.users.real == 0 && credentials.users.file == 0;
        if root || wanted == 0 || wanted > 7 {
            return Ok(Reply::Continue);
        }
        let Ok(object) = self.object(caller, target) else {
            return Ok(Reply::Continue);
        };
        if self.is_host(&object) {
            return Ok(Reply::Continue);
        }
        let believed = self.believed(&object);
        if credentials.may_access(&believed, wanted, effective) {
            DONE
        } else {
            Err(Errno::ACCESS)
        }
    }
}
