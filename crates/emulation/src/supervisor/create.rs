//! New objects. Root's are the kernel's work, but for what it would refuse or nobody could delete; those of others are
//! made here, since they are to belong to their makers.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use ch_linux::file::{Device, OFlags};
use ch_linux::{Errno, behalf, process};
use ch_ownership::Kind;

use super::caller::Caller;
use super::object::Object;
use super::path::base;
use super::{DONE, Replied, Reply, Supervisor, inherit, walk};
use crate::calls::{Destination, Node, Pointer, Target};
use crate::credentials::{Capability, Credentials};

const TYPE: u32 = 0o170_000;
const FIFO: u32 = 0o010_000;
const CHARACTER: u32 = 0o020_000;
const BLOCK: u32 = 0o060_000;
const SOCKET: u32 = 0o140_000;
const REGULAR: u32 = 0o100_000;

const O_CREAT: u64 = 0o100;
const O_EXCL: u64 = 0o200;
const O_NOCTTY: u64 = 0o400;
const O_TMPFILE: u64 = 0o20_000_000;
const O_CLOEXEC: u64 = 0o2_000_000;
/// `AF_UNIX`.
const UNIX: u16 = 1;
/// Longest address of a socket with a name.
const LONGEST_ADDRESS: u64 = 110;

/// Whether files of these credentials are root's.
fn makes_as_root(credentials: &Credentials) -> bool {
    credentials.users.file == 0 && credentials.groups.file == 0
}

/// What a new object is to be: its mode as the caller says it, and its kind.
struct Wanted {
    mode: u32,
    kind: Kind,
}

impl Supervisor {
    pub(super) fn open_how(
        &self,
        caller: &Caller<'_>,
        place: &Destination,
        how: Pointer,
        size: u64,
    ) -> Replied {
        // `struct open_how`: flags, mode, resolve. What is malformed the kernel refuses.
        let mut words = [0; 24];
        if size < 24 || caller.read(how, &mut words).is_err() {
            return Ok(Reply::Continue);
        }
        let word = |at: usize| {
            let bytes = words[at..at + 8].try_into();
            u64::from_ne_bytes(bytes.expect("eight bytes"))
        };
        let (flags, mode, resolve) = (word(0), word(8), word(16));
        if flags & (O_CREAT | O_TMPFILE) == 0 {
            return Ok(Reply::Continue);
        }
        let mode = u32::try_from(mode).map_err(|_| Errno::INVAL)?;
        self.open(caller, place, flags, mode, resolve)
    }

    pub(super) fn open(
        &self,
        caller: &Caller<'_>,
        place: &Destination,
        flags: u64,
        mode: u32,
        resolve: u64,
    ) -> Replied {
        let credentials = self.credentials(caller);
        let target = Target {
            directory: place.directory,
            path: Some(place.path),
            follow: true,
            empty: false,
        };
        let temporary = flags & O_TMPFILE != 0;
        let as_root = makes_as_root(&credentials);
        if as_root && !temporary && !self.hands_on(caller, place) {
            return Ok(Reply::Continue);
        }
        let (parent, name) = if temporary {
            let directory = match self.object(caller, &target) {
                Err(_) if as_root => return Ok(Reply::Continue),
                other => other?,
            };
            if as_root && !inherit::directory_hands_on(&directory.path()) {
                return Ok(Reply::Continue);
            }
            (directory, c".".to_owned())
        } else {
            match self.object(caller, &target) {
                // Nothing is made.
                Ok(_) if flags & O_EXCL == 0 => return Ok(Reply::Continue),
                Ok(_) => return Err(Errno::EXIST),
                Err(Errno::NOENT) => {}
                Err(_) => return Ok(Reply::Continue),
            }
            let text = caller.text(place.path)?;
            // A dangling link, or a rule about links: as the kernel says, but the file is root's.
            let Ok((parent, name)) = self.open_parent(caller, place) else {
                return Ok(Reply::Continue);
            };
            if parent.at(&name).is_ok() || resolve != 0 || text.to_bytes().ends_with(b"/") {
                return Ok(Reply::Continue);
            }
            (parent, name)
        };
        if self.is_host(&parent) {
            return Ok(Reply::Continue);
        }
        let _mask = Mask::set(caller);
        // Its owner must be able to work with what he can't be kept from.
        let made = behalf::open_how(
            &parent.descriptor,
            &name,
            flags | O_NOCTTY,
            mode & 0o7777 | 0o600,
            0,
        )?;
        let object = Object::new(reopened(&made)?)?;
        let wanted = Wanted {
            mode: mode & 0o7777,
            kind: Kind::File,
        };
        self.give(caller, &credentials, &parent, &object, &wanted)?;
        Ok(Reply::Descriptor(made, flags & O_CLOEXEC != 0))
    }

