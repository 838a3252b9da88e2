//! Where a path inside a root really leads, also where nothing is there yet.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};

use ch_linux::SyscallError;
use ch_linux::file::{self, Kind, OFlags};
use ch_linux::in_root;

/// Links followed in one path, as many as the kernel does.
const MOST_LINKS: usize = 40;

/// `path` below `root` without links: every component of the result is one that exists and is no
/// link, or does not exist. `None` if links go round in circles.
///
/// With `follow_last` a link in the last place counts as well.
pub(crate) fn canonical(
    root: impl AsFd,
    path: &Path,
    follow_last: bool,
) -> Result<Option<PathBuf>, SyscallError> {
    follow(path, follow_last, |next| link_target(&root, next))
}

/// Like [`canonical`] in any tree: `target` says where a path without links leads if there is a link at its end.
pub(crate) fn follow<E>(
    path: &Path,
    follow_last: bool,
    target: impl Fn(&Path) -> Result<Option<PathBuf>, E>,
) -> Result<Option<PathBuf>, E> {
    let mut found = PathBuf::new();
    let mut rest: VecDeque<OsString> = names(path);
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            found.pop();
            continue;
        }
        let next = found.join(&name);
        let target = match rest.is_empty() && !follow_last {
            true => None,
            false => target(&next)?,
        };
        let Some(target) = target else {
            found = next;
            continue;
        };
        links += 1;
        if links > MOST_LINKS {
            return Ok(None);
        }
        if target.is_absolute() {
            found = PathBuf::new();
        }
        for name in names(&target).into_iter().rev() {
            rest.push_front(name);
        }
    }
    Ok(Some(found))
}

/// Where `path` leads if it is a link; what can't be opened is none.
fn link_target(root: impl AsFd, path: &Path) -> Result<Option<PathBuf>, SyscallError> {
    let is_link = match in_root::open(&root, path, OFlags::PATH | OFlags::NOFOLLOW) {
        Ok(object) => file::status(&object)?.kind == Kind::Symlink,
        Err(_) => false,
    };
    if !is_link {
        return Ok(None);
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    let parent = in_root::open(root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
    file::read_link_at(parent, path.file_name().unwrap_or_default()).map(Some)
}

fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_inside_the_root_only() {
        let directory = tempfile::tempdir().unwrap();
        let make = |name: &str, target: &str| {
            std::os::unix::fs::symlink(target, directory.path().join(name)).unwrap();
        };
        std::fs::create_dir_all(directory.path().join("a/b")).unwrap();
        make("abs", "/a/b");
        make("up", "../../a");
        make("a/rel", "b");
        make("round", "round");
        make("dangling", "/run/x");
        let root = file::open_directory(directory.path()).unwrap();
        for (path, follow_last, expected) in [
            ("a/b", true, Some("a/b")),
            ("abs/x", true, Some("a/b/x")),
            ("abs", false, Some("abs")),
            ("abs", true, Some("a/b")),
            ("up/rel/y/z", true, Some("a/b/y/z")),
            ("round/x", true, None),
            ("dangling", true, Some("run/x")),
            ("dangling/y", false, Some("run/x/y")),
            ("missing/../a", true, Some("a")),
        ] {
            let found = canonical(&root, Path::new(path), follow_last).unwrap();
            assert_eq!(found.as_deref(), expected.map(Path::new), "{path}");
        }
    }
}
