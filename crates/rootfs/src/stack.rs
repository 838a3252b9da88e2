//! The layers of an image, as one looks through them.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ch_layer::{is_opaque, is_whiteout};
use ch_linux::SyscallError;
use ch_linux::file::{self, Kind};
use ch_ownership::{Override, Owners};
use ch_storage::{LayerError, LayerId, RootAttributes, Storage};

use crate::{ContentError, attributes, content};

/// Layers that one mount takes, with upper, cover and scaffold left out.
const MOST_LAYERS: usize = 490;

/// Why a stack of layers can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A layer is not there.
    #[error("storage: layer {layer} is missing")]
    Missing {
        /// Which.
        layer: LayerId,
    },
    /// A layer can't be read.
    #[error(transparent)]
    Read(#[from] LayerError),
    /// More than one mount takes.
    #[error("not yet supported: more than {MOST_LAYERS} layers (this image has {count})")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A file of a layer can't be looked at.
    #[error("can't look into layer {layer}")]
    Look {
        /// Which.
        layer: LayerId,
        /// What failed.
        source: SyscallError,
    },
    /// What lies beside the files of a layer can't be read.
    #[error(transparent)]
    Content(#[from] ContentError),
}

/// What layers say of `/`. They never change, so each is asked once.
#[derive(Debug, Default)]
pub(crate) struct Roots(Mutex<HashMap<LayerId, Root>>);

/// What a layer says of `/`.
#[derive(Clone, Debug)]
struct Root {
    /// Its attributes, if the layer gives it any.
    attributes: Option<RootAttributes>,
    /// Whether nothing of the layers below shows.
    opaque: bool,
}

impl Roots {
    /// What `layer` says, provided that it exists.
    fn get(&self, storage: &Storage, id: &LayerId) -> Result<Root, StackError> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(root) = known().get(id) {
            return Ok(root.clone());
        }
        let layer = storage.layers().get(id)?;
        let layer = layer.ok_or_else(|| StackError::Missing { layer: id.clone() })?;
        let opaque = is_opaque(layer.files()?).map_err(|source| StackError::Look {
            layer: id.clone(),
            source,
        })?;
        let root = Root {
            attributes: layer.meta.root,
            opaque,
        };
        known().insert(id.clone(), root.clone());
        Ok(root)
    }
}

/// Layers over each other.
#[derive(Debug)]
pub(crate) struct Stack {
    storage: Storage,
    /// Top first, down to the first that is opaque as a whole: the kernel does not look for that mark
    /// on the root of a layer.
    layers: Vec<LayerId>,
    root: RootAttributes,
}

impl Stack {
    /// Checks that `layers`, bottom first, can be used together.
    pub(crate) fn open(
        storage: &Storage,
        layers: &[LayerId],
        roots: &Roots,
    ) -> Result<Self, StackError> {
        let mut showing = Vec::with_capacity(layers.len());
        let mut attributes = None;
        let mut hidden = false;
        for id in layers.iter().rev() {
            let root = roots.get(storage, id)?;
            if !hidden {
                showing.push(id.clone());
            }
            hidden |= root.opaque;
            attributes = attributes.or(root.attributes);
        }
        if showing.len() > MOST_LAYERS {
            return Err(StackError::TooMany {
                count: showing.len(),
            });
        }
        Ok(Self {
            storage: storage.clone(),
            layers: showing,
            root: attributes.unwrap_or_else(attributes::default_root),
        })
    }

    /// Where the layers are, relative to the storage directory; top first.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.layers.iter().map(place)
    }

    /// Attributes of `/`.
    pub(crate) fn root(&self) -> &RootAttributes {
        &self.root
    }

    /// What the layers together have at `path`, which is relative and without `.` and `..`; links
    /// are not followed.
    pub(crate) fn find(&self, path: &Path) -> Result<Option<Found>, StackError> {
        for (layer, id) in self.layers.iter().enumerate() {
            let failed = |source| self.look_failed(layer, source);
            let directory = self
                .storage
                .directory()
                .directory(place(id))
                .map_err(failed)?;
            match look(&directory, path).map_err(failed)? {
                Look::Found(parent, status) => {
                    return Ok(Some(Found {
                        layer,
                        parent,
                        status,
                    }));
                }
                Look::Hidden => return Ok(None),
                Look::Absent => {}
            }
        }
        Ok(None)
    }

    /// That something failed in a layer, counted from the top.
    pub(crate) fn look_failed(&self, layer: usize, source: SyscallError) -> StackError {
        StackError::Look {
            layer: self.layers[layer].clone(),
            source,
        }
    }

    /// What lies beside the files of each layer, top first.
    pub(crate) fn owners(&self) -> Result<Vec<Owners>, StackError> {
        self.layers.iter().map(|id| self.owners_of(id)).collect()
    }

    /// What objects are believed to be that can't carry it, by paths below the root.
    pub(crate) fn kept_beside(&self) -> Result<Vec<(PathBuf, Override)>, StackError> {
        let mut kept = Vec::new();
        for (layer, owners) in self.owners()?.iter().enumerate() {
            for (path, owner) in owners.iter() {
                let path = Path::new(OsStr::from_bytes(path));
                let Some(believed) = owner.believed else {
                    continue;
                };
                if self.find(path)?.is_some_and(|found| found.layer == layer) {
                    kept.push((path.to_owned(), believed));
                }
            }
        }
        Ok(kept)
    }

    fn owners_of(&self, id: &LayerId) -> Result<Owners, StackError> {
        let failed = |source| StackError::Look {
            layer: id.clone(),
            source,
        };
        let layer = self.storage.directory().directory(format!("layers/{id}"));
        Ok(content::owners(&layer.map_err(failed)?, id)?)
    }
}

/// What a stack has at a path.
#[derive(Debug)]
pub(crate) struct Found {
    /// Place in the stack of the topmost layer that has it, counted from the top.
    pub(crate) layer: usize,
    /// The directory of that layer that has it.
    pub(crate) parent: OwnedFd,
    /// What it is.
    pub(crate) status: file::Status,
}

/// Where the files of a layer are, relative to the storage directory.
fn place(id: &LayerId) -> String {
    format!("layers/{id}/fs")
}

/// What one layer says of a path.
enum Look {
    Found(OwnedFd, file::Status),
    /// Not there, and what is below does not count.
    Hidden,
    Absent,
}

/// Goes down `path` in one layer, noticing whatever hides the layers below.
fn look(root: impl AsFd, path: &Path) -> Result<Look, SyscallError> {
    let mut directory = file::open_directory_at(root, ".")?;
    let mut opaque = false;
    let mut names = path.iter().peekable();
    while let Some(name) = names.next() {
        let Some(status) = file::try_status_at(&directory, name)? else {
            return Ok(if opaque { Look::Hidden } else { Look::Absent });
        };
        if is_whiteout(&directory, name, &status)? {
            return Ok(Look::Hidden);
        }
        if names.peek().is_none() {
            return Ok(Look::Found(directory, status));
        }
        if status.kind != Kind::Directory {
            return Ok(Look::Hidden);
        }
        directory = file::open_directory_at(&directory, name)?;
        opaque |= is_opaque(&directory)?;
    }
    Ok(Look::Absent)
}