    pub(super) fn make(&self, caller: &Caller<'_>, place: &Destination, node: &Node) -> Replied {
        let credentials = self.credentials(caller);
        let is_for_kernel = makes_as_root(&credentials) && self.is_for_kernel(node);
        if is_for_kernel && !self.hands_on(caller, place) {
            return Ok(Reply::Continue);
        }
        let (parent, name) = match self.open_parent(caller, place) {
            Ok(found) => found,
            Err(Errno::FAULT) => return Err(Errno::FAULT),
            // It says best why not.
            Err(_) => return Ok(Reply::Continue),
        };
        if self.is_host(&parent) {
            return Ok(Reply::Continue);
        }
        let wanted = self.make_at(caller, &credentials, &parent.descriptor, &name, node)?;
        let made = parent.at(&name)?;
        self.give(caller, &credentials, &parent, &made, &wanted)?;
        DONE
    }

    /// Gives a new object what its maker and its directory have for it.
    fn give(
        &self,
        caller: &Caller<'_>,
        credentials: &Credentials,
        parent: &Object,
        made: &Object,
        wanted: &Wanted,
    ) -> Result<(), Errno> {
        let Wanted { mode, kind } = *wanted;
        let default = match kind {
            Kind::Symlink => None,
            _ => inherit::default_list(parent),
        };
        // A default list stands in for the mask.
        let allowed = match (&default, kind) {
            (Some(default), _) => default.inherited(mode).1,
            (None, Kind::Symlink) => mode,
            (None, _) => mode & !caller.mask(),
        };
        let believed = credentials.create(&self.believed(parent), allowed, kind);
        self.believe(made, &believed)?;
        match default {
            Some(default) => inherit::hand_on(&default, made, mode, kind),
            None => Ok(()),
        }
    }

    /// Whether the kernel makes root's object just as it should be.
    fn is_for_kernel(&self, node: &Node) -> bool {
        // The number of one that was deleted may be given to a new one, of which nothing is remembered.
        let is_forgotten = self.remembered.is_empty();
        match *node {
            Node::Directory(mode) => mode & 0o700 == 0o700,
            Node::Symlink(_) => is_forgotten,
            Node::Special(mode, _) => match mode & TYPE {
                CHARACTER | BLOCK => false,
                FIFO | SOCKET => is_forgotten,
                _ => true,
            },
        }
    }

    /// Makes what is wanted; what that is.
    fn make_at(
        &self,
        caller: &Caller<'_>,
        credentials: &Credentials,
        directory: &OwnedFd,
        name: &CStr,
        node: &Node,
    ) -> Result<Wanted, Errno> {
        let wanted = |mode, kind| Wanted { mode, kind };
        match *node {
            Node::Directory(mode) => {
                let _mask = Mask::set(caller);
                behalf::make_directory(directory, name, mode | 0o700)?;
                Ok(wanted(mode & 0o1777, Kind::Directory))
            }
            Node::Symlink(text) => {
                let text = caller.text(text)?;
                behalf::make_symlink(&text, directory, name)?;
                Ok(wanted(0o777, Kind::Symlink))
            }
            Node::Special(mode, device) => {
                let kind = match mode & TYPE {
                    FIFO => Kind::Pipe,
                    SOCKET => Kind::Socket,
                    CHARACTER => Kind::Character(unpacked(device)),
                    BLOCK => Kind::Block(unpacked(device)),
                    0 | REGULAR => Kind::File,
                    _ => return Err(Errno::INVAL),
                };
                let is_device = matches!(kind, Kind::Character(_) | Kind::Block(_));
                if is_device && !credentials.can(Capability::Mknod) {
                    return Err(Errno::PERM);
                }
                let on_disk = match kind {
                    Kind::Pipe => FIFO,
                    Kind::Socket => SOCKET,
                    _ => REGULAR,
                };
                behalf::make_node(directory, name, on_disk | 0o600)?;
                Ok(wanted(mode & 0o7777, kind))
            }
        }
    }

