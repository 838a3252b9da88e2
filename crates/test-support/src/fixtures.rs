//! What `tests/fixtures/prepare` makes once for all tests.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A Debian root filesystem as a tar archive, made on the first call on this machine.
///
/// # Panics
///
/// When it can't be made: the message of the script says what is missing.
pub fn debian_archive() -> PathBuf {
    static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
    ARCHIVE
        .get_or_init(|| prepared_directory().join("debian.tar"))
        .clone()
}

/// Where the shared fixtures lie: below `TMPDIR`, one directory for each user.
fn prepared_directory() -> PathBuf {
    let home = std::fs::metadata("/proc/self").expect("/proc is mounted");
    let directory = std::env::temp_dir().join(format!("ch-image-fixtures-{}", home.uid()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/prepare");
    let status = Command::new(script)
        .arg(&directory)
        .stdin(Stdio::null())
        .status()
        .expect("tests/fixtures/prepare can be run");
    assert!(
        status.success(),
        "tests/fixtures/prepare failed; its message is above"
    );
    directory
}
