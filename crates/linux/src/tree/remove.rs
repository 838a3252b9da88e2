//! Deleting whole trees.
//!
//! Invariants: no link is followed and no other file system entered; at most one directory besides the
//! top is open at any time, however deep the tree; what is left after an interruption is a smaller tree.
//! Several may remove one tree at once: what the others have removed is gone, and the last one finishes.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::open_up::open_up;
use super::{Directory, Kind};
use crate::SyscallError;

/// How much may be deleted before [`remove`] stops.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    entries: u64,
    until: Option<Instant>,
}

impl Budget {
    /// No limit.
    pub const UNLIMITED: Self = Self {
        entries: u64::MAX,
        until: None,
    };

    /// At most `entries` names and about `time`.
    pub fn new(entries: u64, time: Duration) -> Self {
        Self {
            entries,
            until: Some(Instant::now() + time),
        }
    }

    /// Whether nothing more may be deleted.
    pub fn is_spent(&self) -> bool {
        self.entries == 0 || self.until.is_some_and(|until| Instant::now() >= until)
    }

    fn spend(&mut self) {
        self.entries = self.entries.saturating_sub(1);
    }
}

/// Deletes `name` in `parent` with everything below it; says whether all is gone.
///
/// Directories that their mode closes even to the owner are opened on the way. To go deep without a
/// descriptor or a stack frame per level, a directory found below the second level is moved up into the top of the
/// tree and emptied there, under a number after a prefix of this removal's own: of two at once each must know whose
/// directory a name stands for. Something that others put in the way meanwhile is theirs to remove.
pub fn remove(
    parent: &Directory,
    name: impl AsRef<OsStr>,
    budget: &mut Budget,
) -> Result<bool, SyscallError> {
    let name = name.as_ref();
    let Some(attributes) = parent.try_attributes_of(name)? else {
        return Ok(true);
    };
    if attributes.kind != Kind::Directory {
        absent_is_fine(parent.remove_file(name))?;
        budget.spend();
        return Ok(true);
    }
    let Some(top) = open_up(parent, name)? else {
        return Ok(true);
    };
    let removal = Removal {
        device: attributes.identity.0,
        top,
        prefix: format!(".removing-{}", crate::boot::unique()),
    };
    if !removal.empty_top(budget)? {
        return Ok(false);
    }
    budget.spend();
    is_gone(parent.remove_directory(name))
}

struct Removal {
    device: u64,
    top: Directory,
    /// Of the names that directories get which are moved up.
    prefix: String,
}

impl Removal {
    /// Empties the top, whose directories may be ordinary ones or moved up from below.
    fn empty_top(&self, budget: &mut Budget) -> Result<bool, SyscallError> {
        let mut moved = 0;
        loop {
            let entries = self.top.entries()?;
            if entries.is_empty() {
                return Ok(true);
            }
            for entry in entries {
                if budget.is_spent() {
                    return Ok(false);
                }
                match entry.kind {
                    Kind::Directory => {
                        if !self.empty_child(&entry.name, &mut moved, budget)? {
                            return Ok(false);
                        }
                        if !is_gone(self.top.remove_directory(&entry.name))? {
                            return Ok(false);
                        }
                    }
                    _ => absent_is_fine(self.top.remove_file(&entry.name))?,
                }
                budget.spend();
            }
        }
    }

    /// Empties one directory of the top: files are deleted, directories that are not empty move up.
    fn empty_child(
        &self,
        name: &OsStr,
        moved: &mut u64,
        budget: &mut Budget,
    ) -> Result<bool, SyscallError> {
        let Some(child) = open_up(&self.top, name)? else {
            return Ok(true);
        };
        self.check_device(&child)?;
        for entry in child.entries()? {
            if budget.is_spent() {
                return Ok(false);
            }
            if entry.kind == Kind::Directory {
                self.remove_or_move_up(&child, &entry.name, moved)?;
            } else {
                absent_is_fine(child.remove_file(&entry.name))?;
            }
            budget.spend();
        }
        Ok(true)
    }

    fn remove_or_move_up(
        &self,
        child: &Directory,
        name: &OsStr,
        moved: &mut u64,
    ) -> Result<(), SyscallError> {
        if is_gone(child.remove_directory(name))? {
            return Ok(());
        }
        // Moving a directory to another parent writes its `..`: needs write permission on itself.
        drop(open_up(child, name)?);
        let up = format!("{}-{moved}", self.prefix);
        *moved += 1;
        absent_is_fine(child.rename_new(name, &self.top, &up))
    }

    fn check_device(&self, directory: &Directory) -> Result<(), SyscallError> {
        if directory.attributes()?.identity.0 == self.device {
            return Ok(());
        }
        Err(SyscallError::new(
            "unlinkat",
            format!("{:?}", directory.path()),
            Errno::XDEV,
        ))
    }
}

fn absent_is_fine(result: Result<(), SyscallError>) -> Result<(), SyscallError> {
    match result {
        Err(error) if error.errno() == Some(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// Whether a directory is gone that was to be removed; not, if there is something in it.
fn is_gone(result: Result<(), SyscallError>) -> Result<bool, SyscallError> {
    match result {
        Err(error) if matches!(error.errno(), Some(Errno::NOTEMPTY | Errno::EXIST)) => Ok(false),
        other => absent_is_fine(other).map(|()| true),
    }
}
