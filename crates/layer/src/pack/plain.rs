//! A plain directory tree as an archive: what `tar` would make of it, if it knew overrides.
//!
//! Depth first, names in the order of their bytes, so that equal trees give equal archives. Owners come
//! from override attributes; without one, what belongs to the caller is the image's root's, and
//! everything else belongs to whom it belongs.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::vec;

use ch_linux::file::{self, Entry, Kind, OFlags, Status};
use ch_linux::namespace::Identity;
use ch_linux::{SyscallError, xattr};
use ch_ownership::{OVERRIDE_STAT, Override};

use crate::tar::{self, Member, Writer};
use crate::unpack::{join, path_buf};

/// Size of the pieces in which content is read.
const PIECE: usize = 256 * 1024;

/// Why a tree could not be read whole, or its archive not written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Something in the tree cannot be read.
    #[error("can't read {path:?}")]
    Read {
        /// Path below the top of the tree.
        path: PathBuf,
        /// What the kernel said.
        source: SyscallError,
    },
    /// A file was changed while it was read.
    #[error("{path:?} changed while it was read")]
    Changed {
        /// Path below the top of the tree.
        path: PathBuf,
    },
    /// The archive has nowhere to go.
    #[error("can't write the archive")]
    Write(#[source] io::Error),
}

/// What is known of a tree that was packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packed {
    /// Sockets, which no archive can hold.
    pub sockets: u64,
}

/// Writes the tree below `root` to `output` as an archive. Mount points in it are entered.
pub fn pack_plain(root: impl AsFd, output: impl Write) -> Result<Packed, PackError> {
    let mut packer = Packer {
        writer: Writer::new(output),
        caller: Identity::current(),
        names: HashMap::new(),
        packed: Packed::default(),
        piece: vec![0; PIECE],
    };
    let root = file::open_directory_at(root, ".").map_err(unreadable(b""))?;
    packer.tree(root)?;
    packer.writer.finish().map_err(PackError::Write)?;
    Ok(packer.packed)
}

fn unreadable(path: &[u8]) -> impl FnOnce(SyscallError) -> PackError + use<> {
    let path = path_buf(path);
    move |source| PackError::Read { path, source }
}

struct Packer<W> {
    writer: Writer<W>,
    caller: Identity,
    /// First names of files with several, by file system and inode.
    names: HashMap<(u64, u64), Vec<u8>>,
    packed: Packed,
    piece: Vec<u8>,
}

/// A directory that is being written.
struct Level {
    directory: OwnedFd,
    path: Vec<u8>,
    rest: vec::IntoIter<Entry>,
}

