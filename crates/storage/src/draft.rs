//! Drafts: how something half-made becomes something that exists.
//!
//! A writer fills a [`Draft`] below `tmp/` and publishes from it with one `rename(2)`. The draft is locked while
//! its process lives; what is left in it when it is dropped goes to the trash, and the sweep does the same for
//! the dead.

use std::fs::File;
use std::io::{self, Write};

use ch_linux::SyscallError;
use ch_linux::tree::Directory;
use ch_oci::Digest;

use crate::claims::Claim;
use crate::durability::{Object, UNMARKED};
use crate::layers::Look;
use crate::opening::names;
use crate::owner::Owner;
use crate::storage::lock;
use crate::sweep::{SCAFFOLD_PREFIX, remove_if_there};
use crate::{CommitError, LayerError, LayerId, LayerMeta, StateId, Storage, sealed};

/// In a draft: the layer under construction.
const LAYER: &str = "layer";

/// Why something can't be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No place to work in.
    #[error("can't write in storage directory")]
    Draft(#[source] SyscallError),
    /// A layer can't be written or put in its place.
    #[error("can't store layer {layer}")]
    Layer {
        /// Which.
        layer: LayerId,
        /// What failed.
        source: SyscallError,
    },
    /// What is there already of that name can't be looked at.
    #[error(transparent)]
    Existing(#[from] LayerError),
    /// A blob can't be written or put in its place.
    #[error("can't store blob {digest}")]
    Blob {
        /// Which.
        digest: Digest,
        /// What failed.
        source: SyscallError,
    },
    /// A state can't be written or put in its place.
    #[error("can't store state {state}")]
    State {
        /// Which.
        state: StateId,
        /// What failed.
        source: SyscallError,
    },
    /// An image record can't be written or put in its place.
    #[error("can't store image {name}")]
    Image {
        /// Its name.
        name: String,
        /// What failed.
        source: SyscallError,
    },
    /// An image can't have a layer that does not exist.
    #[error("storage: layer {layer} is missing, needed by {name}")]
    LayerMissing {
        /// Which.
        layer: LayerId,
        /// Name of the image.
        name: String,
    },
    /// What an image is made of must be on disk before the image is.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// A place for work in progress, gone when dropped.
#[derive(Debug)]
pub struct Draft {
    storage: Storage,
    /// There until the end.
    owner: Option<Owner>,
}

/// A layer under construction.
#[derive(Debug)]
pub struct LayerDraft {
    /// Will be `layers/<id>`; `owners` may be put beside the files.
    pub directory: Directory,
    /// Will be `layers/<id>/fs`.
    pub files: Directory,
}

impl Storage {
    /// Makes a place for work in progress.
    pub fn draft(&self) -> Result<Draft, PublishError> {
        let owner = self.idle_owner().map_err(PublishError::Draft)?;
        Ok(Draft {
            storage: self.clone(),
            owner: Some(owner),
        })
    }

    /// Mount points of that hash, as [`Draft::publish_scaffold`] left them.
    pub fn scaffold(&self, hash: &str) -> Result<Option<Directory>, PublishError> {
        self.inner()
            .tmp
            .try_directory(format!("{SCAFFOLD_PREFIX}{hash}"))
            .map_err(PublishError::Draft)
    }
}

impl Draft {
    /// `tmp/<owner>`, in which the writer may make what he likes.
    pub fn directory(&self) -> &Directory {
        self.owner().directory()
    }

    /// Path of [`Draft::directory`] relative to the storage directory.
    pub fn relative_path(&self) -> String {
        format!("{}/{}", names::TMP, self.owner().name())
    }

    /// Starts the layer of this draft; there is one.
    pub fn layer(&self) -> Result<LayerDraft, PublishError> {
        let make = || {
            let directory = self.directory().make_directory(LAYER, 0o700)?;
            let files = directory.make_directory(names::FILES, 0o755)?;
            Ok(LayerDraft { directory, files })
        };
        make().map_err(PublishError::Draft)
    }

    /// Publishes the layer of this draft as `id`, and returns the name that it has got.
    ///
    /// If `id` exists, it stays as it is: equal names are equal layers. If another machine has made it and not
    /// marked it yet, it is of no use to us, but may be mounted there; then ours gets a name of its own.
    pub fn publish_layer(&self, id: &LayerId, meta: &LayerMeta) -> Result<LayerId, PublishError> {
        let inner = self.storage.inner();
        let failed = |source| PublishError::Layer {
            layer: id.clone(),
            source,
        };
        let directory = self.directory().directory(LAYER).map_err(failed)?;
        let bytes = sealed::seal(meta, &inner.origin);
        let write = || {
            remove_if_there(&directory, names::META)?;
            directory.write(names::META, UNMARKED, &bytes)
        };
        self.storage.with_space(write).map_err(failed)?;
        let mut id = id.clone();
        loop {
            // Before it exists: a collection takes what nobody claims.
            let claimed = self.storage.claim(&Claim::Layer(&id));
            claimed.map_err(failed)?;
            let rename = || {
                self.directory()
                    .rename_new(LAYER, &inner.layers, id.as_str())
            };
            match self.storage.publish(Object::Layer(id.clone()), rename) {
                Ok(()) => break,
                Err(error) if is_taken(&error) => match self.storage.layers().look(&id)? {
                    Look::Good(_) => return Ok(id),
                    // What is not believed was discarded by looking at it.
                    Look::Absent => {}
                    Look::AnotherMachines => id = LayerId::random(),
                },
                Err(error) => return Err(failed(error)),
            }
        }
        lock(&inner.known_layers).insert(id.clone());
        Ok(id)
    }

    /// Starts a blob in this draft; there may be several.
    pub fn blob(&self) -> Result<BlobDraft<'_>, PublishError> {
        let name = format!("blob-{}", ch_linux::boot::unique());
        let file = self
            .directory()
            .make_file(&name, UNMARKED)
            .map_err(PublishError::Draft)?;
        Ok(BlobDraft {
            draft: self,
            name,
            file,
        })
    }

    /// Publishes `bytes` as a blob and returns their digest. What is there already is not written again.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, PublishError> {
        let digest = Digest::of(bytes);
        if contains(&self.storage, &digest)? {
            return Ok(digest);
        }
        let mut blob = self.blob()?;
        blob.write_all(bytes).map_err(|source| PublishError::Blob {
            digest: digest.clone(),
            source: SyscallError::new("write", digest.to_string(), source),
        })?;
        blob.publish(&digest)?;
        Ok(digest)
    }

    /// Publishes the directory `name` of this draft as the mount points of `hash`, unless they exist.
    pub fn publish_scaffold(&self, name: &str, hash: &str) -> Result<Directory, PublishError> {
        let tmp = &self.storage.inner().tmp;
        let place = format!("{SCAFFOLD_PREFIX}{hash}");
        let publishing = self.storage.inner().durability.hold();
        let renamed = self.directory().rename_new(name, tmp, &place);
        drop(publishing);
        match renamed {
            Err(error) if !is_taken(&error) => return Err(PublishError::Draft(error)),
            _ => {}
        }
        tmp.directory(&place).map_err(PublishError::Draft)
    }

    fn owner(&self) -> &Owner {
        self.owner.as_ref().expect("taken only when dropped")
    }

    /// The storage directory it belongs to.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let Some(owner) = self.owner.take() else {
            return;
        };
        match owner.clear() {
            Ok(true) => self.storage.keep_owner(owner),
            Ok(false) => {}
            Err(error) => tracing::debug!("draft is not used again: {error}"),
        }
    }
}

