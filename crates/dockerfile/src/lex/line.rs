//! One logical line, and where its bytes come from.

use std::borrow::Cow;
use std::ops::Range;

use crate::ast::Escape;
use crate::check::Skip;
use crate::diagnostic::Problems;
use crate::lex::is_blank;
use crate::source::{Span, Word};

/// An instruction on one line.
///
/// The text given to the grammar has the escape character in front, so that one grammar serves both; all offsets
/// here count from behind it.
#[derive(Debug)]
pub(crate) struct LogicalLine {
    text: String,
    /// Where pieces begin: in this line, and in the file. By both in ascending order.
    pieces: Vec<(usize, usize)>,
    /// The first blank line among the continuations.
    pub(crate) empty_continuation: Option<Span>,
    /// The comments directly above, and the checks that they switch off.
    pub(crate) comments: Vec<String>,
    pub(crate) skip: Skip,
}

impl LogicalLine {
    pub(super) fn new(escape: Escape) -> LogicalLine {
        LogicalLine {
            text: escape.char().to_string(),
            pieces: Vec::new(),
            empty_continuation: None,
            comments: Vec::new(),
            skip: Skip::None,
        }
    }

    /// The escape character, then the line.
    pub(crate) fn text_for_grammar(&self) -> &str {
        &self.text
    }

    /// The line.
    pub(crate) fn text(&self) -> &str {
        &self.text[1..]
    }

    /// Where a range of the line stands in the file.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        let start = self.offset(range.start);
        let end = if range.start < range.end {
            self.offset(range.end - 1) + 1
        } else {
            start
        };
        Span { start, end }
    }

    /// A range of the line as a word.
    pub(crate) fn word(&self, range: Range<usize>) -> Word {
        Word {
            text: self.text()[range.clone()].to_owned(),
            span: self.span(range),
        }
    }

    /// Where the instruction begins: its leading blanks do not belong to it.
    pub(crate) fn start(&self) -> usize {
        self.text()
            .bytes()
            .take_while(|byte| is_blank(*byte))
            .count()
    }

    /// Adds bytes that stand at `offset` in the file.
    pub(super) fn push(&mut self, bytes: &[u8], offset: usize, problems: &mut Problems) {
        self.pieces.push((self.text().len(), offset));
        self.text.push_str(&valid_text(bytes, offset, problems));
    }

    /// Drops the blanks at the end. Does anything remain?
    pub(super) fn trim_end(&mut self) -> bool {
        let blanks = self
            .text()
            .bytes()
            .rev()
            .take_while(|byte| is_blank(*byte))
            .count();
        self.text.truncate(self.text.len() - blanks);
        !self.text().is_empty()
    }

    fn offset(&self, position: usize) -> usize {
        let piece = self.pieces.partition_point(|(start, _)| *start <= position);
        let (start, offset) = self.pieces[piece.saturating_sub(1)];
        offset + (position - start)
    }
}

/// `bytes` as text. NUL and what is no UTF-8 are reported; the latter is replaced byte by byte so that offsets stay right.
pub(super) fn valid_text<'b>(
    bytes: &'b [u8],
    offset: usize,
    problems: &mut Problems,
) -> Cow<'b, str> {
    if let Some(at) = memchr::memchr(0, bytes) {
        let start = offset + at;
        let end = start + 1;
        problems.report(Span { start, end }, "NUL is not allowed");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut reported = false;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let invalid = chunk.invalid().len();
        if invalid > 0 && !reported {
            let start = offset + text.len();
            problems.report(
                Span {
                    start,
                    end: start + invalid,
                },
                "invalid UTF-8",
            );
            reported = true;
        }
        text.extend(std::iter::repeat_n('?', invalid));
    }
    Cow::Owned(text)
}
