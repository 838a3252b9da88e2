//! `--bind SRC[:DST]`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use crate::spec::{Mount, Source};

/// Why an argument of `--bind` can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// Nothing before the colon.
    #[error("--bind: no source provided")]
    NoSource,
    /// Nothing behind the colon.
    #[error("--bind: no destination provided")]
    NoDestination,
    /// The whole root would be covered.
    #[error("--bind: destination can't be /")]
    Root,
    /// Not absolute.
    #[error("--bind: destination must be absolute")]
    Relative,
    /// Read-only or not, by a third field.
    #[error("not yet supported: --bind with a mode: {0}")]
    Mode(String),
}

/// The mounts that the arguments of all `--bind` options ask for, in order.
///
/// Without a destination a source appears at its own path, and for old scripts also at `/mnt/N`, if the
/// image has that and nothing else is mounted there; N counts all options.
pub fn parse_binds(arguments: &[impl AsRef<OsStr>]) -> Result<Vec<Mount>, BindError> {
    let parsed: Vec<(PathBuf, Option<PathBuf>)> = arguments
        .iter()
        .map(|argument| parse(argument.as_ref()))
        .collect::<Result<_, _>>()?;
    let named: Vec<&PathBuf> = parsed
        .iter()
        .filter_map(|(_, target)| target.as_ref())
        .collect();
    let mut mounts = Vec::new();
    for (number, (source, target)) in parsed.iter().enumerate() {
        let bind = |target: PathBuf, optional| Mount {
            target,
            source: Source::Bind(source.clone()),
            optional,
        };
        match target {
            Some(target) => mounts.push(bind(target.clone(), false)),
            None => {
                mounts.push(bind(checked(source.as_os_str())?, false));
                let numbered = PathBuf::from(format!("/mnt/{number}"));
                if !named.contains(&&numbered) {
                    mounts.push(bind(numbered, true));
                }
            }
        }
    }
    Ok(mounts)
}

/// Source and destination; only the first colon splits.
fn parse(argument: &OsStr) -> Result<(PathBuf, Option<PathBuf>), BindError> {
    let bytes = argument.as_bytes();
    let (source, target) = match bytes.iter().position(|&byte| byte == b':') {
        Some(colon) => (
            &bytes[..colon],
            Some(OsStr::from_bytes(&bytes[colon + 1..])),
        ),
        None => (bytes, None),
    };
    if source.is_empty() {
        return Err(BindError::NoSource);
    }
    if target.is_some_and(has_mode) {
        return Err(BindError::Mode(argument.to_string_lossy().into_owned()));
    }
    let source = PathBuf::from(OsString::from(OsStr::from_bytes(source)));
    Ok((source, target.map(checked).transpose()?))
}

/// Whether a destination ends with what is a mode for most programs. A path that does is too rare to guess.
fn has_mode(target: &OsStr) -> bool {
    let target = target.as_bytes();
    target.ends_with(b":ro") || target.ends_with(b":rw")
}

/// A destination that is absolute and not the root itself, by whatever name.
fn checked(target: &OsStr) -> Result<PathBuf, BindError> {
    let path = Path::new(target);
    if target.is_empty() {
        return Err(BindError::NoDestination);
    }
    if !path.is_absolute() {
        return Err(BindError::Relative);
    }
    let depth = path
        .components()
        .fold(0_usize, |depth, component| match component {
            Component::Normal(_) => depth + 1,
            Component::ParentDir => depth.saturating_sub(1),
            _ => depth,
        });
    if depth == 0 {
        Err(BindError::Root)
    } else {
        Ok(path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str, target: &str, optional: bool) -> Mount {
        Mount {
            target: target.into(),
            source: Source::Bind(source.into()),
            optional,
        }
    }

    #[test]
    fn arguments_become_mounts() {
        let rows: [(&[&str], Vec<Mount>); 5] = [
            (&["/a:/b"], vec![bind("/a", "/b", false)]),
            (
                &["/a"],
                vec![bind("/a", "/a", false), bind("/a", "/mnt/0", true)],
            ),
            (
                &["/a:/b", "/c"],
                vec![
                    bind("/a", "/b", false),
                    bind("/c", "/c", false),
                    bind("/c", "/mnt/1", true),
                ],
            ),
            (
                &["/a", "/b:/mnt/0"],
                vec![bind("/a", "/a", false), bind("/b", "/mnt/0", false)],
            ),
            (&["a b:/opt:x"], vec![bind("a b", "/opt:x", false)]),
        ];
        for (arguments, expected) in rows {
            assert_eq!(parse_binds(arguments), Ok(expected), "{arguments:?}");
        }
    }

    #[test]
    fn bad_arguments_say_what_is_wrong() {
        let rows = [
            ("", BindError::NoSource),
            (":/b", BindError::NoSource),
            ("/a:", BindError::NoDestination),
            ("/a:b", BindError::Relative),
            ("a", BindError::Relative),
            ("/a:/", BindError::Root),
            ("/a://", BindError::Root),
            ("/a:/..", BindError::Root),
            ("/a:/x/..", BindError::Root),
            ("/a:/b:ro", BindError::Mode("/a:/b:ro".to_owned())),
            ("/a:/b:rw", BindError::Mode("/a:/b:rw".to_owned())),
        ];
        for (argument, expected) in rows {
            assert_eq!(parse_binds(&[argument]), Err(expected), "{argument}");
        }
    }
}
