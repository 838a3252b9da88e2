//! From an archive to a layer directory in the format of overlayfs.
//!
//! Members are made as they come, each relative to the descriptor of its directory; whiteouts, links
//! to what is not there yet and times of directories wait for the end. Kept in memory are only those
//! and [`Directories`]. Nothing is ever truncated or written through: a second member of the same
//! name replaces the first, so hard links keep what they had.

mod attributes;
mod content;
mod directories;
mod error;
mod finish;
mod name;
mod objects;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::rc::Rc;

use ch_linux::SyscallError;
use ch_linux::file::{Kind, Time};
use ch_oci::Digest;
use ch_ownership::Override;

use crate::stream;
use crate::tar::{self, Member, Reader};
use attributes::OwnersFile;
pub use content::KeepFree;
use content::Room;
use directories::{Directories, Directory};
use error::MemberError;
pub use error::UnpackError;
pub(crate) use finish::{OPAQUE, WHITEOUT};
pub use name::NameProblem;
#[cfg(test)]
pub(crate) use name::join;
use name::{AboveRoot, Meaning, Name};
pub(crate) use name::{OPAQUE_MEMBER, WHITEOUT_PREFIX, path_buf};
use warnings::Warnings;

/// Where a layer goes: two directories, both empty.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// Becomes the root of the layer's files.
    pub files: BorrowedFd<'a>,
    /// Gets the layer's owners file, if there is anything to put into it.
    pub beside: BorrowedFd<'a>,
}

/// How a layer is unpacked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Room that must be left.
    pub keep_free: KeepFree,
}

/// How whiteouts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Character device 0:0.
    Device,
    /// Empty file with an extended attribute, where devices cannot be made.
    Attribute,
}

/// What a layer says of `/` itself, in the form in which it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootAttributes {
    /// Permission bits.
    pub mode: u32,
    /// Time of last change.
    pub modified: Time,
    /// Extended attributes, the override among them.
    pub attributes: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A hard link to a file that only a lower layer can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LowerLink {
    /// Where the file is wanted.
    pub path: PathBuf,
    /// What it is called below.
    pub target: PathBuf,
}

/// What is known of a layer once it is unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// Digest of the uncompressed archive, to its last byte.
    pub diff_id: Digest,
    /// Members that became objects.
    pub entries: u64,
    /// Bytes in files, holes included.
    pub bytes: u64,
    /// Whiteouts.
    pub whiteouts: u64,
    /// Opaque directories.
    pub opaque: u64,
    /// How whiteouts are written.
    pub encoding: Encoding,
    /// What the layer says of `/`, if anything.
    pub root: Option<RootAttributes>,
    /// Directories that exist only because something is in them.
    pub implied: Vec<PathBuf>,
    /// Directories that have whiteouts.
    pub whiteout_parents: Vec<PathBuf>,
    /// Files that have to come from below.
    pub lower_links: Vec<LowerLink>,
    /// What could not be kept, one sentence each.
    pub warnings: Vec<String>,
}

impl Unpacked {
    /// Whether the layer's content depends on the layers below it, so that [`settle`](crate::settle)
    /// must look at them and the result is not for every image.
    pub fn depends_on_lower(&self) -> bool {
        !(self.implied.is_empty()
            && self.whiteout_parents.is_empty()
            && self.lower_links.is_empty())
    }
}

/// Unpacks the layer in `input`, compressed or not, into `destination`.
///
/// `input` is read to its end, on another thread. If it fails, that error is returned whatever else
/// happened: an input that checks its digest at its end thus decides why a layer is wrong.
pub fn unpack(
    input: impl Read + Send,
    destination: Destination<'_>,
    options: &Options,
) -> Result<Unpacked, UnpackError> {
    let read = |plain: &mut dyn BufRead| Unpacker::new(destination, options)?.run(plain);
    let (unpacker, diff_id) = stream::process(input, read)?;
    Ok(unpacker.unpacked(diff_id))
}

/// Work in progress.
struct Unpacker<'a> {
    directories: Directories,
    owners: OwnersFile<'a>,
    room: Room<'a>,
    /// Names that are gone, by the directories they are gone from.
    whiteouts: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
    opaque: BTreeSet<Vec<u8>>,
    encoding: Encoding,
    /// Hard links whose targets have not come yet.
    links: Vec<PendingLink>,
    lower_links: Vec<LowerLink>,
    root: Option<RootAttributes>,
    has_aufs_links: bool,
    entries: u64,
    bytes: u64,
    whiteouts_made: u64,
    warnings: Warnings,
}

/// A hard link that waits for its target.
struct PendingLink {
    member: Member,
    /// Clean, but perhaps through links.
    target: Vec<u8>,
    path: Vec<u8>,
}

