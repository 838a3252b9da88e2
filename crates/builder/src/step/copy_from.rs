//! `COPY --from`: files of another stage, or of an image, into the workspace.
//!
//! The key holds what is in the files, not where they come from. Layers never change, so what is found out about them
//! is kept: for which layers and words the files have which digest. Then a copy that hits mounts nothing.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ch_oci::Digest;
use ch_rootfs::{Learned, View, Workspace};
use ch_storage::{LayerId, Lease, StateId, Storage};

use super::copy::Prepared;
use crate::CopyError;
use crate::context::contents::Contents;
use crate::context::original::Originals;
use crate::context::resolve::{Operand, Root};
use crate::context::scan::seen::Seen;
use crate::context::{pool, scan};
use crate::error::{BuildError, Problem};
use crate::key::KeyHash;
use crate::machinery::Machinery;

/// What the table is called in storage.
const TABLE: &[u8] = b"COPY --from";
const HEAD: &str = "ch-image copied 1\n";
/// A table that has grown so far is begun anew.
const MOST: usize = 10_000;

/// The digests of what was copied from which layers by which words.
pub(crate) struct Copied(Mutex<Table>);

struct Table {
    digests: HashMap<String, String>,
    changed: bool,
}

impl Copied {
    /// What the storage directory knows.
    pub(crate) fn load(storage: Option<&Storage>) -> Self {
        let table = storage.and_then(|storage| storage.content_table(&Digest::of(TABLE)));
        let text = String::from_utf8(table.unwrap_or_default()).unwrap_or_default();
        let lines = text.strip_prefix(HEAD).unwrap_or_default().lines();
        let digests: HashMap<_, _> = lines
            .filter_map(|line| line.split_once(' '))
            .map(|(key, digest)| (key.to_owned(), digest.to_owned()))
            .collect();
        let digests = if digests.len() < MOST {
            digests
        } else {
            HashMap::new()
        };
        Self(Mutex::new(Table {
            digests,
            changed: false,
        }))
    }

    /// Keeps what was learned, if anything was.
    pub(crate) fn save(&self, storage: &Storage) {
        let table = self.table();
        if !table.changed {
            return;
        }
        let mut text = HEAD.to_owned();
        for (key, digest) in &table.digests {
            text.push_str(&format!("{key} {digest}\n"));
        }
        if let Err(error) = storage.put_content_table(&Digest::of(TABLE), text.as_bytes()) {
            tracing::debug!("what was copied is not remembered: {error}");
        }
    }

    /// The state that `prepared` leads to with these files.
    pub(crate) fn state(
        &self,
        prepared: &Prepared,
        parent: &StateId,
        files: &Files<'_>,
    ) -> Result<StateId, BuildError> {
        let key = files.words_key(prepared);
        let known = self.table().digests.get(&key).cloned();
        let digest = match known {
            Some(digest) => digest,
            None => {
                let digest = files.digest(prepared)?;
                let mut table = self.table();
                table.changed = true;
                table.digests.insert(key, digest.clone());
                digest
            }
        };
        let mut key = prepared.key(parent);
        key.field("files", digest);
        Ok(key.state())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Each change of it is one entry, so it is whole even if a thread panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state that a dry run goes on with if it can't know the files, because it has not made `source`.
pub(crate) fn state_unknown(prepared: &Prepared, parent: &StateId, source: &str) -> StateId {
    let mut key = prepared.key(parent);
    key.list("unknown", prepared.words()).field("of", source);
    key.state()
}

/// The files of an image, mounted as soon as somebody wants to look.
pub(crate) struct Files<'m> {
    layers: &'m [LayerId],
    machinery: &'m Machinery<'m>,
    mounted: OnceCell<(View, Lease)>,
    /// What is wanted of them.
    looked_at: OnceCell<(Vec<Operand>, Vec<Seen>)>,
}

impl<'m> Files<'m> {
    /// Those of an image with `layers`.
    pub(crate) fn new(layers: &'m [LayerId], machinery: &'m Machinery<'m>) -> Self {
        Self {
            layers,
            machinery,
            mounted: OnceCell::new(),
            looked_at: OnceCell::new(),
        }
    }

    /// Writes what `prepared` wants of them into `workspace`; what it can't carry comes back.
    pub(crate) fn write(
        &self,
        prepared: &Prepared,
        workspace: &Workspace,
    ) -> Result<Learned, BuildError> {
        let (operands, seen) = self.look(prepared)?;
        let (learned, _) = prepared.write(workspace, operands, seen, None)?;
        Ok(learned)
    }

    /// Stands for the layers and for what is wanted of them.
    fn words_key(&self, prepared: &Prepared) -> String {
        let mut key = KeyHash::new("copied 1");
        let layers = self.layers.iter().map(LayerId::as_str);
        key.list("layers", layers.collect::<Vec<_>>())
            .list("words", prepared.words())
            .field("keeps owner", [u8::from(prepared.keeps_owner())]);
        key.finish().hex().to_owned()
    }

    fn digest(&self, prepared: &Prepared) -> Result<String, BuildError> {
        let (operands, seen) = self.look(prepared)?;
        let mut key = KeyHash::new("files of an image 1");
        scan::add_to_key(operands, seen, &mut key);
        Ok(key.finish().hex().to_owned())
    }

    fn look(&self, prepared: &Prepared) -> Result<&(Vec<Operand>, Vec<Seen>), BuildError> {
        if let Some(looked_at) = self.looked_at.get() {
            return Ok(looked_at);
        }
        let view = self.view()?;
        let root = Root::of_image(view.root());
        let root = root.map_err(Problem::files("can't look into the image"))?;
        let beside = view.beside().map_err(CopyError::Owners)?;
        let originals = Originals::Image {
            beside: &beside,
            keeps_owner: prepared.keeps_owner(),
        };
        let operands = prepared.operands(Some(&root))?;
        // No index: nothing of it is looked at twice.
        let mut contents = Contents::load(None, Path::new(""));
        let seen = scan::look(&operands, originals, &mut contents, pool::threads())?;
        Ok(self.looked_at.get_or_init(|| (operands, seen)))
    }

    fn view(&self) -> Result<&View, BuildError> {
        if self.mounted.get().is_none() {
            let mounted = self.machinery.view(self.layers)?;
            self.mounted.get_or_init(|| mounted);
        }
        let (view, _) = self.mounted.get().expect("it was mounted");
        Ok(view)
    }
}
