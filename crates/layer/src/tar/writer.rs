//! From members to an archive: ustar where everything fits, extended headers only for what does not.

use std::io::{self, Write};

use super::header::BLOCK;
use super::{Kind, Member};

/// Largest number in a field of 7 octal digits.
const LARGEST_SHORT: u64 = 0o777_7777;
/// Largest number in a field of 11 octal digits.
const LARGEST_LONG: u64 = 0o777_7777_7777;
/// Longest name and prefix in a header.
const NAME: usize = 100;
const PREFIX: usize = 155;

/// Writes an archive.
pub(crate) struct Writer<W> {
    output: W,
    /// Content that the last header promised and that has not come yet.
    owed: u64,
    padding: u64,
}

impl<W: Write> Writer<W> {
    /// Begins an archive.
    pub(crate) fn new(output: W) -> Self {
        Self {
            output,
            owed: 0,
            padding: 0,
        }
    }

    /// Writes the headers of `member`; its content must follow.
    pub(crate) fn member(&mut self, member: &Member) -> io::Result<()> {
        self.pad()?;
        let records = records(member);
        if !records.is_empty() {
            let mut header = [0; BLOCK];
            let base = member
                .path
                .rsplit(|byte| *byte == b'/')
                .find(|name| !name.is_empty());
            let base = base.unwrap_or(b".");
            let name = [b"PaxHeaders/", &base[..base.len().min(80)]].concat();
            put(&mut header, 0, &name);
            fill(&mut header, 0o644, (0, 0), records.len() as u64, 0, b'x');
            self.output.write_all(&header)?;
            self.output.write_all(&records)?;
            self.zeros(padding(records.len() as u64))?;
        }
        self.output.write_all(&plain(member))?;
        self.owed = if member.kind == Kind::File {
            member.size
        } else {
            0
        };
        self.padding = padding(self.owed);
        Ok(())
    }

    /// Writes a piece of the content.
    pub(crate) fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        let owed = self.owed.checked_sub(bytes.len() as u64);
        self.owed = owed.ok_or_else(|| io::Error::other("more content than announced"))?;
        self.output.write_all(bytes)
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.pad()?;
        self.zeros(2 * BLOCK as u64)?;
        Ok(self.output)
    }

    fn pad(&mut self) -> io::Result<()> {
        if self.owed > 0 {
            return Err(io::Error::other("less content than announced"));
        }
        let padding = std::mem::take(&mut self.padding);
        self.zeros(padding)
    }

    fn zeros(&mut self, count: u64) -> io::Result<()> {
        let block = [0; 2 * BLOCK];
        self.output.write_all(&block[..count as usize])
    }
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

/// The plain header; what does not fit is cut, and said rightly by [`records`].
fn plain(member: &Member) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    match split(&member.path) {
        Some((prefix, name)) => {
            put(&mut header, 0, name);
            put(&mut header, 345, prefix);
        }
        None => put(&mut header, 0, &member.path[..member.path.len().min(NAME)]),
    }
    let letter = match &member.kind {
        Kind::File => b'0',
        Kind::HardLink(target) => {
            put(&mut header, 157, &target[..target.len().min(NAME)]);
            b'1'
        }
        Kind::Symlink(target) => {
            put(&mut header, 157, &target[..target.len().min(NAME)]);
            b'2'
        }
        Kind::Character(_) => b'3',
        Kind::Block(_) => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    };
    if let Kind::Character(device) | Kind::Block(device) = &member.kind {
        octal(
            &mut header,
            329,
            8,
            u64::from(device.major).min(LARGEST_SHORT),
        );
        octal(
            &mut header,
            337,
            8,
            u64::from(device.minor).min(LARGEST_SHORT),
        );
    }
    let size = if member.kind == Kind::File {
        member.size
    } else {
        0
    };
    let ids = (member.uid, member.gid);
    fill(
        &mut header,
        member.mode,
        ids,
        size,
        member.modified.seconds,
        letter,
    );
    header
}

/// The fields that every header has, and its checksum.
fn fill(header: &mut [u8; BLOCK], mode: u32, ids: (u32, u32), size: u64, time: i64, letter: u8) {
    octal(header, 100, 8, mode.into());
    octal(header, 108, 8, u64::from(ids.0).min(LARGEST_SHORT));
    octal(header, 116, 8, u64::from(ids.1).min(LARGEST_SHORT));
    octal(header, 124, 12, size.min(LARGEST_LONG));
    octal(
        header,
        136,
        12,
        u64::try_from(time).unwrap_or(0).min(LARGEST_LONG),
    );
    header[156] = letter;
    put(header, 257, b"ustar\x0000");
    put(header, 148, b"        ");
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    octal(header, 148, 7, sum);
}

