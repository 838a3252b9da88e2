//! What is wrong with a Dockerfile, shown with the lines that are wrong.

use std::fmt;

use crate::source::{Source, Span};

/// After so many errors nobody looks for more.
const MOST: usize = 20;

/// A multi-line instruction is shown up to this many lines.
const MOST_LINES: usize = 8;

/// A line is shown up to this many characters, of which at most [`LEAD`] stand before the marked ones. With the margin
/// it fits a terminal of 80 columns: what wraps has its marks at the wrong place.
const WIDTH: usize = 72;
const LEAD: usize = 24;

/// A message is shown up to this many characters.
const LONGEST_MESSAGE: usize = 240;

/// One thing that is wrong. Displays as message, excerpt and hint, without the word `error:`.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    source: Source,
    span: Option<Span>,
    message: String,
    hint: Option<String>,
}

impl Diagnostic {
    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where; `None` if it concerns the file as a whole.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// What may have caused it, or what to do.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.span {
            None => formatter.write_str(&self.message)?,
            Some(span) => {
                let place = self.source.location(span.start);
                let name = self.source.name();
                let (line, column) = (place.line, place.column);
                writeln!(
                    formatter,
                    "can't parse: {name}:{line},{column}: {}\n",
                    self.message
                )?;
                write!(formatter, "{}", Excerpt::new(&self.source, span))?;
            }
        }
        match &self.hint {
            Some(hint) => write!(formatter, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a Dockerfile, or the first twenty things, by position; never empty.
///
/// Displays all of them: the caller writes `error: ` in front of the first, each further one brings its own.
#[derive(Debug, Clone)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// One by one, by position.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n\nerror: " };
            write!(formatter, "{separator}{diagnostic}")?;
        }
        if self.0.len() == MOST {
            write!(formatter, "\n\nerror: stopped after {MOST} errors")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// Where the parser's parts report what is wrong.
#[derive(Debug)]
pub(crate) struct Problems {
    source: Source,
    list: Vec<Diagnostic>,
}

impl Problems {
    /// Nothing is wrong with `source` yet.
    pub(crate) fn new(source: &Source) -> Problems {
        Problems {
            source: source.clone(),
            list: Vec::new(),
        }
    }

    /// Something is wrong at `span`.
    pub(crate) fn report(&mut self, span: Span, message: impl fmt::Display) {
        self.add(Some(span), message, None);
    }

    /// Something is wrong at `span`, and may have a cause elsewhere.
    pub(crate) fn report_with_hint(
        &mut self,
        span: Span,
        message: impl fmt::Display,
        hint: Option<String>,
    ) {
        self.add(Some(span), message, hint);
    }

    /// Something is wrong with the file as a whole.
    pub(crate) fn report_file(&mut self, message: impl fmt::Display) {
        self.add(None, message, None);
    }

    /// Is anything wrong?
    pub(crate) fn any(&self) -> bool {
        !self.list.is_empty()
    }

    /// Is there more wrong than anybody wants to know?
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() == MOST
    }

    /// What was reported, by position; `None` if nothing was.
    pub(crate) fn finish(mut self) -> Option<Diagnostics> {
        self.list
            .sort_by_key(|diagnostic| diagnostic.span.map(|span| span.start));
        (!self.list.is_empty()).then_some(Diagnostics(self.list))
    }

    fn add(&mut self, span: Option<Span>, message: impl fmt::Display, hint: Option<String>) {
        if self.is_full() {
            return;
        }
        self.list.push(Diagnostic {
            source: self.source.clone(),
            span,
            message: fit_to_show(&message.to_string()),
            hint,
        });
    }
}

/// The lines of a span, with its characters underlined: what stands below an error message.
///
/// No newline at the end. What a terminal would interpret is replaced, and long lines are cut.
#[derive(Debug, Clone)]
pub struct Excerpt {
    source: Source,
    span: Span,
}

impl Excerpt {
    /// The excerpt of `span`.
    pub fn new(source: &Source, span: Span) -> Excerpt {
        Excerpt {
            source: source.clone(),
            span,
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.source.line_count().max(1);
        let first = self.source.line_of(self.span.start).min(lines);
        let end = self.span.end.saturating_sub(1).max(self.span.start);
        let last = self.source.line_of(end).clamp(first, lines);
        if first > 1 {
            write_line(formatter, first - 1, '|', &self.line(first - 1, 0))?;
            formatter.write_str("\n")?;
        }
        if first == last {
            return self.single(formatter, first);
        }
        let shown = last.min(first + MOST_LINES - 1);
        for number in first..=shown {
            let separator = if number == first { "" } else { "\n" };
            formatter.write_str(separator)?;
            write_line(formatter, number, '>', &self.line(number, 0))?;
        }
        if shown < last {
            write!(formatter, "\n      | ... up to line {last}")?;
        }
        Ok(())
    }
}

impl Excerpt {
    /// One marked line and the marks below it.
    fn single(&self, formatter: &mut fmt::Formatter<'_>, number: usize) -> fmt::Result {
        let column = self.source.location(self.span.start).column - 1;
        let marked = &self.source.bytes()[self.span.start..self.span.end];
        let marked = String::from_utf8_lossy(marked)
            .trim_end()
            .chars()
            .count()
            .max(1);
        let skipped = if column + marked > WIDTH {
            column.saturating_sub(LEAD)
        } else {
            0
        };
        write_line(formatter, number, '>', &self.line(number, skipped))?;
        let indent = " ".repeat(column - skipped);
        let marks = "^".repeat(marked.min(WIDTH - (column - skipped).min(WIDTH - 1)));
        write!(formatter, "\n      | {indent}{marks}")
    }

    /// The text of a line from character `skipped` on, fit to be shown.
    fn line(&self, number: usize, skipped: usize) -> String {
        let text = String::from_utf8_lossy(self.source.line(number));
        text.chars()
            .skip(skipped)
            .take(WIDTH)
            .map(printable)
            .collect()
    }
}

fn write_line(
    formatter: &mut fmt::Formatter<'_>,
    number: usize,
    mark: char,
    text: &str,
) -> fmt::Result {
    let line = format!("{number:>5} {mark} {text}");
    formatter.write_str(line.trim_end())
}

/// A message may quote the file, whose words may be long and may hold anything.
fn fit_to_show(message: &str) -> String {
    let mut characters = message.chars().map(printable);
    let mut shown: String = characters.by_ref().take(LONGEST_MESSAGE).collect();
    if characters.next().is_some() {
        shown.push_str("...");
    }
    shown
}

fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        other if other.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}
