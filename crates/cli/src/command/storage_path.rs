//! `ch-image storage-path`: where the storage directory is, or would be.

use std::os::unix::ffi::OsStrExt as _;

use super::{Context, Done};

/// Prints the path, whatever bytes are in it; looks at nothing.
pub(super) fn run(context: &Context) -> Done {
    let path = context.storage_path()?;
    context
        .terminal
        .output([path.as_os_str().as_bytes(), b"\n"].concat())
}
