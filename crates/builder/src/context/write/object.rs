//! Files, links and special files, each in the place of what is there.

use std::collections::hash_map;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use ch_linux::file::{self, Kind, OFlags, Status};
use ch_linux::{SyscallError, in_root};
use ch_ownership::{Kind as BelievedKind, Override, Place};
use ch_rootfs::Learned;

use super::directory::Level;
use super::likeness::{agrees, believe, copy_content, remove_tree, set_attributes};
use super::{Worker, Writer, Written};
use crate::context::destination::absolute;
use crate::context::error::{ChangedError, CopyError, reading, writing};
use crate::context::previous::Identity;
use crate::context::resolve::Operand;
use crate::context::scan::seen::{Entry, FileSeen, Object};
use crate::context::scan::{holding, open_object};

/// Where an object is to be.
struct Spot<'a> {
    directory: &'a File,
    name: &'a OsStr,
    /// Path in the image.
    path: &'a Path,
    /// There can be nothing in the way.
    fresh: bool,
}

/// A file to copy.
struct Original<'a> {
    seen: &'a FileSeen,
    /// Path in the context.
    shown: &'a Path,
    open: &'a dyn Fn() -> Result<File, SyscallError>,
    /// Others of its names are copied, too.
    has_names: bool,
}

impl Writer<'_> {
    /// A file that the author named: it may replace anything but a directory.
    pub(super) fn top_file(
        &self,
        operand: &Operand,
        directory: &File,
        path: &Path,
    ) -> Result<Written, CopyError> {
        let name = path.file_name().unwrap_or_default();
        let existing = file::try_status_at(directory, name).map_err(writing(path))?;
        if existing.is_some_and(|status| status.kind == Kind::Directory) {
            return Err(CopyError::DirectoryInTheWay(absolute(path)));
        }
        let spot = Spot {
            directory,
            name,
            path,
            fresh: false,
        };
        let mut worker = Worker::new();
        match &self.seen.top {
            Object::File(seen) => {
                let original = Original {
                    seen,
                    shown: &operand.path,
                    open: &|| operand.open(),
                    has_names: false,
                };
                self.file(&mut worker, &original, &spot, None)?;
            }
            Object::Special { status, believed } => {
                self.special(&mut worker, status, believed, &spot)?;
            }
            Object::Directory(_) | Object::Symlink { .. } => {}
        }
        Ok(worker.written)
    }

    /// Anything but a directory.
    pub(super) fn entry(
        &self,
        worker: &mut Worker<'_>,
        level: &Level<'_>,
        entry: &Entry,
    ) -> Result<(), CopyError> {
        let name = entry.name.as_os_str();
        let spot = Spot {
            directory: &level.made,
            name,
            path: &level.path.join(name),
            fresh: level.fresh,
        };
        match &entry.object {
            Object::File(seen) => {
                let original = Original {
                    seen,
                    shown: &level.seen.path.join(name),
                    open: &|| open_object(&level.source, name).map(|(object, _)| object),
                    has_names: seen.status.links > 1,
                };
                self.file(worker, &original, &spot, Some(level))
            }
            Object::Symlink {
                target,
                status,
                believed,
            } => self.symlink(worker, target, (status, believed), &spot),
            Object::Special { status, believed } => self.special(worker, status, believed, &spot),
            Object::Directory(_) => Ok(()),
        }
    }

    /// A file, in the directory `level` if it is not one that the author named.
    fn file(
        &self,
        worker: &mut Worker<'_>,
        original: &Original<'_>,
        spot: &Spot<'_>,
        level: Option<&Level<'_>>,
    ) -> Result<(), CopyError> {
        let failed = writing(spot.path);
        let existing = spot.look().map_err(&failed)?;
        if let Some(existing) = &existing
            && self
                .is_there(worker, original, existing, spot)
                .map_err(&failed)?
        {
            return Ok(());
        }
        let FileSeen {
            status,
            believed,
            holding,
            ..
        } = original.seen;
        if original.has_names {
            spot.clear_any(existing.as_ref()).map_err(&failed)?;
            let make = || self.write_file(worker, original, spot).map(drop);
            return self.with_names(status, spot, make);
        }
        let believed = self.imposed.of(believed);
        let identity = Identity::new(spot.path, holding, &believed, status.modified);
        if let Some(level) = level
            && self
                .previous
                .is_some_and(|it| it.has(&identity, spot.path, status))
        {
            // A file that is in the way will be hidden.
            let in_the_way = existing.filter(|it| it.kind == Kind::Directory);
            spot.clear_any(in_the_way.as_ref()).map_err(&failed)?;
            level.bring_up().map_err(writing(&level.path))?;
            let place = (level.path.clone(), spot.name.to_owned());
            worker.written.shared.push(place);
            worker.written.files.push(identity);
            return Ok(());
        }
        spot.clear_any(existing.as_ref()).map_err(&failed)?;
        if self.write_file(worker, original, spot)? == Place::Object {
            worker.written.files.push(identity);
        }
        Ok(())
    }

    /// Makes one of several names of a file: the first by `make`, the others as links.
    fn with_names(
        &self,
        status: &Status,
        spot: &Spot<'_>,
        make: impl FnOnce() -> Result<(), CopyError>,
    ) -> Result<(), CopyError> {
        // Locked while the first is made: the others need it.
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        match links.entry((status.filesystem, status.inode)) {
            hash_map::Entry::Occupied(first) => {
                self.link(first.get(), spot).map_err(writing(spot.path))
            }
            hash_map::Entry::Vacant(place) => {
                make()?;
                place.insert(spot.path.to_owned());
                Ok(())
            }
        }
    }

    /// One more name for a file of this operand.
    fn link(&self, first: &Path, spot: &Spot<'_>) -> Result<(), SyscallError> {
        let parent = first.parent().unwrap_or(Path::new(""));
        let parent = in_root::open(self.target.root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
        let name = first.file_name().unwrap_or_default();
        file::hard_link_at(&parent, name, spot.directory, spot.name)
    }

    fn write_file(
        &self,
        worker: &mut Worker<'_>,
        original: &Original<'_>,
        spot: &Spot<'_>,
    ) -> Result<Place, CopyError> {
        let (shown, failed) = (original.shown, writing(spot.path));
        let unreadable = reading(shown);
        let FileSeen {
            status,
            believed,
            holding: held,
            settled,
        } = original.seen;
        let object = (original.open)().map_err(&unreadable)?;
        let before = file::status(&object).map_err(&unreadable)?;
        let changed = || CopyError::Changed(ChangedError(shown.to_owned()));
        if before.kind != Kind::File {
            return Err(changed());
        }
        let made = spot.create().map_err(&failed)?;
        copy_content(&object, &made, &mut worker.piece)
            .map_err(|error| error.at(shown, spot.path))?;
        let origin = self.seen.origin;
        let attributes = origin.attributes(&object).map_err(&unreadable)?;
        set_attributes(&made, &attributes).map_err(&failed)?;
        let after = file::status(&object).map_err(&unreadable)?;
        // A file that was written to a moment ago may have been written to again without showing it.
        let is_known = *settled && before == *status && after == *status;
        if !is_known && holding(&made, origin, &mut worker.piece).map_err(&failed)? != *held {
            return Err(changed());
        }
        let believed = self.imposed.of(believed);
        let learned = &mut worker.written.learned;
        let place = believe(&made, spot.path, &believed, learned).map_err(&failed)?;
        file::set_modified(&made, status.modified).map_err(failed)?;
        Ok(place)
    }

    /// Whether the file is there already, with the same content, mode, owner and time.
    fn is_there(
        &self,
        worker: &mut Worker<'_>,
        original: &Original<'_>,
        existing: &Status,
        spot: &Spot<'_>,
    ) -> Result<bool, SyscallError> {
        let wanted = &original.seen.status;
        // Names of one file must stay names of one file: those are always written.
        if original.has_names
            || existing.kind != Kind::File
            || wanted.size != existing.size
            || wanted.modified != existing.modified
        {
            return Ok(false);
        }
        let there = File::from(file::open_at(spot.directory, spot.name, OFlags::RDONLY)?);
        let piece = &mut worker.piece;
        Ok(agrees(&there, &self.imposed.of(&original.seen.believed))?
            && holding(&there, self.seen.origin, piece)? == original.seen.holding)
    }

    fn symlink(
        &self,
        worker: &mut Worker<'_>,
        target: &Path,
        (status, believed): (&Status, &Override),
        spot: &Spot<'_>,
    ) -> Result<(), CopyError> {
        let failed = writing(spot.path);
        let believed = self.imposed.of(believed);
        let existing = spot.look().map_err(&failed)?;
        if let Some(existing) = &existing
            && existing.kind == Kind::Symlink
            && existing.modified == status.modified
            && spot.read_link().map_err(&failed)? == target
            && self.link_is_believed(spot.path, &believed)?
        {
            return Ok(());
        }
        spot.clear_any(existing.as_ref()).map_err(&failed)?;
        file::make_symlink_at(target, spot.directory, spot.name).map_err(&failed)?;
        spot.set_modified(status).map_err(failed)?;
        // Also if it is as plain as can be: a link of the image, of another owner, may have said the same.
        worker
            .written
            .learned
            .add_at(spot.path.to_owned(), believed);
        Ok(())
    }

    /// Whether the image's link at `path` is believed to be this; links of this copy are.
    fn link_is_believed(&self, path: &Path, wanted: &Override) -> Result<bool, CopyError> {
        let believed = match self.earlier.at(path) {
            Some(believed) => Some(believed),
            None => (self.target.beside)(path)?,
        };
        Ok(believed.map_or_else(|| wanted.is_plain(), |believed| believed == *wanted))
    }

    /// A FIFO, or a device: an empty file that is believed to be one.
    fn special(
        &self,
        worker: &mut Worker<'_>,
        status: &Status,
        believed: &Override,
        spot: &Spot<'_>,
    ) -> Result<(), CopyError> {
        let failed = writing(spot.path);
        let existing = spot.look().map_err(&failed)?;
        spot.clear_any(existing.as_ref()).map_err(&failed)?;
        let believed = self.imposed.of(believed);
        let learned = &mut worker.written.learned;
        if believed.kind == BelievedKind::Pipe {
            learned.add_at(spot.path.to_owned(), believed);
        }
        let make = || {
            spot.make_special(&believed, status, learned)
                .map_err(failed)
        };
        if status.links > 1 && !matches!(self.seen.top, Object::Special { .. }) {
            return self.with_names(status, spot, make);
        }
        make()
    }
}

