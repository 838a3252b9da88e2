//! From directories to archives.
//!
//! | From | Function | Whiteouts | Owners | Times |
//! |---|---|---|---|---|
//! | one layer | [`pack_layer`] | become `.wh.` members | as remembered | whole seconds |
//! | a stack of layers | [`pack_tree`] | hide what is below | as remembered | whole seconds |
//! | any other directory | [`pack_plain`] | there are none | overrides, else as on disk | as on disk |
//!
//! Depth first, names in the order of their bytes, nothing of this machine in any header: equal trees give equal
//! archives. A directory comes before its content, with its attributes.

mod attributes;
mod content;
mod packer;

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use ch_linux::SyscallError;
use ch_ownership::{Owners, ReadError};

use crate::unpack::RootAttributes;
use crate::walk::{Walk, WalkError};
use packer::{Form, Packer};

/// A layer to be packed.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// The root of its files.
    pub files: BorrowedFd<'a>,
    /// What lies beside them.
    pub owners: &'a Owners,
}

/// How layers are packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackOptions {
    /// No member is younger, in seconds since 1970: `SOURCE_DATE_EPOCH` with `rewrite-timestamp`.
    pub latest: Option<i64>,
    /// Whose the members are.
    pub ownership: Ownership,
}

/// Whose the members of an archive are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ownership {
    /// Whose the image believes them to be.
    #[default]
    Faithful,
    /// All of them root's, without set-ID bits, devices and `security.*`: what an image is that needs no privileges
    /// to be unpacked.
    Root,
}

/// Why a tree could not be read whole, or its archive not written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Something in the tree cannot be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// What is remembered of an object is garbage.
    #[error("can't read {path:?}")]
    Override {
        /// Path below the top of the tree.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
    /// A file was changed while it was read.
    #[error("{path:?} changed while it was read")]
    Changed {
        /// Path below the top of the tree.
        path: PathBuf,
    },
    /// A name that an archive of a layer cannot have.
    #[error("{path:?}: its name means a removal, so no layer can hold it")]
    Reserved {
        /// Path below the top of the tree.
        path: PathBuf,
    },
    /// The archive has nowhere to go.
    #[error("can't write the archive")]
    Write(#[from] io::Error),
}

impl PackError {
    fn read(path: &std::path::Path, source: SyscallError) -> Self {
        let path = path.to_owned();
        Self::Walk(WalkError { path, source })
    }
}

/// What is known of a tree that was packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packed {
    /// Sockets, which no archive can hold.
    pub sockets: u64,
    /// Devices that were not wanted.
    pub devices: u64,
}

/// Writes one layer to `output` as a registry would have it; `root` is what it says of `/`, if anything.
pub fn pack_layer(
    layer: Content<'_>,
    root: Option<&RootAttributes>,
    options: &PackOptions,
    output: impl Write,
) -> Result<Packed, PackError> {
    let owners = &[layer.owners];
    let walk = Walk::layers([layer.files])?;
    Packer::new(Form::Layer, owners, options, output).run(walk, root)
}

/// Writes what `layers`, top first, show together, with `root` as their root.
pub fn pack_tree(
    layers: &[Content<'_>],
    root: &RootAttributes,
    options: &PackOptions,
    output: impl Write,
) -> Result<Packed, PackError> {
    let owners: Vec<_> = layers.iter().map(|layer| layer.owners).collect();
    let walk = Walk::layers(layers.iter().map(|layer| layer.files))?;
    Packer::new(Form::Tree, &owners, options, output).run(walk, Some(root))
}

/// Writes the tree below `directory`, which is no layer. Mount points in it are entered. What belongs to the caller
/// is the image's root's.
pub fn pack_plain(directory: impl AsFd, output: impl Write) -> Result<Packed, PackError> {
    let walk = Walk::plain(directory.as_fd())?;
    Packer::new(Form::Plain, &[], &PackOptions::default(), output).run(walk, None)
}
