//! Signals: names, masks, dispositions, and receiving them as data.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::SyscallError;

/// A signal by number, real-time ones included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(i32);

impl Signal {
    /// The terminal hung up.
    pub const HANGUP: Self = Self(libc::SIGHUP);
    /// ^C.
    pub const INTERRUPT: Self = Self(libc::SIGINT);
    /// A polite request to end.
    pub const TERMINATE: Self = Self(libc::SIGTERM);
    /// The end.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// ^Z.
    pub const TERMINAL_STOP: Self = Self(libc::SIGTSTP);
    /// Lets a stopped process go on.
    pub const CONTINUE: Self = Self(libc::SIGCONT);
    /// Stops a process where it is.
    pub const STOP: Self = Self(libc::SIGSTOP);
    /// A child ended.
    pub const CHILD: Self = Self(libc::SIGCHLD);
    /// Nobody reads the pipe.
    pub const PIPE: Self = Self(libc::SIGPIPE);
    /// Only the foreground of a terminal reads it.
    pub const TERMINAL_INPUT: Self = Self(libc::SIGTTIN);
    /// Only the foreground of a terminal writes to it.
    pub const TERMINAL_OUTPUT: Self = Self(libc::SIGTTOU);
    /// A file would grow beyond the limit.
    pub const FILE_SIZE: Self = Self(libc::SIGXFSZ);

    /// Every signal that a process can do something about.
    pub fn all() -> Vec<Self> {
        let numbers = (1..=MOST_SIGNALS).map(Self);
        numbers
            .filter(|signal| ![Self::KILL, Self::STOP].contains(signal))
            .collect()
    }

    /// The signal with this number.
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn as_raw(self) -> i32 {
        self.0
    }

    pub(crate) fn named(self) -> Result<rustix::process::Signal, SyscallError> {
        rustix::process::Signal::from_named_raw(self.0)
            .ok_or_else(|| SyscallError::new("kill", self.to_string(), rustix::io::Errno::INVAL))
    }
}

/// Names of signals 1 to 31, which x86 and Arm number alike.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// `SIGKILL (9)`; a signal without a name is `signal 40`.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = usize::try_from(self.0 - 1)
            .ok()
            .and_then(|index| NAMES.get(index));
        match name {
            Some(name) => write!(f, "SIG{name} ({})", self.0),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// Number of the last real-time signal.
const MOST_SIGNALS: i32 = 64;

/// A set of signals in the form the kernel takes.
fn set(signals: &[Signal]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    #[expect(unsafe_code, reason = "signal sets are in no safe wrapper")]
    // SAFETY: `sigemptyset` initialises the whole set; the others only change it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal.0);
        }
        set.assume_init()
    }
}

/// Which signals a thread has delayed.
#[derive(Clone)]
pub struct Mask(libc::sigset_t);

impl Mask {
    /// Delays what was delayed then, and nothing else.
    pub fn restore(&self) {
        set_mask(libc::SIG_SETMASK, &self.0);
    }
}

/// Changes the mask of this thread; says what it was.
fn set_mask(how: i32, set: &libc::sigset_t) -> Mask {
    let mut before = self::set(&[]);
    #[expect(unsafe_code, reason = "signal masks are in no safe wrapper")]
    // SAFETY: both sets are initialised and live through the call.
    let answer = unsafe { libc::pthread_sigmask(how, &raw const *set, &raw mut before) };
    debug_assert_eq!(answer, 0, "only an unknown `how` is refused");
    Mask(before)
}

fn change_mask(how: i32, signals: &[Signal]) -> Mask {
    set_mask(how, &set(signals))
}

/// Delays delivery of `signals` to this thread, and to threads it starts later; says which were delayed before.
pub fn block(signals: &[Signal]) -> Mask {
    change_mask(libc::SIG_BLOCK, signals)
}

/// Lets every signal through to this thread.
fn unblock_all() {
    change_mask(libc::SIG_SETMASK, &[]);
}

