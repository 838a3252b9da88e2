//! The owners file of a layer: what objects that cannot carry extended attributes would carry.
//!
//! ```text
//! usr/bin/ping<TAB>0:0:04755:file<TAB>user.chimage.note=some%20value
//! old/path<TAB>gone
//! ```
//!
//! One line per object, with its path below the layer's root, its override or `-`, and extended
//! attributes by their names in the image. Bytes other than visible ASCII, and `%` and `=`, are written
//! `%XX`. A later line for a path replaces an earlier one; `gone` drops the path and all below it. So
//! the file can be written while an archive is read, without remembering what was written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead};

use crate::Override;

/// Name of the file, beside the layer's `fs`.
pub const FILE: &str = "owners";

/// What is remembered of one path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// Owner, mode and kind, if they are not those on disk.
    pub believed: Option<Override>,
    /// Extended attributes, by their names in the image.
    pub attributes: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The owners of a layer, by path without a leading slash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owners {
    paths: BTreeMap<Vec<u8>, Owner>,
}

/// Why an owners file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ParseOwnersError {
    /// Reading failed.
    #[error("can't read the owners file")]
    Read(#[source] io::Error),
    /// A line is not of the form above.
    #[error("owners file, line {line}: malformed")]
    Malformed {
        /// Counted from 1.
        line: usize,
    },
}

impl Owners {
    /// Reads a whole file.
    pub fn read(mut reader: impl BufRead) -> Result<Self, ParseOwnersError> {
        let mut owners = Self::default();
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            if reader
                .read_until(b'\n', &mut text)
                .map_err(ParseOwnersError::Read)?
                == 0
            {
                break;
            }
            let whole = text.strip_suffix(b"\n");
            whole
                .and_then(|text| owners.take(text))
                .ok_or(ParseOwnersError::Malformed { line })?;
        }
        Ok(owners)
    }

    /// What is remembered of `path`.
    pub fn get(&self, path: &[u8]) -> Option<&Owner> {
        self.paths.get(path)
    }

    /// All paths, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Owner)> {
        self.paths.iter().map(|(path, owner)| (&path[..], owner))
    }

    fn take(&mut self, line: &[u8]) -> Option<()> {
        let mut fields = line.split(|byte| *byte == b'\t');
        let path = unescape(fields.next()?)?;
        let state = fields.next()?;
        if state == b"gone" {
            self.forget(&path);
            return fields.next().is_none().then_some(());
        }
        let believed = match state {
            b"-" => None,
            text => Some(std::str::from_utf8(text).ok()?.parse().ok()?),
        };
        let mut owner = Owner {
            believed,
            ..Owner::default()
        };
        for field in fields {
            let at = field.iter().position(|byte| *byte == b'=')?;
            owner
                .attributes
                .insert(unescape(&field[..at])?, unescape(&field[at + 1..])?);
        }
        self.paths.insert(path, owner);
        Some(())
    }

    fn forget(&mut self, path: &[u8]) {
        let below = [path, b"/"].concat();
        self.paths
            .retain(|known, _| known != path && !known.starts_with(&below));
    }
}

/// The line, with its end, that remembers `owner` of `path`.
pub fn line(path: &[u8], owner: &Owner) -> String {
    let mut line = escape(path);
    line.push('\t');
    match &owner.believed {
        Some(believed) => write!(line, "{believed}").expect("a String takes everything"),
        None => line.push('-'),
    }
    for (name, value) in &owner.attributes {
        line.push('\t');
        line.push_str(&escape(name));
        line.push('=');
        line.push_str(&escape(value));
    }
    line.push('\n');
    line
}

/// The line, with its end, that drops `path` and everything below it.
pub fn forgotten(path: &[u8]) -> String {
    escape(path) + "\tgone\n"
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_graphic() && byte != b'%' && byte != b'=' {
            text.push(byte.into());
        } else {
            write!(text, "%{byte:02X}").expect("a String takes everything");
        }
    }
    text
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use proptest::prelude::*;

    fn link(uid: u32) -> Owner {
        let believed = Override {
            uid,
            gid: 1,
            mode: 0o777,
            kind: Kind::Symlink,
        };
        Owner {
            believed: Some(believed),
            ..Owner::default()
        }
    }

    #[test]
    fn later_lines_win_and_gone_takes_what_is_below() {
        let text = [
            line(b"a/link", &link(1)),
            line(b"a-b", &link(2)),
            line(b"a/link", &link(3)),
            line(b"d", &link(4)),
            forgotten(b"a"),
            line(b"a", &link(5)),
        ]
        .concat();
        let owners = Owners::read(text.as_bytes()).unwrap();
        let expected = [(&b"a"[..], &link(5)), (b"a-b", &link(2)), (b"d", &link(4))];
        assert_eq!(owners.iter().collect::<Vec<_>>(), expected);
        assert_eq!(owners.get(b"a/link"), None);
    }

    #[test]
    fn malformed_lines_are_named() {
        for text in [
            "x",
            "a\t-\nb\n",
            "a\t-\tname\n",
            "%4\t-\n",
            "a\t0:0:file\n",
            "a\tgone\tx\n",
        ] {
            let error = Owners::read(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("line "), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_survive(path: Vec<u8>, name: Vec<u8>, value: Vec<u8>) {
            let mut owner = link(7);
            owner.attributes.insert(name, value);
            let owners = Owners::read(line(&path, &owner).as_bytes()).unwrap();
            prop_assert_eq!(owners.get(&path), Some(&owner));
        }
    }
}
