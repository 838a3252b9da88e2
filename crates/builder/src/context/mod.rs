//! What `COPY` reads and how it writes. [`original`] says whose files they are.
//!
//! Three passes over plain values: [`resolve`] turns the author's sources into operands, [`scan`]
//! lists what is in them with digests of content (the step's part of the cache key), and on a miss
//! [`write`] puts just what is on that list below the root of a workspace, at a [`destination`].
//! Scanning and writing take all cores ([`pool`]). What the instruction wrote last time and is the same now is not
//! written again but shared ([`previous`]).
//!
//! Invariants: a source is opened below the descriptor of its root and a destination below that of
//! the image, so no name and no link of either leads out; the context is read in place and never
//! copied anywhere else.

pub(crate) mod contents;
pub(crate) mod destination;
pub(crate) mod error;
pub(crate) mod ignore;
pub(crate) mod imposed;
pub(crate) mod mode;
pub(crate) mod original;
pub(crate) mod pattern;
pub(crate) mod pool;
pub(crate) mod previous;
pub(crate) mod resolve;
pub(crate) mod scan;
pub(crate) mod write;

#[cfg(test)]
mod hostile;
