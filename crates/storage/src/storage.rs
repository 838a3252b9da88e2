//! The handle of an open storage directory.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ch_linux::SyscallError;
use ch_linux::boot;
use ch_linux::sync;
use ch_linux::tree::Directory;

use crate::claims::Claims;
use crate::durability::{CHECKPOINT_EVERY, Checkpointer, Durability};
use crate::opening::{self, DirectoryLock, Opened, names};
use crate::owner::Owner;
use crate::sealed::Origin;
use crate::{Blobs, Images, LayerId, Layers, OpenError, Options, ResetError, States, trash};

/// An open storage directory. Clones are the same handle; the lock of the directory is held until the
/// last one is dropped.
#[derive(Debug, Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

/// What all clones share. Descriptors, not paths: the directory may be moved while we work.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) root: Directory,
    pub(crate) tmp: Directory,
    pub(crate) trash: Directory,
    pub(crate) layers: Directory,
    pub(crate) blobs: Directory,
    pub(crate) images: Directory,
    pub(crate) states: Directory,
    pub(crate) options: Options,
    pub(crate) origin: Origin,
    pub(crate) durability: Durability,
    /// Layers that this process has looked at and found good.
    pub(crate) known_layers: Mutex<HashSet<LayerId>>,
    /// What a collection must leave to this command, if it is one that writes.
    pub(crate) claims: Option<Claims>,
    checkpointer: Mutex<Option<Checkpointer>>,
    /// Where small files are written before they are renamed; made when first needed.
    scratch: Mutex<Option<Arc<Owner>>>,
    /// Owners between two drafts. Making and deleting them for each would cost more than all else in a small step.
    idle: Mutex<Vec<Owner>>,
    /// Names of all owners of this handle.
    pub(crate) owners: Arc<Mutex<HashSet<String>>>,
    _lock: Option<DirectoryLock>,
}

