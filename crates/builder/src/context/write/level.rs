//! A directory while it is copied, and when it is done.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::vec;

use ch_linux::SyscallError;
use ch_linux::file::{self, Kind, Status};
use ch_ownership::Override;
use ch_rootfs::Learned;

use super::super::error::{CopyError, reading, writing};
use super::super::imposed::Imposed;
use super::super::scan::{duplicate, open_object, sorted_entries};
use super::likeness::{agrees, believe, copy_attributes};

/// A directory that is being copied.
pub(super) struct Level {
    pub(super) source: File,
    /// Path in the context.
    pub(super) shown: PathBuf,
    pub(super) made: File,
    /// Path in the image.
    pub(super) path: PathBuf,
    /// What is still to be copied.
    pub(super) rest: vec::IntoIter<(OsString, Kind)>,
    /// The image had a directory there.
    existed: bool,
}

impl Level {
    /// The directory whose contents are wanted, but not itself.
    pub(super) fn top(
        source: &File,
        shown: &Path,
        made: &File,
        path: &Path,
    ) -> Result<Self, CopyError> {
        Ok(Self {
            source: duplicate(source).map_err(reading(shown))?,
            rest: sorted_entries(source).map_err(reading(shown))?.into_iter(),
            shown: shown.to_owned(),
            made: duplicate(made).map_err(writing(path))?,
            path: path.to_owned(),
            existed: true,
        })
    }

    /// The directory `name`: merged with what is there, or made.
    pub(super) fn descend(&self, name: &OsStr) -> Result<Self, CopyError> {
        let (shown, path) = (self.shown.join(name), self.path.join(name));
        let (source, _) = open_object(&self.source, name).map_err(reading(&shown))?;
        let failed = writing(&path);
        let existing = file::try_status_at(&self.made, name).map_err(&failed)?;
        let existed = existing
            .as_ref()
            .is_some_and(|status| status.kind == Kind::Directory);
        if existing.is_some() && !existed {
            file::remove_file_at(&self.made, name).map_err(&failed)?;
        }
        if !existed {
            file::make_directory_at(&self.made, name, 0o700).map_err(&failed)?;
        }
        let made = file::open_directory_at(&self.made, name).map_err(failed)?;
        Ok(Self {
            rest: sorted_entries(&source)
                .map_err(reading(&shown))?
                .into_iter(),
            source,
            shown,
            made: made.into(),
            path,
            existed,
        })
    }

    /// Gives a directory the attributes of its source, after everything in it was written.
    pub(super) fn finish(self, imposed: &Imposed, learned: &mut Learned) -> Result<(), CopyError> {
        let status = file::status(&self.source).map_err(reading(&self.shown))?;
        let wanted = imposed.of(&status);
        let failed = writing(&self.path);
        if self.existed && self.is_like(&wanted, &status).map_err(&failed)? {
            return Ok(());
        }
        copy_attributes(&self.source, &self.made).map_err(&failed)?;
        believe(&self.made, &self.path, &wanted, learned).map_err(&failed)?;
        file::set_modified(&self.made, status.modified).map_err(failed)
    }

    fn is_like(&self, wanted: &Override, status: &Status) -> Result<bool, SyscallError> {
        let same_time = file::status(&self.made)?.modified == status.modified;
        Ok(same_time && agrees(&self.made, wanted)?)
    }
}
