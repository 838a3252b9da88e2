//! The instructions, one file per kind of effect.

pub(crate) mod copy;
pub(crate) mod copy_from;
mod healthcheck;
pub(crate) mod metadata;
pub(crate) mod owner;
pub(crate) mod port;
pub(crate) mod run;
pub(crate) mod signal;
pub(crate) mod workdir;
