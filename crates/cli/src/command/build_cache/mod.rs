//! `ch-image build-cache`: what the build cache holds, and how to look after it.

mod dot;
mod graph;
mod summary;
mod verify;

use std::path::PathBuf;

use ch_storage::{Selection, Storage};
use clap::Args;

use super::common::CacheMode;
use super::json::{self, FormatArgs};
use super::{Context, Done, size};
use crate::failure::{Failure, advised};
use crate::terminal::Verbosity;

/// Arguments of `build-cache`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub(crate) struct BuildCacheArgs {
    /// Write the states as a graph to PATH.gv, and to PATH.pdf if dot(1) is there
    #[arg(
        long,
        value_name = "PATH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "build-cache"
    )]
    dot: Option<PathBuf>,

    #[command(flatten)]
    format: FormatArgs,

    /// Free states that lead to no image, deleted images, and what nothing needs any more
    #[arg(long)]
    gc: bool,

    /// Free all states; images stay
    #[arg(long)]
    reset: bool,

    /// Print the states as a tree
    #[arg(long)]
    tree: bool,

    /// Read everything and tell of what is damaged
    #[arg(long)]
    verify: bool,
}

/// Does what the options say, in this order, and then prints a summary.
pub(super) fn run(arguments: &BuildCacheArgs, context: &Context) -> Done {
    if context.common.cache_mode(&context.environment)? == CacheMode::Disabled {
        return Err(Failure::new(
            "build-cache subcommand invalid with build cache disabled",
        ));
    }
    let changes = arguments.reset || arguments.gc;
    let storage = match context.existing_storage()? {
        Some(_) if changes => Some(context.storage()?),
        other => other,
    };
    if arguments.reset {
        reset(storage.as_ref(), context)?;
    }
    if arguments.gc {
        collect(storage.as_ref(), context)?;
    }
    if arguments.verify {
        verify::run(storage.as_ref(), context)?;
    }
    let is_json = arguments.format.is_json(context);
    let graph = graph::read(storage.as_ref())?;
    if arguments.tree && !is_json {
        let detailed = context.terminal.verbosity() >= Verbosity::VERBOSE;
        let width = graph::width(&context.environment);
        context.terminal.output(graph.draw(width, detailed))?;
    }
    if let Some(path) = &arguments.dot {
        dot::write(&graph, path, context)?;
    }
    let summary = summary::Summary::of(&graph, storage.as_ref(), context)?;
    if is_json {
        return json::print("build-cache", &summary, context);
    }
    let mut text = summary.lines();
    if context.terminal.verbosity() >= Verbosity::VERBOSE {
        text.push_str(&summary.table());
    }
    context.terminal.output(text)
}

/// Frees all states.
fn reset(storage: Option<&Storage>, context: &Context) -> Done {
    let states = storage.map(|storage| storage.states().list()).transpose()?;
    let (Some(storage), false) = (storage, states.is_none_or(|it| it.is_empty())) else {
        context.terminal.warning("not resetting brand-new cache");
        return Ok(());
    };
    context.terminal.info("deleting build cache");
    storage.collect(&Selection::cache()).map_err(advised)?;
    Ok(())
}

/// Frees what nobody needs.
fn collect(storage: Option<&Storage>, context: &Context) -> Done {
    context.terminal.info("collecting cache garbage");
    let freed = match storage {
        Some(storage) => storage.collect(&Selection::garbage()).map_err(advised)?,
        None => ch_storage::Freed::default(),
    };
    let (states, layers, blobs) = (freed.states.count, freed.layers.count, freed.blobs.count);
    let bytes = size::binary(freed.bytes());
    context.terminal.info(format_args!(
        "freed {bytes}: {states} states, {layers} layers, {blobs} blobs"
    ));
    Ok(())
}
