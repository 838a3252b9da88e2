//! What a directory is: ours, someone else's, or nothing yet.
//!
//! Without `VERSION` a directory is ours only if nothing in it can be another's: somebody may well keep
//! a `tmp/lock` of his own beside what is dear to him.

use ch_linux::SyscallError;
use ch_linux::tree::{Directory, Kind};

use super::OpenError;
use super::error::io;
use super::layout::{self, names};

/// Version of the format that this program reads and writes.
pub(super) const VERSION: u32 = 1;

const BEFORE_NUMBER: &str = "ch-image storage ";

/// What [`recognise`] found, as far as it can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Our format, our version, whole.
    Ours,
    /// Nothing.
    Empty,
    /// Ours, but its creation or its reset was cut short.
    Unfinished,
}

/// The content of `VERSION`.
pub(super) fn text() -> String {
    format!("{BEFORE_NUMBER}{VERSION}\n")
}

/// Whether some version of our format is there, readable or not.
pub(super) fn is_any_of_ours(root: &Directory) -> Result<bool, OpenError> {
    if is_charliecloud(root)? {
        return Err(OpenError::Charliecloud {
            path: root.path().to_owned(),
        });
    }
    let version = root.try_read(names::VERSION).map_err(io(root.path()))?;
    match version {
        Some(bytes) => Ok(bytes.starts_with(BEFORE_NUMBER.trim_end().as_bytes())),
        None => is_unfinished(root),
    }
}

/// Says what `root` is; what can't be used is an error.
pub(super) fn recognise(root: &Directory) -> Result<Found, OpenError> {
    let failed = io(root.path());
    let path = || root.path().to_owned();
    if is_charliecloud(root)? {
        return Err(OpenError::Charliecloud { path: path() });
    }
    if let Some(bytes) = root.try_read(names::VERSION).map_err(&failed)? {
        return match parse(&bytes)? {
            VERSION if is_being_reset(root)? => Ok(Found::Unfinished),
            VERSION => Ok(Found::Ours),
            version => Err(OpenError::Newer {
                path: path(),
                version,
            }),
        };
    }
    match root.entries().map_err(&failed)?.as_slice() {
        [] => Ok(Found::Empty),
        // Stopped between the first directory and the lock in it.
        [only] if only.name == names::TMP && is_empty_tmp(root)? => Ok(Found::Unfinished),
        _ if is_unfinished(root)? => Ok(Found::Unfinished),
        _ => Err(OpenError::Foreign { path: path() }),
    }
}

/// Whether a directory without `VERSION` has our lock and nothing that is not ours.
fn is_unfinished(root: &Directory) -> Result<bool, OpenError> {
    Ok(has_in_tmp(root, names::LOCK)? && has_only_ours(root).map_err(io(root.path()))?)
}

/// Looks at the names of the top and of the directories there; somebody may be making them meanwhile.
fn has_only_ours(root: &Directory) -> Result<bool, SyscallError> {
    for entry in root.entries()? {
        let Some(name) = entry.name.to_str() else {
            return Ok(false);
        };
        if entry.kind == Kind::File && layout::is_file_of_ours(name) {
            continue;
        }
        if entry.kind != Kind::Directory || !layout::is_directory_of_ours(name) {
            return Ok(false);
        }
        let below = match root.try_directory(name)? {
            Some(directory) => directory.entries()?,
            None => Vec::new(),
        };
        let is_ours = |name: &str, inside: Option<&str>| {
            inside.is_some_and(|inside| layout::may_contain(name, inside))
        };
        if !below.iter().all(|entry| is_ours(name, entry.name.to_str())) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_empty_tmp(root: &Directory) -> Result<bool, OpenError> {
    let entries = || Ok(root.directory(names::TMP)?.entries()?.is_empty());
    entries().map_err(io(root.path()))
}

/// Reads `VERSION`: the number of a version that is ours or newer.
fn parse(bytes: &[u8]) -> Result<u32, OpenError> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    line.strip_prefix(BEFORE_NUMBER)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|version| *version >= VERSION)
        .ok_or_else(|| OpenError::MalformedVersion {
            text: line.chars().take(80).collect(),
        })
}

/// Our layout never has both of these.
fn is_charliecloud(root: &Directory) -> Result<bool, OpenError> {
    let has = |name| -> Result<bool, OpenError> {
        Ok(root
            .try_attributes_of(name)
            .map_err(io(root.path()))?
            .is_some())
    };
    Ok(has("img")? && has("dlcache")?)
}

fn is_being_reset(root: &Directory) -> Result<bool, OpenError> {
    has_in_tmp(root, names::RESET)
}

fn has_in_tmp(root: &Directory, name: &str) -> Result<bool, OpenError> {
    let failed = io(root.path());
    match root.try_attributes_of(names::TMP).map_err(&failed)? {
        Some(tmp) if tmp.kind == Kind::Directory => {
            let tmp = root.directory_for_search(names::TMP).map_err(&failed)?;
            Ok(tmp.try_attributes_of(name).map_err(failed)?.is_some())
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_line_is_read() {
        assert_eq!(parse(text().as_bytes()).unwrap(), VERSION);
        assert_eq!(parse(b"ch-image storage 99\n").unwrap(), 99);
        for (bytes, message) in [
            (&b"abc\n"[..], "malformed storage version: \"abc\""),
            (b"", "malformed storage version: \"\""),
            (
                b"ch-image storage 0\n",
                "malformed storage version: \"ch-image storage 0\"",
            ),
            (
                b"ch-image storage +1\n",
                "malformed storage version: \"ch-image storage +1\"",
            ),
            (
                b"ch-image storage \n",
                "malformed storage version: \"ch-image storage \"",
            ),
        ] {
            assert_eq!(parse(bytes).unwrap_err().to_string(), message);
        }
    }
}
