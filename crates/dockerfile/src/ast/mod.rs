//! What a Dockerfile says: stages and instructions, with the places where they say it.
//!
//! Nothing here is substituted, resolved or checked against an image: words keep their quotes,
//! escapes and variables (see [`crate::substitute`]) except where the documentation says otherwise.

mod command;
mod file;
mod reference;

pub use command::{
    Add, Command, Copy, CopySource, Files, Form, Healthcheck, HealthcheckTest, Heredoc, Mount,
    MountKey, MountOption, OnBuild, Pair, Run, RunInput,
};
pub use file::{
    Definition, Dialect, Directives, Escape, File, From, GlobalArgument, Header, Instruction,
    Keyword, Stage,
};
pub use reference::StageError;

pub(crate) use reference::StageNames;
