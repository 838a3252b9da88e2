//! Finding here-documents on a logical line.
//!
//! The line is cut into words as a shell would do it, always with `\` as escape character. Code and no grammar,
//! because nesting has no limit and must not use up the stack.

use std::ops::Range;

/// `<<NAME` on a logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operator {
    /// The word, in the logical line.
    pub(crate) range: Range<usize>,
    /// The delimiter without its quotes.
    pub(crate) name: String,
    /// No part of the delimiter is quoted.
    pub(crate) expand: bool,
    /// `<<-`
    pub(crate) strip_tabs: bool,
}

/// A quote or brace is not closed, so the line has no words and no here-documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unclosed {
    /// Where it was opened.
    pub(crate) position: usize,
}

impl Operator {
    /// Is `line`, without its end, the terminator?
    pub(super) fn ends_at(&self, line: &[u8]) -> bool {
        let tabs = if self.strip_tabs {
            line.iter().take_while(|byte| **byte == b'\t').count()
        } else {
            0
        };
        &line[tabs..] == self.name.as_bytes()
    }
}

/// All here-documents of a line, in order.
pub(crate) fn operators(text: &str) -> Result<Vec<Operator>, Unclosed> {
    if memchr::memmem::find(text.as_bytes(), b"<<").is_none() {
        return Ok(Vec::new());
    }
    let words = words(text)?;
    Ok(words
        .into_iter()
        .filter_map(|range| operator(text, range))
        .collect())
}

/// The words of a line.
fn words(text: &str) -> Result<Vec<Range<usize>>, Unclosed> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut start = None;
    let mut at = 0;
    while at < bytes.len() {
        let inside_quote = open.last().is_some_and(|opener| bytes[*opener] == b'"');
        let blank = bytes[at].is_ascii_whitespace() || bytes[at] == 0x0B;
        if open.is_empty() && blank {
            words.extend(start.take().map(|start| start..at));
            at += 1;
            continue;
        }
        start.get_or_insert(at);
        at = match bytes[at] {
            b'\\' => at + 2,
            b'\'' if !inside_quote => closing_quote(bytes, at)? + 1,
            b'"' if inside_quote => {
                open.pop();
                at + 1
            }
            b'"' => {
                open.push(at);
                at + 1
            }
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open.push(at);
                at + 2
            }
            b'}' if !open.is_empty() && !inside_quote => {
                open.pop();
                at + 1
            }
            b'<' if open.is_empty() && bytes.get(at + 1) == Some(&b'<') => {
                behind_blanks(bytes, at + 2)
            }
            _ => at + 1,
        };
    }
    if let Some(position) = open.first() {
        return Err(Unclosed {
            position: *position,
        });
    }
    words.extend(start.map(|start| start..bytes.len()));
    Ok(words)
}

fn closing_quote(bytes: &[u8], at: usize) -> Result<usize, Unclosed> {
    let length = memchr::memchr(b'\'', &bytes[at + 1..]);
    length
        .map(|length| at + 1 + length)
        .ok_or(Unclosed { position: at })
}

/// Blanks between `<<` and the delimiter belong to the word.
fn behind_blanks(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count()
}

/// A word as here-document: `digits? "<<" "-"? blanks delimiter`.
fn operator(text: &str, range: Range<usize>) -> Option<Operator> {
    let word = text[range.clone()].trim_start_matches(|character: char| character.is_ascii_digit());
    let rest = word.strip_prefix("<<")?;
    let delimiter = rest.strip_prefix('-').unwrap_or(rest);
    let strip_tabs = delimiter.len() < rest.len();
    let delimiter = delimiter.trim_start();
    if delimiter.is_empty() || delimiter.contains('<') {
        return None;
    }
    let (name, quoted) = unquoted(delimiter);
    Some(Operator {
        range,
        name,
        expand: !quoted,
        strip_tabs,
    })
}

/// A delimiter without quotes and escapes, and whether it had quotes. Its quotes are closed.
fn unquoted(delimiter: &str) -> (String, bool) {
    let mut name = String::new();
    let mut quote = None;
    let mut quoted = false;
    let mut characters = delimiter.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\'' | '"', None) => {
                quote = Some(character);
                quoted = true;
            }
            (character, Some(open)) if character == open => quote = None,
            ('\\', None) => name.extend(characters.next()),
            ('\\', Some('"')) => {
                let escaped = characters.next_if(|next| matches!(next, '"' | '$' | '\\'));
                name.push(escaped.unwrap_or('\\'));
            }
            _ => name.push(character),
        }
    }
    (name, quoted)
}
