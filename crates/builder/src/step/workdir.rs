//! `WORKDIR`: where relative paths start, made if it is missing.

use std::os::fd::AsFd;
use std::path::Path;

use ch_linux::file::Kind;
use ch_rootfs::Learned;

use crate::CopyError;
use crate::context::destination::{ensure_directory, resolve};
use crate::context::imposed::{Ids, Imposed};
use crate::error::Problem;

/// `text` seen from `current`, cleaned: absolute, without `.`, `..` and needless slashes.
pub(crate) fn join(current: &str, text: &str) -> String {
    let start = if text.starts_with('/') { "" } else { current };
    let mut names: Vec<&str> = Vec::new();
    for name in start.split('/').chain(text.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// Makes the directory `path` of the image, unless it exists; what is made belongs to `owner`. What it can't carry
/// comes back.
pub(crate) fn make(root: impl AsFd, path: &str, owner: Ids) -> Result<Learned, Problem> {
    let root = root.as_fd();
    let resolved = match resolve(root, Path::new(path)) {
        // On the way or at the end: it is no directory.
        Err(CopyError::NotADirectory(place)) => {
            return Err(Problem::NotADirectory(place.display().to_string()));
        }
        Err(CopyError::TooManyLinks(place)) => {
            return Err(Problem::TooManyLinks(place.display().to_string()));
        }
        resolved => resolved.map_err(Problem::WorkingDirectory)?,
    };
    let mut learned = Learned::default();
    match resolved.kind {
        Some(Kind::Directory) => {}
        Some(_) => return Err(Problem::NotADirectory(path.to_owned())),
        None => {
            let owner = Some(owner);
            let imposed = Imposed { owner, mode: None };
            let believed = imposed.of_parent();
            let made = ensure_directory(root, &resolved.path, &believed, &mut learned);
            made.map_err(Problem::WorkingDirectory)?;
        }
    }
    Ok(learned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_is_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("f"), "").unwrap();
        let opened = std::fs::File::open(root.path()).unwrap();
        for path in ["/f", "/f/x", "/f/x/y"] {
            let error = make(&opened, path, Ids::default()).unwrap_err();
            assert_eq!(error.to_string(), "WORKDIR: not a directory: /f", "{path}");
            assert!(std::error::Error::source(&error).is_none(), "{path}");
        }
    }

    #[test]
    fn a_circle_of_links_is_no_error_of_copy() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("round", root.path().join("round")).unwrap();
        let opened = std::fs::File::open(root.path()).unwrap();
        let error = make(&opened, "/round/x", Ids::default()).unwrap_err();
        let expected = "WORKDIR: too many levels of symbolic links: /round/x";
        assert_eq!(error.to_string(), expected);
        assert!(std::error::Error::source(&error).is_none());
    }

    #[test]
    fn directories_are_joined_and_cleaned() {
        let mut current = "/".to_owned();
        for (text, want) in [
            ("a", "/a"),
            ("../b/", "/b"),
            ("/x/../y/", "/y"),
            (".", "/y"),
        ] {
            current = join(&current, text);
            assert_eq!(current, want, "V-O5 {text}");
        }
        assert_eq!(join("/", "/a b"), "/a b", "V-O6");
        assert_eq!(join("/w", ""), "/w");
        assert_eq!(join("/w", "../../.."), "/");
    }
}
