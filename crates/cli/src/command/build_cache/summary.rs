//! The numbers of `build-cache`.

use ch_storage::{Selection, Space, Storage, Usage};
use serde::Serialize;

use super::graph::Graph;
use crate::command::size;
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
    reclaimable: u64,
}

impl Summary {
    pub(super) fn of(graph: &Graph, storage: Option<&Storage>) -> Result<Self, Failure> {
        let (usage, free) = match storage {
            Some(storage) => {
                let selection = Selection {
                    mounts: true,
                    ..Selection::garbage()
                };
                let free = storage.collectable(&selection).map_err(advised)?;
                (storage.usage()?, free)
            }
            None => Default::default(),
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
                row("layers", layers, free.layers.bytes),
                row("blobs", blobs, free.blobs.bytes),
                row("cache mounts", mounts, free.mounts.bytes),
                row("deleted images", deleted, free.images.bytes),
                row("temporary", temporary, 0),
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
            let sizes = [row.apparent_size, row.size_on_disk, row.reclaimable].map(size::binary);
            let [apparent, on_disk, reclaimable] = sizes;
            text.push_str(&format!(
                "  {:<14} {:>7} {apparent:>12} {on_disk:>12} {reclaimable:>12}\n",
                row.kind, row.count
            ));
        }
        text
    }
}
