//! Storage directories that can be read and not written: of a read-only mount, or by their modes.

use std::io;

use ch_linux::SyscallError;

/// Whether `error` is of a write where nothing can be written. Readers do without then.
pub(crate) fn is_read_only(error: &SyscallError) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}
