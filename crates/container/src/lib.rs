//! One container process: namespaces, mounts, devices, environment, signals, exit status.
//!
//! Two ways in. [`run`] executes the command of a `RUN`: it starts the [`RUNTIME`] process, which joins
//! the builder's user namespace, makes the container's own namespaces and starts its first process;
//! that one makes the mounts and starts the command. [`exec`] is for `ch-run`: the calling process,
//! with one thread, becomes the command.
//!
//! | `ps` shows | What it is |
//! |---|---|
//! | `ch-image` | the builder, many threads |
//! | `ch-image: runtime` | makes namespaces, waits |
//! | `ch-image: init` | its child, process 1: mounts, reaps, passes orders on |
//! | the command | child of init |
//! | `ch-run: init` | process 1 of `ch-run --pid` |
//! | `ch-run: answers` | supervisor of [`exec`]'s command, if it is to have one; child of nobody that it knows |
//!
//! Invariants: nothing of the container outlives [`run`]; no path or link of an image leads to the host;
//! what fails in one of the processes comes back as a typed error.

mod account;
mod apart;
mod bind;
mod command;
mod descendants;
mod elf;
pub mod environment;
mod error;
mod in_place;
mod init;
mod isolation;
mod memory;
mod program;
mod report;
mod run;
mod runtime;
mod set_up;
mod spec;
mod stop;
mod supervision;
mod users;
mod wire;

pub use account::{Account, AccountSources, Accounts};
pub use bind::{BindError, BindProblem, MountOption, parse_binds, parse_mounts};
pub use ch_linux::process::is_privileged_executable;
pub use ch_linux::surroundings::Diagnosis;
pub use error::{Cause, ExecError, Finding, SetUpError};
pub use in_place::{InPlace, InPlaceError, InPlaceNotice, enter, exec};
pub use isolation::{isolate_network, isolate_processes};
pub use report::{End, Notice};
pub use run::{Abilities, Context, Outcome, Output, RunError, Stream, run};
pub use runtime::RUNTIME;
pub use set_up::new_proc;
pub use spec::{Mount, MountPoint, RunEnvironment, Source, Spec, Surroundings, Variables};
pub use stop::Stop;
pub use users::{GROUP, PASSWD, Users};
