//! Bytes on their way to a registry, read where they are, as often as that is needed.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

/// What a registry is to have.
#[derive(Debug)]
pub enum Content {
    /// A document.
    Bytes(Vec<u8>),
    /// A file, which is not changed meanwhile.
    File(File),
}

/// Hears how many bytes are on their way; `false` ends the transfer.
pub type Watch<'a> = &'a (dyn Fn(u64) -> bool + Sync);

/// Why the bytes to be sent can't be read; behind the error of the request.
#[derive(Debug, thiserror::Error)]
enum Unread {
    /// What should be sent can't be read.
    #[error("can't read what is to be uploaded")]
    Failed(#[source] io::Error),
    /// It ends too early.
    #[error("what is to be uploaded has only {0} bytes")]
    Short(u64),
    /// Nobody wants it any more.
    #[error("stopped, because something else failed")]
    Stopped,
}

/// Whether a request failed because what it should send can't be read.
pub(crate) fn is_unread(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Unread>())
}

impl Content {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, offset),
            Self::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                bytes.get(start..).unwrap_or_default().read(buffer)
            }
        }
    }
}

/// A part of a [`Content`], up to its end.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(super) content: &'a Content,
    /// Where it begins.
    pub(super) start: u64,
    /// Size of the whole.
    pub(super) size: u64,
    pub(super) watch: Watch<'a>,
}

impl<'a> Piece<'a> {
    /// How many bytes it has.
    pub(crate) fn length(&self) -> u64 {
        self.size - self.start
    }

    /// What the registry is told of a piece that is not the whole.
    pub(crate) fn range(&self) -> Option<String> {
        (self.start > 0).then(|| format!("{}-{}", self.start, self.size.saturating_sub(1)))
    }

    /// A reader from its beginning.
    pub(crate) fn reader(self) -> Reader<'a> {
        Reader {
            piece: self,
            at: self.start,
        }
    }
}

/// Reads a piece.
pub(crate) struct Reader<'a> {
    piece: Piece<'a>,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Piece {
            content,
            size,
            watch,
            ..
        } = self.piece;
        if !watch(self.at) {
            return Err(io::Error::other(Unread::Stopped));
        }
        let left = usize::try_from(size - self.at).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let read = content.read_at(&mut buffer[..most], self.at);
        let count = read.map_err(|error| io::Error::other(Unread::Failed(error)))?;
        if count == 0 && most > 0 {
            return Err(io::Error::other(Unread::Short(self.at)));
        }
        self.at += count as u64;
        Ok(count)
    }
}
