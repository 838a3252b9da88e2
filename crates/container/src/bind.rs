//! Mounts by options: `--bind SRC[:DST[:MODE]]`, `--ro-bind SRC[:DST]`, `--tmpfs DST[:SIZE]`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use crate::spec::{Mount, Source};

/// An option that asks for a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountOption {
    /// `--bind`.
    Bind,
    /// `--ro-bind`.
    ReadOnlyBind,
    /// `--tmpfs`.
    Tmpfs,
}

impl std::fmt::Display for MountOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bind => "--bind",
            Self::ReadOnlyBind => "--ro-bind",
            Self::Tmpfs => "--tmpfs",
        })
    }
}

/// Why an argument of such an option can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {problem}")]
pub struct BindError {
    /// The option.
    pub option: MountOption,
    /// What is wrong with its argument.
    pub problem: BindProblem,
}

/// What is wrong with an argument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindProblem {
    /// Nothing before the colon.
    #[error("no source provided")]
    NoSource,
    /// Nothing behind the colon.
    #[error("no destination provided")]
    NoDestination,
    /// The whole root would be covered.
    #[error("destination can't be /")]
    Root,
    /// Not absolute.
    #[error("destination must be absolute")]
    Relative,
    /// A mode, where the option is one.
    #[error("destination can't have a mode: {0}")]
    Mode(String),
    /// A size that the kernel would misunderstand or cut off.
    #[error("not a size: {0}")]
    Size(String),
}

/// The mounts that the arguments of all `--bind` options ask for, in order.
pub fn parse_binds(arguments: &[impl AsRef<OsStr>]) -> Result<Vec<Mount>, BindError> {
    let all = arguments.iter();
    parse_mounts(all.map(|argument| (MountOption::Bind, argument.as_ref())))
}

/// The mounts that options with arguments ask for, in order.
///
/// Without a destination a source appears at its own path, and for old scripts also at `/mnt/N`, if the
/// image has that and nothing else is mounted there; N counts all options that bind.
pub fn parse_mounts<'a>(
    options: impl IntoIterator<Item = (MountOption, &'a OsStr)>,
) -> Result<Vec<Mount>, BindError> {
    let parsed: Vec<Parsed> = options
        .into_iter()
        .map(|(option, argument)| {
            parse(option, argument).map_err(|problem| BindError { option, problem })
        })
        .collect::<Result<_, _>>()?;
    let named: Vec<PathBuf> = parsed
        .iter()
        .filter(|one| !one.is_default)
        .map(|one| one.mount.target.clone())
        .collect();
    let is_bind = |one: &Parsed| matches!(one.mount.source, Source::Bind(_));
    let (mut mounts, mut number) = (Vec::new(), 0);
    for one in parsed {
        let numbered = PathBuf::from(format!("/mnt/{number}"));
        number += usize::from(is_bind(&one));
        let again = one.is_default && !named.contains(&numbered);
        let copy = again.then(|| Mount {
            target: numbered,
            optional: true,
            ..one.mount.clone()
        });
        mounts.push(one.mount);
        mounts.extend(copy);
    }
    Ok(mounts)
}

/// What one option asks for.
struct Parsed {
    mount: Mount,
    /// Its destination was not given.
    is_default: bool,
}

fn parse(option: MountOption, argument: &OsStr) -> Result<Parsed, BindProblem> {
    let (first, rest) = split(argument);
    if option == MountOption::Tmpfs {
        let source = Source::Tmpfs {
            size: rest.map(size).transpose()?,
        };
        let mount = Mount::new(source, checked(first)?);
        return Ok(Parsed {
            mount,
            is_default: false,
        });
    }
    if first.is_empty() {
        return Err(BindProblem::NoSource);
    }
    let read_only = option == MountOption::ReadOnlyBind;
    let source = Source::Bind(first.into());
    let Some(written) = rest else {
        let mount = Mount {
            read_only,
            ..Mount::new(source, checked(first)?)
        };
        return Ok(Parsed {
            mount,
            is_default: true,
        });
    };
    let mode = mode(written);
    if read_only && mode.is_some() {
        let written = argument.to_string_lossy().into_owned();
        return Err(BindProblem::Mode(written));
    }
    let target = mode.map_or(written, |(target, _)| target);
    let mount = Mount {
        read_only: read_only || mode.is_some_and(|(_, read_only)| read_only),
        literal: mode.map(|_| written.to_owned()),
        ..Mount::new(source, checked(target)?)
    };
    Ok(Parsed {
        mount,
        is_default: false,
    })
}

/// What is before the first colon, and behind it.
fn split(argument: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let bytes = argument.as_bytes();
    match bytes.iter().position(|&byte| byte == b':') {
        Some(colon) => (
            OsStr::from_bytes(&bytes[..colon]),
            Some(OsStr::from_bytes(&bytes[colon + 1..])),
        ),
        None => (argument, None),
    }
}

