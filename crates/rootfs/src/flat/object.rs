//! One object, copied with everything that it carries.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};

use ch_linux::file::{self, OFlags, Status};
use ch_linux::namespace::Identity;
use ch_linux::tree::Directory;
use ch_linux::{SyscallError, xattr};
use ch_ownership::{Kept, OVERRIDE_STAT, Owner, image_form, kept_form};

use crate::attributes;

/// What the kernel takes as a block of a file with holes, at most.
const PIECE: usize = 64 * 1024;

/// Copies the file `name`, of this `status`, with `extra` in place of what it has of that; gives back what the copy
/// cannot carry.
pub(crate) fn copy_file(
    from: impl AsFd,
    name: &OsStr,
    status: &Status,
    to: impl AsFd,
    mut extra: Extra,
) -> Result<Extra, SyscallError> {
    let original = file::open_at(from, name, OFlags::RDONLY)?;
    let copy = file::create_at(to, name, 0o600)?;
    copy_content(&original, &copy, status)?;
    extra.take_from(&original)?;
    let left = extra.put_on(&copy)?;
    file::set_mode(&copy, status.mode)?;
    file::set_modified(&copy, status.modified)?;
    Ok(left)
}

/// Copies content; `copy` is new and empty.
fn copy_content(original: &OwnedFd, copy: &OwnedFd, status: &Status) -> Result<(), SyscallError> {
    if status.size == 0 || file::try_reflink(copy, original) {
        return Ok(());
    }
    let failed = |error| SyscallError::new("copy_file_range", "", error);
    let open = |fd: &OwnedFd| fd.try_clone().map(File::from);
    let (mut from, mut to) = (open(original).map_err(failed)?, open(copy).map_err(failed)?);
    if status.blocks.saturating_mul(512) < status.size {
        copy_with_holes(&mut from, &mut to).map_err(failed)?;
        return file::set_size(copy, status.size);
    }
    io::copy(&mut from, &mut to).map_err(failed)?;
    Ok(())
}

/// Leaves out what is zero, except for the size.
fn copy_with_holes(from: &mut File, to: &mut File) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if piece[..length].iter().all(|byte| *byte == 0) {
            let skipped = i64::try_from(length).expect("a piece is small");
            to.seek(SeekFrom::Current(skipped))?;
        } else {
            to.write_all(&piece[..length])?;
        }
    }
}

/// Copies the symbolic link `name`.
pub(super) fn copy_link(
    from: &OwnedFd,
    to: &Directory,
    name: &OsStr,
    status: &Status,
) -> Result<(), SyscallError> {
    let says = file::read_link_at(from, name)?;
    file::make_symlink_at(says, to, name)?;
    file::set_modified_at(to, name, status.modified)
}

/// Makes a FIFO like the one of that `status`.
pub(super) fn copy_fifo(to: &Directory, name: &OsStr, status: &Status) -> Result<(), SyscallError> {
    file::make_fifo_at(to, name, status.mode)?;
    to.set_mode_of(name, status.mode)?;
    file::set_modified_at(to, name, status.modified)
}

/// Attributes of an object beside what `stat(2)` tells, by their names on disk.
#[derive(Debug, Default)]
pub(crate) struct Extra(BTreeMap<Vec<u8>, Vec<u8>>);

impl Extra {
    /// Those that an owners file has.
    pub(super) fn of(owner: Option<&Owner>) -> Self {
        let mut extra = Self::default();
        let Some(owner) = owner else {
            return extra;
        };
        if let Some(believed) = &owner.believed {
            extra.add(OVERRIDE_STAT, believed.to_string().as_bytes());
        }
        for (name, value) in &owner.attributes {
            if let Kept::As(name, value) = kept_form(name, value) {
                extra.add(&name, &value);
            }
        }
        extra
    }

    /// Adds one, unless it is there.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        self.0
            .entry(name.to_vec())
            .or_insert_with(|| value.to_vec());
    }

    /// Adds those that an open object has.
    pub(super) fn take_from(&mut self, object: &OwnedFd) -> Result<(), SyscallError> {
        for name in xattr::names(object)? {
            if attributes::is_carried(&name)
                && let Some(value) = xattr::get(object, &name)?
            {
                self.add(&name, &value);
            }
        }
        Ok(())
    }

    /// Sets them on an open object; gives those back that it cannot carry.
    pub(super) fn put_on(self, object: impl AsFd) -> Result<Self, SyscallError> {
        let mut left = Self::default();
        for (name, value) in self.0 {
            match xattr::set(&object, &name, &value) {
                Ok(()) => {}
                Err(error) if xattr::is_refusal(&error) => left.add(&name, &value),
                Err(error) => return Err(error),
            }
        }
        Ok(left)
    }

    /// The line of an owners file for the object at `path`; empty if there is nothing to say.
    pub(super) fn line(self, path: &[u8]) -> String {
        let caller = Identity::current();
        let mut owner = Owner::default();
        for (name, value) in self.0 {
            if name == OVERRIDE_STAT {
                let text = std::str::from_utf8(&value);
                owner.believed = text.ok().and_then(|text| text.parse().ok());
            } else if let Some((name, value)) = image_form(&name, &value, caller) {
                owner
                    .attributes
                    .insert(name.into_owned(), value.into_owned());
            }
        }
        if owner == Owner::default() {
            return String::new();
        }
        ch_ownership::line(path, &owner)
    }
}
