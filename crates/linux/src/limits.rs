//! Resource limits.

use rustix::process::{Resource, getrlimit};

/// How many processes this user may have, if there is a limit.
pub fn processes() -> Option<u64> {
    getrlimit(Resource::Nproc).current
}
