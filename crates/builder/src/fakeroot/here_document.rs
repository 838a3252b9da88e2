//! Here-documents in the text of a shell: where their bodies end.

/// What `<<WORD` announces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HereDocument {
    /// The line that ends the body.
    end: String,
    /// `<<-`: tabs in front of that line do not count.
    strips_tabs: bool,
}

impl HereDocument {
    /// Reads an operator with its word at the start of `text`; also returns its length.
    pub(super) fn parse(text: &str) -> Option<(Self, usize)> {
        let rest = text.strip_prefix("<<")?;
        let (rest, strips_tabs) = match rest.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let word = rest.trim_start_matches([' ', '\t']);
        let (end, length) = unquoted(word)?;
        let length = text.len() - word.len() + length;
        Some((Self { end, strips_tabs }, length))
    }

    /// Splits `text` behind the line that ends the body; `None` if there is none.
    pub(super) fn split<'t>(&self, text: &'t str) -> Option<(&'t str, &'t str)> {
        let mut length = 0;
        for line in text.split_inclusive('\n') {
            length += line.len();
            let line = line.strip_suffix('\n').unwrap_or(line);
            let line = match self.strips_tabs {
                true => line.trim_start_matches('\t'),
                false => line,
            };
            if line == self.end {
                return Some(text.split_at(length));
            }
        }
        None
    }
}

/// The word at the start of `text` without its quotes, and its length with them.
fn unquoted(text: &str) -> Option<(String, usize)> {
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    let mut length = text.len();
    while let Some((at, c)) = characters.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => word.extend(characters.next().map(|(_, c)| c)),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>') => {
                length = at;
                break;
            }
            _ => word.push(c),
        }
    }
    (length > 0).then_some((word, length))
}
