//! Operands into the tree of a workspace, from outside the container.
//!
//! Everything goes by name in an open directory of the destination, and a link that stands there
//! is replaced, never followed. An object that would not change is not written, so that it is not
//! in the layer. Attributes of directories come last, deepest first. What an object can't carry, such
//! as the owner of a link, is handed to the commit.

mod level;
mod likeness;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use ch_linux::file::{self, Kind, OFlags, Status};
use ch_linux::{SyscallError, in_root};
use ch_ownership::{Kind as BelievedKind, Override};
use ch_rootfs::Learned;

use super::destination::{self, Destination, absolute, ensure_directory};
use super::error::{CopyError, reading, writing};
use super::imposed::Imposed;
use super::resolve::Operand;
use super::scan::{open_object, user_attributes};
use level::Level;
use likeness::{agrees, believe, copy_attributes, copy_content, remove_tree, same_content};

/// The image that is written into.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Its root.
    pub(crate) root: BorrowedFd<'a>,
    /// What one of its objects that can't carry it is believed to be, by path below the root.
    pub(crate) beside: &'a dyn Fn(&Path) -> Result<Option<Override>, CopyError>,
}

/// Copies the operands to `destination`, and says what the copies can't carry.
pub(crate) fn copy(
    target: Target<'_>,
    operands: &[Operand],
    destination: &Destination,
    imposed: &Imposed,
) -> Result<Learned, CopyError> {
    let root = target.root;
    let resolved = destination::resolve(root, &destination.path)?;
    let as_directory = destination.is_directory
        || operands.len() > 1
        || operands.iter().any(Operand::is_directory)
        || resolved.kind == Some(Kind::Directory);
    let mut writer = Writer {
        target,
        imposed,
        links: HashMap::new(),
        learned: Learned::default(),
    };
    if operands.is_empty() {
        return Ok(writer.learned);
    }
    if !as_directory {
        let parent = resolved.path.parent().unwrap_or(Path::new(""));
        let directory = writer.ensure_directory(parent)?;
        let name = resolved.path.file_name().unwrap_or_default();
        for operand in operands {
            writer.top_file(operand, &directory, parent, name)?;
        }
        return Ok(writer.learned);
    }
    if resolved.kind.is_some_and(|kind| kind != Kind::Directory) {
        return Err(CopyError::NotADirectory(
            destination.path.components().collect(),
        ));
    }
    let directory = writer.ensure_directory(&resolved.path)?;
    for operand in operands {
        // Hard links are kept within one operand only.
        writer.links.clear();
        if operand.is_directory() {
            writer.contents(
                &operand.descriptor,
                &operand.path,
                &directory,
                &resolved.path,
            )?;
        } else {
            writer.top_file(operand, &directory, &resolved.path, &operand.name())?;
        }
    }
    Ok(writer.learned)
}

struct Writer<'a> {
    target: Target<'a>,
    imposed: &'a Imposed,
    /// First place in the image of a source file with several names.
    links: HashMap<(u64, u64), PathBuf>,
    /// What objects can't carry.
    learned: Learned,
}

