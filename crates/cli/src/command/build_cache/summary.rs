//! The numbers of `build-cache`.

use ch_storage::{CollectError, Freed, Selection, Space, Storage, Usage};
use serde::Serialize;

use super::graph::Graph;
use crate::command::{Context, size};
use crate::failure::{Failure, advised};

/// The numbers, in the order of the reference; the root counts as an image and a state.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    named_images: usize,
    states: usize,
    large_files: usize,
    commits: usize,
    internal_files: u64,
    disk_used: u64,
    storage: Vec<Row>,
}

/// One kind of thing in the storage directory.
#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    count: usize,
    apparent_size: u64,
    size_on_disk: u64,
    /// Not known while a record can't be read.
    reclaimable: Option<u64>,
}

impl Summary {
    pub(super) fn of(
        graph: &Graph,
        storage: Option<&Storage>,
        context: &Context,
    ) -> Result<Self, Failure> {
        let (usage, free) = match storage {
            Some(storage) => (storage.usage()?, collectable(storage, context)?),
            None => (Usage::default(), Some(Freed::default())),
        };
        let row = |kind, space: Space, reclaimable| Row {
            kind,
            count: space.count,
            apparent_size: space.apparent,
            size_on_disk: space.on_disk,
            reclaimable,
        };
        let states = graph.nodes.len();
        let Usage {
            layers,
            blobs,
            mounts,
            deleted,
            temporary,
            ..
        } = usage;
        Ok(Self {
            named_images: graph.images + 1,
            states,
            large_files: 0,
            commits: states,
            internal_files: usage.files,
            disk_used: usage.on_disk(),
            storage: vec![
                row("layers", layers, free.map(|it| it.layers.bytes)),
                row("blobs", blobs, free.map(|it| it.blobs.bytes)),
                row("cache mounts", mounts, free.map(|it| it.mounts.bytes)),
                row("deleted images", deleted, free.map(|it| it.images.bytes)),
                row("temporary", temporary, free.map(|_| 0)),
            ],
        })
    }

    /// Six lines.
    pub(super) fn lines(&self) -> String {
        let count = |name, count: usize| size::count_row(name, count as u64);
        [
            count("named images:", self.named_images),
            count("state IDs:", self.states),
            count("large files:", self.large_files),
            count("commits:", self.commits),
            size::count_row("internal files:", self.internal_files),
            size::bytes_row("disk used:", self.disk_used),
        ]
        .concat()
    }

    /// What lies where, and what `prune` would free.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "storage:\n  {:<14} {:>7} {:>12} {:>12} {:>12}\n",
            "", "count", "size", "on disk", "prunable"
        );
        for row in &self.storage {
            let [apparent, on_disk] = [row.apparent_size, row.size_on_disk].map(size::binary);
            let reclaimable = row.reclaimable.map(size::binary).unwrap_or_default();
            text.push_str(&format!(
                "  {:<14} {:>7} {apparent:>12} {on_disk:>12} {reclaimable:>12}\n",
                row.kind, row.count
            ));
        }
        text
    }
}

/// What `prune` would free; with a record that can't be read nobody knows.
fn collectable(storage: &Storage, context: &Context) -> Result<Option<Freed>, Failure> {
    let selection = Selection {
        mounts: true,
        ..Selection::garbage()
    };
    match storage.collectable(&selection) {
        Err(CollectError::Record(error)) => {
            let hint = error.hint().map(|hint| format!(": {hint}"));
            let hint = hint.unwrap_or_default();
            context.terminal.warning(format_args!("{error}{hint}"));
            Ok(None)
        }
        other => other.map(Some).map_err(advised),
    }
}
