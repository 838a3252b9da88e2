//! One place that messages are written to: prefixes, colour, festoon, one `write(2)` each.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};

use super::{Kind, Settings};

/// A log file or standard error.
#[derive(Debug)]
pub(super) struct Sink {
    target: Target,
    colour: bool,
    festoon: bool,
    prefix: String,
}

#[derive(Debug)]
enum Target {
    StandardError,
    File(File),
}

impl Sink {
    /// Standard error, looking as `settings` say.
    pub(super) fn standard_error(settings: &Settings) -> Self {
        Self::new(Target::StandardError, settings.colour, settings)
    }

    /// A log file; colour is for terminals.
    pub(super) fn file(file: File, settings: &Settings) -> Self {
        Self::new(Target::File(file), false, settings)
    }

    fn new(target: Target, colour: bool, settings: &Settings) -> Self {
        Self {
            target,
            colour,
            festoon: settings.festoon,
            prefix: settings.prefix.clone(),
        }
    }

    /// Writes one message. There is nobody to tell when that does not work.
    pub(super) fn write(&self, kind: Kind, text: &str) {
        let bytes = self.render(kind, text);
        let _ = match &self.target {
            Target::StandardError => io::stderr().write_all(bytes.as_bytes()),
            Target::File(file) => {
                let mut file = file;
                file.write_all(bytes.as_bytes())
            }
        };
    }

    /// The message as it is written, with its newline.
    fn render(&self, kind: Kind, text: &str) -> String {
        let style = if self.colour {
            style(kind)
        } else {
            Style::new()
        };
        let festoon = if self.festoon {
            festoon()
        } else {
            String::new()
        };
        let mut rendered = String::new();
        for (index, line) in text.lines().enumerate() {
            let label = if index == 0 { label(kind) } else { "" };
            let prefix = if index == 0 { self.prefix.as_str() } else { "" };
            let line = escaped(line);
            if line.is_empty() && label.is_empty() {
                let _ = writeln!(rendered, "{}", festoon.trim_end());
                continue;
            }
            let _ = writeln!(rendered, "{festoon}{prefix}{style}{label}{line}{style:#}");
        }
        rendered
    }
}

/// What a message of this kind begins with.
fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::Trace | Kind::Debug | Kind::Verbose | Kind::Info => "",
        Kind::Warning => "warning: ",
        Kind::Error => "error: ",
        Kind::Cause => "caused by: ",
        Kind::Hint => "hint: ",
    }
}

/// How a message of this kind looks.
fn style(kind: Kind) -> Style {
    match kind {
        Kind::Trace | Kind::Debug | Kind::Verbose => Style::new().dimmed(),
        Kind::Info => Style::new(),
        Kind::Warning => AnsiColor::Red.on_default(),
        Kind::Error | Kind::Cause => AnsiColor::Red.on_default().bold(),
        Kind::Hint => AnsiColor::Cyan.on_default(),
    }
}

/// Process id and local time.
fn festoon() -> String {
    let now = jiff::ZonedDateTime::now();
    format!(
        "{:5} {}  ",
        std::process::id(),
        now.strftime("%Y-%m-%dT%H:%M:%S.%3f")
    )
}

/// `line` without characters that a terminal would obey.
pub(crate) fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for character in line.chars() {
        if character.is_control() && character != '\t' {
            let _ = write!(text, "\\x{:02x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(colour: bool, festoon: bool) -> Sink {
        let settings = Settings {
            colour,
            festoon,
            ..Settings::default()
        };
        Sink::standard_error(&settings)
    }

    #[test]
    fn kinds_have_their_labels() {
        let sink = sink(false, false);
        let cases = [
            (Kind::Info, "x\n"),
            (Kind::Verbose, "x\n"),
            (Kind::Warning, "warning: x\n"),
            (Kind::Error, "error: x\n"),
            (Kind::Cause, "caused by: x\n"),
            (Kind::Hint, "hint: x\n"),
        ];
        for (kind, expected) in cases {
            assert_eq!(sink.render(kind, "x"), expected, "{kind:?}");
        }
    }

    #[test]
    fn nothing_from_outside_can_steer_the_terminal() {
        assert_eq!(
            sink(false, false).render(Kind::Info, "a\x1b[31m\tb\u{7}"),
            "a\\x1b[31m\tb\\x07\n"
        );
    }

    #[test]
    fn an_excerpt_keeps_its_lines() {
        let text = "can't parse: f:1,1\n\n    1 > RNU\n      | ^^^";
        let expected = "error: can't parse: f:1,1\n\n    1 > RNU\n      | ^^^\n";
        assert_eq!(sink(false, false).render(Kind::Error, text), expected);
    }

    #[test]
    fn errors_are_bold_red() {
        let text = sink(true, false).render(Kind::Error, "x");
        assert_eq!(text, "\x1b[1m\x1b[31merror: x\x1b[0m\n");
    }

    #[test]
    fn a_festoon_stands_before_every_line() {
        let text = sink(false, true).render(Kind::Warning, "a\nb");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("  warning: a"), "{text}");
        assert!(lines[1].ends_with("  b"), "{text}");
        let (pid, rest) = lines[0].trim_start().split_once(' ').unwrap();
        assert_eq!(pid, std::process::id().to_string());
        let (time, _) = rest.split_once("  ").unwrap();
        assert_eq!(time.len(), "2026-11-23T17:24:40.805".len(), "{time}");
    }
}
