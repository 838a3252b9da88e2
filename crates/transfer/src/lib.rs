//! Whole images in and out of the storage directory.
//!
//! [`pull`] brings an image from a registry ([`pull_directory`] into a plain directory), [`import`] one from a directory
//! or an archive; [`push`] brings one to a registry, [`export`] to files. What they are doing is told by [`Event`]s;
//! nothing is printed here.
//!
//! Invariants: an image record is stored last, so an image is there whole or not at all, and an earlier
//! image of that name stays until the new one is complete; what was complete when something failed
//! stays and is not fetched again.

mod assemble;
mod beside;
mod directory;
mod event;
mod export;
mod import;
mod meta;
mod pull;
mod push;
#[cfg(test)]
mod tests;

pub use assemble::{AssembleError, AssembleOptions, Assembled, FormatChoice, assemble};
pub use beside::Unfinished;
pub use directory::{DirectoryError, Flattened};
pub use event::{Event, LayerEvent, LayerLabel};
pub use export::{ExportError, ExportOptions, Form, Naming, Target, check_destination, export};
pub use import::{
    ImportError, ImportOptions, Imported, Source, check_image_directory, described,
    gather_directory, import,
};
pub use pull::{
    LayerDownloadError, Looked, PullError, PullOptions, Pulled, look, pull, pull_directory, restore,
};
pub use push::{
    Part, PartError, PartEvent, PushError, PushEvent, PushOptions, Pushed, authenticate, push,
};
