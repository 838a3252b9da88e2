//! Listeners: calls of other threads that wait for our answer (`seccomp_unotify(2)`, Linux 5.0).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::SyscallError;

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`, Linux 6.6; not in the C library yet.
const SYNC_WAKE_UP: u64 = 1;

/// Receives the calls of all threads under a filter.
#[derive(Debug)]
pub struct Listener(OwnedFd);

/// A call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Names it in answers.
    pub id: u64,
    /// The thread, by its number in our PID namespace; 0 if it is not in there.
    pub thread: u32,
    /// `AUDIT_ARCH_*` of the table of the call.
    pub architecture: u32,
    /// The call.
    pub number: u32,
    /// Its arguments, as they are in registers.
    pub arguments: [u64; 6],
}

/// What a caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its call returns this.
    Value(i64),
    /// Its call fails so.
    Error(Errno),
    /// The kernel makes the call. The caller may have changed its memory meanwhile.
    Continue,
}

impl Listener {
    /// Has callers and listener take turns on one core, where the kernel can (Linux 6.6); that is faster, as
    /// nobody else has anything to do meanwhile.
    pub fn take_turns(&self) -> Result<(), SyscallError> {
        self.control("SECCOMP_IOCTL_NOTIF_SET_FLAGS", |descriptor| {
            #[expect(unsafe_code, reason = "these ioctls are in no safe wrapper")]
            // SAFETY: the kernel takes the flags as a number.
            unsafe {
                libc::ioctl(
                    descriptor,
                    libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _,
                    SYNC_WAKE_UP,
                )
            }
        })
        .map(drop)
    }

    /// Waits for the next call; `None` when no thread is under the filter any more.
    pub fn receive(&self) -> Result<Option<Notification>, SyscallError> {
        loop {
            let mut heard = libc::seccomp_notif {
                id: 0,
                pid: 0,
                flags: 0,
                data: libc::seccomp_data {
                    nr: 0,
                    arch: 0,
                    instruction_pointer: 0,
                    args: [0; 6],
                },
            };
            let received = self.control("SECCOMP_IOCTL_NOTIF_RECV", |descriptor| {
                #[expect(unsafe_code, reason = "these ioctls are in no safe wrapper")]
                // SAFETY: the structure is zeroed, as the kernel demands, and of the size that the number of the
                // ioctl says.
                unsafe {
                    libc::ioctl(
                        descriptor,
                        libc::SECCOMP_IOCTL_NOTIF_RECV as _,
                        &raw mut heard,
                    )
                }
            });
            match received {
                Ok(_) => {
                    return Ok(Some(Notification {
                        id: heard.id,
                        thread: heard.pid,
                        architecture: heard.data.arch,
                        number: heard.data.nr.cast_unsigned(),
                        arguments: heard.data.args,
                    }));
                }
                // The caller died before it was heard, or the last one did.
                Err(error) if error.errno() == Some(Errno::NOENT) => {
                    if self.is_forsaken() {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether no thread is under the filter any more.
    fn is_forsaken(&self) -> bool {
        let mut files = [PollFd::new(&self.0, PollFlags::IN)];
        let polled = rustix::event::poll(&mut files, Some(&Timespec::default()));
        polled.is_ok() && files[0].revents().contains(PollFlags::HUP)
    }

    /// Answers the call `id`. That the caller died meanwhile is no failure.
    pub fn answer(&self, id: u64, answer: Answer) -> Result<(), SyscallError> {
        let (val, error, flags) = match answer {
            Answer::Value(value) => (value, 0, 0),
            Answer::Error(errno) => (0, -errno.raw_os_error(), 0),
            // The flag is 1 in the kernel's own type, too.
            Answer::Continue => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
        };
        let mut said = libc::seccomp_notif_resp {
            id,
            val,
            error,
            flags,
        };
        let sent = self.control("SECCOMP_IOCTL_NOTIF_SEND", |descriptor| {
            #[expect(unsafe_code, reason = "these ioctls are in no safe wrapper")]
            // SAFETY: the structure has the size that the number of the ioctl says.
            unsafe {
                libc::ioctl(
                    descriptor,
                    libc::SECCOMP_IOCTL_NOTIF_SEND as _,
                    &raw mut said,
                )
            }
        });
        unless_gone(sent)
    }

    /// Answers the call `id` with a copy of `descriptor`, close-on-exec if that is said.
    ///
    /// In one step since Linux 5.14; before that, a signal in between leaves the caller with a descriptor that it does not
    /// know of.
    pub fn answer_with(
        &self,
        id: u64,
        descriptor: BorrowedFd<'_>,
        close_on_execute: bool,
    ) -> Result<(), SyscallError> {
        let at_once = libc::SECCOMP_ADDFD_FLAG_SEND as u32;
        match self.give(id, descriptor, close_on_execute, at_once) {
            Err(error) if error.errno() == Some(Errno::INVAL) => {
                match self.give(id, descriptor, close_on_execute, 0) {
                    Ok(number) => self.answer(id, Answer::Value(number.into())),
                    given => unless_gone(given),
                }
            }
            given => unless_gone(given),
        }
    }

    /// Gives the caller of `id` a copy of `descriptor`; its number there.
    fn give(
        &self,
        id: u64,
        descriptor: BorrowedFd<'_>,
        close_on_execute: bool,
        flags: u32,
    ) -> Result<i32, SyscallError> {
        let mut given = libc::seccomp_notif_addfd {
            id,
            flags,
            srcfd: descriptor.as_raw_fd().cast_unsigned(),
            newfd: 0,
            newfd_flags: if close_on_execute {
                libc::O_CLOEXEC.cast_unsigned()
            } else {
                0
            },
        };
        self.control("SECCOMP_IOCTL_NOTIF_ADDFD", |descriptor| {
            #[expect(unsafe_code, reason = "these ioctls are in no safe wrapper")]
            // SAFETY: the structure has the size that the number of the ioctl says.
            unsafe {
                libc::ioctl(
                    descriptor,
                    libc::SECCOMP_IOCTL_NOTIF_ADDFD as _,
                    &raw mut given,
                )
            }
        })
    }

    /// Whether the caller of `id` still waits. Whatever was opened by the number of its thread before this says
    /// yes belongs to it and to no later thread of that number.
    pub fn waits(&self, id: u64) -> bool {
        self.control("SECCOMP_IOCTL_NOTIF_ID_VALID", |descriptor| {
            #[expect(unsafe_code, reason = "these ioctls are in no safe wrapper")]
            // SAFETY: the kernel reads one number.
            unsafe {
                libc::ioctl(
                    descriptor,
                    libc::SECCOMP_IOCTL_NOTIF_ID_VALID as _,
                    &raw const id,
                )
            }
        })
        .is_ok()
    }

    fn control(
        &self,
        what: &'static str,
        mut call: impl FnMut(i32) -> i32,
    ) -> Result<i32, SyscallError> {
        let descriptor = self.0.as_raw_fd();
        loop {
            let answer = call(descriptor);
            if answer >= 0 {
                return Ok(answer);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(SyscallError::new("ioctl", what, error));
            }
        }
    }
}

fn unless_gone(sent: Result<i32, SyscallError>) -> Result<(), SyscallError> {
    match sent {
        Err(error) if error.errno() == Some(Errno::NOENT) => Ok(()),
        other => other.map(drop),
    }
}

impl From<OwnedFd> for Listener {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