    pub(super) fn bind(
        &self,
        caller: &Caller<'_>,
        socket: i32,
        address: Pointer,
        length: u64,
    ) -> Replied {
        let credentials = self.credentials(caller);
        if !(4..=LONGEST_ADDRESS).contains(&length) {
            return Ok(Reply::Continue);
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        caller.read(address, &mut bytes)?;
        // Only a socket with a path is a file.
        if u16::from_ne_bytes([bytes[0], bytes[1]]) != UNIX || bytes[2] == 0 {
            return Ok(Reply::Continue);
        }
        let end = bytes[2..].iter().position(|byte| *byte == 0);
        let path = &bytes[2..end.map_or(bytes.len(), |end| end + 2)];
        if makes_as_root(&credentials) && !self.hands_on_at(caller, Target::HERE, path) {
            return Ok(Reply::Continue);
        }
        let path = CString::new(path).map_err(|_| Errno::INVAL)?;
        let ours = behalf::copy_descriptor(caller.process(), socket)?;
        let relative = !path.to_bytes().starts_with(b"/");
        if self.is_apart() && !relative {
            return Ok(Reply::Continue);
        }
        caller.still_waits()?;
        let proc = behalf::open(c".", OFlags::PATH)?;
        let here = Object::new(behalf::open(&base(caller, Target::HERE), OFlags::PATH)?)?;
        let parent = match path.to_bytes().iter().rposition(|byte| *byte == b'/') {
            None => here.at(c".")?,
            Some(0) => Object::new(behalf::open(c"/", OFlags::PATH)?)?,
            Some(at) => {
                let parent = CString::new(&path.to_bytes()[..at]).map_err(|_| Errno::INVAL)?;
                walk::to(caller, Target::HERE, &parent, true)?
            }
        };
        if self.is_host(&parent) {
            return Ok(Reply::Continue);
        }
        let _mask = Mask::set(caller);
        if relative {
            behalf::change_directory(&here.descriptor)?;
        }
        let bound = behalf::bind(&ours, &bytes);
        let made = bound.and_then(|()| behalf::open(&path, OFlags::PATH | OFlags::NOFOLLOW));
        behalf::change_directory(&proc)?;
        let object = Object::new(made?)?;
        let mode = object.status.mode() & 0o7777;
        let parent = self.believed(&parent);
        let believed = credentials.create(&parent, mode, Kind::Socket);
        self.believe(&object, &believed)?;
        DONE
    }
}

/// A device number as `mknod(2)` takes it (`new_decode_dev`).
fn unpacked(device: u32) -> Device {
    Device {
        major: device >> 8 & 0xfff,
        minor: device & 0xff | device >> 12 & 0xf_ff00,
    }
}

/// An open file, once more, as an object.
fn reopened(file: &OwnedFd) -> Result<OwnedFd, Errno> {
    behalf::open(&super::path::of_descriptor(file), OFlags::PATH)
}

/// The caller's mask, in force for this thread until it is dropped.
struct Mask;

impl Mask {
    fn set(caller: &Caller<'_>) -> Self {
        process::set_file_mode_mask(caller.mask());
        Self
    }
}

impl Drop for Mask {
    fn drop(&mut self) {
        process::set_file_mode_mask(0o022);
    }
}
