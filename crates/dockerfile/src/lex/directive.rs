//! Parser directives: the comments of the first lines that mean something.

use crate::ast::{Dialect, Directives, Escape};
use crate::check::{CheckOptions, Skip};
use crate::diagnostic::Problems;
use crate::lex::{physical_line, without_leading_blanks};
use crate::source::{BYTE_ORDER_MARK, Source, Span, Word};

/// Reads the directives of a file.
pub(crate) fn read(source: &Source, problems: &mut Problems) -> Directives {
    let bytes = source.bytes();
    let mut reader = Reader {
        directives: Directives::default(),
        seen: Vec::new(),
        escape_possible: true,
        problems,
    };
    let mut position = if bytes.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    };
    let first = position;
    while let Some((line, next)) = physical_line(bytes, position) {
        let span = without_leading_blanks(bytes, line);
        let text = std::str::from_utf8(&bytes[span.start..span.end]).unwrap_or_default();
        if position == first && text.starts_with("#!") {
            reader.escape_possible = false;
        } else if !reader.line(text, span) {
            break;
        }
        position = next;
    }
    reader.directives
}

/// The checks that a comment above an instruction switches off; `text` has no `#` any more.
pub(super) fn skip_comment(text: &str) -> Option<Skip> {
    let (key, value) = text.split_once('=')?;
    if !key.trim_end().eq_ignore_ascii_case("check") {
        return None;
    }
    let options = check_options(value).ok()?;
    (options.skip != Skip::None).then_some(options.skip)
}

struct Reader<'p> {
    directives: Directives,
    seen: Vec<Key>,
    escape_possible: bool,
    problems: &'p mut Problems,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Escape,
    Syntax,
    Check,
    Dialect,
}

impl Key {
    fn find(name: &str) -> Option<Key> {
        let all = [Key::Escape, Key::Syntax, Key::Check, Key::Dialect];
        all.into_iter()
            .find(|key| key.name().eq_ignore_ascii_case(name))
    }

    fn name(self) -> &'static str {
        match self {
            Key::Escape => "escape",
            Key::Syntax => "syntax",
            Key::Check => "check",
            Key::Dialect => "ch-image dialect",
        }
    }
}

impl Reader<'_> {
    /// Reads one line. May directives follow?
    fn line(&mut self, text: &str, span: Span) -> bool {
        let Some((key, value)) = text.strip_prefix('#').and_then(|text| text.split_once('='))
        else {
            return false;
        };
        let value = value.trim();
        let Some(key) = Key::find(key.trim()).filter(|_| !value.is_empty()) else {
            return false;
        };
        if self.seen.contains(&key) {
            let message = format!("only one {} parser directive can be used", key.name());
            self.problems.report(span, message);
            return true;
        }
        self.seen.push(key);
        self.directive(key, value, span);
        true
    }

    fn directive(&mut self, key: Key, value: &str, span: Span) {
        match key {
            Key::Escape if !self.escape_possible => {}
            Key::Escape => match value {
                "\\" => self.directives.escape = Escape::Backslash,
                "`" => self.directives.escape = Escape::Backtick,
                other => {
                    let message = format!("invalid escape token '{other}' does not match ` or \\");
                    self.problems.report(span, message);
                }
            },
            Key::Syntax => {
                let text = value.to_owned();
                self.directives.syntax = Some(Word { text, span });
            }
            Key::Check => match check_options(value) {
                Ok(options) => self.directives.check = options,
                Err(part) => self
                    .problems
                    .report(span, format!("invalid check option \"{part}\"")),
            },
            Key::Dialect => match value {
                "docker" => self.directives.dialect = Some((Dialect::Docker, span)),
                "charliecloud" => self.directives.dialect = Some((Dialect::Charliecloud, span)),
                other => self
                    .problems
                    .report(span, format!("invalid dialect \"{other}\"")),
            },
        }
    }
}

/// Reads `skip=A,B; error=true`. The error is the part that is unknown.
fn check_options(value: &str) -> Result<CheckOptions, &str> {
    let mut options = CheckOptions::default();
    for part in value
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (key, value) = part.split_once('=').ok_or(part)?;
        match (key.trim(), value.trim()) {
            ("skip", value) => options.skip = rules(value),
            ("experimental", value) => options.experimental = rules(value),
            ("error", value) if value.eq_ignore_ascii_case("true") => options.error = true,
            ("error", value) if value.eq_ignore_ascii_case("false") => options.error = false,
            _ => return Err(part),
        }
    }
    Ok(options)
}

fn rules(value: &str) -> Skip {
    if value.eq_ignore_ascii_case("all") {
        return Skip::All;
    }
    let names = value
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    Skip::Rules(names.map(str::to_owned).collect())
}