impl Storage {
    /// Opens the storage directory at the absolute `path` for a command that writes: it is created if
    /// there is none, and leftovers of dead commands are cleared away.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let opened = opening::open_or_create(path, &options)?;
        let failed = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        if sync::describe(&opened.root).map_err(failed)?.read_only {
            return Err(OpenError::ReadOnly {
                path: path.to_owned(),
            });
        }
        let storage = Self::of(opened, options, Some(Claims::default()))?;
        storage.check_modes()?;
        if !storage.inner.options.locking {
            DirectoryLock::require_support(&storage.inner.root)?;
        }
        storage.sweep().map_err(failed)?;
        Ok(storage)
    }

    /// Opens the storage directory at the absolute `path` for a command that only reads: nothing is
    /// created, and a directory that does not exist or is empty is `None`.
    pub fn open_existing(path: &Path, options: Options) -> Result<Option<Self>, OpenError> {
        match opening::open_existing(path, &options)? {
            Some(opened) => Self::of(opened, options, None).map(Some),
            None => Ok(None),
        }
    }

    /// Empties the storage directory at `path`, when nobody uses it, and starts it again.
    ///
    /// What it held is in the trash: report success, then call [`Storage::empty_trash`].
    pub fn reset(path: &Path, options: Options) -> Result<Self, ResetError> {
        let opened = opening::reset(path, &options)?;
        Ok(Self::of(opened, options, Some(Claims::default()))?)
    }

    fn of(opened: Opened, options: Options, claims: Option<Claims>) -> Result<Self, OpenError> {
        let Opened { root, lock } = opened;
        let device = attributes_device(&root)?;
        let part = |parent: &Directory, name| -> Result<Directory, OpenError> {
            let failed = |source| OpenError::Io {
                path: root.path().to_owned(),
                source,
            };
            let part = parent.ensure_directory(name).map_err(failed)?;
            if attributes_device(&part)? != device {
                return Err(OpenError::OtherFileSystem {
                    path: part.path().to_owned(),
                });
            }
            Ok(part)
        };
        let tmp = part(&root, names::TMP)?;
        let origin = Origin::new(options.boot.clone().or_else(boot::id));
        let inner = Inner {
            trash: part(&tmp, names::TRASH)?,
            layers: part(&root, names::LAYERS)?,
            blobs: part(&root, names::BLOBS)?,
            images: part(&root, names::IMAGES)?,
            states: part(&root, names::STATES)?,
            durability: Durability::new(&root, options.sync),
            known_layers: Mutex::default(),
            claims,
            checkpointer: Mutex::default(),
            scratch: Mutex::default(),
            idle: Mutex::default(),
            owners: Arc::default(),
            root,
            tmp,
            options,
            origin,
            _lock: lock,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Fails where a mode forbids its owner to write, before work is done that could not be kept.
    fn check_modes(&self) -> Result<(), OpenError> {
        let inner = &self.inner;
        for part in [
            &inner.root,
            &inner.tmp,
            &inner.trash,
            &inner.layers,
            &inner.blobs,
            &inner.images,
            &inner.states,
        ] {
            let path = || part.path().to_owned();
            let writable = ch_linux::file::is_writable(part);
            if !writable.map_err(|source| OpenError::Io {
                path: path(),
                source,
            })? {
                return Err(OpenError::NotWritable { path: path() });
            }
        }
        Ok(())
    }

    /// Path the directory was opened by, for messages.
    pub fn path(&self) -> &Path {
        self.inner.root.path()
    }

    /// The directory itself.
    pub fn directory(&self) -> &Directory {
        &self.inner.root
    }

    /// Whether what is reported done is on disk: not with `--no-sync`, nor where nothing ever is.
    pub fn syncs(&self) -> bool {
        self.inner.durability.is_enabled()
    }

    /// Its layers.
    pub fn layers(&self) -> Layers<'_> {
        Layers::new(self)
    }

    /// Its blobs.
    pub fn blobs(&self) -> Blobs<'_> {
        Blobs::new(self)
    }

    /// Its images.
    pub fn images(&self) -> Images<'_> {
        Images::new(self)
    }

    /// Its build cache.
    pub fn states(&self) -> States<'_> {
        States::new(self)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Moves `name` of `directory` to the trash if it is still what was judged, of this `identity`.
    pub(crate) fn discard_only(
        &self,
        directory: &Directory,
        name: &str,
        identity: (u64, u64),
    ) -> Result<(), SyscallError> {
        let inner = &self.inner;
        trash::discard_only(&inner.trash, &inner.origin.boot, directory, name, identity)
    }

    /// The owner of this handle's own small files.
    pub(crate) fn scratch(&self) -> Result<Arc<Owner>, SyscallError> {
        let mut scratch = lock(&self.inner.scratch);
        if let Some(owner) = &*scratch {
            return Ok(Arc::clone(owner));
        }
        let owner = Arc::new(Owner::new(&self.inner)?);
        *scratch = Some(Arc::clone(&owner));
        Ok(owner)
    }

    /// An owner with an empty directory.
    pub(crate) fn idle_owner(&self) -> Result<Owner, SyscallError> {
        match lock(&self.inner.idle).pop() {
            Some(owner) => Ok(owner),
            None => Owner::new(&self.inner),
        }
    }

    /// Keeps `owner`, whose directory is empty, for the next draft.
    pub(crate) fn keep_owner(&self, owner: Owner) {
        lock(&self.inner.idle).push(owner);
    }

    /// Sees to it that a command that lasts marks what it made every minute.
    pub(crate) fn keep_checkpointing(&self) {
        lock(&self.inner.checkpointer).get_or_insert_with(|| {
            Checkpointer::start(Arc::downgrade(&self.inner), CHECKPOINT_EVERY)
        });
    }

    #[cfg(test)]
    pub(crate) fn downgrade(&self) -> std::sync::Weak<Inner> {
        Arc::downgrade(&self.inner)
    }

    pub(crate) fn from_inner(inner: Arc<Inner>) -> Self {
        Self { inner }
    }
}

/// Locks a mutex whose data is whole after every statement, so a panic elsewhere does not matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn attributes_device(directory: &Directory) -> Result<u64, OpenError> {
    directory
        .attributes()
        .map(|attributes| attributes.identity.0)
        .map_err(|source| OpenError::Io {
            path: directory.path().to_owned(),
            source,
        })
}
