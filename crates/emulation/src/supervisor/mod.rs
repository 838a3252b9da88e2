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
mod attributes;
mod caller;
mod create;
mod credentials;
mod execute;
mod metadata;
mod object;
mod owner;
mod path;
mod peer;
mod remembered;
mod rename;
mod walk;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use ch_linux::seccomp::{Answer, Listener, Notification};
use ch_linux::{Errno, SyscallError, behalf};
use ch_ownership::Override;

use crate::calls::{NEW_MOUNTS, Request, Table, call_of, request};
use crate::credentials::Credentials;
use caller::Caller;
use credentials::Known;
use execute::Pending;
use remembered::Remembered;

/// Answers the calls of one container.
#[derive(Debug)]
pub struct Supervisor {
    listener: Listener,
    known: Known,
    remembered: Remembered,
    pending: Pending,
    /// A process may have a root or mounts of its own, so names mean something else to it than to us.
    apart: AtomicBool,
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

/// A reply, or the error that the caller sees.
type Replied = Result<Reply, Errno>;

/// It is done.
const DONE: Replied = Ok(Reply::Value(0));

impl Supervisor {
    /// Of the calls that come by `listener`.
    pub fn new(listener: Listener) -> Self {
        // Slower without, before Linux 6.6.
        let _ = listener.take_turns();
        Self {
            listener,
            known: Known::new(),
            remembered: Remembered::default(),
            pending: Pending::default(),
            apart: AtomicBool::new(false),
        }
    }

    /// Gives a thread its first credentials.
    pub fn begin(&self, thread: u32, credentials: Credentials) -> Result<(), Errno> {
        self.known.set(thread, credentials)
    }

    /// Remembers what an object at `path` of the container is believed to be, which it can't carry.
    pub fn remember(&self, path: &std::ffi::CStr, believed: Override) {
        let nofollow = 0x100;
        if let Ok(found) = behalf::Statx::of_path(path, nofollow, behalf::BASIC_STATS) {
            self.remembered.insert(found.identity(), believed);
        }
    }

    /// What objects of the file system that has `/` are believed to be and can't carry, by inode.
    pub fn remembered(&self) -> Vec<(u64, Override)> {
        let Ok(root) = behalf::Statx::of_path(c"/", 0, behalf::BASIC_STATS) else {
            return Vec::new();
        };
        self.remembered.on_device(root.identity().0)
    }

    /// Answers calls until the listener fails. For a thread of its own; there may be several.
    ///
    /// Returns why it ended.
    pub fn serve(&self) -> SyscallError {
        if let Err(errno) = behalf::own_directory_and_mask() {
            return SyscallError::new("unshare", "CLONE_FS", errno);
        }
        loop {
            let heard = match self.listener.receive() {
                Ok(heard) => heard,
                Err(error) => return error,
            };
            let sent = match self.reply(&heard) {
                Ok(Reply::Value(value)) => self.listener.answer(heard.id, Answer::Value(value)),
                Ok(Reply::Continue) => self.listener.answer(heard.id, Answer::Continue),
                Ok(Reply::Descriptor(descriptor, close)) => {
                    use std::os::fd::AsFd as _;
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
            };
            if let Err(error) = sent {
                return error;
            }
        }
    }

    fn reply(&self, heard: &Notification) -> Replied {
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
        let caller = Caller::new(&self.listener, heard);
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
            Request::RemoveAttribute(target, name) => self.remove_attribute(caller, &target, name),
            Request::Access(target, wanted, effective) => {
                self.access(caller, &target, wanted, effective)
            }
            Request::Rename(from, to, flags) => self.rename(caller, &from, &to, flags),
            Request::Link(..) => Ok(Reply::Continue),
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
            Request::Separate => {
                self.apart.store(true, Ordering::Relaxed);
                Ok(Reply::Continue)
            }
            Request::Clone(arguments) => {
                let mut flags = [0; 8];
                caller.read(arguments, &mut flags)?;
                if u64::from_ne_bytes(flags) & u64::from(NEW_MOUNTS) != 0 {
                    self.apart.store(true, Ordering::Relaxed);
                }
                Ok(Reply::Continue)
            }
        }
    }

    /// Whether names may mean something else to a caller than to us.
    fn is_apart(&self) -> bool {
        self.apart.load(Ordering::Relaxed)
    }

    fn credentials(&self, caller: &Caller<'_>) -> std::sync::Arc<Credentials> {
        self.known.of(caller.thread)
    }
}