fn is_taken(error: &SyscallError) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
    )
}

/// A blob under construction.
#[derive(Debug)]
pub struct BlobDraft<'a> {
    draft: &'a Draft,
    name: String,
    file: File,
}

impl BlobDraft<'_> {
    /// Publishes what was written as the blob `digest`, which the caller has computed or checked.
    ///
    /// If that exists, it stays as it is: a blob that is on disk is never replaced by one that is not yet, which
    /// its mark, set meanwhile by another process, would then belie.
    pub fn publish(self, digest: &Digest) -> Result<(), PublishError> {
        let storage = &self.draft.storage;
        let failed = |source| PublishError::Blob {
            digest: digest.clone(),
            source,
        };
        let directory = storage
            .inner()
            .blobs
            .ensure_directory(digest.algorithm().name())
            .map_err(failed)?;
        storage.claim(&Claim::Blob(digest)).map_err(failed)?;
        loop {
            let rename = || {
                let draft = self.draft.directory();
                draft.rename_new(&self.name, &directory, digest.hex())
            };
            match storage.publish(Object::Blob(digest.clone()), rename) {
                // What is there and not believed is discarded by looking at it.
                Err(error) if is_taken(&error) => {
                    if contains(storage, digest)? {
                        return Ok(());
                    }
                }
                other => return other.map_err(failed),
            }
        }
    }
}

fn contains(storage: &Storage, digest: &Digest) -> Result<bool, PublishError> {
    let found = storage.blobs().contains(digest);
    found.map_err(|error| PublishError::Blob {
        digest: digest.clone(),
        source: error.into_source(),
    })
}

impl Write for BlobDraft<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