/// What the plain header cannot say, in the order of the keys.
fn records(member: &Member) -> Vec<u8> {
    let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut add = |key: &[u8], value: Vec<u8>| all.push((key.to_vec(), value));
    let foreign = |text: &[u8]| !text.is_ascii() && std::str::from_utf8(text).is_ok();
    if split(&member.path).is_none() || foreign(&member.path) {
        add(b"path", member.path.clone());
    }
    if let Kind::Symlink(target) | Kind::HardLink(target) = &member.kind
        && (target.len() > NAME || foreign(target))
    {
        add(b"linkpath", target.clone());
    }
    let number = |value: u64| value.to_string().into_bytes();
    if member.kind == Kind::File && member.size > LARGEST_LONG {
        add(b"size", number(member.size));
    }
    if u64::from(member.uid) > LARGEST_SHORT {
        add(b"uid", number(member.uid.into()));
    }
    if u64::from(member.gid) > LARGEST_SHORT {
        add(b"gid", number(member.gid.into()));
    }
    let time = member.modified;
    let fits = u64::try_from(time.seconds).is_ok_and(|seconds| seconds <= LARGEST_LONG);
    if !fits || time.nanoseconds > 0 {
        add(b"mtime", decimal_time(time.seconds, time.nanoseconds));
    }
    for (name, value) in &member.attributes {
        add(&[b"SCHILY.xattr.", &name[..]].concat(), value.clone());
    }
    all.sort();
    all.iter()
        .flat_map(|(key, value)| record(key, value))
        .collect()
}

/// Seconds as a decimal fraction; before 1970 the digits after the point count backwards.
fn decimal_time(seconds: i64, nanoseconds: u32) -> Vec<u8> {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let (sign, size) = if total < 0 {
        ("-", -total)
    } else {
        ("", total)
    };
    let text = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

/// One record, whose length counts itself.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() > length {
        length += 1;
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// Prefix and name, if the header has room for the path.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME {
        return Some((b"", path));
    }
    let earliest = path.len().checked_sub(NAME + 1)?;
    let slash = (earliest..path.len() - 1).find(|at| path[*at] == b'/')?;
    (slash > 0 && slash <= PREFIX).then(|| (&path[..slash], &path[slash + 1..]))
}

fn put(header: &mut [u8; BLOCK], start: usize, bytes: &[u8]) {
    header[start..start + bytes.len()].copy_from_slice(bytes);
}

/// `value` in all digits of a field but the last byte, which is NUL.
fn octal(header: &mut [u8; BLOCK], start: usize, length: usize, value: u64) {
    let digits = format!("{value:0width$o}", width = length - 1);
    put(header, start, digits.as_bytes());
    header[start + length - 1] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::Reader;
    use ch_linux::file::{Device, Time};
    use proptest::prelude::*;

    fn file(path: Vec<u8>, size: u64) -> Member {
        Member {
            offset: 0,
            path,
            kind: Kind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            modified: Time::default(),
            size,
            attributes: Vec::new(),
        }
    }

    #[test]
    fn number_fields_are_as_others_write_them() {
        let header = plain(&Member {
            uid: 8,
            mode: 0o755,
            ..file(b"a".to_vec(), 5)
        });
        assert_eq!(&header[100..116], b"0000755\x000000010\0");
        assert_eq!(&header[124..136], b"00000000005\0");
        assert_eq!(&header[257..265], b"ustar\x0000");
        assert_eq!(header[155], b' ');
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            name in "[a-z\u{e9}/]{1,300}",
            link in proptest::option::of("[a-z\u{e9}]{1,200}"),
            ids: (u32, u32), seconds in -(1i64 << 40)..(1i64 << 40), nanoseconds in 0u32..1_000_000_000,
            value: Vec<u8>, content: Vec<u8>,
        ) {
            let mut member = file(name.trim_matches('/').as_bytes().to_vec(), content.len() as u64);
            prop_assume!(!member.path.is_empty());
            (member.uid, member.gid) = (ids.0.min(u32::MAX - 1), ids.1.min(u32::MAX - 1));
            member.modified = Time { seconds, nanoseconds };
            member.attributes = vec![(b"user.x".to_vec(), value)];
            if let Some(link) = link {
                member.kind = Kind::Symlink(link.into_bytes());
                member.size = 0;
            }
            let last = Member { kind: Kind::Block(Device { major: 8, minor: 1 }), ..file(b"z".to_vec(), 0) };
            let mut writer = Writer::new(Vec::new());
            writer.member(&member).unwrap();
            if member.kind == Kind::File {
                writer.content(&content).unwrap();
            }
            writer.member(&last).unwrap();
            let archive = writer.finish().unwrap();
            let mut reader = Reader::new(&archive[..]);
            let found = reader.next().unwrap();
            prop_assert_eq!(found.as_ref(), Some(&member));
            let found = reader.next().unwrap().unwrap();
            prop_assert_eq!(found.kind, last.kind);
            prop_assert!(reader.next().unwrap().is_none());
        }
    }
}
