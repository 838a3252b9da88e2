//! What the builder does about package managers that want to be root.
//!
//! The emulation itself is the container's; here is what is changed in the *command* so that it
//! gets along with it ([`ForceCommand`]), and what to advise when nothing was done ([`advice`]).

mod advice;
mod command;
mod here_document;

pub(crate) use advice::applies as advice_applies;
pub(crate) use command::inject;
pub use command::{ForceCommand, ForceCommandError};
