//! What makes a copy like its original: owner, mode, attributes, content.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use ch_linux::file::{self, Kind};
use ch_linux::{SyscallError, xattr};
use ch_ownership::{Override, Place};
use ch_rootfs::Learned;

use crate::context::error::{CopyError, reading, writing};
use crate::context::scan::{Attribute, sorted_entries};

/// Lets the image believe it of the object `made` at `path`; if that can't carry it, it is learned.
pub(super) fn believe(
    made: &File,
    path: &Path,
    believed: &Override,
    learned: &mut Learned,
) -> Result<Place, SyscallError> {
    let place = ch_ownership::remember(made, believed)?;
    if place == Place::Owners {
        learned.add_at(path.to_owned(), *believed);
    }
    Ok(place)
}

/// Whether the image believes it of `there` already.
pub(super) fn agrees(there: &File, wanted: &Override) -> Result<bool, SyscallError> {
    let status = file::status(there)?;
    // An attribute that can't be read is replaced by the copy.
    Ok(ch_ownership::believed(there, &status).is_ok_and(|believed| believed == *wanted))
}

pub(super) fn set_attributes(made: &File, attributes: &[Attribute]) -> Result<(), SyscallError> {
    for (name, value) in attributes {
        xattr::set(made, name, value)?;
    }
    Ok(())
}

/// Which side of a copy failed.
pub(super) enum CopyFailure {
    Read(SyscallError),
    Write(SyscallError),
}

impl CopyFailure {
    /// Of the source `shown`, to be written at `path` of the image.
    pub(super) fn at(self, shown: &Path, path: &Path) -> CopyError {
        match self {
            Self::Read(error) => reading(shown)(error),
            Self::Write(error) => writing(path)(error),
        }
    }
}

/// The content: of a small file in one piece, of a large one by sharing blocks where the file system can, else by the
/// kernel's own copy.
pub(super) fn copy_content(
    source: &File,
    made: &File,
    piece: &mut [u8],
) -> Result<(), CopyFailure> {
    let failed = |call, error| SyscallError::new(call, String::new(), error);
    let mut length = 0;
    while length < piece.len() {
        match source.read_at(&mut piece[length..], length as u64) {
            Ok(0) => {
                let written = made.write_all_at(&piece[..length], 0);
                return written.map_err(|error| CopyFailure::Write(failed("pwrite64", error)));
            }
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyFailure::Read(failed("pread64", error))),
        }
    }
    if file::try_reflink(made, source) {
        return Ok(());
    }
    let (mut from, mut to) = (source, made);
    let copied = io::copy(&mut from, &mut to);
    copied
        .map(drop)
        .map_err(|error| CopyFailure::Write(failed("copy_file_range", error)))
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
