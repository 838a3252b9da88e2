//! What goes: decided from an inventory alone.

use std::collections::HashSet;
use std::hash::Hash;

use ch_oci::Digest;

use super::inventory::{Image, Inventory};
use super::{Amount, Freed, Selection, StateChoice};
use crate::{ImageRecord, LayerId, StateId};

/// What goes.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) states: HashSet<StateId>,
    pub(crate) layers: HashSet<LayerId>,
    pub(crate) blobs: HashSet<Digest>,
    /// Names of the deleted images' files.
    pub(crate) deleted: HashSet<String>,
    pub(crate) broken_states: Vec<String>,
    pub(crate) broken_deleted: Vec<String>,
    pub(crate) mounts: HashSet<String>,
    /// Layers and blobs that only the living keep.
    in_use: usize,
}

/// Something that names layers, and may go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Candidate {
    State(StateId),
    Deleted(String),
}

impl Plan {
    /// What of `inventory` is to go at `now`, in seconds since 1970.
    pub(crate) fn new(inventory: &Inventory, selection: &Selection, now: i64) -> Self {
        let planning = Planning {
            inventory,
            selection,
            now,
        };
        let candidates = planning.candidates();
        let mut plan = match selection.keep {
            Some(keep) => planning.until_below(keep, candidates),
            None => planning.without(&candidates),
        };
        if selection.mounts {
            let mounts = inventory.mounts.iter();
            let mounts = mounts.filter(|mount| planning.is_old(mount.used));
            plan.mounts = mounts.map(|mount| mount.value.clone()).collect();
        }
        if selection.states != StateChoice::Keep && selection.purged.is_none() {
            plan.broken_states.clone_from(&inventory.broken_states);
        }
        if selection.deleted {
            plan.broken_deleted.clone_from(&inventory.broken_deleted);
        }
        plan
    }

    /// Leaves out what is not in `first`, too.
    pub(crate) fn retain(&mut self, first: &Self) {
        self.states.retain(|id| first.states.contains(id));
        self.layers.retain(|id| first.layers.contains(id));
        self.blobs.retain(|digest| first.blobs.contains(digest));
        self.deleted.retain(|file| first.deleted.contains(file));
        self.mounts.retain(|name| first.mounts.contains(name));
    }

    /// What it frees, of the `inventory` that it was made from.
    pub(crate) fn freed(&self, inventory: &Inventory) -> Freed {
        let layers = self.layers.iter().filter_map(|id| inventory.layers.get(id));
        let blobs = self.blobs.iter().filter_map(|it| inventory.blobs.get(it));
        let states = self.states.iter().filter_map(|id| inventory.states.get(id));
        let mounts = inventory.mounts.iter();
        let mounts = mounts.filter(|mount| self.mounts.contains(&mount.value));
        let images = inventory.deleted.iter();
        let images = images.filter(|image| {
            let file = crate::images::file_of(&image.value.record.name);
            self.deleted.contains(&file)
        });
        Freed {
            states: Amount::of(states.map(|thing| thing.bytes)),
            layers: Amount::of(layers.map(|thing| thing.bytes)),
            blobs: Amount::of(blobs.map(|thing| thing.bytes)),
            images: Amount::of(images.map(|thing| thing.bytes)),
            mounts: Amount::of(mounts.map(|thing| thing.bytes)),
            in_use: self.in_use,
        }
    }
}

/// An inventory and what is wanted of it.
struct Planning<'a> {
    inventory: &'a Inventory,
    selection: &'a Selection,
    now: i64,
}

impl<'a> Planning<'a> {
    fn is_old(&self, used: i64) -> bool {
        let age = self.selection.older_than.unwrap_or_default().as_secs();
        self.now - used >= i64::try_from(age).unwrap_or(i64::MAX)
    }

    /// The plan by which `candidates` go, and what then nothing names.
    fn without(&self, candidates: &[(i64, Candidate)]) -> Plan {
        let mut plan = Plan::default();
        for (_, candidate) in candidates {
            match candidate {
                Candidate::State(id) => drop(plan.states.insert(id.clone())),
                Candidate::Deleted(file) => drop(plan.deleted.insert(file.clone())),
            }
        }
        self.choose_layers(&mut plan);
        self.choose_blobs(&mut plan);
        plan
    }

    /// All that may go, with its last use.
    fn candidates(&self) -> Vec<(i64, Candidate)> {
        let Self {
            inventory,
            selection,
            ..
        } = self;
        let mut candidates = Vec::new();
        if selection.states != StateChoice::Keep {
            let needed = match selection.states {
                StateChoice::Unneeded => self.states_of_images(),
                _ => HashSet::new(),
            };
            let left = self.of_purged(|record| self.leading_to(record.state.as_ref()));
            for (id, state) in &inventory.states {
                let chosen = !needed.contains(id)
                    && !inventory.claimed.states.contains(id)
                    && left.as_ref().is_none_or(|left| left.contains(id));
                if chosen && self.is_old(state.used) {
                    candidates.push((state.used, Candidate::State(id.clone())));
                }
            }
        }
        if selection.deleted {
            let deleted = inventory.deleted.iter();
            for image in deleted.filter(|image| self.is_old(image.used)) {
                let file = crate::images::file_of(&image.value.record.name);
                candidates.push((image.used, Candidate::Deleted(file)));
            }
        }
        candidates
    }