impl<'a> Unpacker<'a> {
    fn new(destination: Destination<'a>, options: &Options) -> Result<Self, UnpackError> {
        let directories =
            Directories::new(destination.files).map_err(|source| UnpackError::Complete {
                path: "/".into(),
                source,
            })?;
        Ok(Self {
            directories,
            owners: OwnersFile::new(destination.beside),
            room: Room::new(destination.files, options.keep_free),
            whiteouts: BTreeMap::new(),
            opaque: BTreeSet::new(),
            encoding: Encoding::Device,
            links: Vec::new(),
            lower_links: Vec::new(),
            root: None,
            has_aufs_links: false,
            entries: 0,
            bytes: 0,
            whiteouts_made: 0,
            warnings: Warnings::default(),
        })
    }

    fn run(mut self, plain: &mut dyn BufRead) -> Result<Self, UnpackError> {
        let mut reader = Reader::new(plain);
        while let Some(mut member) = reader.next()? {
            let made = self.member(&mut member, &mut reader);
            made.map_err(|error| error.of(&member))?;
        }
        reader.drain()?;
        self.finish()?;
        Ok(self)
    }

    fn member(
        &mut self,
        member: &mut Member,
        reader: &mut Reader<&mut dyn BufRead>,
    ) -> Result<(), MemberError> {
        self.room.take_object()?;
        let name = name::clean(&member.path, AboveRoot::Refused)?;
        if member.kind == tar::Kind::File && name.ends_in_slash {
            if member.size > 0 {
                return Err(NameProblem::Slash.into());
            }
            member.kind = tar::Kind::Directory;
        }
        if name.path.is_empty() {
            return self.root(member);
        }
        let parent = name.split().0;
        match name::meaning(&name.path)? {
            Meaning::Object => self.object(&name, member, reader),
            Meaning::Opaque => self.make_opaque(parent, member.modified),
            Meaning::Ignored => Ok(()),
            Meaning::Whiteout(hidden) => {
                let directory = self.ensure(parent, member.modified)?;
                let names = self.whiteouts.entry(directory.path.clone()).or_default();
                names.insert(hidden.to_vec());
                Ok(())
            }
        }
    }

    /// The directory at a clean path, made if it is missing; what had its name is forgotten.
    fn ensure(&mut self, path: &[u8], time: Time) -> Result<Rc<Directory>, SyscallError> {
        let found = self.directories.ensure(path, time)?;
        for path in self.directories.replaced.drain(..) {
            self.owners.forget(&path)?;
        }
        Ok(found)
    }

    fn object(
        &mut self,
        name: &Name,
        member: &Member,
        reader: &mut Reader<&mut dyn BufRead>,
    ) -> Result<(), MemberError> {
        self.has_aufs_links |= name.path.starts_with(name::AUFS_LINKS);
        let (parent, last) = name.split();
        let parent = self.ensure(parent, member.modified)?;
        self.entries += 1;
        match &member.kind {
            tar::Kind::File => self.file(&parent, last, member, reader),
            tar::Kind::Directory => self.directory(&parent, last, member),
            tar::Kind::Symlink(target) => self.symlink(&parent, last, target, member),
            tar::Kind::HardLink(target) => self.hard_link(&parent, last, target, member),
            tar::Kind::Fifo => self.fifo(&parent, last, member),
            tar::Kind::Character(_) | tar::Kind::Block(_) => self.device(&parent, last, member),
        }
    }

    fn unpacked(self, diff_id: Digest) -> Unpacked {
        let paths = |paths: Vec<&Vec<u8>>| paths.into_iter().map(|path| path_buf(path)).collect();
        Unpacked {
            diff_id,
            entries: self.entries,
            bytes: self.bytes,
            whiteouts: self.whiteouts_made,
            opaque: self.opaque.len() as u64,
            encoding: self.encoding,
            implied: paths(self.directories.implied.iter().collect()),
            whiteout_parents: paths(self.whiteouts.keys().collect()),
            root: self.root,
            lower_links: self.lower_links,
            warnings: self.warnings.into_sentences(),
        }
    }
}

/// The kind of object that a member becomes, as its owner's record says it.
fn kind(member: &tar::Kind) -> ch_ownership::Kind {
    match member {
        tar::Kind::File | tar::Kind::HardLink(_) => ch_ownership::Kind::File,
        tar::Kind::Directory => ch_ownership::Kind::Directory,
        tar::Kind::Symlink(_) => ch_ownership::Kind::Symlink,
        tar::Kind::Fifo => ch_ownership::Kind::Pipe,
        tar::Kind::Character(device) => ch_ownership::Kind::Character(*device),
        tar::Kind::Block(device) => ch_ownership::Kind::Block(*device),
    }
}

/// What the image believes of a member.
fn believed(member: &Member) -> Override {
    let Member { uid, gid, mode, .. } = *member;
    Override {
        uid,
        gid,
        mode,
        kind: kind(&member.kind),
    }
}

/// Whether an object of this kind can be opened and carry attributes.
fn carries_attributes(kind: Kind) -> bool {
    matches!(kind, Kind::File | Kind::Directory)
}
