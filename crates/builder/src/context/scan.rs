//! What is in the operands: the part of a `COPY`'s cache key that comes from its sources.
//!
//! What enters the key, for each object: path relative to its operand, kind, mode, link target,
//! `user.*` attributes, digest of content. What does not: times, inode and owner (everything
//! copied from a context belongs to root).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use ch_linux::file::{self, Kind, OFlags, Status};
use ch_linux::{SyscallError, xattr};
use ch_oci::{Algorithm, Digest};

use super::error::CopyError;
use super::resolve::Operand;
use crate::key::KeyHash;

/// Adds everything in `operands` to `key`.
pub(crate) fn add_to_key(operands: &[Operand], key: &mut KeyHash) -> Result<(), CopyError> {
    let mut scan = Scan {
        key,
        buffer: vec![0; 128 * 1024],
    };
    for operand in operands {
        scan.key.field("operand", operand.name().as_bytes());
        scan.object(
            &operand.descriptor,
            Path::new(""),
            &operand.path,
            &operand.status,
        )?;
    }
    Ok(())
}

struct Scan<'a> {
    key: &'a mut KeyHash,
    buffer: Vec<u8>,
}

impl Scan<'_> {
    /// Adds the open object: `path` is relative to the operand, `shown` is for messages.
    fn object(
        &mut self,
        object: &File,
        path: &Path,
        shown: &Path,
        status: &Status,
    ) -> Result<(), CopyError> {
        let failed = |source| CopyError::Read {
            path: shown.to_owned(),
            source,
        };
        self.head(path, status);
        match status.kind {
            Kind::File => {
                self.attributes(object).map_err(failed)?;
                let digest = self.content(object).map_err(failed)?;
                self.key.field("content", digest.hex());
            }
            Kind::Directory => {
                self.attributes(object).map_err(failed)?;
                self.directory(object, path, shown)?;
            }
            _ => {}
        }
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

    fn directory(&mut self, directory: &File, path: &Path, shown: &Path) -> Result<(), CopyError> {
        let failed = |source| CopyError::Read {
            path: shown.to_owned(),
            source,
        };
        for (name, kind) in sorted_entries(directory).map_err(failed)? {
            let (path, shown) = (path.join(&name), shown.join(&name));
            let failed = |source| CopyError::Read {
                path: shown.clone(),
                source,
            };
            match kind {
                Kind::File | Kind::Directory => {
                    let (object, status) = open_object(directory, &name).map_err(failed)?;
                    self.object(&object, &path, &shown, &status)?;
                }
                Kind::Symlink => {
                    let target = file::read_link_at(directory, &name).map_err(failed)?;
                    self.key
                        .field("path", path.as_os_str().as_bytes())
                        .field("link", target.as_os_str().as_bytes());
                }
                // A socket is nothing that could be copied.
                Kind::Socket => {}
                _ => self.head(&path, &file::status_at(directory, &name).map_err(failed)?),
            }
        }
        self.key.field("end", "");
        Ok(())
    }

    fn attributes(&mut self, object: impl AsFd) -> Result<(), SyscallError> {
        for (name, value) in user_attributes(object)? {
            self.key.field("xattr", name).field("value", value);
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
