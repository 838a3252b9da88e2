//! `COPY` and `ADD`.

use super::context::Context;
use super::flags::Flags;
use super::form;
use super::grammar::{Node, Rule, child};
use crate::ast::{Add, Copy, CopySource, Files, Keyword};
use crate::source::Word;

/// Reads a `COPY`.
pub(super) fn copy(node: &Node<'_>, context: &mut Context<'_>) -> Option<Copy> {
    let flags = Flags::read(node, Keyword::Copy, context);
    let arguments = arguments(node, Keyword::Copy, context);
    let mut flags = flags?;
    Some(Copy {
        from: flags.text("from"),
        parents: flags.boolean("parents").unwrap_or_default(),
        files: files(arguments?, flags),
    })
}

/// Reads an `ADD`.
pub(super) fn add(node: &Node<'_>, context: &mut Context<'_>) -> Option<Add> {
    let flags = Flags::read(node, Keyword::Add, context);
    let arguments = arguments(node, Keyword::Add, context);
    let mut flags = flags?;
    Some(Add {
        checksum: flags.text("checksum"),
        keep_git_dir: flags.boolean("keep-git-dir"),
        unpack: flags.boolean("unpack"),
        files: files(arguments?, flags),
    })
}

/// Sources and destination.
type Arguments = (Vec<CopySource>, Word);

fn files((sources, destination): Arguments, mut flags: Flags) -> Files {
    Files {
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        link: flags.boolean("link").unwrap_or_default(),
        excludes: flags.texts("exclude"),
        sources,
        destination,
    }
}

fn arguments(node: &Node<'_>, keyword: Keyword, context: &mut Context<'_>) -> Option<Arguments> {
    let mut sources = if context.heredocs.is_empty() {
        form::list(node, context)?
            .into_iter()
            .map(CopySource::Path)
            .collect()
    } else {
        with_heredocs(node, context)
    };
    match (sources.pop(), sources.len()) {
        (None, _) => context.fail(
            context.span,
            format!("{keyword} requires at least two arguments"),
        ),
        (Some(_), 0) => {
            let missing = "Destination could not be determined";
            let message = format!(
                "{keyword} requires at least two arguments, but only one was provided. {missing}"
            );
            context.fail(context.span, message)
        }
        (Some(CopySource::Heredoc(heredoc)), _) => context.fail(
            heredoc.span,
            format!("{keyword} cannot accept a heredoc as destination"),
        ),
        (Some(CopySource::Path(destination)), _) => Some((sources, destination)),
    }
}

/// Words and here-documents in their order. A here-document may contain blanks, so it may cover several words.
fn with_heredocs(node: &Node<'_>, context: &Context<'_>) -> Vec<CopySource> {
    let mut sources = Vec::new();
    let mut heredocs = context.operators.iter().zip(context.heredocs).peekable();
    let mut covered = 0;
    for word in child(node, Rule::words)
        .into_iter()
        .flat_map(|words| words.into_inner())
    {
        let range = context.range(&word);
        if range.start < covered {
            continue;
        }
        match heredocs.next_if(|(operator, _)| operator.range.start <= range.start) {
            Some((operator, heredoc)) => {
                covered = operator.range.end;
                sources.push(CopySource::Heredoc(heredoc.clone()));
            }
            None => sources.push(CopySource::Path(context.word(&word))),
        }
    }
    sources
}
