//! One header block of 512 bytes.

use super::ArchiveProblem;
use super::number;

/// Everything in an archive comes in blocks of this size.
pub(crate) const BLOCK: usize = 512;

/// A header block whose checksum is right.
#[derive(Debug, Clone)]
pub(super) struct Header([u8; BLOCK]);

/// Who made the archive, which decides what the fields after the first 257 bytes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    V7,
    Ustar,
    Gnu,
    Star,
}

impl Header {
    /// Takes a block if its checksum is right, added up unsigned or signed.
    pub(super) fn new(block: [u8; BLOCK]) -> Result<Self, ArchiveProblem> {
        let header = Self(block);
        let stored = number::field("checksum", header.bytes(148, 8))
            .map_err(|_| ArchiveProblem::Checksum)?;
        let others = || block[..148].iter().chain(&block[156..]);
        let unsigned: i128 = others().map(|byte| i128::from(*byte)).sum();
        let signed: i128 = others().map(|byte| i128::from(byte.cast_signed())).sum();
        // The checksum field itself counts as blanks.
        let blanks = 8 * i128::from(b' ');
        if stored == unsigned + blanks || stored == signed + blanks {
            Ok(header)
        } else {
            Err(ArchiveProblem::Checksum)
        }
    }

    fn bytes(&self, start: usize, length: usize) -> &[u8] {
        &self.0[start..start + length]
    }

    fn text(&self, start: usize, length: usize) -> &[u8] {
        let field = self.bytes(start, length);
        &field[..memchr::memchr(0, field).unwrap_or(length)]
    }

    fn format(&self) -> Format {
        match self.bytes(257, 8) {
            b"ustar  \0" => Format::Gnu,
            [b'u', b's', b't', b'a', b'r', 0, ..] if self.bytes(508, 4) == b"tar\0" => Format::Star,
            [b'u', b's', b't', b'a', b'r', 0, ..] => Format::Ustar,
            _ => Format::V7,
        }
    }

    /// The name, with the prefix where the format has one.
    pub(super) fn path(&self) -> Vec<u8> {
        let prefix = match self.format() {
            Format::Ustar => self.text(345, 155),
            Format::Star => self.text(345, 131),
            Format::V7 | Format::Gnu => b"",
        };
        let name = self.text(0, 100);
        if prefix.is_empty() {
            name.to_vec()
        } else {
            [prefix, b"/", name].concat()
        }
    }

    /// What a link points to.
    pub(super) fn link(&self) -> &[u8] {
        self.text(157, 100)
    }

    /// The letter of the type.
    pub(super) fn letter(&self) -> u8 {
        self.0[156]
    }

    pub(super) fn mode(&self) -> Result<u32, ArchiveProblem> {
        let mode = number::bounded("mode", number::field("mode", self.bytes(100, 8))?, u64::MAX)?;
        // Some archives have the type above the permissions.
        Ok((mode & 0o7777) as u32)
    }

    pub(super) fn uid(&self) -> Result<i128, ArchiveProblem> {
        number::field("uid", self.bytes(108, 8))
    }

    pub(super) fn gid(&self) -> Result<i128, ArchiveProblem> {
        number::field("gid", self.bytes(116, 8))
    }

    pub(super) fn size(&self) -> Result<i128, ArchiveProblem> {
        number::field("size", self.bytes(124, 12))
    }

    pub(super) fn modified(&self) -> Result<i128, ArchiveProblem> {
        number::field("mtime", self.bytes(136, 12))
    }

    pub(super) fn device(&self) -> Result<ch_linux::file::Device, ArchiveProblem> {
        let part = |name, start| {
            let value = number::field(name, self.bytes(start, 8))?;
            Ok(number::bounded(name, value, u32::MAX.into())? as u32)
        };
        if self.format() == Format::V7 {
            return Ok(ch_linux::file::Device { major: 0, minor: 0 });
        }
        Ok(ch_linux::file::Device {
            major: part("devmajor", 329)?,
            minor: part("devminor", 337)?,
        })
    }

    /// The map of an old GNU sparse file: four pieces, whether more blocks follow, the real size.
    pub(super) fn sparse(&self) -> (&[u8], bool, &[u8]) {
        (self.bytes(386, 96), self.0[482] != 0, self.bytes(483, 12))
    }
}
