//! Names of members: what they mean below the layer's root.

use std::path::PathBuf;

/// The kernel's limit for one component.
const LONGEST_COMPONENT: usize = 255;
/// Longest name that we take.
const LONGEST: usize = 32 * 1024;
/// Deepest name that we take.
const DEEPEST: usize = 1000;

/// What is wrong with a name, or with an object of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// `..` beyond the root.
    #[error("leaves the root")]
    Escapes,
    /// No name at all.
    #[error("empty name")]
    Empty,
    /// The root, but not as a directory.
    #[error("the root is no directory")]
    RootKind,
    /// A regular file with content whose name ends in a slash.
    #[error("a file with a directory's name")]
    Slash,
    /// Longer than any name may be.
    #[error("name too long")]
    TooLong,
    /// More than a thousand directories deep.
    #[error("too many levels of directories")]
    TooDeep,
    /// A whiteout of nothing, of `.` or of `..`.
    #[error("malformed whiteout")]
    Whiteout,
    /// A symbolic link that says nothing.
    #[error("symbolic link without a target")]
    EmptyTarget,
    /// A hard link to a directory.
    #[error("hard link to a directory")]
    LinkToDirectory,
    /// A hard link to something that this layer removes.
    #[error("hard link to a name that the same layer removes")]
    LinkToWhiteout,
}

/// A name without `.`, `..`, doubled or outer slashes; empty for the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) path: Vec<u8>,
    pub(super) ends_in_slash: bool,
}

impl Name {
    /// The directory's path and the last component.
    pub(super) fn split(&self) -> (&[u8], &[u8]) {
        split(&self.path)
    }
}

/// What `..` at the root means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AboveRoot {
    /// An error: a member there would be outside.
    Refused,
    /// The root again, as for every process in it.
    Root,
}

/// Cleans the name that an archive has.
pub(super) fn clean(raw: &[u8], above: AboveRoot) -> Result<Name, NameProblem> {
    if raw.is_empty() {
        return Err(NameProblem::Empty);
    }
    if raw.len() > LONGEST {
        return Err(NameProblem::TooLong);
    }
    let mut components: Vec<&[u8]> = Vec::new();
    for component in raw.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if components.pop().is_some() || above == AboveRoot::Root => {}
            b".." => return Err(NameProblem::Escapes),
            _ if component.len() > LONGEST_COMPONENT => return Err(NameProblem::TooLong),
            _ => components.push(component),
        }
    }
    if components.len() > DEEPEST {
        return Err(NameProblem::TooDeep);
    }
    Ok(Name {
        path: components.join(&b'/'),
        ends_in_slash: raw.ends_with(b"/"),
    })
}

/// The directory's path and the last component of a clean path.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'/', path) {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// A path and one more component.
pub(crate) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        name.to_vec()
    } else {
        [directory, b"/", name].concat()
    }
}

/// A path for those outside this crate.
pub(crate) fn path_buf(path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(path).into()
}

/// What the last component says beside being a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// An object of this layer.
    Object,
    /// The lower layers' object of this name is gone.
    Whiteout(&'a [u8]),
    /// Nothing of the lower layers' directory shows.
    Opaque,
    /// Book-keeping of aufs.
    Ignored,
}

/// What the name of a member begins with that removes a name.
pub(crate) const WHITEOUT_PREFIX: &[u8] = b".wh.";
/// The member that lets nothing of the lower layers' directory show.
pub(crate) const OPAQUE_MEMBER: &[u8] = b".wh..wh..opq";

/// Directory at the root where aufs keeps files with several names.
pub(super) const AUFS_LINKS: &[u8] = b".wh..wh.plnk";

/// What a member of this clean path stands for.
pub(super) fn meaning(path: &[u8]) -> Result<Meaning<'_>, NameProblem> {
    if path == AUFS_LINKS || path.starts_with(b".wh..wh.plnk/") {
        return Ok(Meaning::Object);
    }
    if path.starts_with(b".wh..wh.") && path.contains(&b'/') {
        return Ok(Meaning::Ignored);
    }
    let name = split(path).1;
    let Some(hidden) = name.strip_prefix(WHITEOUT_PREFIX) else {
        return Ok(Meaning::Object);
    };
    match hidden {
        b"" | b"." | b".." => Err(NameProblem::Whiteout),
        _ if name == OPAQUE_MEMBER => Ok(Meaning::Opaque),
        _ if hidden.starts_with(WHITEOUT_PREFIX) => Ok(Meaning::Ignored),
        _ => Ok(Meaning::Whiteout(hidden)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_lexically() {
        for (raw, clean_path, slash) in [
            ("a", "a", false),
            ("./a//b/./c/", "a/b/c", true),
            ("/abs", "abs", false),
            ("a/../b", "b", false),
            ("./", "", true),
            ("..x/...", "..x/...", false),
        ] {
            let expected = Name {
                path: clean_path.into(),
                ends_in_slash: slash,
            };
            assert_eq!(
                clean(raw.as_bytes(), AboveRoot::Refused),
                Ok(expected),
                "{raw}"
            );
        }
        assert_eq!(
            clean(b"a/../../b", AboveRoot::Refused),
            Err(NameProblem::Escapes)
        );
        assert_eq!(clean(b"../../b", AboveRoot::Root).unwrap().path, b"b");
    }

    #[test]
    fn whiteouts_are_told_from_names() {
        for (path, meaning_of_it) in [
            ("d/.wh.f", Ok(Meaning::Whiteout(b"f"))),
            (".wh..wh..opq", Ok(Meaning::Opaque)),
            ("d/.wh..wh..opq", Ok(Meaning::Opaque)),
            (".wh..wh.aufs", Ok(Meaning::Ignored)),
            (".wh..wh.orph/x", Ok(Meaning::Ignored)),
            (".wh..wh.plnk/1.2", Ok(Meaning::Object)),
            ("d/.wh", Ok(Meaning::Object)),
            ("d/.whx", Ok(Meaning::Object)),
            (".wh.", Err(NameProblem::Whiteout)),
            ("d/.wh..", Err(NameProblem::Whiteout)),
            (".wh...", Err(NameProblem::Whiteout)),
            (".wh....", Ok(Meaning::Whiteout(b"..."))),
        ] {
            assert_eq!(meaning(path.as_bytes()), meaning_of_it, "{path}");
        }
    }
}
