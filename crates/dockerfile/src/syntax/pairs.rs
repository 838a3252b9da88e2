//! `ARG`, `ENV` and `LABEL`.

use super::context::Context;
use super::grammar::{Node, Rule, child};
use crate::ast::{Definition, Keyword, Pair};
use crate::check::Rule as Check;
use crate::source::Word;

/// The definitions of an `ARG`.
pub(super) fn definitions(node: &Node<'_>, context: &mut Context<'_>) -> Option<Vec<Definition>> {
    let Some(words) = child(node, Rule::shell_words) else {
        return context.fail(context.span, "ARG requires at least one argument");
    };
    let definitions: Vec<Option<Definition>> = words
        .into_inner()
        .map(|word| match name_and_value(&word, context) {
            (name, _) if name.text.is_empty() => {
                context.fail(context.span(&word), "ARG names can not be blank")
            }
            (name, value) => Some(Definition { name, value }),
        })
        .collect();
    definitions.into_iter().collect()
}

/// The pairs of an `ENV` or `LABEL`, in either form.
pub(super) fn pairs(
    node: &Node<'_>,
    keyword: Keyword,
    context: &mut Context<'_>,
) -> Option<Vec<Pair>> {
    if let Some(old) = child(node, Rule::legacy_pair) {
        return legacy(&old, keyword, context).map(|pair| vec![pair]);
    }
    let Some(words) = child(node, Rule::pairs) else {
        return context.fail(
            context.span,
            format!("{keyword} requires at least one argument"),
        );
    };
    let pairs: Vec<Option<Pair>> = words
        .into_inner()
        .map(|word| pair(&word, keyword, context))
        .collect();
    pairs.into_iter().collect()
}

fn pair(word: &Node<'_>, keyword: Keyword, context: &mut Context<'_>) -> Option<Pair> {
    let span = context.span(word);
    match name_and_value(word, context) {
        (name, None) => {
            let place = format!("can't find = in \"{}\"", name.text);
            context.fail(
                span,
                format!("Syntax error - {place}. Must be of the form: name=value"),
            )
        }
        (name, Some(_)) if name.text.is_empty() => {
            context.fail(span, format!("{keyword} names can not be blank"))
        }
        (name, Some(value)) => Some(Pair { name, value }),
    }
}

/// The form `name value`.
fn legacy(node: &Node<'_>, keyword: Keyword, context: &mut Context<'_>) -> Option<Pair> {
    let (Some(name), Some(value)) = (child(node, Rule::word), child(node, Rule::text)) else {
        return context.fail(
            context.span(node),
            format!("{keyword} must have two arguments"),
        );
    };
    context.find(Check::LegacyKeyValueFormat, context.span(node));
    Some(Pair {
        name: context.word(&name),
        value: context.word(&value),
    })
}

/// A name ends at the first `=`, quoted or not.
fn name_and_value(word: &Node<'_>, context: &Context<'_>) -> (Word, Option<Word>) {
    let range = context.range(word);
    let text = &context.line.text()[range.clone()];
    match text.find('=') {
        None => (context.line.word(range), None),
        Some(length) => {
            let equals = range.start + length;
            let name = context.line.word(range.start..equals);
            (name, Some(context.line.word(equals + 1..range.end)))
        }
    }
}
