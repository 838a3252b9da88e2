//! What is in the operands: the part of a `COPY`'s cache key that comes from its sources.
//!
//! What enters the key, for each object: path relative to its operand, kind, mode, link target,
//! `user.*` attributes, digest of content, first path of the same file within the operand. What does
//! not: times, inode and owner (what is copied from a context belongs to root, or to whom the author says).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::vec;

use ch_linux::file::{self, Kind, OFlags, Status};
use ch_linux::{SyscallError, xattr};
use ch_oci::{Algorithm, Digest};

use super::contents::{self, Contents};
use super::error::{CopyError, reading};
use super::resolve::Operand;
use crate::key::KeyHash;

/// Adds everything in `operands` to `key`.
pub(crate) fn add_to_key(
    operands: &[Operand],
    key: &mut KeyHash,
    contents: &mut Contents,
) -> Result<(), CopyError> {
    let mut scan = Scan {
        key,
        contents,
        buffer: vec![0; 128 * 1024],
        links: HashMap::new(),
    };
    for operand in operands {
        scan.key.field("operand", operand.name().as_bytes());
        scan.links.clear();
        let (path, shown) = (Path::new(""), &operand.path);
        let failed = reading(shown);
        // What was opened may have changed since.
        let status = file::status(&operand.descriptor).map_err(&failed)?;
        scan.head(path, &status);
        match status.kind {
            Kind::File => scan
                .file(shown, &status, || operand.open())
                .map_err(&failed)?,
            Kind::Directory => {
                let top = duplicate(&operand.descriptor).map_err(&failed)?;
                scan.tree(top, path.to_owned(), shown.clone())?;
            }
            _ => {}
        }
    }
    Ok(())
}

struct Scan<'a> {
    key: &'a mut KeyHash,
    contents: &'a mut Contents,
    buffer: Vec<u8>,
    /// First path, within the operand, of a file with several names.
    links: HashMap<(u64, u64), PathBuf>,
}

/// A directory that is being added.
struct Level {
    directory: File,
    rest: vec::IntoIter<(OsString, Kind)>,
    /// Relative to the operand.
    path: PathBuf,
    /// For messages.
    shown: PathBuf,
}

impl Scan<'_> {
    /// Adds an open directory and what is in it: `path` is relative to the operand, `shown` is for messages.
    fn tree(&mut self, top: File, path: PathBuf, shown: PathBuf) -> Result<(), CopyError> {
        // No recursion: contexts may be deeper than a thread's stack.
        let mut levels = vec![self.enter(top, path, shown)?];
        while let Some(level) = levels.last_mut() {
            let Some((name, kind)) = level.rest.next() else {
                self.key.field("end", "");
                levels.pop();
                continue;
            };
            let (path, shown) = (level.path.join(&name), level.shown.join(&name));
            if kind == Kind::Directory {
                let opened = open_object(&level.directory, &name);
                let (object, status) = opened.map_err(reading(&shown))?;
                self.head(&path, &status);
                levels.push(self.enter(object, path, shown)?);
            } else {
                self.object(&level.directory, &name, kind, &path, &shown)
                    .map_err(reading(&shown))?;
            }
        }
        Ok(())
    }

    fn enter(
        &mut self,
        directory: File,
        path: PathBuf,
        shown: PathBuf,
    ) -> Result<Level, CopyError> {
        for (name, value) in user_attributes(&directory).map_err(reading(&shown))? {
            self.key.field("xattr", name).field("value", value);
        }
        let rest = sorted_entries(&directory).map_err(reading(&shown))?;
        Ok(Level {
            directory,
            rest: rest.into_iter(),
            path,
            shown,
        })
    }

    /// Adds what a file holds; it is opened only if the index does not know.
    fn file(
        &mut self,
        shown: &Path,
        status: &Status,
        open: impl FnOnce() -> Result<File, SyscallError>,
    ) -> Result<(), SyscallError> {
        if let Some(digest) = self.contents.get(shown, status) {
            self.key.field("holds", digest);
            return Ok(());
        }
        let began = contents::now();
        let object = open()?;
        let before = file::status(&object)?;
        let mut holds = KeyHash::new("file 1");
        for (name, value) in user_attributes(&object)? {
            holds.field("xattr", name).field("value", value);
        }
        holds.field("content", self.content(&object)?.hex());
        let digest = holds.finish();
        // Whoever is written to while he is read is read again.
        if before == *status && file::status(&object)? == before {
            self.contents.put(shown, status, began, digest.hex());
        }
        self.key.field("holds", digest.hex());
        Ok(())
    }

    fn head(&mut self, path: &Path, status: &Status) {
        self.key
            .field("path", path.as_os_str().as_bytes())
            .field("kind", format!("{:?}", status.kind))
            .field("mode", status.mode.to_le_bytes());
        if matches!(status.kind, Kind::Character | Kind::Block) {
            self.key.field(
                "device",
                format!("{}:{}", status.device.major, status.device.minor),
            );
        }
    }

    /// Adds that a file has another name, since the copy will have it too.
    fn link(&mut self, path: &Path, status: &Status) {
        if status.links < 2 {
            return;
        }
        match self.links.entry((status.filesystem, status.inode)) {
            Entry::Occupied(first) => {
                let first = first.get().as_os_str().as_bytes();
                self.key.field("link of", first);
            }
            Entry::Vacant(entry) => drop(entry.insert(path.to_owned())),
        }
    }

    /// Adds anything but a directory.
    fn object(
        &mut self,
        directory: &File,
        name: &OsStr,
        kind: Kind,
        path: &Path,
        shown: &Path,
    ) -> Result<(), SyscallError> {
        match kind {
            Kind::File => {
                let status = file::status_at(directory, name)?;
                self.head(path, &status);
                self.link(path, &status);
                let open = || open_object(directory, name).map(|(object, _)| object);
                self.file(shown, &status, open)?;
            }
            Kind::Symlink => {
                let target = file::read_link_at(directory, name)?;
                self.key
                    .field("path", path.as_os_str().as_bytes())
                    .field("link", target.as_os_str().as_bytes());
            }
            // A socket is nothing that could be copied.
            Kind::Socket => {}
            _ => {
                let status = file::status_at(directory, name)?;
                self.head(path, &status);
                self.link(path, &status);
            }
        }
        Ok(())
    }

    fn content(&mut self, object: &File) -> Result<Digest, SyscallError> {
        let mut hash = Algorithm::Sha256.hasher();
        let mut position = 0;
        loop {
            match object.read_at(&mut self.buffer, position) {
                Ok(0) => return Ok(hash.finish()),
                Ok(length) => {
                    hash.update(&self.buffer[..length]);
                    position += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(SyscallError::new("pread64", format!("{position}"), error));
                }
            }
        }
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
pub(super) type Attribute = (Vec<u8>, Vec<u8>);

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
