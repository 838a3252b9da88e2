//! One pass over a word, from left to right.

use super::pattern::{Extent, Pattern};
use super::{Expanded, Lookup, MOST_ADDED, SubstituteError, append};

/// How deep `${a:-${b:-...}}` may go.
const DEEPEST: usize = 64;

/// The place in a word, and what decides about its characters.
pub(super) struct Scanner<'t, 'l> {
    text: &'t str,
    rest: &'t str,
    escape: char,
    quotes: bool,
    depth: usize,
    lookup: &'l Lookup<'l>,
    undefined: Vec<String>,
}

/// What happens to an escape and the character that it protects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// The escape goes.
    Removed,
    /// Both stay, for the reader of a pattern.
    Kept,
}

type Text = Result<String, SubstituteError>;

impl<'t, 'l> Scanner<'t, 'l> {
    pub(super) fn new(text: &'t str, escape: char, quotes: bool, lookup: &'l Lookup<'l>) -> Self {
        Scanner {
            text,
            rest: text,
            escape,
            quotes,
            depth: 0,
            lookup,
            undefined: Vec::new(),
        }
    }

    /// The whole text.
    pub(super) fn all(mut self, escapes: Escapes) -> Result<Expanded, SubstituteError> {
        let text = self.until(None, escapes)?;
        let undefined = self.undefined;
        Ok(Expanded { text, undefined })
    }

    /// The variable that the text starts with, and what follows it.
    pub(super) fn first_variable(mut self) -> Result<(String, &'t str), SubstituteError> {
        let value = self.dollar()?;
        Ok((value, self.rest))
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.rest = &self.rest[character.len_utf8()..];
        Some(character)
    }

    /// Everything up to `stop`, which is taken too; or up to the end.
    fn until(&mut self, stop: Option<char>, escapes: Escapes) -> Text {
        let mut result = String::new();
        while let Some(character) = self.peek() {
            match character {
                '$' => append(&mut result, &self.dollar()?, self.text)?,
                '\'' if self.quotes => self.single_quoted(&mut result)?,
                '"' if self.quotes => self.double_quoted(&mut result)?,
                _ => {
                    self.next();
                    if Some(character) == stop {
                        return Ok(result);
                    }
                    self.ordinary(character, escapes, &mut result);
                }
            }
        }
        match stop {
            Some(expected) => Err(SubstituteError::Unfinished { expected }),
            None => Ok(result),
        }
    }

    fn ordinary(&mut self, character: char, escapes: Escapes, result: &mut String) {
        if character != self.escape {
            result.push(character);
        } else if let Some(protected) = self.next() {
            if escapes == Escapes::Kept {
                result.push('\\');
            }
            result.push(protected);
        }
    }

    fn single_quoted(&mut self, result: &mut String) -> Result<(), SubstituteError> {
        let (quoted, rest) = self.rest[1..]
            .split_once('\'')
            .ok_or(SubstituteError::SingleQuote)?;
        result.push_str(quoted);
        self.rest = rest;
        Ok(())
    }

    fn double_quoted(&mut self, result: &mut String) -> Result<(), SubstituteError> {
        self.next();
        while let Some(character) = self.peek() {
            if character == '$' {
                append(result, &self.dollar()?, self.text)?;
                continue;
            }
            self.next();
            match self.peek() {
                _ if character == '"' => return Ok(()),
                Some(protected)
                    if character == self.escape
                        && (protected == self.escape || matches!(protected, '"' | '$')) =>
                {
                    self.next();
                    result.push(protected);
                }
                _ => result.push(character),
            }
        }
        Err(SubstituteError::DoubleQuote)
    }

    /// A variable, from its `$` on.
    fn dollar(&mut self) -> Text {
        self.next();
        if self.peek() == Some('{') {
            self.next();
            if self.depth == DEEPEST {
                return Err(SubstituteError::TooDeep);
            }
            self.depth += 1;
            let value = self.braces();
            self.depth -= 1;
            return value;
        }
        let (name, rest) = split_name(self.rest);
        self.rest = rest;
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        Ok(self.value_or_nothing(name))
    }

