//! Overlay file systems in a user namespace.
//!
//! | Kernel | How layers are named ([`Naming`]) |
//! |---|---|
//! | 6.13 | by descriptor: no names, no length limits |
//! | 6.8 | one string a layer: `/proc/self/fd/N` |
//! | 5.11 | one page of options for `mount(2)`, which names layers relative to `/proc/self/fd`; cloned and unmounted to get a detached mount |
//!
//! All of them go by descriptors that were opened in the caller's own mount namespace; the kernel
//! takes no others. Writable overlays are `volatile`: nothing is on disk before a `syncfs(2)`.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::file::{self, Kind, Status};
use crate::mount::{self, Attributes, Depth, FileSystem};
use crate::{SyscallError, process};

/// What is mounted over each other.
#[derive(Clone, Debug)]
pub struct Stack<'a> {
    /// Directories that are not changed, top first. At least one with an upper, two without.
    pub lowers: Vec<BorrowedFd<'a>>,
    /// Where changes go; without it the overlay is read-only.
    pub upper: Option<Upper<'a>>,
}

/// Where changes of an overlay go.
#[derive(Clone, Copy, Debug)]
pub struct Upper<'a> {
    /// Directory of the changed files.
    pub files: BorrowedFd<'a>,
    /// Empty directory on the same file system, for the kernel; good for one mount.
    pub work: BorrowedFd<'a>,
}

/// How layers are named to the kernel, the best first. A kernel that knows one knows those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Naming {
    /// `FSCONFIG_SET_FD`.
    Descriptors,
    /// `FSCONFIG_SET_STRING`, one layer each.
    Strings,
    /// `mount(2)`.
    Page,
}

impl Naming {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Descriptors, Self::Strings, Self::Page];

    /// The best way that this kernel knows; `directory` is any one of this mount namespace.
    pub fn probe(directory: impl AsFd) -> Self {
        let Ok(overlay) = FileSystem::open("overlay") else {
            return Self::Page;
        };
        if overlay.descriptor("lowerdir+", &directory).is_ok() {
            return Self::Descriptors;
        }
        match overlay.string("lowerdir+", &mount::own_path(directory.as_fd())) {
            Ok(()) => Self::Strings,
            Err(_) => Self::Page,
        }
    }
}

/// Mounts `stack`, detached.
pub fn mount(stack: &Stack<'_>, naming: Naming) -> Result<OwnedFd, SyscallError> {
    let mounted = match naming {
        Naming::Descriptors | Naming::Strings => mount_by_options(stack, naming)?,
        Naming::Page => mount_by_page(stack)?,
    };
    if let Some(upper) = stack.upper {
        open_work(upper.work)?;
    }
    Ok(mounted)
}

fn mount_by_options(stack: &Stack<'_>, naming: Naming) -> Result<OwnedFd, SyscallError> {
    let overlay = FileSystem::open("overlay")?;
    let name = |key: &str, directory: BorrowedFd<'_>| match naming {
        Naming::Descriptors => overlay.descriptor(key, directory),
        Naming::Strings | Naming::Page => overlay.string(key, &mount::own_path(directory)),
    };
    overlay.string("source", "ch-image")?;
    overlay.flag("userxattr")?;
    for lower in &stack.lowers {
        name("lowerdir+", *lower)?;
    }
    if let Some(upper) = stack.upper {
        overlay.flag("volatile")?;
        // Unknown before Linux 6.6; it only spares every upper directory an attribute.
        let _ = overlay.string("uuid", "null");
        name("upperdir", upper.files)?;
        name("workdir", upper.work)?;
    }
    overlay.mount(Attributes::empty())
}

/// Options that `mount(2)` takes: a page less the NUL at its end. It cuts off what is more, and what is
/// then left of the last number would name another directory.
const MOST_OPTIONS: usize = 4095;

/// Mounts over `/proc`, which only this namespace sees and only for a moment: it is the one directory
/// that is sure to exist, since the options lead through it.
///
/// The working directory is another one meanwhile, so that the names are short enough for 500 layers.
fn mount_by_page(stack: &Stack<'_>) -> Result<OwnedFd, SyscallError> {
    let place = Path::new("/proc");
    let options = page(stack)?;
    let before = mount::open_place(Path::new("."))?;
    let names = mount::open_place(Path::new(OWN_DESCRIPTORS))?;
    process::change_directory_to(names)?;
    let mounted = mount::mount_with_data("overlay", place, &options);
    process::change_directory_to(before)?;
    mounted?;
    let detached = mount::open_place(place).and_then(|root| mount::clone(root, Depth::One));
    mount::unmount(place)?;
    detached
}

/// Where each descriptor of this process has its number as name.
const OWN_DESCRIPTORS: &str = "/proc/self/fd";

/// The options of `stack` for a process that works in [`OWN_DESCRIPTORS`].
fn page(stack: &Stack<'_>) -> Result<CString, SyscallError> {
    let name = |directory: &BorrowedFd<'_>| directory.as_raw_fd().to_string();
    let names: Vec<_> = stack.lowers.iter().map(name).collect();
    let mut options = format!("userxattr,lowerdir={}", names.join(":"));
    if let Some(Upper { files, work }) = stack.upper {
        let (files, work) = (name(&files), name(&work));
        options.push_str(&format!(",volatile,upperdir={files},workdir={work}"));
    }
    if options.len() > MOST_OPTIONS {
        let tried = format!(
            "\"overlay\", {} layers in {} bytes",
            stack.lowers.len(),
            options.len()
        );
        return Err(SyscallError::new("mount", tried, Errno::TOOBIG));
    }
    Ok(CString::new(options).expect("numbers and names of ours hold no NUL"))
}

/// Opens the kernel's own work directory, mode 000, so that whatever happens to the mounting process,
/// the owner of these directories can delete them. The kernel goes on working with them.
fn open_work(work: BorrowedFd<'_>) -> Result<(), SyscallError> {
    for name in ["work", "work/incompat", "work/incompat/volatile"] {
        match rustix::fs::chmodat(work, name, Mode::RWXU, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(SyscallError::new("fchmodat", format!("{name:?}"), errno)),
        }
    }
    Ok(())
}

/// Opens a directory as layer of a [`Stack`]; a relative path starts at the working directory.
pub fn open_layer(path: &Path) -> Result<OwnedFd, SyscallError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(rustix::fs::CWD, path, flags, Mode::empty())
        .map_err(|errno| SyscallError::new("open", format!("{path:?}, O_PATH|O_DIRECTORY"), errno))
}

/// Opens a file or directory of an upper directory that nobody mounts any more; where its mode shuts
/// out its owner, that is changed first. `status` is what it was before.
pub fn open_change(
    parent: impl AsFd,
    name: &OsStr,
    status: &Status,
) -> Result<OwnedFd, SyscallError> {
    let (needed, flags) = match status.kind {
        Kind::Directory => (Mode::RWXU, OFlags::RDONLY | OFlags::DIRECTORY),
        _ => (Mode::RUSR, OFlags::RDONLY),
    };
    let mode = Mode::from_raw_mode(status.mode);
    if !mode.contains(needed) {
        // This follows links, but the kind says that there is none.
        rustix::fs::chmodat(&parent, name, mode | needed, AtFlags::empty())
            .map_err(|errno| SyscallError::new("fchmodat", format!("{name:?}"), errno))?;
    }
    file::open_at(parent, name, flags)
}
