//! `ch-run`: this very process becomes the command, with its number, descriptors and signals.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use ch_emulation::{HostMounts, Memory, Mode};
use ch_linux::namespace::{self, Identity};
use ch_linux::process;
use ch_linux::signal::{self, Signal};

use crate::account::Accounts;
use crate::apart::Apart;
use crate::command::emulate;
use crate::environment::{EnvironmentError, InPlaceEnvironment};
use crate::error::{Cause, ExecError, SetUpError, errno_text};
use crate::program;
use crate::runtime::could_not_start;
use crate::set_up;
use crate::spec::{Mount, MountPoint};
use crate::users::Users;

/// A command that replaces the calling process.
#[derive(Clone, Debug)]
pub struct InPlace {
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Working directory, absolute.
    pub directory: PathBuf,
    /// Whether `/` does if that is missing.
    pub any_directory: bool,
    /// Whether this process is in a PID namespace of the container's own.
    pub own_processes: bool,
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
    pub emulation: Mode,
    /// Who the command is for a supervisor, as `USER` has it: `NAME|UID[:GROUP]`, by the users that the container shows.
    pub user: String,
    /// What the supervisor is to know of the image.
    pub remembered: Vec<Memory>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InPlaceNotice {
    /// `PATH` was not set; it is left so.
    PathNotSet,
    /// The working directory is `/`, since the wanted one can't be had.
    NoDirectory {
        /// The wanted one.
        directory: PathBuf,
        /// Why.
        cause: Cause,
    },
    /// There is no supervisor; the `seccomp` mode serves instead.
    NoSupervisor(Cause),
}

/// What is told after "warning".
impl std::fmt::Display for InPlaceNotice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PathNotSet => f.write_str("$PATH not set"),
            Self::NoDirectory { directory, cause } => {
                let reason = errno_text(cause.errno);
                write!(f, "can't cd to {}: {reason}; using /", directory.display())
            }
            Self::NoSupervisor(cause) => write!(
                f,
                "root emulation by seccomp, as no supervisor is possible: {cause}"
            ),
        }
    }
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
    let host = set_up::for_ch_run(spec, root)?;
    // A user of the image's own has his home there, as in a RUN.
    let is_of_image = spec.emulation == Mode::Supervisor && spec.accounts.is_none();
    let of_user = is_of_image.then(|| Users::of_root().home(&spec.user));
    let home = spec.environment.home.clone().or(of_user);
    let (variables, path_missing) = spec.environment.assemble(home)?;
    if path_missing {
        notice(InPlaceNotice::PathNotSet);
    }
    change_directory(spec, notice)?;
    let supervisor = match spec.emulation {
        Mode::Supervisor => Some(start_supervisor(spec, host)?),
        Mode::Seccomp | Mode::Fakeroot | Mode::None => None,
    };
    process::set_file_mode_mask(spec.file_mode_mask);
    signal::restore_inherited();
    let emulated = match supervisor {
        Some(supervisor) => be_supervised(supervisor, notice),
        None => emulate(spec.emulation),
    };
    // Or the report of an error might end this process.
    let or_survive = |_: &SetUpError| signal::ignore(Signal::FILE_SIZE);
    emulated.inspect_err(or_survive)?;
    let error = program::execute(&spec.command, &variables);
    signal::ignore(Signal::FILE_SIZE);
    Err(error.into())
}

fn change_directory(spec: &InPlace, notice: &dyn Fn(InPlaceNotice)) -> Result<(), SetUpError> {
    let Err(error) = process::change_directory(&spec.directory) else {
        return Ok(());
    };
    let (directory, cause) = (spec.directory.clone(), error.into());
    if spec.any_directory {
        notice(InPlaceNotice::NoDirectory { directory, cause });
        return Ok(());
    }
    Err(SetUpError::Directory { directory, cause })
}

fn start_supervisor(spec: &InPlace, host: HostMounts) -> Result<Apart, SetUpError> {
    let credentials = Users::of_root().credentials(&spec.user)?;
    Apart::start(&credentials, host, &spec.remembered)
}

/// Puts this process under a supervisor, or where none is possible under the filter that forgets.
fn be_supervised(supervisor: Apart, notice: &dyn Fn(InPlaceNotice)) -> Result<(), SetUpError> {
    process::forbid_new_privileges().map_err(|error| could_not_start("command", error))?;
    match supervisor.submit()? {
        Ok(()) => Ok(()),
        Err(error) => {
            notice(InPlaceNotice::NoSupervisor(error.into()));
            emulate(Mode::Seccomp)
        }
    }
}
