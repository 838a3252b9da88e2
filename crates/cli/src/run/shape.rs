//! Whether a directory can be meant as an image, before anything is written into it.

use std::path::Path;

use ch_linux::tree::Directory;
use ch_rootfs::{is_unlike_an_image, missing_directories};

use crate::failure::Failure;

/// A place of ours, which is made in a writable image.
const MADE: &str = "dev";

/// Refuses the directory `real`, called `shown`, if it is no image.
///
/// Anything of an image is enough to look at it; what is to be written into must have all of an image but
/// the places that would be made in it.
pub(super) fn check(real: &Path, shown: &Path, write: bool) -> Result<(), Failure> {
    let Ok(directory) = Directory::open(real) else {
        // Mounting it will tell why.
        return Ok(());
    };
    let mut missing = missing_directories(&directory);
    if !is_unlike_an_image(&missing) {
        missing.retain(|name| write && *name != MADE);
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "not an image: {}: directory has no {}",
        shown.display(),
        missing.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn more_is_wanted_of_a_directory_that_is_written_into() {
        let cases: [(&[&str], Option<&str>, Option<&str>); 5] = [
            (&["src"], Some("bin, dev, usr"), Some("bin, dev, usr")),
            (&["bin"], None, Some("usr")),
            (&["dev"], None, Some("bin, usr")),
            (&["bin", "usr"], None, None),
            (&["bin", "dev", "usr"], None, None),
        ];
        for (names, read, written) in cases {
            let directory = tempfile::tempdir().unwrap();
            for name in names {
                fs::create_dir(directory.path().join(name)).unwrap();
            }
            for (write, missing) in [(false, read), (true, written)] {
                let found = check(directory.path(), Path::new("d"), write).err();
                let found = found.map(|failure| failure.message().to_owned());
                let expected =
                    missing.map(|names| format!("not an image: d: directory has no {names}"));
                assert_eq!(found, expected, "{names:?}, write: {write}");
            }
        }
    }
}
