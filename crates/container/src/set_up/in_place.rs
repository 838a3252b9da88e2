//! Mounts of `ch-run`: the host's devices, processes and temporary files, as MPI programs need them.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use ch_emulation::HostMounts;
use ch_linux::file::{self, Kind, OFlags};
use ch_linux::mount::{self, Depth, Propagation};
use ch_linux::{SyscallError, in_root};

use super::etc::{self, Copy};
use super::{Ground, host, user};
use crate::error::SetUpError;
use crate::in_place::InPlace;
use crate::spec::{self, Mount, MountPoint, Source};

/// Directories of the host that every image must have a place for.
const DIRECTORIES: [&str; 3] = ["/dev", "/proc", "/sys"];
/// The one of them that is made anew if the container has processes of its own.
const PROCESSES: &str = "/proc";
/// What of them programs keep files in that are the user's.
const SHARED_MEMORY: &str = "/dev/shm";
/// Files of the host that cover the image's.
const FILES: [&str; 2] = ["/etc/hosts", "/etc/resolv.conf"];
/// What is bound if both sides have it; all but the first are of Cray machines.
const OPTIONAL: [&str; 10] = [
    "/etc/machine-id",
    "/var/lib/hugetlbfs",
    "/etc/opt/cray/wlm_detect",
    "/opt/cray/wlm_detect",
    "/opt/cray/alps",
    "/opt/cray/udreg",
    "/opt/cray/ugni",
    "/opt/cray/xpmem",
    "/var/opt/cray/alps",
    "/var/spool/slurmd",
];
/// Mode of a directory that is made as a mount point in a writable image.
const DIRECTORY_MODE: u32 = 0o755;
/// Mode of such a file.
const FILE_MODE: u32 = 0o644;

/// Every place of a container of `ch-run`, but those that may be missing.
pub(crate) fn mount_points_in_place(spec: &InPlace) -> Vec<MountPoint> {
    let point = |path: &str, directory| MountPoint {
        path: path.into(),
        directory,
        // What the image has there is not hidden: it would not be the image that was meant.
        chosen: true,
    };
    let mut points: Vec<_> = DIRECTORIES
        .into_iter()
        .map(|path| point(path, true))
        .collect();
    points.push(point("/tmp", true));
    points.extend(
        FILES
            .into_iter()
            .filter(|path| exists(path))
            .map(|path| point(path, false)),
    );
    if spec.accounts.is_some() {
        points.push(point("/etc/passwd", false));
        points.push(point("/etc/group", false));
    }
    points.extend(spec::mount_points(&spec.mounts));
    points
}

fn exists(path: &str) -> bool {
    Path::new(path).exists()
}

/// Sets up the container and makes it this process' root; says what in it is the host's. Its devices and processes are
/// left out: nobody has files there.
pub(crate) fn for_ch_run(spec: &InPlace, root: OwnedFd) -> Result<HostMounts, SetUpError> {
    mount::set_propagation(Propagation::Slave).map_err(|error| SetUpError::Root {
        cause: error.into(),
    })?;
    let mounts = all_mounts(spec);
    let sources = user::open_sources(&mounts)?;
    let ground = Ground::attach(root)?;
    if spec.writable {
        for (index, point) in mounts.iter().enumerate() {
            make_place(&ground, point, &mounts[..index])?;
        }
    }
    if let Some(accounts) = &spec.accounts {
        let copies = [
            Copy::new("/etc/passwd", accounts.passwd()),
            Copy::new("/etc/group", accounts.group()),
        ];
        if spec.writable {
            for copy in &copies {
                make_missing(&ground, &copy.path, false)?;
            }
        }
        etc::private_copies(&ground, &copies)?;
    }
    if !spec.writable {
        mount::set_read_only(ground.root(), Depth::One).map_err(|error| SetUpError::ReadOnly {
            cause: error.into(),
        })?;
    }
    let mut shown = Vec::new();
    for (index, (mount, source)) in mounts.iter().zip(&sources).enumerate() {
        let is_own = index < DIRECTORIES.len();
        if is_own && spec.own_processes && mount.target == Path::new(PROCESSES) {
            attach_new_proc(&ground)?;
            continue;
        }
        make_place_in_memory(&ground, mount, source.as_ref(), &mounts[..index])?;
        let mounted = user::mount(&ground, mount, source.as_ref())
            .map_err(|error| explained(error, mount, &mounts[..index]))?;
        if !is_own {
            shown.extend(mounted);
        }
    }
    ground.become_root()?;
    Ok(host::host_mounts(&shown, &[SHARED_MEMORY]))
}

fn attach_new_proc(ground: &Ground) -> Result<(), SetUpError> {
    let path = Path::new(PROCESSES);
    let proc = super::new_proc().map_err(|error| SetUpError::Mount {
        path: path.into(),
        cause: error.into(),
    })?;
    ground.attach_directory(proc, path)
}

