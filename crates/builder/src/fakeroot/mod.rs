//! What the builder does about package managers that want to be root.
//!
//! The emulation itself is the container's; here is what is changed in the *command* so that it
//! gets along with it: arguments behind its name ([`ForceCommand`]), or `fakeroot` before it ([`Recipe`]).

mod command;
mod here_document;
mod recipe;

pub(crate) use command::inject;
pub use command::{ForceCommand, ForceCommandError};
pub(crate) use recipe::{InitStep, LARGEST, Recipe, listed};
