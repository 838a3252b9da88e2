//! The supervisor: it answers the calls of a container that ask for root, and remembers what they did.
//!
//! It runs in the container's init, in the namespaces of the commands it answers, with `/proc` of the container as
//! working directory. So it resolves names as they would, and can reach nothing that they could not.
//!
//! ```text
//! listener -> Request (calls) -> caller: its memory, its credentials
//!                             -> object: what is there, and what is believed of it
//!                             -> Reply: a value, an error, a descriptor, or "let the kernel do it"
//! ```
//!
//! Invariants: what cannot be answered is left to the kernel, whose word is never worse than without us; nothing that a
//! caller says is trusted, and it may change its memory at any time; no lock is held over a call that can wait.

mod access;
mod acquaintances;
mod attributes;
mod caller;
mod create;
mod credentials;
mod execute;
mod host;
mod inherit;
mod metadata;
mod object;
mod owner;
mod path;
mod peer;
mod remembered;
mod rename;
mod walk;

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use ch_linux::behalf::{self, Statx};
use ch_linux::file::Device;
use ch_linux::seccomp::{Answer, Listener, Notification};
use ch_linux::{Errno, SyscallError};
use ch_ownership::{Kind, Override};

use serde::{Deserialize, Serialize};

use crate::calls::{NEW_MOUNTS, NEW_USERS, Request, Table, call_of, request};
use crate::credentials::Credentials;
use acquaintances::Acquaintances;
use caller::Caller;
use credentials::Known;
use execute::Pending;
use host::Host;
pub use host::HostMounts;
use remembered::{Remembered, Table as RememberedTable};

/// Answers the calls of one container.
#[derive(Debug)]
pub struct Supervisor {
    listener: Listener,
    known: Known,
    remembered: RememberedTable,
    pending: Pending,
    host: Host,
    /// A process may have a root or mounts of its own, so names mean something else to it than to us.
    apart: AtomicBool,
    /// A process may have users of its own.
    nested: AtomicBool,
    /// The name of our own namespace of users, once it was needed.
    users: OnceLock<Option<PathBuf>>,
}

/// What a caller gets.
#[derive(Debug)]
enum Reply {
    Value(i64),
    /// A descriptor, close-on-exec or not.
    Descriptor(OwnedFd, bool),
    /// The kernel makes the call.
    Continue,
}

/// Something that an object is believed to be and can't carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Its number on the file system.
    pub inode: u64,
    /// Where it was last seen, absolute in the container.
    pub path: CString,
    /// The text of the override.
    pub believed: String,
}

impl Memory {
    /// What an image keeps beside an object at `path` below its root; `None` for a path that no object can have.
    pub fn new(path: &Path, believed: &Override) -> Option<Self> {
        let path = [b"/", path.as_os_str().as_bytes()].concat();
        Some(Self {
            inode: 0,
            path: CString::new(path).ok()?,
            believed: believed.to_string(),
        })
    }
}

/// Devices of a container's own `/dev`: group and numbers.
const DEVICES: [(&CStr, u32, u32, u32); 6] = [
    (c"/dev/null", 0, 1, 3),
    (c"/dev/zero", 0, 1, 5),
    (c"/dev/full", 0, 1, 7),
    (c"/dev/random", 0, 1, 8),
    (c"/dev/urandom", 0, 1, 9),
    (c"/dev/tty", 5, 5, 0),
];

/// A reply, or the error that the caller sees.
type Replied = Result<Reply, Errno>;

/// It is done.
const DONE: Replied = Ok(Reply::Value(0));

impl Supervisor {
    /// Of the calls that come by `listener` from a command that starts with `credentials`, and sees `host`.
    pub fn new(listener: Listener, host: HostMounts, credentials: &Credentials) -> Self {
        // Slower without, before Linux 6.6.
        let _ = listener.take_turns();
        Self {
            listener,
            known: Known::new(),
            remembered: RememberedTable::default(),
            pending: Pending::default(),
            host: Host::new(host, credentials),
            apart: AtomicBool::new(false),
            nested: AtomicBool::new(false),
            users: OnceLock::new(),
        }
    }

    /// Gives a thread its first credentials.
    pub fn begin(&self, thread: u32, credentials: Credentials) -> Result<(), Errno> {
        self.known.set(thread, credentials)
    }

    /// Remembers what an object is believed to be that can't carry it, as [`Supervisor::remembered`] told it of another
    /// container. What is not understood, or not there any more, is passed over.
    pub fn remember(&self, what: &Memory) {
        let Some(status) = status(&what.path).filter(|status| !self.host.has(status)) else {
            return;
        };
        if let Ok(believed) = what.believed.parse() {
            let path = what.path.clone();
            self.remembered
                .insert(status.identity(), Remembered { path, believed });
        }
    }

    /// Remembers that the host's devices in `/dev` are the container's root's.
    pub fn remember_devices(&self) {
        let device = |(path, gid, major, minor): (&CStr, u32, u32, u32)| {
            let believed = Override {
                uid: 0,
                gid,
                mode: 0o666,
                kind: Kind::Character(Device { major, minor }),
            };
            Some((status(path)?.identity(), believed))
        };
        let devices = DEVICES.into_iter().filter_map(device);
        self.remembered.set_devices(devices.collect());
    }

    /// What objects of the file system that has `/` are believed to be and can't carry.
    pub fn remembered(&self) -> Vec<Memory> {
        match Statx::of_path(c"/", 0, behalf::BASIC_STATS) {
            Ok(root) => self.remembered.on_device(root.identity().0),
            Err(_) => Vec::new(),
        }
    }

