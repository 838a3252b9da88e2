//! The instructions, one file per kind of effect.

pub(crate) mod copy;
pub(crate) mod metadata;
mod port;
pub(crate) mod run;
mod signal;
pub(crate) mod workdir;