fn set_disposition(signal: i32, handler: libc::sighandler_t) {
    #[expect(unsafe_code, reason = "signal(2) is in no safe wrapper")]
    // SAFETY: the handler is `SIG_DFL` or `SIG_IGN`; refusal (SIGKILL, SIGSTOP, numbers the C library
    // keeps for itself) changes nothing.
    unsafe {
        libc::signal(signal, handler);
    }
}

/// Has ended children wait to be asked for, even if this program's caller ignores `SIGCHLD`: they would vanish, and
/// waiting for one would fail, or last until all have ended. Until [`restore_inherited`].
pub fn keep_ended_children() {
    set_disposition(libc::SIGCHLD, libc::SIG_DFL);
}

/// Lets `signal` have no effect on this process, nor on what it executes, until [`reset_all`].
pub fn ignore(signal: Signal) {
    set_disposition(signal.0, libc::SIG_IGN);
}

/// Gives every signal the effect it has in a new session.
pub fn reset_all() {
    /// The kernel's own `sigaction` is not larger on any machine; all zeroes is `SIG_DFL`.
    const DEFAULT: [u64; 4] = [0; 4];
    const SET_SIZE: usize = 8;
    for signal in 1..=MOST_SIGNALS {
        #[expect(
            unsafe_code,
            reason = "the C library keeps two signals from its own functions"
        )]
        // SAFETY: the kernel reads no more than the structure and writes nothing; refusal (SIGKILL,
        // SIGSTOP) changes nothing.
        unsafe {
            let old = std::ptr::null_mut::<u64>();
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                DEFAULT.as_ptr(),
                old,
                SET_SIZE,
            );
        }
    }
    unblock_all();
}

/// Signals that Rust's start-up code or one of our programs ignores, though its caller may not, or the other way round.
const CHANGED: [Signal; 3] = [Signal::PIPE, Signal::FILE_SIZE, Signal::CHILD];
/// Whether each of [`CHANGED`] was ignored when this program was started.
static WERE_IGNORED: [AtomicBool; CHANGED.len()] =
    [const { AtomicBool::new(false) }; CHANGED.len()];

/// Runs before Rust's start-up code, which makes the process ignore `SIGPIPE`.
#[used]
#[expect(
    unsafe_code,
    reason = "a constructor is the only place that sees the caller's dispositions"
)]
// SAFETY: the C library calls it once, before `main`, in the only thread; it touches nothing of Rust's
// runtime.
#[unsafe(link_section = ".init_array")]
static REMEMBER: extern "C" fn() = remember;

extern "C" fn remember() {
    for (signal, was_ignored) in CHANGED.iter().zip(&WERE_IGNORED) {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        #[expect(unsafe_code, reason = "sigaction(2) is in no safe wrapper")]
        // SAFETY: only asks; all zeroes is a valid `sigaction`, should the call fail.
        let handler = unsafe {
            libc::sigaction(signal.0, std::ptr::null(), action.as_mut_ptr());
            action.assume_init().sa_sigaction
        };
        was_ignored.store(handler == libc::SIG_IGN, Ordering::Relaxed);
    }
}

/// Gives `SIGPIPE`, `SIGXFSZ` and `SIGCHLD` the effects that this program's caller had chosen.
pub fn restore_inherited() {
    for (signal, was_ignored) in CHANGED.iter().zip(&WERE_IGNORED) {
        let ignored = was_ignored.load(Ordering::Relaxed);
        set_disposition(
            signal.0,
            if ignored {
                libc::SIG_IGN
            } else {
                libc::SIG_DFL
            },
        );
    }
}

/// Ends this process by `signal`, so that its parent sees how it ended; if the signal does not end it,
/// exits with 128 and its number, as a shell would say.
pub fn die_of(signal: Signal) -> ! {
    set_disposition(signal.0, libc::SIG_DFL);
    unblock_all();
    #[expect(unsafe_code, reason = "raise(3) is in no safe wrapper")]
    // SAFETY: has no preconditions.
    unsafe {
        libc::raise(signal.0);
    }
    crate::process::exit_now(u8::try_from(128 + signal.0).unwrap_or(u8::MAX))
}