impl Spot<'_> {
    /// What is there.
    fn look(&self) -> Result<Option<Status>, SyscallError> {
        if self.fresh {
            return Ok(None);
        }
        file::try_status_at(self.directory, self.name)
    }

    /// Takes away what is there, if anything is.
    fn clear_any(&self, existing: Option<&Status>) -> Result<(), SyscallError> {
        match existing.map(|status| status.kind) {
            Some(Kind::Directory) => remove_tree(self.directory, self.name),
            Some(_) => file::remove_file_at(self.directory, self.name),
            None => Ok(()),
        }
    }

    fn create(&self) -> Result<File, SyscallError> {
        file::create_at(self.directory, self.name, 0o600).map(File::from)
    }

    fn read_link(&self) -> Result<PathBuf, SyscallError> {
        file::read_link_at(self.directory, self.name)
    }

    fn set_modified(&self, status: &Status) -> Result<(), SyscallError> {
        file::set_modified_at(self.directory, self.name, status.modified)
    }

    fn make_special(
        &self,
        believed: &Override,
        status: &Status,
        learned: &mut Learned,
    ) -> Result<(), SyscallError> {
        if believed.kind == BelievedKind::Pipe {
            file::make_fifo_at(self.directory, self.name, 0o600)?;
            // For reading and writing, since that does not wait for another end.
            let flags = OFlags::RDWR | OFlags::NONBLOCK;
            let made = file::open_at(self.directory, self.name, flags)?;
            // Whatever the umask says.
            file::set_mode(&made, believed.disk_mode())?;
        } else {
            let _carried = believe(&self.create()?, self.path, believed, learned)?;
        }
        self.set_modified(status)
    }
}
