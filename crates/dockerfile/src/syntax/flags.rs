//! Flags: which ones an instruction has, and what was given.

use super::context::Context;
use super::grammar::{Node, Rule, child};
use crate::ast::Keyword;
use crate::source::{Span, Word};
use crate::suggest::suggestion;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `--name=value`, once.
    Text,
    /// `--name=value`, any number of times.
    Texts,
    /// `--name` or `--name=true|false`, once.
    Boolean,
}

/// The flags of an instruction.
fn known(keyword: Keyword) -> &'static [(&'static str, Kind)] {
    use Kind::{Boolean, Text, Texts};
    match keyword {
        Keyword::From => &[("platform", Text), ("arg", Texts)],
        Keyword::Run => &[
            ("mount", Texts),
            ("network", Text),
            ("security", Text),
            ("device", Texts),
        ],
        Keyword::Copy => &[
            ("from", Text),
            ("chown", Text),
            ("chmod", Text),
            ("link", Boolean),
            ("parents", Boolean),
            ("exclude", Texts),
        ],
        Keyword::Add => &[
            ("chown", Text),
            ("chmod", Text),
            ("link", Boolean),
            ("exclude", Texts),
            ("checksum", Text),
            ("keep-git-dir", Boolean),
            ("unpack", Boolean),
        ],
        Keyword::Healthcheck => &[
            ("interval", Text),
            ("timeout", Text),
            ("start-period", Text),
            ("start-interval", Text),
            ("retries", Text),
        ],
        _ => &[],
    }
}

/// The flags that were given, all of them known and correct in form.
#[derive(Debug, Default)]
pub(super) struct Flags {
    given: Vec<(&'static str, Word)>,
    /// Those among them that must not come again.
    single: Vec<&'static str>,
}

impl Flags {
    /// Reads the flags of an instruction. All errors are reported, not only the first.
    pub(super) fn read(
        node: &Node<'_>,
        keyword: Keyword,
        context: &mut Context<'_>,
    ) -> Option<Flags> {
        let mut flags = Flags::default();
        let mut good = true;
        for flag in child(node, Rule::flags)
            .into_iter()
            .flat_map(|flags| flags.into_inner())
        {
            let span = context.span(&flag);
            let text = unquoted(flag);
            if let Err(message) = flags.add(keyword, &text, span) {
                context.problems.report(span, message);
                good = false;
            }
        }
        good.then_some(flags)
    }

    /// The value of a flag; empty is as good as not given.
    pub(super) fn text(&mut self, name: &str) -> Option<Word> {
        self.texts(name)
            .pop()
            .filter(|value| !value.text.is_empty())
    }

    /// The values of a flag that may be repeated.
    pub(super) fn texts(&mut self, name: &str) -> Vec<Word> {
        self.given
            .extract_if(.., |(given, _)| *given == name)
            .map(|(_, value)| value)
            .collect()
    }

    /// The value of a boolean flag.
    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        self.text(name).map(|value| value.text == "true")
    }

    fn add(&mut self, keyword: Keyword, text: &str, span: Span) -> Result<(), String> {
        let (name, value) = match text[2..].split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (&text[2..], None),
        };
        let flags = known(keyword);
        let Some((name, kind)) = flags.iter().find(|(known, _)| *known == name) else {
            let similar = suggestion(name, flags.iter().map(|(known, _)| *known));
            let hint = similar
                .map(|similar| format!(" (did you mean --{similar}?)"))
                .unwrap_or_default();
            return Err(format!(
                "{keyword}: invalid option --{name}: unknown flag: --{name}{hint}"
            ));
        };
        if self.single.contains(name) {
            return Err(format!(
                "{keyword}: repeated option --{name}: duplicate flag specified: --{name}"
            ));
        }
        let value = match (kind, value) {
            (Kind::Boolean, None) => "true".to_owned(),
            (Kind::Boolean, Some(value)) => match value.to_ascii_lowercase() {
                value if value == "true" || value == "false" => value,
                _ => {
                    let expected =
                        format!("expecting boolean value for flag --{name}, not: {value}");
                    return Err(format!("{keyword}: invalid option --{name}: {expected}"));
                }
            },
            (_, Some(value)) => value.to_owned(),
            (_, None) => {
                return Err(format!(
                    "{keyword}: invalid option --{name}: missing a value on flag: --{name}"
                ));
            }
        };
        if *kind != Kind::Texts {
            self.single.push(name);
        }
        self.given.push((name, Word { text: value, span }));
        Ok(())
    }
}

/// A flag without its quotes and escapes.
fn unquoted(flag: Node<'_>) -> String {
    let text_like = [
        Rule::flag_plain,
        Rule::single_text,
        Rule::double_text,
        Rule::character,
    ];
    let parts = flag.into_inner().flatten();
    parts
        .filter(|part| text_like.contains(&part.as_rule()))
        .map(|part| part.as_str().to_owned())
        .collect()
}
