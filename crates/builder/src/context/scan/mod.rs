//! What is in the operands: the part of a `COPY`'s cache key that comes from its sources, and the list that the
//! copy goes by.
//!
//! What enters the key, for each object: its place within the operand, what is believed of it (kind, mode; of an image's
//! files the owner, unless another one is imposed), link target,
//! `user.*` attributes, digest of content, which earlier object of the operand is the same file. What does
//! not: times, inode, and who owns a file of the host (in the image it is root's, or whose the author says).

mod holding;
mod key;
pub(crate) mod seen;
mod walk;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use ch_linux::file::{self, Kind, OFlags, Status};
use ch_linux::{SyscallError, xattr};

use super::contents::Contents;
use super::error::CopyError;
use super::original::Originals;
use super::resolve::Operand;
use crate::key::KeyHash;
pub(crate) use holding::{PIECE, holding};
use seen::Seen;

/// Looks at everything in `operands`, and reads what `contents` does not know, on so many threads.
pub(crate) fn look(
    operands: &[Operand],
    originals: Originals<'_>,
    contents: &mut Contents,
    threads: usize,
) -> Result<Vec<Seen>, CopyError> {
    let mut all = Vec::with_capacity(operands.len());
    for operand in operands {
        let walked = walk::walk(operand, originals, contents, threads)?;
        let directories = walked.seen.directories.iter();
        let directories: HashSet<&Path> = directories.map(|it| it.path.as_path()).collect();
        contents.learn(walked.discoveries, &operand.path, &directories);
        contents.count_read(walked.read);
        if operand.is_hidden() && walked.seen.is_empty_directory() {
            return Err(operand.excluded());
        }
        all.push(walked.seen);
    }
    Ok(all)
}

/// Adds what was seen in the operands to `key`.
pub(crate) fn add_to_key(operands: &[Operand], seen: &[Seen], key: &mut KeyHash) {
    for (operand, seen) in operands.iter().zip(seen) {
        key.field("operand", operand.name().as_encoded_bytes());
        key::add(seen, key);
    }
}

/// Names and kinds in a directory, sorted by the bytes of the names.
pub(super) fn sorted_entries(directory: &File) -> Result<Vec<(OsString, Kind)>, SyscallError> {
    let mut entries = Vec::new();
    for entry in file::entries(directory)? {
        let kind = match entry.kind {
            Kind::Unknown => file::status_at(directory, &entry.name)?.kind,
            kind => kind,
        };
        entries.push((entry.name, kind));
    }
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(entries)
}

/// A second descriptor of the same object.
pub(super) fn duplicate(object: &File) -> Result<File, SyscallError> {
    object
        .try_clone()
        .map_err(|error| SyscallError::new("fcntl", "F_DUPFD_CLOEXEC", error))
}

/// Opens a file or directory for reading.
pub(super) fn open_object(directory: &File, name: &OsStr) -> Result<(File, Status), SyscallError> {
    // NONBLOCK: should the name have become a FIFO meanwhile, opening it must not wait.
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK;
    let object = File::from(file::open_at(directory, name, flags)?);
    let status = file::status(&object)?;
    Ok((object, status))
}

/// Name and value of an extended attribute.
pub(crate) type Attribute = (Vec<u8>, Vec<u8>);

/// The attributes that are copied: `user.*`, but not those by which overlays and root emulation
/// say what an object is.
pub(super) fn user_attributes(object: impl AsFd) -> Result<Vec<Attribute>, SyscallError> {
    const OURS: [&[u8]; 3] = [b"user.overlay.", b"user.containers.", b"user.chimage."];
    let mut attributes = Vec::new();
    for name in xattr::names(&object)? {
        if name.starts_with(b"user.")
            && !OURS.iter().any(|prefix| name.starts_with(prefix))
            && let Some(value) = xattr::get(&object, &name)?
        {
            attributes.push((name, value));
        }
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests;