/// Stops this process as ^Z does, and returns when it may go on: at once where no shell could let it, that
/// is, in an orphaned process group. Expects the signal to be blocked, as [`Receiver`] leaves it.
pub fn stop_as_by_terminal() {
    set_disposition(libc::SIGTSTP, libc::SIG_DFL);
    change_mask(libc::SIG_UNBLOCK, &[Signal::TERMINAL_STOP]);
    #[expect(unsafe_code, reason = "raise(3) is in no safe wrapper")]
    // SAFETY: has no preconditions.
    unsafe {
        libc::raise(libc::SIGTSTP);
    }
    block(&[Signal::TERMINAL_STOP]);
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub signal: Signal,
    /// Whether the kernel sent it, as it does to every process in the foreground of a terminal; else a process did.
    pub of_kernel: bool,
}

/// Signals received as data, from a descriptor that can be polled.
#[derive(Debug)]
pub struct Receiver {
    descriptor: OwnedFd,
}

impl Receiver {
    /// Blocks `signals` in this thread and receives them from now on. Make it before other threads
    /// start, or they will take the signals.
    pub fn new(signals: &[Signal]) -> Result<Self, SyscallError> {
        block(signals);
        let set = set(signals);
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        #[expect(unsafe_code, reason = "signalfd(2) is in no safe wrapper")]
        // SAFETY: the set is initialised.
        let descriptor = unsafe { libc::signalfd(-1, &raw const set, flags) };
        if descriptor < 0 {
            let arguments = format!("-1, {signals:?}");
            return Err(SyscallError::new(
                "signalfd",
                arguments,
                io::Error::last_os_error(),
            ));
        }
        #[expect(unsafe_code, reason = "signalfd(2) gives a bare number")]
        // SAFETY: the kernel has just opened it for us alone.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Self { descriptor })
    }

    /// The next signal that has come; `None` if none has.
    pub fn next(&self) -> Option<Signal> {
        self.receive().map(|received| received.signal)
    }

    /// The same, and where it came from.
    pub fn receive(&self) -> Option<Received> {
        let mut record = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        #[expect(unsafe_code, reason = "the kernel fills a structure")]
        // SAFETY: the buffer has `size` bytes; it is read only if the kernel filled all of them.
        let record = unsafe {
            let read = libc::read(
                self.descriptor.as_raw_fd(),
                record.as_mut_ptr().cast(),
                size,
            );
            (read.cast_unsigned() == size).then(|| record.assume_init())
        }?;
        Some(Received {
            signal: Signal(i32::try_from(record.ssi_signo).ok()?),
            of_kernel: record.ssi_code > 0,
        })
    }

    /// Waits for the next signal.
    pub fn wait(&self) -> Signal {
        loop {
            if let Some(signal) = self.next() {
                return signal;
            }
            // Interrupted or not, the loop looks again.
            self.wait_until_there_is_one();
        }
    }

    fn wait_until_there_is_one(&self) {
        let mut poll = [rustix::event::PollFd::new(
            &self.descriptor,
            rustix::event::PollFlags::IN,
        )];
        let _ = rustix::event::poll(&mut poll, None);
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_named_as_the_kernel_names_them() {
        let rows = [
            (1, "SIGHUP (1)"),
            (9, "SIGKILL (9)"),
            (15, "SIGTERM (15)"),
            (31, "SIGSYS (31)"),
        ];
        for (number, text) in rows {
            assert_eq!(Signal::from_raw(number).to_string(), text);
        }
        assert_eq!(Signal::from_raw(40).to_string(), "signal 40");
        assert_eq!(Signal::from_raw(0).to_string(), "signal 0");
    }

    #[test]
    fn a_blocked_signal_is_received() {
        let receiver = Receiver::new(&[Signal::from_raw(libc::SIGUSR1)]).expect("receiver");
        assert_eq!(receiver.next(), None);
        #[expect(unsafe_code, reason = "pthread_kill(3) is in no safe wrapper")]
        // SAFETY: the calling thread exists.
        unsafe {
            libc::pthread_kill(libc::pthread_self(), libc::SIGUSR1);
        }
        let received = Received {
            signal: Signal::from_raw(libc::SIGUSR1),
            of_kernel: false,
        };
        receiver.wait_until_there_is_one();
        assert_eq!(receiver.receive(), Some(received));
    }
}
