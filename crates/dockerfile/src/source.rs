//! The text of a Dockerfile, and places in it.
//!
//! Everything the parser returns points into a [`Source`] by byte [`Span`]s; lines and columns are
//! computed only when somebody wants to see them, from one table of line starts.
//! Invariant: a span's ends are offsets into the source, `start <= end <= len`.

use std::sync::Arc;

/// A range of bytes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset just behind the last byte.
    pub end: usize,
}

impl Span {
    /// The range from the start of `self` to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start,
            end: self.end.max(other.end),
        }
    }
}

/// A piece of text and where it stands.
///
/// The text may differ from the bytes of the span: continuations are gone, and flags have lost their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What is written, as far as the language has not yet given it a meaning.
    pub text: String,
    /// Where it is written.
    pub span: Span,
}

/// Line and column of a place, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Number of the line.
    pub line: usize,
    /// Number of the character in its line.
    pub column: usize,
}

/// A Dockerfile's name and bytes. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    bytes: Vec<u8>,
    line_starts: Vec<usize>,
}

impl Source {
    /// A source called `name` in messages (`-` for standard input).
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Source {
        let bytes = bytes.into();
        let mut line_starts = vec![0];
        line_starts.extend(memchr::memchr_iter(b'\n', &bytes).map(|end| end + 1));
        Source(Arc::new(Inner {
            name: name.into(),
            bytes,
            line_starts,
        }))
    }

    /// The name given to [`Source::new`].
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Line and column of the byte at `offset`.
    pub fn location(&self, offset: usize) -> Location {
        let offset = offset.min(self.bytes().len());
        let line = self.line_of(offset);
        let before = &self.bytes()[self.0.line_starts[line - 1]..offset];
        let before = if line == 1 {
            without_mark(before)
        } else {
            before
        };
        Location {
            line,
            column: String::from_utf8_lossy(before).chars().count() + 1,
        }
    }

    /// Number of the line that holds the byte at `offset`.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.0.line_starts.partition_point(|start| *start <= offset)
    }

    /// How many lines there are.
    pub(crate) fn line_count(&self) -> usize {
        let unfinished = self.0.line_starts.last() != Some(&self.bytes().len());
        self.0.line_starts.len() - usize::from(!unfinished)
    }

    /// The bytes of line `number`, without its end.
    pub(crate) fn line(&self, number: usize) -> &[u8] {
        let start = self.0.line_starts[number - 1];
        let end = match self.0.line_starts.get(number) {
            Some(next) => next - 1,
            None => self.bytes().len(),
        };
        let line = &self.bytes()[start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if number == 1 {
            without_mark(line)
        } else {
            line
        }
    }
}

/// The UTF-8 byte order mark, which may stand at the start of a file.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}
