//! `RUN` and its mounts.

use super::context::Context;
use super::flags::Flags;
use super::form;
use super::grammar::{self, Node, Rule};
use crate::ast::{Form, Keyword, Mount, MountKey, MountOption, Run};
use crate::check::Rule as Check;
use crate::source::Word;
use crate::suggest::suggestion;

/// Reads a `RUN`.
pub(super) fn run(node: &Node<'_>, context: &mut Context<'_>) -> Option<Run> {
    let flags = Flags::read(node, Keyword::Run, context);
    let command = command(node, context);
    let mut flags = flags?;
    let mounts: Vec<Option<Mount>> = flags
        .texts("mount")
        .iter()
        .map(|value| mount(value, context))
        .collect();
    let network = one_of(
        flags.text("network"),
        &["default", "none", "host"],
        context,
        |value| format!("invalid network mode \"{value}\""),
    );
    let security = one_of(
        flags.text("security"),
        &["sandbox", "insecure"],
        context,
        |value| format!("security \"{value}\" is not valid"),
    );
    Some(Run {
        mounts: mounts.into_iter().collect::<Option<_>>()?,
        network: network?,
        security: security?,
        devices: flags.texts("device"),
        command: command?,
        heredocs: context.heredocs.to_vec(),
    })
}

fn command(node: &Node<'_>, context: &mut Context<'_>) -> Option<Form> {
    let command = form::command(node, context)?;
    match &command {
        Form::Exec(elements) if elements.is_empty() => {
            context.fail(context.span, "RUN requires at least one argument")
        }
        Form::Shell(text) if text.text.is_empty() => {
            context.find(Check::EmptyRun, context.span);
            Some(command)
        }
        _ => Some(command),
    }
}

/// A flag that knows few values: the outer `None` stands for an error.
fn one_of(
    value: Option<Word>,
    possible: &[&str],
    context: &mut Context<'_>,
    message: impl Fn(&str) -> String,
) -> Option<Option<Word>> {
    match value {
        Some(value) if !possible.contains(&value.text.as_str()) => {
            context.fail(value.span, message(&value.text))
        }
        value => Some(value),
    }
}

/// Reads the value of a `--mount`.
fn mount(value: &Word, context: &mut Context<'_>) -> Option<Mount> {
    let span = value.span;
    let Some(fields) = grammar::mount(&value.text) else {
        return context.fail(
            span,
            format!(
                "RUN: invalid option --mount: not a CSV record: {}",
                value.text
            ),
        );
    };
    let mut options = Vec::new();
    for field in fields
        .iter()
        .map(unquoted)
        .filter(|field| !field.is_empty())
    {
        match option(&field) {
            Ok(option) => options.push(option),
            Err(message) => {
                return context.fail(span, format!("RUN: invalid option --mount: {message}"));
            }
        }
    }
    Some(Mount { options, span })
}

fn unquoted(field: &Node<'_>) -> String {
    let text = field.as_str();
    match field.as_rule() {
        Rule::field_quoted => text[1..text.len() - 1].replace("\"\"", "\""),
        _ => text.to_owned(),
    }
}

/// One `key[=value]`.
fn option(field: &str) -> Result<MountOption, String> {
    let (name, value) = match field.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (field, None),
    };
    let lower = name.trim().to_lowercase();
    let Some((_, key)) = MOUNT_KEYS.iter().find(|(known, _)| *known == lower) else {
        let similar = suggestion(&lower, MOUNT_KEYS.iter().map(|(known, _)| *known));
        let similar = similar
            .map(|similar| format!(" (did you mean {similar}?)"))
            .unwrap_or_default();
        return Err(format!("unexpected key '{name}' in '{field}'{similar}"));
    };
    match (*key, value.as_deref()) {
        (MountKey::ReadWrite | MountKey::ReadOnly | MountKey::Required, None) => {}
        (_, None) => return Err(format!("invalid field '{field}' must be a key=value pair")),
        (MountKey::From, Some(from)) if from.contains('$') => {
            return Err(
                "'from' doesn't support variable expansion, define alias stage instead".to_owned(),
            );
        }
        (MountKey::Type, Some(kind)) if !kind.contains('$') => check_type(kind)?,
        _ => {}
    }
    Ok(MountOption { key: *key, value })
}

fn check_type(kind: &str) -> Result<(), String> {
    let known = ["bind", "cache", "tmpfs", "secret", "ssh"];
    if known.contains(&kind.to_lowercase().as_str()) {
        return Ok(());
    }
    let similar = suggestion(kind, known);
    let similar = similar
        .map(|similar| format!(" (did you mean {similar}?)"))
        .unwrap_or_default();
    Err(format!("unsupported mount type \"{kind}\"{similar}"))
}

/// All keys with their synonyms.
const MOUNT_KEYS: &[(&str, MountKey)] = &[
    ("type", MountKey::Type),
    ("target", MountKey::Target),
    ("dst", MountKey::Target),
    ("destination", MountKey::Target),
    ("source", MountKey::Source),
    ("src", MountKey::Source),
    ("from", MountKey::From),
    ("rw", MountKey::ReadWrite),
    ("readwrite", MountKey::ReadWrite),
    ("ro", MountKey::ReadOnly),
    ("readonly", MountKey::ReadOnly),
    ("id", MountKey::Id),
    ("sharing", MountKey::Sharing),
    ("size", MountKey::Size),
    ("required", MountKey::Required),
    ("mode", MountKey::Mode),
    ("uid", MountKey::Uid),
    ("gid", MountKey::Gid),
    ("env", MountKey::Env),
];
