//! From bytes to logical lines: continuations, comments, carriage returns and here-documents.
//!
//! Physical lines end at `\n`. A logical line is one instruction without its continuations and the comments between
//! them; it knows for each of its bytes where in the file that stands. What the instruction says is the grammar's
//! business; since only it knows whether here-documents are allowed, their bodies are read when it asks.
//! Invariant: every byte of the file is looked at once, and what comes out is valid UTF-8.

pub(crate) mod directive;
pub(crate) mod heredoc;
mod line;

pub(crate) use line::LogicalLine;

use crate::ast::{Escape, Heredoc};
use crate::check::Skip;
use crate::diagnostic::Problems;
use crate::source::{BYTE_ORDER_MARK, Source, Span};

/// The logical lines of a source.
#[derive(Debug)]
pub(crate) struct Lines<'s> {
    source: &'s Source,
    position: usize,
    escape: Escape,
}

/// The characters that separate words.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0B | 0x0C | b'\r')
}

/// Spans of the physical lines from `position` on, without `\n` and a `\r` before it.
fn physical_line(bytes: &[u8], position: usize) -> Option<(Span, usize)> {
    if position >= bytes.len() {
        return None;
    }
    let newline = memchr::memchr(b'\n', &bytes[position..]).map(|at| position + at);
    let Some(newline) = newline else {
        let span = Span {
            start: position,
            end: bytes.len(),
        };
        return Some((span, bytes.len()));
    };
    let with_return = newline > position && bytes[newline - 1] == b'\r';
    let end = newline - usize::from(with_return);
    Some((
        Span {
            start: position,
            end,
        },
        newline + 1,
    ))
}

/// `span` without the blanks at its start.
fn without_leading_blanks(bytes: &[u8], span: Span) -> Span {
    let line = &bytes[span.start..span.end];
    let blanks = line.iter().take_while(|byte| is_blank(**byte)).count();
    Span {
        start: span.start + blanks,
        end: span.end,
    }
}

impl<'s> Lines<'s> {
    /// The lines of `source`, continued by `escape`.
    pub(crate) fn new(source: &'s Source, escape: Escape) -> Lines<'s> {
        let marked = source.bytes().starts_with(BYTE_ORDER_MARK);
        Lines {
            source,
            position: if marked { BYTE_ORDER_MARK.len() } else { 0 },
            escape,
        }
    }

    /// The next logical line that is not blank.
    pub(crate) fn next(&mut self, problems: &mut Problems) -> Option<LogicalLine> {
        let mut comments = Comments::default();
        let mut line = LogicalLine::new(self.escape);
        while let Some(physical) = self.physical() {
            let trimmed = without_leading_blanks(self.source.bytes(), physical);
            if self.text(trimmed).starts_with(b"#") {
                comments.add(self.text(trimmed));
                continue;
            }
            if trimmed.start == trimmed.end {
                comments = Comments::default();
                continue;
            }
            let continued = self.append(trimmed, &mut line, problems);
            if continued {
                self.continuations(&mut line, problems);
            }
            if line.trim_end() {
                line.comments = comments.lines;
                line.skip = comments.skip;
                return Some(line);
            }
            line = LogicalLine::new(self.escape);
        }
        None
    }

    /// The body of a here-document; `None` if the file ends before its terminator, and then everything is read.
    pub(crate) fn body(
        &mut self,
        operator: &heredoc::Operator,
        span: Span,
        problems: &mut Problems,
    ) -> Option<Heredoc> {
        let start = self.position;
        loop {
            let line_start = self.position;
            let line = self.physical()?;
            if operator.ends_at(self.text(line)) {
                let body_span = Span {
                    start,
                    end: line_start,
                };
                return Some(Heredoc {
                    name: operator.name.clone(),
                    expand: operator.expand,
                    strip_tabs: operator.strip_tabs,
                    body: line::valid_text(self.text(body_span), start, problems).into_owned(),
                    span,
                    body_span,
                });
            }
        }
    }

    /// How far the file has been read.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The lines that continue a line.
    fn continuations(&mut self, line: &mut LogicalLine, problems: &mut Problems) {
        while let Some(physical) = self.physical() {
            let trimmed = without_leading_blanks(self.source.bytes(), physical);
            if self.text(trimmed).starts_with(b"#") {
                continue;
            }
            if trimmed.start == trimmed.end {
                line.empty_continuation.get_or_insert(physical);
                continue;
            }
            if !self.append(physical, line, problems) {
                return;
            }
        }
    }

    /// Adds a physical line. Is it continued?
    fn append(&mut self, physical: Span, line: &mut LogicalLine, problems: &mut Problems) -> bool {
        let text = self.text(physical);
        let kept = continued_length(text, self.escape);
        let end = physical.start + kept.unwrap_or(text.len());
        line.push(
            self.text(Span {
                start: physical.start,
                end,
            }),
            physical.start,
            problems,
        );
        kept.is_some()
    }

    fn physical(&mut self) -> Option<Span> {
        let (span, next) = physical_line(self.source.bytes(), self.position)?;
        self.position = next;
        Some(span)
    }

    fn text(&self, span: Span) -> &'s [u8] {
        &self.source.bytes()[span.start..span.end]
    }
}

/// How much of a line that is continued remains of it: what stands before the escape character.
///
/// Only one character before it is looked at, so that three escape characters do not continue a line.
fn continued_length(text: &[u8], escape: Escape) -> Option<usize> {
    let escape = u8::try_from(escape.char()).expect("both escape characters are ASCII");
    let trailing = text
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    let before = text[..text.len() - trailing].strip_suffix(&[escape])?;
    (before.last() != Some(&escape)).then_some(before.len())
}

/// The comments directly above an instruction.
#[derive(Debug, Default)]
struct Comments {
    lines: Vec<String>,
    skip: Skip,
}

impl Comments {
    fn add(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(&line[1..]);
        let text = text.trim();
        if text.is_empty() {
            *self = Comments::default();
            return;
        }
        if let Some(skip) = directive::skip_comment(text) {
            self.skip = skip;
        }
        self.lines.push(text.to_owned());
    }
}
