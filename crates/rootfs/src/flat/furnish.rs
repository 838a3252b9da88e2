//! What a directory needs so that programs which mount over its names can run it.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use ch_linux::file::{self, Kind, OFlags, Time};
use ch_linux::tree::Directory;
use ch_linux::{SyscallError, in_root};

use crate::scaffold;

/// Directories with their modes, parents first.
const DIRECTORIES: [(&str, u32); 18] = [
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("mnt", 0o755),
    ("proc", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("mnt/0", 0o755),
    ("mnt/1", 0o755),
    ("mnt/2", 0o755),
    ("mnt/3", 0o755),
    ("mnt/4", 0o755),
    ("mnt/5", 0o755),
    ("mnt/6", 0o755),
    ("mnt/7", 0o755),
    ("mnt/8", 0o755),
    ("mnt/9", 0o755),
];
/// Empty files.
const FILES: [&str; 4] = ["etc/group", "etc/hosts", "etc/passwd", "etc/resolv.conf"];

/// Makes the mount points and empty files that `root` lacks. Where there is anything of the name, even
/// a dangling link, it stays; times of directories stay as well.
pub fn furnish(root: &Directory) -> Result<(), SyscallError> {
    for (path, mode) in DIRECTORIES {
        make(root, Path::new(path), |parent, name| {
            let made = parent.make_directory(name, mode)?;
            made.set_mode(mode)?;
            file::set_modified(&made, scaffold::TIME)
        })?;
    }
    for path in FILES {
        make(root, Path::new(path), |parent, name| {
            let made = parent.make_file(name, scaffold::FILE_MODE)?;
            file::set_modified(&made, scaffold::TIME)
        })?;
    }
    Ok(())
}

/// Takes the empty mount points and files out that [`furnish`] made and programs mount over, but for directories that
/// images usually have themselves. Times of directories stay.
pub fn unfurnish(root: &Directory) -> Result<(), SyscallError> {
    let mount_points = DIRECTORIES.iter().rev().map(|(path, _)| *path);
    let mount_points = mount_points.filter(|path| path.starts_with("mnt"));
    for path in ["etc/hosts", "etc/resolv.conf"]
        .into_iter()
        .chain(mount_points)
    {
        let path = Path::new(path);
        let name = path.file_name().expect("every path has a name");
        let Some(parent) = parent(root, path)? else {
            continue;
        };
        let before = file::status(&parent)?.modified;
        let parent = Directory::from_descriptor(parent, path.parent().unwrap_or(Path::new("")));
        match untouched(&parent, name)? {
            Some(Kind::Directory) => parent.remove_directory(name)?,
            Some(_) => parent.remove_file(name)?,
            None => continue,
        }
        file::set_modified(&parent, before)?;
    }
    Ok(())
}

/// What `name` is, if it is empty, and as old as only what was made here is.
fn untouched(parent: &Directory, name: &OsStr) -> Result<Option<Kind>, SyscallError> {
    let Some(status) = file::try_status_at(parent, name)? else {
        return Ok(None);
    };
    let is_empty = match status.kind {
        Kind::File => status.size == 0,
        Kind::Directory => parent.directory(name)?.entries()?.is_empty(),
        _ => false,
    };
    Ok((is_empty && status.modified == scaffold::TIME).then_some(status.kind))
}

/// Lets `make` make `path`, if nothing is there and its parent is a directory.
fn make(
    root: &Directory,
    path: &Path,
    make: impl FnOnce(&Directory, &OsStr) -> Result<(), SyscallError>,
) -> Result<(), SyscallError> {
    let name = path.file_name().expect("every path has a name");
    let Some(parent) = parent(root, path)? else {
        return Ok(());
    };
    if file::try_status_at(&parent, name)?.is_some() {
        return Ok(());
    }
    let before: Time = file::status(&parent)?.modified;
    let parent = Directory::from_descriptor(parent, path.parent().unwrap_or(Path::new("")));
    make(&parent, name)?;
    file::set_modified(&parent, before)
}

/// The directory that holds `path`, as one finds it inside `root`.
fn parent(root: &Directory, path: &Path) -> Result<Option<OwnedFd>, SyscallError> {
    let parent = path.parent().unwrap_or(Path::new(""));
    if parent.as_os_str().is_empty() {
        return file::open_directory_at(root, ".").map(Some);
    }
    // A link to nowhere or a file: programs that mount there will say what they miss.
    Ok(in_root::open(root, parent, OFlags::RDONLY | OFlags::DIRECTORY).ok())
}