/// A destination without the mode at its end, and whether that says read-only. A path may end so, too: the image tells.
fn mode(target: &OsStr) -> Option<(&OsStr, bool)> {
    let bytes = target.as_bytes();
    let read_only = bytes.strip_suffix(b":ro").map(|path| (path, true));
    let found = read_only.or_else(|| bytes.strip_suffix(b":rw").map(|path| (path, false)));
    found.map(|(path, read_only)| (OsStr::from_bytes(path), read_only))
}

/// A size for the kernel: digits, then `k`, `m`, `g` or `%`.
fn size(text: &OsStr) -> Result<String, BindProblem> {
    let text = text.to_string_lossy();
    let digits = text.trim_end_matches(['k', 'K', 'm', 'M', 'g', 'G', '%']);
    let is_size = text.len() <= digits.len() + 1
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_size {
        Ok(text.into_owned())
    } else {
        Err(BindProblem::Size(text.into_owned()))
    }
}

/// A destination that is absolute and not the root itself, by whatever name.
fn checked(target: &OsStr) -> Result<PathBuf, BindProblem> {
    let path = Path::new(target);
    if target.is_empty() {
        return Err(BindProblem::NoDestination);
    }
    if !path.is_absolute() {
        return Err(BindProblem::Relative);
    }
    let depth = path
        .components()
        .fold(0_usize, |depth, component| match component {
            Component::Normal(_) => depth + 1,
            Component::ParentDir => depth.saturating_sub(1),
            _ => depth,
        });
    if depth == 0 {
        Err(BindProblem::Root)
    } else {
        Ok(path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str, target: &str, optional: bool) -> Mount {
        Mount {
            optional,
            ..Mount::new(Source::Bind(source.into()), target)
        }
    }

    fn with_mode(target: &str, mode: &str, read_only: bool) -> Mount {
        Mount {
            read_only,
            literal: Some(format!("{target}{mode}").into()),
            ..bind("/a", target, false)
        }
    }

    #[test]
    fn arguments_become_mounts() {
        let rows: [(&[&str], Vec<Mount>); 7] = [
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
            (&["/a:/b:ro"], vec![with_mode("/b", ":ro", true)]),
            (&["/a:/b:rw"], vec![with_mode("/b", ":rw", false)]),
        ];
        for (arguments, expected) in rows {
            assert_eq!(parse_binds(arguments), Ok(expected), "{arguments:?}");
        }
    }

    #[test]
    fn options_are_mounted_in_their_order() {
        let options = [
            (MountOption::Tmpfs, "/b:10%"),
            (MountOption::ReadOnlyBind, "/a"),
            (MountOption::Tmpfs, "/c"),
            (MountOption::Bind, "/a"),
        ];
        let tmpfs = |target: &str, size: Option<&str>| {
            let size = size.map(str::to_owned);
            Mount::new(Source::Tmpfs { size }, target)
        };
        let read_only = |target, optional| Mount {
            read_only: true,
            ..bind("/a", target, optional)
        };
        let expected = vec![
            tmpfs("/b", Some("10%")),
            read_only("/a", false),
            read_only("/mnt/0", true),
            tmpfs("/c", None),
            bind("/a", "/a", false),
            bind("/a", "/mnt/1", true),
        ];
        let options = options.map(|(option, argument)| (option, OsStr::new(argument)));
        assert_eq!(parse_mounts(options), Ok(expected));
    }

    #[test]
    fn bad_arguments_say_what_is_wrong() {
        use MountOption::{Bind, ReadOnlyBind, Tmpfs};
        let rows = [
            (Bind, "", "--bind: no source provided"),
            (Bind, ":/b", "--bind: no source provided"),
            (Bind, "/a:", "--bind: no destination provided"),
            (Bind, "/a::ro", "--bind: no destination provided"),
            (Bind, "/a:b", "--bind: destination must be absolute"),
            (Bind, "a", "--bind: destination must be absolute"),
            (Bind, "/a:/", "--bind: destination can't be /"),
            (Bind, "/a:/:ro", "--bind: destination can't be /"),
            (Bind, "/a://", "--bind: destination can't be /"),
            (Bind, "/a:/..", "--bind: destination can't be /"),
            (Bind, "/a:/x/..", "--bind: destination can't be /"),
            (ReadOnlyBind, ":/b", "--ro-bind: no source provided"),
            (
                ReadOnlyBind,
                "/a:/b:ro",
                "--ro-bind: destination can't have a mode: /a:/b:ro",
            ),
            (Tmpfs, "", "--tmpfs: no destination provided"),
            (Tmpfs, "a", "--tmpfs: destination must be absolute"),
            (Tmpfs, "/", "--tmpfs: destination can't be /"),
            (Tmpfs, "/a:", "--tmpfs: not a size: "),
            (Tmpfs, "/a:k", "--tmpfs: not a size: k"),
            (Tmpfs, "/a:1kk", "--tmpfs: not a size: 1kk"),
            (Tmpfs, "/a:1x", "--tmpfs: not a size: 1x"),
            (Tmpfs, "/a:-1", "--tmpfs: not a size: -1"),
        ];
        for (option, argument, expected) in rows {
            let error = parse_mounts([(option, OsStr::new(argument))]).expect_err(expected);
            assert_eq!(error.to_string(), expected, "{argument}");
        }
    }
}