    /// A variable, from behind its `${` on.
    fn braces(&mut self) -> Text {
        let (name, rest) = split_name(self.rest);
        self.rest = rest;
        let operator = self.next();
        match operator {
            None => Err(SubstituteError::Unfinished { expected: '}' }),
            Some('{' | '}' | ':') if name.is_empty() => Err(SubstituteError::BadSubstitution),
            Some('}') => Ok(self.value_or_nothing(name)),
            Some(':') => match self.next() {
                Some(operator @ ('-' | '+' | '?')) => self.alternative(name, operator, true),
                Some(other) => Err(unsupported(&format!(":{other}"))),
                None => Err(SubstituteError::Unfinished { expected: '}' }),
            },
            Some(other) if name.is_empty() => Err(unsupported(&other.to_string())),
            Some(operator @ ('-' | '+' | '?')) => self.alternative(name, operator, false),
            Some(operator @ ('#' | '%')) => self.strip(name, operator),
            Some('/') => self.replace(name),
            Some(other) => Err(unsupported(&other.to_string())),
        }
    }

    /// `-`, `+` and `?`; with a colon before them, an empty value is as bad as none.
    fn alternative(&mut self, name: &str, operator: char, colon: bool) -> Text {
        let other = self.until(Some('}'), Escapes::Removed)?;
        let value = self.value(name);
        let usable = value.clone().filter(|value| !(colon && value.is_empty()));
        match operator {
            '-' => Ok(usable.unwrap_or(other)),
            '+' => Ok(usable.map(|_| other).unwrap_or_default()),
            _ => usable.ok_or_else(|| SubstituteError::Required {
                name: name.to_owned(),
                message: match (other.is_empty(), value) {
                    (false, _) => other,
                    (true, None) => "is not allowed to be unset".to_owned(),
                    (true, Some(_)) => "is not allowed to be empty".to_owned(),
                },
            }),
        }
    }

    fn strip(&mut self, name: &str, operator: char) -> Text {
        let extent = if self.peek() == Some(operator) {
            self.next();
            Extent::Longest
        } else {
            Extent::Shortest
        };
        let pattern = Pattern::parse(&self.until(Some('}'), Escapes::Kept)?)?;
        let value = self.value_or_nothing(name);
        Ok(match operator {
            '#' => pattern.strip_prefix(&value, extent),
            _ => pattern.strip_suffix(&value, extent),
        })
    }

    fn replace(&mut self, name: &str) -> Text {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern = Pattern::parse(&self.until(Some('/'), Escapes::Kept)?)?;
        let replacement = self.until(Some('}'), Escapes::Removed)?;
        let value = self.value_or_nothing(name);
        let most = self.text.len() + MOST_ADDED;
        pattern.replace(&value, &replacement, all, most)
    }

    fn value(&self, name: &str) -> Option<String> {
        if is_positional(name) {
            None
        } else {
            (self.lookup)(name)
        }
    }

    fn value_or_nothing(&mut self, name: &str) -> String {
        self.value(name).unwrap_or_else(|| {
            if !is_positional(name) {
                self.undefined.push(name.to_owned());
            }
            String::new()
        })
    }
}

/// Does `text`, from its `$` on, start with a variable that is set?
pub(super) fn names_something_set(text: &str, lookup: &Lookup<'_>) -> bool {
    let text = &text[1..];
    let (name, _) = split_name(text.strip_prefix('{').unwrap_or(text));
    !name.is_empty() && !is_positional(name) && lookup(name).is_some()
}

/// Cuts off the name that `text` starts with; it may be empty.
fn split_name(text: &str) -> (&str, &str) {
    let first = text.chars().next();
    let length = match first {
        Some(digit) if digit.is_numeric() => length_of(text, char::is_numeric),
        Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
        _ => length_of(text, |character| {
            character.is_alphanumeric() || character == '_'
        }),
    };
    text.split_at(length)
}

fn length_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|character| !belongs(character))
        .unwrap_or(text.len())
}

/// Parameters of shells, which nothing here can set.
fn is_positional(name: &str) -> bool {
    name.starts_with(|first: char| {
        first.is_numeric() || matches!(first, '@' | '*' | '#' | '?' | '-' | '$' | '!')
    })
}

fn unsupported(modifier: &str) -> SubstituteError {
    SubstituteError::UnsupportedModifier {
        modifier: modifier.to_owned(),
    }
}
