//! From a detached mount of an image to the root of a process: all mounts of a container, in order.
//!
//! Invariants: every target is opened inside the root by descriptor, so no link of an image leads to the
//! host; every source is opened in this mount namespace before anything of the container covers it;
//! nothing is written into the image but mount points that a writable `ch-run` was asked for.

mod dev;
mod etc;
mod ground;
mod host;
mod in_place;
mod user;

use std::os::fd::OwnedFd;
use std::path::Path;

use ch_emulation::HostMounts;
use ch_linux::SyscallError;
use ch_linux::mount::{self, Attributes, Depth, FileSystem, Propagation};
use ch_linux::process;

pub(crate) use ground::Ground;
pub(crate) use in_place::{for_ch_run, mount_points_in_place};
pub(crate) use user::open_source;

use crate::error::SetUpError;
use crate::report::Notice;
use crate::spec::{MountPoint, Spec};

/// Where a container's `/proc` comes from.
#[derive(Debug)]
pub(crate) enum Proc {
    /// A mount that shows the container's own processes.
    New(OwnedFd),
    /// The host's, as there is no PID namespace.
    Host,
}

/// A `/proc` for the PID namespace of this process. The kernel refuses it where parts of the host's
/// `/proc` are covered.
pub fn new_proc() -> Result<OwnedFd, SyscallError> {
    FileSystem::open("proc")?.mount(
        Attributes::MOUNT_ATTR_NOSUID
            | Attributes::MOUNT_ATTR_NODEV
            | Attributes::MOUNT_ATTR_NOEXEC,
    )
}

/// Mount points that every `RUN` needs in its root, beside those of its own mounts.
pub(crate) fn mount_points() -> Vec<MountPoint> {
    let point = |path: &str, directory| MountPoint {
        path: path.into(),
        directory,
        chosen: false,
    };
    vec![
        point("/dev", true),
        point("/proc", true),
        point("/sys", true),
        point("/etc/hosts", false),
        point("/etc/resolv.conf", false),
    ]
}

/// Sets up the container of a `RUN` and makes it this process' root; says what in it is the host's.
pub(crate) fn for_run(
    spec: &Spec,
    root: OwnedFd,
    proc: &Proc,
    notice: &dyn Fn(Notice),
) -> Result<HostMounts, SetUpError> {
    mount::set_propagation(Propagation::Slave).map_err(|error| SetUpError::Root {
        cause: error.into(),
    })?;
    let sources = user::open_sources(&spec.mounts)?;
    let ground = Ground::attach(root)?;
    etc::private_copies(
        &ground,
        &etc::of_run(&spec.host_name, &spec.surroundings.hosts),
    )?;
    dev::private(&ground, spec.surroundings.shared_memory, notice)?;
    match proc {
        Proc::New(proc) => ground.attach_directory(proc, "/proc".as_ref())?,
        Proc::Host => ground.bind_host("/proc".as_ref())?,
    }
    read_only_sys(&ground)?;
    let mut shown = Vec::new();
    for (mount, source) in spec.mounts.iter().zip(&sources) {
        shown.extend(user::mount(&ground, mount, source.as_ref())?);
    }
    ground.become_root()?;
    if let Err(error) = process::set_host_name(spec.host_name.as_ref()) {
        notice(Notice::HostName(error.into()));
    }
    Ok(host::host_mounts(&shown, &[]))
}

/// The host's `/sys`, with everything below it, read-only.
fn read_only_sys(ground: &Ground) -> Result<(), SetUpError> {
    let path = Path::new("/sys");
    let failed = |error: SyscallError| SetUpError::Mount {
        path: path.into(),
        cause: error.into(),
    };
    let sys =
        mount::clone(mount::open_place(path).map_err(failed)?, Depth::Recursive).map_err(failed)?;
    // Before Linux 5.12 this fails on a mount without a place: then it stays writable, and permissions
    // decide, as for any ordinary user.
    let _ = mount::set_read_only(&sys, Depth::Recursive);
    ground.attach_directory(&sys, path)
}