/// The default mounts and the user's, in order.
fn all_mounts(spec: &InPlace) -> Vec<Mount> {
    let bind = |path: &str| Mount::new(Source::Bind(path.into()), path);
    let mut mounts: Vec<_> = DIRECTORIES.into_iter().map(bind).collect();
    mounts.extend(FILES.into_iter().filter(|path| exists(path)).map(bind));
    let optional = OPTIONAL.into_iter().filter(|path| exists(path));
    mounts.extend(optional.map(|path| Mount {
        optional: true,
        ..bind(path)
    }));
    let tmp = spec.tmp.clone();
    let tmp = tmp.map_or(Source::Tmpfs { size: None }, Source::Bind);
    mounts.push(Mount::new(tmp, "/tmp"));
    mounts.extend(spec.mounts.iter().cloned());
    mounts
}

/// The mount among `earlier` ones that covers the place of `mount`.
fn parent<'a>(mount: &Mount, earlier: &'a [Mount]) -> Option<&'a Mount> {
    let covers = |other: &&Mount| !other.optional && mount.target.starts_with(&other.target);
    earlier.iter().rfind(covers)
}

/// Makes the place of `mount` in a writable image, unless it exists or would lie in what an earlier mount
/// covers.
fn make_place(ground: &Ground, mount: &Mount, earlier: &[Mount]) -> Result<(), SetUpError> {
    if mount.optional || is_there(ground, mount) {
        return Ok(());
    }
    match parent(mount, earlier) {
        // What that mount shows may have it already; and what is in memory is filled later.
        Some(parent) => match &parent.source {
            Source::Bind(source) if !has(source, &mount.target, &parent.target) => {
                Err(under_bind(mount, parent))
            }
            _ => Ok(()),
        },
        None => make_missing(ground, &mount.target, is_directory(&mount.source)),
    }
}

/// Makes the place of `mount` if it lies in a directory in memory, which is in its place already.
fn make_place_in_memory(
    ground: &Ground,
    mount: &Mount,
    source: Option<&OwnedFd>,
    earlier: &[Mount],
) -> Result<(), SetUpError> {
    let in_memory =
        parent(mount, earlier).is_some_and(|parent| matches!(parent.source, Source::Tmpfs { .. }));
    if mount.optional || !in_memory || is_there(ground, mount) {
        return Ok(());
    }
    // By what is open: relative paths start elsewhere by now.
    let is_file = source.map(|source| file::status(source).map(|it| it.kind != Kind::Directory));
    let is_file = matches!(is_file, Some(Ok(true)));
    make_missing(ground, &mount.target, !is_file)
}

/// Whether there is something to mount on.
fn is_there(ground: &Ground, mount: &Mount) -> bool {
    let literal = mount.literal.as_ref().map(Path::new);
    literal.is_some_and(|path| ground.place(path).is_ok()) || ground.place(&mount.target).is_ok()
}

fn is_directory(source: &Source) -> bool {
    match source {
        Source::Bind(source) => source.is_dir(),
        Source::Tmpfs { .. } => true,
    }
}

/// Says that a place is missing because of the mount that covers it.
fn explained(error: SetUpError, mount: &Mount, earlier: &[Mount]) -> SetUpError {
    match (&error, parent(mount, earlier)) {
        (SetUpError::BindTarget { cause, .. }, Some(parent)) if cause.is_not_found() => {
            under_bind(mount, parent)
        }
        _ => error,
    }
}

fn under_bind(mount: &Mount, parent: &Mount) -> SetUpError {
    SetUpError::UnderBind {
        target: mount.target.clone(),
        parent: parent.target.clone(),
    }
}

/// Makes a directory or an empty file at `path`, unless something is there.
fn make_missing(ground: &Ground, path: &Path, directory: bool) -> Result<(), SetUpError> {
    if ground.place(path).is_ok() {
        return Ok(());
    }
    make(ground, path, directory).map_err(|error| SetUpError::MakePlace {
        target: path.to_owned(),
        cause: error.into(),
    })
}

/// Whether `source`, mounted at `parent`, has what is `target` then.
fn has(source: &Path, target: &Path, parent: &Path) -> bool {
    target
        .strip_prefix(parent)
        .is_ok_and(|rest| source.join(rest).exists())
}

/// Makes a directory or an empty file at `path` in the root, and the directories it lies in.
fn make(ground: &Ground, path: &Path, directory: bool) -> Result<(), SyscallError> {
    let names: Vec<PathBuf> = path.ancestors().map(Path::to_owned).collect();
    let mut parent = in_root::open(ground.root(), Path::new("/"), OFlags::PATH)?;
    for name in names.iter().rev().skip(1) {
        let last = name == path;
        let Some(own_name) = name.file_name() else {
            parent = ground.place(name)?;
            continue;
        };
        match ground.place(name) {
            Ok(found) if last || file::status(&found)?.kind == Kind::Directory => parent = found,
            _ if last && !directory => {
                file::create_at(&parent, own_name, FILE_MODE)?;
            }
            _ => {
                file::make_directory_at(&parent, own_name, DIRECTORY_MODE)?;
                parent = ground.place(name)?;
            }
        }
    }
    Ok(())
}