    /// All that `of` gives for the purged images, if only they count.
    fn of_purged<T, I>(&self, of: impl Fn(&ImageRecord) -> I) -> Option<HashSet<T>>
    where
        T: Eq + Hash,
        I: IntoIterator<Item = T>,
    {
        let purged = self.selection.purged.as_ref()?;
        Some(purged.iter().flat_map(of).collect())
    }

    fn states_of_images(&self) -> HashSet<StateId> {
        let images = self.inventory.images.iter();
        let mut needed = HashSet::new();
        for image in images {
            needed.extend(self.leading_to(image.record.state.as_ref()));
        }
        needed
    }

    /// `last` and all states before it.
    fn leading_to(&self, last: Option<&StateId>) -> HashSet<StateId> {
        let mut found = HashSet::new();
        let mut next = last.cloned();
        while let Some(id) = next {
            let state = self.inventory.states.get(&id);
            next = state.and_then(|state| state.value.parent.clone());
            if !found.insert(id) {
                break;
            }
        }
        found
    }

    /// The plan by which the first of `candidates` by last use go, as many as it takes until no more than `keep`
    /// bytes are left. The more go the more is freed, so how many that is can be searched for.
    fn until_below(&self, keep: u64, mut candidates: Vec<(i64, Candidate)>) -> Plan {
        candidates.sort();
        let all = self.inventory.bytes();
        let is_too_little = |count: &usize| {
            let freed = self.without(&candidates[..*count]).freed(self.inventory);
            let freed = freed.layers.bytes + freed.blobs.bytes + freed.states.bytes;
            all - freed > keep
        };
        let counts: Vec<usize> = (0..candidates.len()).collect();
        let enough = counts.partition_point(is_too_little);
        self.without(&candidates[..enough])
    }

    /// Every name of a layer in what `plan` leaves; one may come several times.
    fn all_naming(&self, plan: &Plan) -> Vec<&'a LayerId> {
        let inventory = self.inventory;
        let mut named: Vec<&LayerId> = inventory.images.iter().flat_map(layers_of_image).collect();
        named.extend(self.deleted_kept(plan).flat_map(layers_of_image));
        let states = inventory.states.iter();
        let states = states.filter(|(id, _)| !plan.states.contains(*id));
        named.extend(states.flat_map(|(_, state)| &state.value.layers));
        named
    }

    fn deleted_kept<'p>(&self, plan: &'p Plan) -> impl Iterator<Item = &'a Image> + use<'a, 'p> {
        let deleted = self.inventory.deleted.iter().map(|deleted| &deleted.value);
        deleted.filter(|image| {
            let file = crate::images::file_of(&image.record.name);
            !plan.deleted.contains(&file)
        })
    }

    fn choose_layers(&self, plan: &mut Plan) {
        let needed: HashSet<&LayerId> = self.all_naming(plan).into_iter().collect();
        let left = self.of_purged(ImageRecord::layer_ids);
        for (id, layer) in &self.inventory.layers {
            let unneeded = !needed.contains(id)
                && left.as_ref().is_none_or(|left| left.contains(id))
                && self.is_old(layer.used);
            if !unneeded {
                continue;
            }
            if self.inventory.claimed.layers.contains(id) {
                plan.in_use += 1;
            } else {
                plan.layers.insert(id.clone());
            }
        }
    }

    fn choose_blobs(&self, plan: &mut Plan) {
        let inventory = self.inventory;
        let kept: HashSet<LayerId> = inventory
            .layers
            .keys()
            .filter(|id| !plan.layers.contains(*id))
            .cloned()
            .collect();
        let mut needed: HashSet<&Digest> = inventory.archives_of(&kept).collect();
        let deleted: Vec<&Image> = self.deleted_kept(plan).collect();
        let images = || inventory.images.iter().chain(deleted.iter().copied());
        needed.extend(images().flat_map(|image| &image.blobs));
        if self.selection.fetchable {
            for image in images() {
                for digest in fetchable(image) {
                    needed.remove(digest);
                }
            }
        }
        let left = self.of_purged(|record| {
            let layers = record.layer_ids().into_iter().collect();
            let archives: Vec<_> = inventory.archives_of(&layers).cloned().collect();
            let named = record.blobs().cloned();
            let config = Digest::of(&record.config);
            named
                .chain(archives)
                .chain([config])
                .collect::<Vec<Digest>>()
        });
        for (digest, blob) in &inventory.blobs {
            let unneeded = !needed.contains(digest)
                && left.as_ref().is_none_or(|left| left.contains(digest))
                && self.is_old(blob.used);
            if !unneeded {
                continue;
            }
            if inventory.claimed.blobs.contains(digest) {
                plan.in_use += 1;
            } else {
                plan.blobs.insert(digest.clone());
            }
        }
    }
}

fn layers_of_image(image: &Image) -> impl Iterator<Item = &LayerId> {
    image.record.layers.iter().map(|layer| &layer.id)
}

/// Archives of layers that a registry has.
fn fetchable(image: &Image) -> impl Iterator<Item = &Digest> {
    let layers = image.record.layers.iter();
    let layers = layers.filter(|layer| !layer.repositories.is_empty());
    layers.filter_map(|layer| layer.blob.as_ref().map(|blob| &blob.digest))
}
