//! Tar archives as a sequence of members: v7, ustar, GNU, pax and star, with sparse files.
//!
//! The parser works on byte slices and does no I/O but through [`std::io::BufRead`]; it knows nothing
//! of file systems. Names are bytes, as they are in the archive. Invariants: what is read of one
//! member's own description is bounded ([`LONGEST_EXTENSION`]); a member's content ends where its
//! header says, whatever the content.

mod header;
mod number;
mod pax;
mod reader;
mod sparse;
mod writer;

pub(crate) use header::BLOCK;
pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

use ch_linux::file::{Device, Time};

/// As many bytes may describe one member: extended headers and long names together.
pub(crate) const LONGEST_EXTENSION: u64 = 1 << 20;

/// Whether `start`, the first bytes of a stream, begin an archive; so does a stream without any.
pub(crate) fn begins_archive(start: &[u8]) -> bool {
    match start.first_chunk::<BLOCK>() {
        Some(block) => *block == [0; BLOCK] || header::Header::new(*block).is_ok(),
        None => start.iter().all(|byte| *byte == 0),
    }
}

/// One member of an archive, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Where its first header is, counted in uncompressed bytes.
    pub(crate) offset: u64,
    /// Its name as the archive has it, neither cleaned nor checked.
    pub(crate) path: Vec<u8>,
    /// What it is.
    pub(crate) kind: Kind,
    /// Permission bits, possibly with others above.
    pub(crate) mode: u32,
    /// Owner.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// Time of last change.
    pub(crate) modified: Time,
    /// Bytes of content, holes included.
    pub(crate) size: u64,
    /// Extended attributes.
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link that says this.
    Symlink(Vec<u8>),
    /// Another name of the member with this name.
    HardLink(Vec<u8>),
    /// FIFO.
    Fifo,
    /// Character device.
    Character(Device),
    /// Block device.
    Block(Device),
}

/// What is wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveProblem {
    /// Neither of the two ways to add up a header agrees with it.
    #[error("wrong header checksum")]
    Checksum,
    /// A number that is none, or one that cannot be.
    #[error("field {field}: not a possible value: \"{value}\"")]
    Number {
        /// Name of the field.
        field: &'static str,
        /// What is in it, escaped.
        value: String,
    },
    /// A member of a type that we do not know.
    #[error("unknown type \"{0}\"")]
    Type(String),
    /// An extended header that is not of the form `LENGTH KEY=VALUE`.
    #[error("malformed extended header")]
    Extension,
    /// More than a member may need to describe itself.
    #[error("extended header of more than 1 MiB")]
    LongExtension,
    /// A header for all members that would give them all one name or size.
    #[error("global extended header with {0}")]
    GlobalExtension(&'static str),
    /// A sparse file whose pieces overlap, are out of order or do not fit.
    #[error("malformed map of a sparse file")]
    SparseMap,
    /// The archive ends where it must not.
    #[error("the archive ends inside {0}")]
    Truncated(&'static str),
    /// A single zero block is neither an end nor a header.
    #[error("header after a single zero block")]
    ZeroBlock,
}

/// Why the next member, or its content, could not be read.
#[derive(Debug)]
pub(crate) enum Error {
    /// The stream failed.
    Read(std::io::Error),
    /// The archive is wrong.
    Archive {
        /// Name of the member, as far as it is known.
        member: Vec<u8>,
        /// Where its header is.
        offset: u64,
        /// What is wrong.
        problem: ArchiveProblem,
    },
}
