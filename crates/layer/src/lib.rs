//! Layers between archive and directory: tar streams, plain or compressed, become directories in the
//! format that overlayfs mounts.
//!
//! [`unpack`] reads a stream once: decompression and digest run on threads of their own, the archive is
//! taken apart on the caller's. [`settle`] then adjusts the few things that depend on the layers below.
//!
//! Invariants: nothing outside the given directory is ever written, whatever the archive says and
//! whoever else changes the directory meanwhile; memory is bounded, whatever the sizes in the archive;
//! what cannot be kept is named in [`Unpacked::warnings`] or is an error.

mod pack;
mod settle;
mod stack;
mod stream;
mod tar;
mod unpack;

pub use pack::{PackError, Packed, pack_plain};
pub use settle::{SettleError, settle};
pub use stack::{Found, Stack};
pub use stream::FormatError;
pub use tar::ArchiveProblem;
pub use unpack::{
    Destination, Encoding, KeepFree, LowerLink, NameProblem, Options, RootAttributes, UnpackError,
    Unpacked, unpack,
};

#[cfg(test)]
mod tests;
