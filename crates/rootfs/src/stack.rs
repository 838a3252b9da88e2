//! The layers of an image, as one looks through them.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ch_linux::file::{self, Kind, OFlags};
use ch_linux::{SyscallError, xattr};
use ch_storage::{LayerError, LayerId, RootAttributes, Storage};

use crate::attributes;

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
}

/// Layers over each other.
#[derive(Debug)]
pub(crate) struct Stack {
    /// Top first.
    layers: Vec<(LayerId, OwnedFd)>,
    root: RootAttributes,
}

impl Stack {
    /// Opens `layers`, bottom first.
    pub(crate) fn open(storage: &Storage, layers: &[LayerId]) -> Result<Self, StackError> {
        if layers.len() > MOST_LAYERS {
            return Err(StackError::TooMany {
                count: layers.len(),
            });
        }
        let mut root = None;
        let mut opened = Vec::with_capacity(layers.len());
        for id in layers.iter().rev() {
            let layer = storage
                .layers()
                .get(id)?
                .ok_or_else(|| StackError::Missing { layer: id.clone() })?;
            let files = file::open_directory_at(layer.directory(), "fs").map_err(|source| {
                StackError::Look {
                    layer: id.clone(),
                    source,
                }
            })?;
            opened.push((id.clone(), files));
            root = root.or(layer.meta.root);
        }
        Ok(Self {
            layers: opened,
            root: root.unwrap_or_else(attributes::default_root),
        })
    }

    /// Where the layers are, relative to the storage directory; top first.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.layers.iter().map(|(id, _)| format!("layers/{id}/fs"))
    }

    /// Attributes of `/`.
    pub(crate) fn root(&self) -> &RootAttributes {
        &self.root
    }

    /// What the layers together have at `path`, which is relative and without `.` and `..`; links
    /// are not followed.
    pub(crate) fn find(&self, path: &Path) -> Result<Option<file::Status>, StackError> {
        for (id, root) in &self.layers {
            let look = || look(root, path);
            match look().map_err(|source| StackError::Look {
                layer: id.clone(),
                source,
            })? {
                Look::Found(status) => return Ok(Some(status)),
                Look::Hidden => return Ok(None),
                Look::Absent => {}
            }
        }
        Ok(None)
    }
}

/// What one layer says of a path.
enum Look {
    Found(file::Status),
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
        if status.is_whiteout() || is_marked_whiteout(&directory, name, &status)? {
            return Ok(Look::Hidden);
        }
        if names.peek().is_none() {
            return Ok(Look::Found(status));
        }
        if status.kind != Kind::Directory {
            return Ok(Look::Hidden);
        }
        directory = file::open_directory_at(&directory, name)?;
        opaque |= is_opaque(&directory)?;
    }
    Ok(Look::Absent)
}

/// Whether nothing of the layers below shows in this directory.
pub(crate) fn is_opaque(directory: impl AsFd) -> Result<bool, SyscallError> {
    Ok(xattr::get(directory, b"user.overlay.opaque")?.is_some_and(|value| value == b"y"))
}

/// Whether `name` is a whiteout of the form that needs no device.
fn is_marked_whiteout(
    directory: impl AsFd,
    name: &OsStr,
    status: &file::Status,
) -> Result<bool, SyscallError> {
    if status.kind != Kind::File || status.size != 0 {
        return Ok(false);
    }
    let file = file::open_at(directory, name, OFlags::RDONLY)?;
    Ok(xattr::get(file, b"user.overlay.whiteout")?.is_some())
}
