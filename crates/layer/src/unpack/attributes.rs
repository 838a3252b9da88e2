//! Owners, modes, times and extended attributes of what was made.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};

use ch_linux::file::{self, Time};
use ch_linux::{SyscallError, xattr};
use ch_ownership::{Kept, OVERRIDE_STAT, OWNERS_FILE, Override, Owner, Place, kept_form};

use crate::tar;

/// Extended attributes by name.
pub(super) type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// The layer's owners file, which exists once there is something to write into it.
pub(super) struct OwnersFile<'a> {
    directory: BorrowedFd<'a>,
    file: Option<BufWriter<File>>,
}

impl<'a> OwnersFile<'a> {
    /// A file still to be made in `directory`.
    pub(super) fn new(directory: BorrowedFd<'a>) -> Self {
        Self {
            directory,
            file: None,
        }
    }

    /// Remembers what the object at `path` cannot carry itself, if there is anything.
    pub(super) fn remember(&mut self, path: &[u8], owner: &Owner) -> Result<(), SyscallError> {
        if owner == &Owner::default() {
            return Ok(());
        }
        self.write(&ch_ownership::line(path, owner))
    }

    /// Remembers `owner` instead of what was said of the object at `path`; what is below stays.
    pub(super) fn replace(&mut self, path: &[u8], owner: &Owner) -> Result<(), SyscallError> {
        if self.file.is_none() {
            return self.remember(path, owner);
        }
        self.write(&ch_ownership::line(path, owner))
    }

    /// Drops what was remembered of `path` and below.
    pub(super) fn forget(&mut self, path: &[u8]) -> Result<(), SyscallError> {
        if self.file.is_none() {
            return Ok(());
        }
        self.write(&ch_ownership::forgotten(path))
    }

    fn write(&mut self, line: &str) -> Result<(), SyscallError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let fd = file::create_at(self.directory, OWNERS_FILE, 0o600)?;
                self.file.insert(BufWriter::new(fd.into()))
            }
        };
        file.write_all(line.as_bytes()).map_err(failed)
    }

    /// Writes what is still in memory.
    pub(super) fn finish(&mut self) -> Result<(), SyscallError> {
        self.file
            .as_mut()
            .map_or(Ok(()), |file| file.flush().map_err(failed))
    }
}

fn failed(error: io::Error) -> SyscallError {
    SyscallError::new("write", OWNERS_FILE, error)
}

/// The attributes of a member as they are kept on disk, and what had to be left out.
pub(super) struct Wanted<'a> {
    member: &'a [(Vec<u8>, Vec<u8>)],
}

impl<'a> Wanted<'a> {
    /// What `member` wants.
    pub(super) fn of(member: &'a tar::Member) -> Self {
        Self {
            member: &member.attributes,
        }
    }

    /// Whether an attribute would have been taken for one of ours.
    pub(super) fn has_forged(&self) -> bool {
        let forged = |(name, value): &(Vec<u8>, Vec<u8>)| kept_form(name, value) == Kept::Forged;
        self.member.iter().any(forged)
    }

    /// All that mean something, by their names in the image.
    pub(super) fn kept(&self) -> Attributes {
        let kept =
            |(name, value): &&(Vec<u8>, Vec<u8>)| matches!(kept_form(name, value), Kept::As(..));
        self.member.iter().filter(kept).cloned().collect()
    }

    /// Removes what an earlier member gave an open file or directory and this one does not, but not
    /// what steers overlayfs.
    pub(super) fn remove_others(&self, fd: impl AsFd) -> Result<(), SyscallError> {
        let wanted = |on_disk: &[u8]| {
            let is_it = |(name, value): &(Vec<u8>, Vec<u8>)| matches!(kept_form(name, value), Kept::As(name, _) if *name == *on_disk);
            self.member.iter().any(is_it)
        };
        for name in xattr::names(&fd)? {
            let escaped = name.starts_with(b"user.overlay.overlay.");
            let steers = name.starts_with(b"user.overlay.") && !escaped;
            let given = name.starts_with(b"user.") && !steers && name != OVERRIDE_STAT;
            if given && !wanted(&name) {
                xattr::remove(&fd, &name)?;
            }
        }
        Ok(())
    }

    /// Sets them on an open file or directory; returns those that it cannot carry, and by which
    /// name and value those that it carries are on disk.
    pub(super) fn set(&self, fd: impl AsFd) -> Result<(Attributes, Attributes), SyscallError> {
        let (mut refused, mut on_disk) = (Attributes::new(), Attributes::new());
        for (name, value) in self.member {
            let Kept::As(kept_name, kept_value) = kept_form(name, value) else {
                continue;
            };
            match xattr::set(&fd, &kept_name, &kept_value) {
                Ok(()) => {
                    on_disk.insert(kept_name.into_owned(), kept_value.into_owned());
                }
                Err(error) if xattr::is_refusal(&error) => {
                    refused.insert(name.clone(), value.clone());
                }
                Err(error) => return Err(error),
            }
        }
        Ok((refused, on_disk))
    }
}

/// What belongs into the owners file, given where the override went.
pub(super) fn leftover(place: Place, believed: Override, attributes: Attributes) -> Owner {
    let believed = (place == Place::Owners).then_some(believed);
    Owner {
        believed,
        attributes,
    }
}

/// Sets the time of an open object; says whether the file system could keep it.
pub(super) fn set_time(fd: impl AsFd, time: Time) -> Result<bool, SyscallError> {
    file::set_modified(&fd, time)?;
    // Every file system keeps these seconds; outside, ask what became of them.
    if (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&time.seconds) {
        return Ok(true);
    }
    Ok(file::status(fd)?.modified.seconds == time.seconds)
}
