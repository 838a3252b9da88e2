//! `--set-env` and `--unset-env` of `ch-run`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use ch_linux::file::read_at_most;

use super::{Glob, set, set_all, value};
use crate::spec::Variables;

/// Most bytes of a file of variables; the kernel takes less.
pub(super) const LARGEST: u64 = 16 << 20;

/// What ends an assignment in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// `--set-env`.
    Newline,
    /// `--set-env0`. A newline right before the NUL does not belong to the value.
    Nul,
}

/// One change of an environment; changes are applied in the order of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Sets variables, in order.
    Set(Variables),
    /// Sets what the image has in `/ch/environment`, or else in its config.
    SetFromImage(Separator),
    /// Removes every variable whose name is described.
    Unset(Glob),
}

/// Why an argument of `--set-env` or `--unset-env` can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A line without `=`.
    #[error("can't parse variable: no delimiter: {place}")]
    NoDelimiter {
        /// File and line, or the argument.
        place: String,
    },
    /// A line that begins with `=`.
    #[error("can't parse variable: empty name: {place}")]
    EmptyName {
        /// File and line, or the argument.
        place: String,
    },
    /// A file that can't be read, or is too large.
    #[error("can't open: {}: {}", path.display(), reason(cause))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the kernel said; it is in the text already, so it is no `source`.
        cause: io::Error,
    },
    /// A pattern without a character.
    #[error("--unset-env: GLOB must have non-zero length")]
    EmptyGlob,
}

fn reason(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), crate::error::errno_text)
}

impl Edit {
    /// `--set-env[=ARGUMENT]`: an assignment, a file of the host, or neither. A file is read now, once,
    /// from beginning to end, so it may be a pipe.
    pub fn set(argument: Option<&OsStr>, separator: Separator) -> Result<Self, EnvironmentError> {
        let Some(argument) = argument else {
            return Ok(Self::SetFromImage(separator));
        };
        if argument.as_bytes().contains(&b'=') {
            let place = || argument.to_string_lossy().into_owned();
            return parse(argument.as_bytes(), place).map(|one| Self::Set(vec![one]));
        }
        let path = Path::new(argument);
        let content = File::open(path).and_then(|file| read_at_most(file, LARGEST));
        let content = content.map_err(|cause| EnvironmentError::Open {
            path: path.to_owned(),
            cause,
        })?;
        parse_file(&content, path, separator).map(Self::Set)
    }

    /// `--unset-env=GLOB`.
    pub fn unset(glob: &OsStr) -> Result<Self, EnvironmentError> {
        if glob.is_empty() {
            return Err(EnvironmentError::EmptyGlob);
        }
        Ok(Self::Unset(Glob::new(glob)))
    }
}

/// The assignments of a file, unexpanded.
pub(super) fn parse_file(
    content: &[u8],
    path: &Path,
    separator: Separator,
) -> Result<Variables, EnvironmentError> {
    let byte = match separator {
        Separator::Newline => b'\n',
        Separator::Nul => b'\0',
    };
    let pieces = content.split(|&found| found == byte).enumerate();
    pieces
        .map(|(index, piece)| match separator {
            Separator::Newline => (index, piece),
            Separator::Nul => (index, piece.strip_suffix(b"\n").unwrap_or(piece)),
        })
        .filter(|(_, piece)| !piece.is_empty())
        .map(|(index, piece)| parse(piece, || format!("{}:{}", path.display(), index + 1)))
        .collect()
}

/// `NAME=VALUE`; one pair of single quotes around the whole value is taken off.
fn parse(
    text: &[u8],
    place: impl Fn() -> String,
) -> Result<(OsString, OsString), EnvironmentError> {
    let Some(equals) = text.iter().position(|&byte| byte == b'=') else {
        return Err(EnvironmentError::NoDelimiter { place: place() });
    };
    if equals == 0 {
        return Err(EnvironmentError::EmptyName { place: place() });
    }
    let value = &text[equals + 1..];
    let value = value
        .strip_prefix(b"'")
        .and_then(|inner| inner.strip_suffix(b"'"))
        .unwrap_or(value);
    let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    Ok((owned(&text[..equals]), owned(value)))
}

/// Replaces every item `$NAME` of a value that is taken apart at colons; an item whose variable is unset
/// or empty goes, with one colon.
pub(super) fn expand(text: &OsStr, variables: &Variables) -> OsString {
    let items = text
        .as_bytes()
        .split(|&byte| byte == b':')
        .filter_map(|item| match item {
            [b'$', name @ ..] if !name.is_empty() => {
                let found = value(variables, OsStr::from_bytes(name));
                found
                    .map(|found| found.as_bytes())
                    .filter(|found| !found.is_empty())
            }
            _ => Some(item),
        });
    OsString::from_vec(items.collect::<Vec<_>>().join(&b':'))
}

/// Applies assignments one by one, so that each sees those before it.
pub(super) fn assign(variables: &mut Variables, assignments: &Variables, expanding: bool) {
    if !expanding {
        return set_all(variables, assignments);
    }
    for (name, text) in assignments {
        let value = expand(text, variables);
        set(variables, name.clone(), value);
    }
}

#[cfg(test)]
mod tests;
