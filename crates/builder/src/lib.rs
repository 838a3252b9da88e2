//! From Dockerfile to image.

mod context;
mod event;
mod fakeroot;
mod key;
mod name;

pub use context::error::{CopyError, NoSourcesError, OutsideError};
pub use context::pattern::MalformedPatternError;
pub use event::{Event, Mark};
pub use fakeroot::{ForceCommand, ForceCommandError};
pub use name::{NoNameError, inferred_name};