    /// Answers calls until nobody is left to make any. For a thread of its own; there may be several.
    pub fn serve(&self) -> Result<(), SyscallError> {
        behalf::own_directory_and_mask()
            .map_err(|errno| SyscallError::new("unshare", "CLONE_FS", errno))?;
        let known = Acquaintances::new();
        while let Some(heard) = self.listener.receive()? {
            match self.reply(&heard, &known) {
                Ok(Reply::Value(value)) => self.listener.answer(heard.id, Answer::Value(value)),
                Ok(Reply::Continue) => self.listener.answer(heard.id, Answer::Continue),
                Ok(Reply::Descriptor(descriptor, close)) => {
                    let given = self
                        .listener
                        .answer_with(heard.id, descriptor.as_fd(), close);
                    given.or_else(|error| {
                        // The caller may have no number left for it.
                        let errno = error.errno().unwrap_or(Errno::MFILE);
                        self.listener.answer(heard.id, Answer::Error(errno))
                    })
                }
                Err(errno) => self.listener.answer(heard.id, Answer::Error(errno)),
            }?;
        }
        Ok(())
    }

    fn reply(&self, heard: &Notification, known: &Acquaintances) -> Replied {
        let Some(table) = Table::of(heard.architecture, heard.number) else {
            return Ok(Reply::Continue);
        };
        let Some((call, width)) = call_of(table, heard.number) else {
            return Ok(Reply::Continue);
        };
        let Some(request) = request(table, call, width, heard.arguments) else {
            return Ok(Reply::Continue);
        };
        // Of a PID namespace that we do not see.
        if heard.thread == 0 {
            return Ok(Reply::Continue);
        }
        let caller = Caller::new(&self.listener, known, heard);
        if self.is_nested(&caller) {
            return Ok(Reply::Continue);
        }
        self.pending.settle(&caller, &self.known);
        self.answer(&caller, &request)
    }

    fn answer(&self, caller: &Caller<'_>, request: &Request) -> Replied {
        match *request {
            Request::ChangeOwner(target, user, group) => {
                self.change_owner(caller, &target, user, group)
            }
            Request::ChangeMode(target, mode) => self.change_mode(caller, &target, mode),
            Request::Open(place, flags, mode) => self.open(caller, &place, flags, mode, 0),
            Request::OpenHow(place, how, size) => self.open_how(caller, &place, how, size),
            Request::Make(place, node) => self.make(caller, &place, &node),
            Request::Bind(socket, address, length) => self.bind(caller, socket, address, length),
            Request::Stat(target, buffer, to) => self.stat(caller, &target, buffer, to),
            Request::Statx(target, flags, mask, to) => self.statx(caller, &target, flags, mask, to),
            Request::GetAttribute(target, attribute) => {
                self.get_attribute(caller, &target, &attribute)
            }
            Request::ListAttributes(target, to, size) => {
                self.list_attributes(caller, &target, to, size)
            }
            Request::SetAttribute(target, attribute) => {
                self.set_attribute(caller, &target, &attribute)
            }
            Request::AttributeAt(target, arguments) => {
                self.attribute_at(caller, &target, &arguments)
            }
            Request::RemoveAttribute(target, name) => self.remove_attribute(caller, &target, name),
            Request::Access(target, wanted, effective) => {
                self.access(caller, &target, wanted, effective)
            }
            Request::Rename(from, to, flags) => self.rename(caller, &from, &to, flags),
            Request::Link(source, to) => self.link(caller, &source, &to),
            Request::Execute(target) => self.execute(caller, &target),
            Request::Change(change, width) => self.change(caller, &change, width),
            Request::Identity(identity, width) => Ok(self.identity(caller, identity, width)),
            Request::Users(places, width) => self.identities(caller, places, width, true),
            Request::Groups(places, width) => self.identities(caller, places, width, false),
            Request::Supplementary(room, to, width) => self.supplementary(caller, room, to, width),
            Request::Capabilities(sets) => self.capabilities(caller, &sets),
            Request::Control(arguments) => self.control(caller, arguments),
            Request::PeerOption(socket, option, value, length) => {
                self.peer_option(caller, socket, option, value, length)
            }
            Request::SocketCall(call, arguments) => self.socket_call(caller, call, arguments),
            Request::Separate(flags) => Ok(self.separate(flags)),
            Request::Clone(arguments) => {
                let mut flags = [0; 8];
                caller.read(arguments, &mut flags)?;
                Ok(self.separate(u64::from_ne_bytes(flags)))
            }
        }
    }

    /// Notes that somebody will have a root, mounts or users of his own, if the kernel lets him.
    fn separate(&self, flags: u64) -> Reply {
        if flags & u64::from(NEW_MOUNTS) != 0 {
            self.apart.store(true, Ordering::Relaxed);
        }
        if flags & u64::from(NEW_USERS) != 0 {
            self.nested.store(true, Ordering::Relaxed);
        }
        Reply::Continue
    }

    /// Whether the caller is in a user namespace of its own, where it is whoever the kernel says.
    fn is_nested(&self, caller: &Caller<'_>) -> bool {
        if !self.nested.load(Ordering::Relaxed) {
            return false;
        }
        let namespace = |of: &str| std::fs::read_link(format!("{of}/ns/user")).ok();
        let own = self.users.get_or_init(|| namespace("self"));
        namespace(&caller.thread.to_string()) != *own
    }

    /// Whether names may mean something else to a caller than to us.
    fn is_apart(&self) -> bool {
        self.apart.load(Ordering::Relaxed)
    }

    fn credentials(&self, caller: &Caller<'_>) -> Arc<Credentials> {
        self.known.of(caller.thread)
    }
}

/// The status of what is at `path` itself.
fn status(path: &CStr) -> Option<Statx> {
    const NOFOLLOW: u32 = 0x100;
    Statx::of_path(path, NOFOLLOW, behalf::BASIC_STATS).ok()
}