impl Writer<'_> {
    fn ensure_directory(&mut self, path: &Path) -> Result<File, CopyError> {
        let made = self.imposed.of_parent();
        ensure_directory(self.target.root, path, &made, &mut self.learned)
    }

    /// A file that the author named: it may replace anything but a directory.
    fn top_file(
        &mut self,
        operand: &Operand,
        directory: &File,
        path: &Path,
        name: &OsStr,
    ) -> Result<(), CopyError> {
        let path = path.join(name);
        let existing = file::try_status_at(directory, name).map_err(writing(&path))?;
        if existing.is_some_and(|status| status.kind == Kind::Directory) {
            return Err(CopyError::DirectoryInTheWay(absolute(&path)));
        }
        let object = match operand.status.kind {
            Kind::File => Some(operand.open().map_err(reading(&operand.path))?),
            _ => None,
        };
        // Its other names are none of the copy's.
        let status = Status {
            links: 1,
            ..operand.status
        };
        let source = Source {
            object: object.as_ref(),
            status: &status,
        };
        self.object(&source, &operand.path, directory, &path, name)
    }

    /// Everything in the directory `source` into `directory`, which is `path` in the image.
    fn contents(
        &mut self,
        source: &File,
        shown: &Path,
        directory: &File,
        path: &Path,
    ) -> Result<(), CopyError> {
        // No recursion: contexts may be deeper than a thread's stack.
        let mut levels = vec![Level::top(source, shown, directory, path)?];
        while let Some(level) = levels.last_mut() {
            let Some((name, kind)) = level.rest.next() else {
                let done = levels.pop();
                if let Some(done) = done.filter(|_| !levels.is_empty()) {
                    done.finish(self.imposed, &mut self.learned)?;
                }
                continue;
            };
            if kind == Kind::Directory {
                let inner = level.descend(&name)?;
                levels.push(inner);
            } else {
                self.entry(level, &name, kind)?;
            }
        }
        Ok(())
    }

    /// Anything but a directory.
    fn entry(&mut self, level: &Level, name: &OsStr, kind: Kind) -> Result<(), CopyError> {
        let (from, to) = (&level.source, &level.made);
        let (shown, path) = (level.shown.join(name), level.path.join(name));
        let failed = reading(&shown);
        match kind {
            Kind::File => {
                let (object, status) = open_object(from, name).map_err(failed)?;
                let source = Source {
                    object: Some(&object),
                    status: &status,
                };
                self.object(&source, &shown, to, &path, name)
            }
            Kind::Symlink => {
                let target = file::read_link_at(from, name).map_err(&failed)?;
                let status = file::status_at(from, name).map_err(failed)?;
                self.symlink(&target, &status, to, &path)
            }
            Kind::Socket => Ok(()),
            _ => {
                let status = file::status_at(from, name).map_err(failed)?;
                let source = Source {
                    object: None,
                    status: &status,
                };
                self.object(&source, &shown, to, &path, name)
            }
        }
    }

    /// A file or special file at `name` in `directory`, replacing what is there.
    fn object(
        &mut self,
        source: &Source<'_>,
        shown: &Path,
        directory: &File,
        path: &Path,
        name: &OsStr,
    ) -> Result<(), CopyError> {
        let failed = writing(path);
        let identity = (source.status.filesystem, source.status.inode);
        let existing = file::try_status_at(directory, name).map_err(&failed)?;
        if let Some(existing) = &existing
            && self
                .is_same(source, existing, directory, name)
                .map_err(&failed)?
        {
            return Ok(());
        }
        match existing.map(|status| status.kind) {
            Some(Kind::Directory) => remove_tree(directory, name).map_err(&failed)?,
            Some(_) => file::remove_file_at(directory, name).map_err(&failed)?,
            None => {}
        }
        let believed = self.imposed.of(source.status);
        if believed.kind == BelievedKind::Pipe {
            self.learned.add_at(path.to_owned(), believed);
        }
        if let Some(first) = self.links.get(&identity) {
            return self.link(first, directory, name).map_err(&failed);
        }
        match source.object {
            Some(object) if source.status.kind == Kind::File => {
                let made = File::from(file::create_at(directory, name, 0o600).map_err(&failed)?);
                copy_content(object, &made, shown, path)?;
                copy_attributes(object, &made).map_err(&failed)?;
                believe(&made, path, &believed, &mut self.learned).map_err(&failed)?;
                file::set_modified(&made, source.status.modified).map_err(&failed)?;
            }
            _ => self
                .special(&believed, source.status, directory, path)
                .map_err(&failed)?,
        }
        if source.status.links > 1 {
            self.links.insert(identity, path.to_owned());
        }
        Ok(())
    }

    /// One more name for a file of this operand.
    fn link(&self, first: &Path, directory: &File, name: &OsStr) -> Result<(), SyscallError> {
        let parent = first.parent().unwrap_or(Path::new(""));
        let parent = in_root::open(self.target.root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
        file::hard_link_at(
            &parent,
            first.file_name().unwrap_or_default(),
            directory,
            name,
        )
    }

    /// Whether the file is there already, with the same content, mode, owner and time.
    fn is_same(
        &self,
        source: &Source<'_>,
        existing: &Status,
        directory: &File,
        name: &OsStr,
    ) -> Result<bool, SyscallError> {
        let Some(object) = source.object else {
            return Ok(false);
        };
        let wanted = source.status;
        // Names of one file must stay names of one file: those are always written.
        if wanted.kind != Kind::File
            || existing.kind != Kind::File
            || wanted.links > 1
            || existing.links > 1
            || wanted.size != existing.size
            || wanted.modified != existing.modified
        {
            return Ok(false);
        }
        let there = File::from(file::open_at(directory, name, OFlags::RDONLY)?);
        Ok(agrees(&there, &self.imposed.of(wanted))?
            && user_attributes(&there)? == user_attributes(object)?
            && same_content(object, &there)?)
    }

    /// A symbolic link at `path`, in `directory`.
    fn symlink(
        &mut self,
        to: &Path,
        status: &Status,
        directory: &File,
        path: &Path,
    ) -> Result<(), CopyError> {
        let failed = writing(path);
        let name = path.file_name().unwrap_or_default();
        let believed = self.imposed.of(status);
        match file::try_status_at(directory, name).map_err(&failed)? {
            Some(there)
                if there.kind == Kind::Symlink
                    && there.modified == status.modified
                    && file::read_link_at(directory, name).map_err(&failed)? == to
                    && self.link_is_believed(path, &believed)? =>
            {
                return Ok(());
            }
            Some(there) if there.kind == Kind::Directory => {
                remove_tree(directory, name).map_err(&failed)?;
            }
            Some(_) => file::remove_file_at(directory, name).map_err(&failed)?,
            None => {}
        }
        file::make_symlink_at(to, directory, name).map_err(&failed)?;
        file::set_modified_at(directory, name, status.modified).map_err(failed)?;
        // Also if it is as plain as can be: a link of the image, of another owner, may have said the same.
        self.learned.add_at(path.to_owned(), believed);
        Ok(())
    }

    /// Whether the image's link at `path` is believed to be this; links of this copy are.
    fn link_is_believed(&self, path: &Path, wanted: &Override) -> Result<bool, CopyError> {
        let believed = match self.learned.at(path) {
            Some(believed) => Some(believed),
            None => (self.target.beside)(path)?,
        };
        Ok(believed.map_or_else(|| wanted.is_plain(), |believed| believed == *wanted))
    }

    /// A FIFO, or a device: an empty file that is believed to be one.
    fn special(
        &mut self,
        believed: &Override,
        status: &Status,
        directory: &File,
        path: &Path,
    ) -> Result<(), SyscallError> {
        let name = path.file_name().unwrap_or_default();
        if believed.kind == BelievedKind::Pipe {
            file::make_fifo_at(directory, name, 0o600)?;
            // For reading and writing, since that does not wait for another end.
            let made = file::open_at(directory, name, OFlags::RDWR | OFlags::NONBLOCK)?;
            // Whatever the umask says.
            file::set_mode(&made, believed.disk_mode())?;
        } else {
            let made = File::from(file::create_at(directory, name, 0o600)?);
            believe(&made, path, believed, &mut self.learned)?;
        }
        file::set_modified_at(directory, name, status.modified)
    }
}

/// What is copied: open, if it is something to read from.
struct Source<'a> {
    object: Option<&'a File>,
    status: &'a Status,
}

#[cfg(test)]
mod tests;
