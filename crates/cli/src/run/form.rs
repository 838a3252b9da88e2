//! What a path is that `ch-run` can't run, told by its content.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// First bytes of a SquashFS archive.
const SQUASHFS_MAGIC: &[u8] = b"hsqs";
/// Size of a tar header, and what all sizes in an archive are rounded up to.
const TAR_BLOCK: u64 = 512;
/// What a tar header holds at [`TAR_MAGIC_AT`].
const TAR_MAGIC: &[u8] = b"ustar";
const TAR_MAGIC_AT: usize = 257;
/// How far an archive is searched; those of images have a few dozen entries.
const TAR_ENTRIES: usize = 1000;

/// A form of image that is not run as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A file system in a file.
    SquashFs,
    /// Blobs and an index, in a directory or a tar archive.
    Oci,
    /// What `docker save` writes.
    Docker,
}

/// Whether a directory is no root but an image of blobs.
pub(super) fn is_layout(directory: &Path) -> bool {
    ["oci-layout", "index.json"]
        .iter()
        .all(|name| directory.join(name).is_file())
}

/// The form of a regular file, if it is one of an image. What can't be read has none.
pub(super) fn of_file(path: &Path) -> Option<Form> {
    let mut file = File::open(path).ok()?;
    let mut start = [0; SQUASHFS_MAGIC.len()];
    file.read_exact(&mut start).ok()?;
    if start == SQUASHFS_MAGIC {
        return Some(Form::SquashFs);
    }
    let names = tar_names(&mut file).ok()?;
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if has("oci-layout") {
        Some(Form::Oci)
    } else {
        has("manifest.json").then_some(Form::Docker)
    }
}

/// Names of the first entries of a tar archive; none if it is something else.
fn tar_names(file: &mut File) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut at = 0;
    let mut header = [0; TAR_BLOCK as usize];
    while names.len() < TAR_ENTRIES {
        file.seek(SeekFrom::Start(at))?;
        if file.read_exact(&mut header).is_err() || !header[TAR_MAGIC_AT..].starts_with(TAR_MAGIC) {
            break;
        }
        let name = until_nul(&header[..100]);
        names.push(name.strip_prefix("./").unwrap_or(&name).to_owned());
        let Ok(size) = u64::from_str_radix(until_nul(&header[124..136]).trim(), 8) else {
            break;
        };
        at += TAR_BLOCK + size.next_multiple_of(TAR_BLOCK);
    }
    Ok(names)
}

fn until_nul(field: &[u8]) -> String {
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    fn tar(directory: &Path, names: &[&str]) {
        let status = Command::new("tar")
            .args(["-C", &directory.display().to_string(), "-cf"])
            .arg(directory.join("x.tar"))
            .args(names)
            .status();
        assert!(status.unwrap().success());
    }

    #[test]
    fn forms_are_told_by_content() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let archive = at("x.tar");
        fs::create_dir(at("blobs")).unwrap();
        fs::write(at("blobs/big"), [0; 3000]).unwrap();
        fs::write(at("oci-layout"), "{}").unwrap();
        assert!(!is_layout(directory.path()));
        fs::write(at("index.json"), "{}").unwrap();
        assert!(is_layout(directory.path()));
        fs::write(at("manifest.json"), "[]").unwrap();
        for (names, form) in [
            (&["blobs", "./oci-layout"][..], Some(Form::Oci)),
            (&["blobs", "manifest.json"], Some(Form::Docker)),
            (&["blobs", "index.json"], None),
        ] {
            tar(directory.path(), names);
            assert_eq!(of_file(&archive), form, "{names:?}");
        }
        fs::write(&archive, "hsqs and more").unwrap();
        assert_eq!(of_file(&archive), Some(Form::SquashFs));
        for other in ["", "hs", "text of some length"] {
            fs::write(&archive, other).unwrap();
            assert_eq!(of_file(&archive), None, "{other:?}");
        }
    }
}
