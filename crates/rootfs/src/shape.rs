//! How a directory of the host is known as an image: by what nearly every root has.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ch_linux::file::OFlags;
use ch_linux::in_root;

/// Directories by which an image is known.
const OF_AN_IMAGE: [&str; 3] = ["bin", "dev", "usr"];

/// The directories by which an image is known and which `root` has not, also not by links inside; none for what may
/// be replaced as an image.
pub fn missing_directories(root: impl AsFd) -> Vec<&'static str> {
    let exists = |name: &str| {
        let found: Result<OwnedFd, _> =
            in_root::open(&root, Path::new(name), OFlags::PATH | OFlags::DIRECTORY);
        found.is_ok()
    };
    OF_AN_IMAGE
        .into_iter()
        .filter(|name| !exists(name))
        .collect()
}

/// Whether a directory that lacks `missing` has nothing of an image.
pub fn is_unlike_an_image(missing: &[&str]) -> bool {
    missing.len() == OF_AN_IMAGE.len()
}