impl<W: Write> Packer<W> {
    /// A directory and everything below it. No recursion: trees may be deeper than a thread's stack.
    fn tree(&mut self, top: OwnedFd) -> Result<(), PackError> {
        let mut levels = vec![self.enter(top, Vec::new())?];
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.rest.next() else {
                levels.pop();
                continue;
            };
            let path = join(&level.path, entry.name.as_bytes());
            let directory = &level.directory;
            let status = file::status_at(directory, &entry.name).map_err(unreadable(&path))?;
            match status.kind {
                Kind::Directory => {
                    let below = file::open_directory_at(directory, &entry.name);
                    let inner = self.enter(below.map_err(unreadable(&path))?, path)?;
                    levels.push(inner);
                }
                Kind::Socket => self.packed.sockets += 1,
                _ => self.object(directory, &entry.name, &path, &status)?,
            }
        }
        Ok(())
    }

    fn enter(&mut self, directory: OwnedFd, path: Vec<u8>) -> Result<Level, PackError> {
        let status = file::status(&directory).map_err(unreadable(&path))?;
        let mut member = self.describe(directory.as_fd(), &path, &status)?;
        member.kind = tar::Kind::Directory;
        member.path = if path.is_empty() {
            b"./".to_vec()
        } else {
            [&path[..], b"/"].concat()
        };
        self.writer.member(&member).map_err(PackError::Write)?;
        let mut entries = file::entries(&directory).map_err(unreadable(&path))?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Level {
            directory,
            path,
            rest: entries.into_iter(),
        })
    }

    /// Anything but a directory.
    fn object(
        &mut self,
        directory: &OwnedFd,
        name: &std::ffi::OsStr,
        path: &[u8],
        status: &Status,
    ) -> Result<(), PackError> {
        if status.kind == Kind::File {
            let file = file::open_at(directory, name, OFlags::RDONLY).map_err(unreadable(path))?;
            return self.file(file, path);
        }
        let mut member = self.member(path, status, None);
        member.kind = match status.kind {
            Kind::Symlink => {
                let target = file::read_link_at(directory, name).map_err(unreadable(path))?;
                tar::Kind::Symlink(target.as_os_str().as_bytes().to_vec())
            }
            Kind::Fifo => tar::Kind::Fifo,
            Kind::Character => tar::Kind::Character(status.device),
            _ => tar::Kind::Block(status.device),
        };
        if self.is_another_name(&mut member, status) {
            member.attributes.clear();
        }
        self.writer.member(&member).map_err(PackError::Write)
    }

    /// A regular file, or what an override says it is.
    fn file(&mut self, file: OwnedFd, path: &[u8]) -> Result<(), PackError> {
        let status = file::status(&file).map_err(unreadable(path))?;
        let mut member = self.describe(file.as_fd(), path, &status)?;
        if self.is_another_name(&mut member, &status) {
            return self.writer.member(&member).map_err(PackError::Write);
        }
        if member.kind != tar::Kind::File {
            return self.writer.member(&member).map_err(PackError::Write);
        }
        member.size = status.size;
        self.writer.member(&member).map_err(PackError::Write)?;
        let mut content = File::from(file).take(status.size);
        let mut rest = status.size;
        while rest > 0 {
            let length = match content.read(&mut self.piece) {
                Ok(0) => {
                    return Err(PackError::Changed {
                        path: path_buf(path),
                    });
                }
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(unreadable(path)(SyscallError::new("read", "", error)));
                }
            };
            self.writer
                .content(&self.piece[..length])
                .map_err(PackError::Write)?;
            rest -= length as u64;
        }
        Ok(())
    }

    /// Makes `member` a hard link if the file was seen under another name.
    fn is_another_name(&mut self, member: &mut Member, status: &Status) -> bool {
        if status.links < 2 {
            return false;
        }
        let key = (status.filesystem, status.inode);
        if let Some(first) = self.names.get(&key) {
            member.kind = tar::Kind::HardLink(first.clone());
            return true;
        }
        self.names.insert(key, member.path.clone());
        false
    }

    /// A member for something open, with its attributes.
    fn describe(
        &self,
        fd: BorrowedFd<'_>,
        path: &[u8],
        status: &Status,
    ) -> Result<Member, PackError> {
        let believed = xattr::get(fd, OVERRIDE_STAT).map_err(unreadable(path))?;
        // What is no override of ours is left to its owner.
        let believed = believed.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
        let mut member = self.member(path, status, believed);
        for name in xattr::names(fd).map_err(unreadable(path))? {
            if is_bookkeeping(&name) {
                continue;
            }
            if let Some(value) = xattr::get(fd, &name).map_err(unreadable(path))? {
                let name = name
                    .strip_prefix(b"user.chimage.xattr.")
                    .unwrap_or(&name)
                    .to_vec();
                member.attributes.push((name, value));
            }
        }
        Ok(member)
    }

    /// A member without attributes; a regular file unless an override says a device.
    fn member(&self, path: &[u8], status: &Status, believed: Option<Override>) -> Member {
        let own = |id, caller| if id == caller { 0 } else { id };
        let plain = (
            own(status.uid, self.caller.uid),
            own(status.gid, self.caller.gid),
            status.mode,
        );
        let (uid, gid, mode) = believed.map_or(plain, |believed| {
            (believed.uid, believed.gid, believed.mode)
        });
        let kind = match believed.map(|believed| believed.kind) {
            Some(ch_ownership::Kind::Character(device)) => tar::Kind::Character(device),
            Some(ch_ownership::Kind::Block(device)) => tar::Kind::Block(device),
            _ => tar::Kind::File,
        };
        let (path, modified) = (path.to_vec(), status.modified);
        Member {
            offset: 0,
            path,
            kind,
            mode,
            uid,
            gid,
            modified,
            size: 0,
            attributes: Vec::new(),
        }
    }
}

/// Attributes that belong to this machine or to our own accounts.
fn is_bookkeeping(name: &[u8]) -> bool {
    let ours = name == OVERRIDE_STAT || name.starts_with(b"user.overlay.");
    ours || (name.starts_with(b"user.chimage.") && !name.starts_with(b"user.chimage.xattr."))
        || name.starts_with(b"system.")
        || name == b"security.selinux"
}
