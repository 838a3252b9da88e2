//! The states as a graph for Graphviz.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::graph::Graph;
use crate::command::{Context, Done};
use crate::failure::Failure;

/// Writes `path`.gv, and `path`.pdf if `dot` is there.
pub(super) fn write(graph: &Graph, path: &Path, context: &Context) -> Done {
    let source = with_suffix(path, "gv");
    let shown = source.display();
    fs::write(&source, text(graph)).map_err(|error| {
        let message = format_args!("can't write: {shown}");
        Failure::caused(message, &error).of_another_directory()
    })?;
    context.terminal.info(format_args!("wrote: {shown}"));
    let Some(dot) = context.environment.program("dot") else {
        context
            .terminal
            .warning("dot(1) is not installed: no PDF file is made");
        return Ok(());
    };
    let target = with_suffix(path, "pdf");
    let shown = target.display();
    let failed = |reason: String| {
        Failure::new(format_args!("can't write: {shown}: {reason}"))
            .with_hint("the graph is written all the same")
    };
    let status = Command::new(dot)
        .arg("-Tpdf")
        .arg("-o")
        .arg(&target)
        .arg(&source)
        .env_clear()
        .envs(context.environment.without_secrets())
        .stdin(Stdio::null())
        .status()
        .map_err(|error| failed(format!("dot: {error}")))?;
    if !status.success() {
        return Err(failed(format!("dot: {status}")));
    }
    context.terminal.info(format_args!("wrote: {shown}"));
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// The graph in Graphviz's language.
fn text(graph: &Graph) -> String {
    let mut text = "digraph \"build cache\" {\n  rankdir=TB\n  node [shape=box]\n".to_owned();
    for (at, node) in graph.nodes.iter().enumerate() {
        let label = node.label(true).replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(text, "  n{at} [label=\"{label}\"]");
        if let Some(parent) = node.parent {
            let _ = writeln!(text, "  n{parent} -> n{at}");
        }
    }
    text.push_str("}\n");
    text
}
