//! What makes a copy like its original: owner, mode, attributes, content.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead as _, Seek as _};
use std::path::Path;

use ch_linux::file::{self, Kind};
use ch_linux::{SyscallError, xattr};
use ch_ownership::{Override, Place};
use ch_rootfs::Learned;

use super::super::destination::absolute;
use super::super::error::CopyError;
use super::super::scan::{sorted_entries, user_attributes};

/// Lets the image believe it of the object `made` at `path`; what it can't carry is learned.
pub(super) fn believe(
    made: &File,
    path: &Path,
    believed: &Override,
    learned: &mut Learned,
) -> Result<(), SyscallError> {
    match ch_ownership::remember(made, believed)? {
        Place::Object => {}
        Place::Owners => learned.add_at(path.to_owned(), *believed),
    }
    Ok(())
}

/// Whether the image believes it of `there` already.
pub(super) fn agrees(there: &File, wanted: &Override) -> Result<bool, SyscallError> {
    let status = file::status(there)?;
    // An attribute that can't be read is replaced by the copy.
    Ok(ch_ownership::believed(there, &status).is_ok_and(|believed| believed == *wanted))
}

pub(super) fn copy_attributes(source: &File, made: &File) -> Result<(), SyscallError> {
    for (name, value) in user_attributes(source)? {
        xattr::set(made, &name, &value)?;
    }
    Ok(())
}

/// The content, by sharing blocks where the file system can, else by the kernel's own copy.
pub(super) fn copy_content(
    source: &File,
    made: &File,
    shown: &Path,
    path: &Path,
) -> Result<(), CopyError> {
    if file::try_reflink(made, source) {
        return Ok(());
    }
    let copied = (|| {
        let (mut from, mut to) = (source, made);
        from.rewind()?;
        io::copy(&mut from, &mut to)
    })();
    copied.map(drop).map_err(|error| CopyError::Write {
        path: absolute(path),
        source: SyscallError::new("copy_file_range", format!("{}", shown.display()), error),
    })
}

pub(super) fn same_content(one: &File, other: &File) -> Result<bool, SyscallError> {
    let failed = |error| SyscallError::new("read", String::new(), error);
    let (mut one_file, mut other_file) = (one, other);
    one_file.rewind().map_err(failed)?;
    other_file.rewind().map_err(failed)?;
    let mut one = io::BufReader::with_capacity(64 * 1024, one_file);
    let mut other = io::BufReader::with_capacity(64 * 1024, other_file);
    loop {
        let (a, b) = (
            one.fill_buf().map_err(failed)?,
            other.fill_buf().map_err(failed)?,
        );
        let length = a.len().min(b.len());
        if length == 0 {
            return Ok(a.is_empty() && b.is_empty());
        }
        if a[..length] != b[..length] {
            return Ok(false);
        }
        one.consume(length);
        other.consume(length);
    }
}

/// Removes a directory of the image with everything in it.
///
/// By plain descent: moving directories about, as the deletion of a draft does, is what an overlay
/// refuses for directories of lower layers.
pub(super) fn remove_tree(directory: &File, name: &OsStr) -> Result<(), SyscallError> {
    let open = |directory: &File, name: &OsStr| -> Result<_, SyscallError> {
        let tree = File::from(file::open_directory_at(directory, name)?);
        let entries = sorted_entries(&tree)?.into_iter();
        Ok((tree, entries, name.to_owned()))
    };
    let mut levels = vec![open(directory, name)?];
    while let Some((tree, entries, _)) = levels.last_mut() {
        match entries.next() {
            Some((name, Kind::Directory)) => {
                let inner = open(tree, &name)?;
                levels.push(inner);
            }
            Some((name, _)) => file::remove_file_at(tree, &name)?,
            None => {
                let (_, _, name) = levels.pop().expect("it was the last");
                let parent = levels.last().map_or(directory, |(parent, ..)| parent);
                file::remove_directory_at(parent, &name)?;
            }
        }
    }
    Ok(())
}
