//! Arguments: JSON arrays, shell text and words.

use super::context::Context;
use super::grammar::{Node, Rule, child};
use crate::ast::Form;
use crate::check::Rule as Check;
use crate::source::Word;

/// The command of `RUN`, `CMD`, `ENTRYPOINT`, `SHELL`, `HEALTHCHECK CMD`; without one, an empty text.
pub(super) fn command(node: &Node<'_>, context: &mut Context<'_>) -> Option<Form> {
    if let Some(array) = child(node, Rule::exec) {
        return elements(array, context).map(Form::Exec);
    }
    let Some(text) = child(node, Rule::text) else {
        return Some(Form::Shell(context.line.word(context.end())));
    };
    let text = context.word(&text);
    look_alike(&text, context);
    Some(Form::Shell(text))
}

/// A list of strings, as JSON array or as words; without arguments, an empty one.
pub(super) fn list(node: &Node<'_>, context: &mut Context<'_>) -> Option<Vec<Word>> {
    if let Some(array) = child(node, Rule::exec) {
        return elements(array, context);
    }
    let words = words(node, context);
    if let Some(first) = words.first() {
        look_alike(first, context);
    }
    Some(words)
}

/// The words of an instruction.
pub(super) fn words(node: &Node<'_>, context: &Context<'_>) -> Vec<Word> {
    let words = child(node, Rule::words);
    words
        .map(|words| words.into_inner().map(|word| context.word(&word)).collect())
        .unwrap_or_default()
}

/// The rest of the line, as one argument that must be there.
pub(super) fn argument(node: &Node<'_>, context: &mut Context<'_>, keyword: &str) -> Option<Word> {
    match child(node, Rule::text) {
        Some(text) => Some(context.word(&text)),
        None => context.fail(
            context.span,
            format!("{keyword} requires exactly one argument"),
        ),
    }
}

fn look_alike(text: &Word, context: &mut Context<'_>) {
    if text.text.starts_with('[') {
        context.find(Check::JsonLookalike, text.span);
    }
}

/// The strings of a JSON array.
fn elements(array: Node<'_>, context: &mut Context<'_>) -> Option<Vec<Word>> {
    let mut elements = Vec::new();
    for element in array.into_inner() {
        let span = context.span(&element);
        match element.as_rule() {
            Rule::string => elements.push(Word {
                text: decoded(element),
                span,
            }),
            Rule::not_string => {
                return context.fail(
                    span,
                    "when using JSON array syntax, arrays must be comprised of strings only",
                );
            }
            _ => {}
        }
    }
    Some(elements)
}

/// A JSON string without quotes and escapes.
fn decoded(string: Node<'_>) -> String {
    let mut text = String::new();
    let mut units: Vec<u16> = Vec::new();
    for part in string.into_inner() {
        let source = part.as_str();
        if let Some(digits) = source
            .strip_prefix("\\u")
            .filter(|_| part.as_rule() == Rule::string_escape)
        {
            units.push(
                u16::from_str_radix(digits, 16)
                    .expect("the grammar admits four hexadecimal digits"),
            );
            continue;
        }
        flush(&mut units, &mut text);
        match part.as_rule() {
            Rule::string_escape => text.push(unescaped(source)),
            _ => text.push_str(source),
        }
    }
    flush(&mut units, &mut text);
    text
}

/// Characters beyond 16 bits are written as two escapes; half a character is none.
fn flush(units: &mut Vec<u16>, text: &mut String) {
    let characters = char::decode_utf16(units.drain(..));
    text.extend(characters.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

fn unescaped(escape: &str) -> char {
    match escape.as_bytes()[1] {
        b'b' => '\u{8}',
        b'f' => '\u{C}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        other => char::from(other),
    }
}
