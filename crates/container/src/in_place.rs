//! `ch-run`: this very process becomes the command, with its number, descriptors and signals.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use ch_linux::namespace::{self, Identity};
use ch_linux::process;
use ch_linux::signal::{self, Signal};

use crate::account::Accounts;
use crate::command::emulate;
use crate::environment::{EnvironmentError, InPlaceEnvironment};
use crate::error::{ExecError, SetUpError};
use crate::program;
use crate::set_up;
use crate::spec::{Mount, MountPoint};

/// A command that replaces the calling process.
#[derive(Clone, Debug)]
pub struct InPlace {
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Working directory, absolute.
    pub directory: PathBuf,
    /// What becomes of the environment.
    pub environment: InPlaceEnvironment,
    /// Mounts of the user, in the order of the command line.
    pub mounts: Vec<Mount>,
    /// What is seen at `/tmp`: this directory of the host, or a private one in memory.
    pub tmp: Option<PathBuf>,
    /// Users and groups that cover the image's; `None` leaves the image's.
    pub accounts: Option<Accounts>,
    /// Whether the image can be written to, so that missing places of mounts are made in it.
    pub writable: bool,
    /// What is taken away from the modes of files that the command makes.
    pub file_mode_mask: u32,
    /// Root emulation.
    pub emulation: ch_emulation::Mode,
}

impl InPlace {
    /// Every place that a root needs which is not written to.
    pub fn mount_points(&self) -> Vec<MountPoint> {
        set_up::mount_points_in_place(self)
    }
}

/// Why the calling process did not become the command.
#[derive(Debug, thiserror::Error)]
pub enum InPlaceError {
    /// The container could not be set up.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The environment could not be made.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The command could not be executed.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// Something the user may want to know before the command starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InPlaceNotice {
    /// `PATH` was not set; it is left so.
    PathNotSet,
}

/// Makes a user namespace, in which the caller has the identity `inside`, and a mount namespace.
///
/// The calling process must have one thread.
pub fn enter(inside: Identity) -> Result<(), SetUpError> {
    namespace::enter(inside).map_err(|error| SetUpError::UserNamespace {
        cause: error.into(),
    })
}

/// Becomes the command of `spec` in a container whose root is the detached mount `root`, made in the
/// namespaces of [`enter`].
pub fn exec(
    root: OwnedFd,
    spec: &InPlace,
    notice: &dyn Fn(InPlaceNotice),
) -> Result<Infallible, InPlaceError> {
    set_up::for_ch_run(spec, root)?;
    let (variables, path_missing) = spec.environment.assemble()?;
    if path_missing {
        notice(InPlaceNotice::PathNotSet);
    }
    process::change_directory(&spec.directory).map_err(|error| SetUpError::Directory {
        directory: spec.directory.clone(),
        cause: error.into(),
    })?;
    emulate(spec.emulation)?;
    process::set_file_mode_mask(spec.file_mode_mask);
    signal::restore_inherited();
    let error = program::execute(&spec.command, &variables);
    // Or the report of the error might end this process.
    signal::ignore(Signal::FILE_SIZE);
    Err(error.into())
}
