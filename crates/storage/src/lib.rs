//! The storage directory: everything `ch-image` keeps, in ordinary files of one user.
//!
//! ```text
//! VERSION                  `ch-image storage 1`; written last at creation
//! oci-layout  index.json   an OCI image layout, for other tools: the images that have a manifest
//! blobs/sha256/<hex>       manifests, configs, compressed layers, as registries have them
//! layers/<id>/fs/          files of one layer, never changed once published
//! layers/<id>/meta.json    what is known of it; its presence makes the layer exist
//! layers/<id>/blob.json    the archives that were made of it; may be lost
//! images/<name>.json       image record; images/deleted/ those that can come back
//! states/<id>.json         build cache: what a step left behind
//! contents/<hash>          digests of the files of a context or copy, see [`Storage::content_table`]
//! mounts/                  cache mounts of `RUN`
//! tmp/lock                 lock of the whole directory: shared by commands, exclusive for reset
//! tmp/reset                only while a reset is under way
//! tmp/<owner>.lock  tmp/<owner>/    work in progress, locked by the process that does it
//! tmp/locks/<kind>-<key>   key locks: who makes that layer, blob, state, name
//! tmp/leases/<owner>       layers that a container stands on, or what a command has found and made; locked while
//!                          it lives
//! tmp/claims               lock between those who claim things and those who collect them
//! tmp/scaffold-<hash>/     mount points below the lowest layer
//! tmp/probed               under which boot and mount it was tried what the kernel does here
//! tmp/trash/<boot>-<n>     what only waits for being deleted
//! ```
//!
//! # How something comes to exist
//!
//! Everything is written in a [`Draft`] below `tmp/` and published with one `rename(2)`: readers see all
//! of it or nothing, whenever the writer is killed. A power cut is another matter. The **mode** of
//! `layers/<id>/meta.json`, of a state and of a blob is the mark: `0644` is published but perhaps only in
//! memory, `0444` was on disk before the mode was changed. [`Storage::commit`] does one `syncfs(2)` and sets
//! the marks; image records are renamed in only after what they name is marked. What carries no mark and was
//! written before the last boot is not believed.
//!
//! # Invariants
//!
//! Nothing outside `tmp/` is opened for writing. No file holds the directory's own path, so it may be moved.
//! Every directory gives its owner all permissions, so `rm -rf` by the user always works. Nobody waits for
//! a second key lock while holding one.

mod abandon;
mod blobs;
mod claims;
mod collect;
mod contents;
mod draft;
mod durability;
mod images;
mod layers;
mod lease;
pub mod location;
mod measure;
mod once;
mod opening;
mod options;
mod owner;
mod probed;
mod read_only;
mod sealed;
mod space;
mod states;
mod storage;
mod sweep;
mod time;
mod trash;
mod trial;
mod usage;
mod verify;

#[cfg(test)]
mod tests;

pub use blobs::{BlobError, Blobs};
pub use collect::{Amount, CollectError, Freed, Selection, StateChoice};
pub use draft::{BlobDraft, Draft, LayerDraft, PublishError};
pub use durability::CommitError;
pub use images::{
    DamagedRecord, ImageLayer, ImageOrigin, ImageRecord, Images, Listing, RecordError,
    UndeleteError,
};
pub use layers::{
    Archived, Engine, Layer, LayerError, LayerId, LayerMeta, Layers, NotALayerId, RootAttributes,
    WhiteoutEncoding,
};
pub use lease::{Lease, LeaseError};
pub use once::{Key, KeyLock};
pub use opening::{OpenError, ResetError, is_ours};
pub use options::{Holders, Notice, Notify, Options};
pub use sealed::Damage;
pub use space::{NoSpace, is_no_space};
pub use states::{NotAStateId, StateError, StateId, StateRecord, States};
pub use storage::Storage;
pub use trial::Trial;
pub use usage::{Space, Usage};
pub use verify::{Damaged, Verified, VerifyError};
