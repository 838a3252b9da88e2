//! What is to be executed, and in what surroundings: plain values, serialised for the runtime process.

use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Variables of an environment, in order; a later one of the same name wins.
pub type Variables = Vec<(OsString, OsString)>;

/// A `RUN`: one command in a container of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// What `ps` shows beside the runtime's name: the number of the step.
    pub label: String,
    /// Program and arguments; the program is searched in `PATH` unless it has a `/`.
    pub command: Vec<OsString>,
    /// Working directory, absolute.
    #[serde(with = "crate::wire::path")]
    pub directory: PathBuf,
    /// Where the environment comes from.
    pub environment: RunEnvironment,
    /// Who runs it, as `USER` has it: `NAME|UID[:GROUP]`; empty for root. Without a supervisor it
    /// decides `HOME` only.
    pub user: String,
    /// Host name where the container can have its own.
    pub host_name: String,
    /// What differs from the host.
    pub surroundings: Surroundings,
    /// Root emulation.
    pub emulation: ch_emulation::Mode,
    /// What the supervisor is to know from earlier steps.
    pub remembered: Vec<ch_emulation::Memory>,
    /// Mounts of the user, in the order they are made.
    pub mounts: Vec<Mount>,
}

/// What a container has otherwise than the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// No network but a loopback device of its own.
    pub isolated: bool,
    /// Lines of `/etc/hosts` beside those of the host: address and name.
    pub hosts: Vec<(IpAddr, String)>,
    /// Most bytes in `/dev/shm`; 64 MiB if not said.
    pub shared_memory: Option<u64>,
}

/// Where the environment of a `RUN` comes from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunEnvironment {
    /// The image's `Env` and set `ARG`s, by time of definition.
    pub image: Variables,
    /// Variables of [`crate::environment::pass_through`] that the host has.
    pub host: Variables,
}

/// Something mounted in the container because a user asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where, absolute in the container.
    #[serde(with = "crate::wire::path")]
    pub target: PathBuf,
    /// What.
    pub source: Source,
    /// Whether it is left out, without an error, if the image has no such place.
    pub optional: bool,
    /// Whether nothing can be changed through it.
    pub read_only: bool,
    /// The place as it was written, if it ends with what may be a mode: where the image has it, it is meant, without a
    /// mode.
    pub literal: Option<OsString>,
}

impl Mount {
    /// `source` at `target`, writable and needed.
    pub fn new(source: Source, target: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            source,
            optional: false,
            read_only: false,
            literal: None,
        }
    }
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A file or directory of the host, with what is mounted below it.
    Bind(#[serde(with = "crate::wire::path")] PathBuf),
    /// An empty directory in memory that everyone may write to.
    Tmpfs {
        /// Most bytes in it, as tmpfs takes them; half of the memory if not said.
        size: Option<String>,
    },
}

/// A place that must exist in the root before the container can be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    /// Absolute in the container.
    pub path: PathBuf,
    /// Whether it must be a directory; else a file.
    pub directory: bool,
    /// Whether a user chose it; then something else that the image has there must not be hidden.
    pub chosen: bool,
}

impl Spec {
    /// Every place that the root must have: those of each container and those of the user's mounts.
    pub fn mount_points(&self) -> Vec<MountPoint> {
        let mut points = crate::set_up::mount_points();
        points.extend(mount_points(&self.mounts));
        points
    }
}

/// The places of `mounts`: a file for a file, else a directory. Sources that are missing are found later.
pub(crate) fn mount_points(mounts: &[Mount]) -> Vec<MountPoint> {
    let wanted = mounts.iter().filter(|mount| !mount.optional);
    wanted
        .map(|mount| MountPoint {
            path: mount.target.clone(),
            directory: match &mount.source {
                Source::Bind(path) => fs::metadata(path).is_ok_and(|found| found.is_dir()),
                Source::Tmpfs { .. } => true,
            },
            chosen: true,
        })
        .collect()
}
