//! The one top directory that some archives of file systems have.
//!
//! `root/bin/sh`, `root/etc/...` means the same as `bin/sh`, `etc/...`, unless `root` is itself a name that
//! is found in every root directory.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use ch_linux::tree::{Directory, Kind};
use ch_linux::{SyscallError, file, xattr};
use ch_ownership::{OWNERS_FILE, Owners};
use ch_storage::{LayerDraft, LayerMeta, RootAttributes};

/// Where the top directory stays while its content moves up; beside the files.
const ASIDE: &str = "top";

/// Takes the top directory out of the layer, if it has one, and makes its attributes those of `/`; whether there
/// was one.
pub(super) fn strip(layer: &LayerDraft, meta: &mut LayerMeta) -> Result<bool, SyscallError> {
    let entries = layer.files.entries()?;
    let [top] = &entries[..] else {
        return Ok(false);
    };
    if is_standard(&top.name)
        || layer
            .files
            .try_attributes_of(&top.name)?
            .map(|found| found.kind)
            != Some(Kind::Directory)
    {
        return Ok(false);
    }
    layer.files.rename(&top.name, &layer.directory, ASIDE)?;
    let aside = layer.directory.directory(ASIDE)?;
    for entry in aside.entries()? {
        aside.rename(&entry.name, &layer.files, &entry.name)?;
    }
    strip_owners(&layer.directory, top.name.as_bytes())?;
    meta.entries = meta.entries.saturating_sub(1);
    meta.root = Some(move_attributes(&aside, &layer.files)?);
    layer.directory.remove_directory(ASIDE)?;
    Ok(true)
}

/// Makes the attributes of `aside` those of the root.
fn move_attributes(aside: &Directory, root: &Directory) -> Result<RootAttributes, SyscallError> {
    let status = file::status(aside.as_fd())?;
    let mut attributes = RootAttributes {
        mode: status.mode,
        mtime: status.modified.seconds,
        mtime_nanoseconds: status.modified.nanoseconds,
        xattrs: Default::default(),
    };
    for name in xattr::names(aside)? {
        let Ok(text) = String::from_utf8(name) else {
            continue;
        };
        if text.starts_with("user.")
            && let Some(value) = xattr::get(aside, text.as_bytes())?
        {
            xattr::set(root, text.as_bytes(), &value)?;
            attributes.xattrs.insert(text, value);
        }
    }
    root.set_mode(status.mode)?;
    file::set_modified(root, status.modified)?;
    Ok(attributes)
}

/// Takes the top directory out of the paths of the owners file.
fn strip_owners(directory: &Directory, top: &[u8]) -> Result<(), SyscallError> {
    let Some(old) = directory.try_file(OWNERS_FILE)? else {
        return Ok(());
    };
    let failed = |error| SyscallError::new("read", OWNERS_FILE, error);
    let owners =
        Owners::read(BufReader::new(old)).map_err(|error| failed(std::io::Error::other(error)))?;
    directory.remove_file(OWNERS_FILE)?;
    let mut new: File = directory.make_file(OWNERS_FILE, 0o600)?;
    let prefix = [top, b"/"].concat();
    for (path, owner) in owners.iter() {
        if let Some(path) = path.strip_prefix(&prefix[..]) {
            let line = ch_ownership::line(path, owner);
            new.write_all(line.as_bytes()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Names at the root of a file system that are never the only directory of an archive by accident.
fn is_standard(name: &OsStr) -> bool {
    const STANDARD: [&str; 20] = [
        "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "media", "mnt", "opt",
        "proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var",
    ];
    STANDARD.iter().any(|standard| name == *standard)
}
