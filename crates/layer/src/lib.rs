//! Layers between archive and directory: tar streams, plain or compressed, become directories in the
//! format that overlayfs mounts.
//!
//! [`unpack`] reads a stream once: decompression and digest run on threads of their own, the archive is
//! taken apart on the caller's. [`settle`] then adjusts the few things that depend on the layers below. [`pack_layer`]
//! is the way back, through [`compress`].
//!
//! Invariants: nothing outside the given directory is ever written, whatever the archive says and
//! whoever else changes the directory meanwhile; memory is bounded, whatever the sizes in the archive;
//! what cannot be kept is named in [`Unpacked::warnings`] or is an error.

mod compress;
mod files;
mod pack;
mod settle;
mod stack;
mod stream;
mod tar;
mod unpack;
mod walk;

pub use compress::{Compressed, Compression, NoCompression, compress};
pub use files::FileArchive;
pub use pack::{
    Content, Ownership, PackError, PackOptions, Packed, pack_layer, pack_plain, pack_tree,
};
pub use settle::{SettleError, settle};
pub use stack::{Found, Stack, is_opaque, is_whiteout};
pub use stream::FormatError;
pub use tar::ArchiveProblem;
pub use unpack::{
    Destination, Encoding, KeepFree, LowerLink, NameProblem, Options, RootAttributes, UnpackError,
    Unpacked, unpack,
};
pub use walk::{Met, Seen, Walk, WalkError};

#[cfg(test)]
mod tests;
