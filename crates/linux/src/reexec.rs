//! Re-execution of this executable as another of its processes.
//!
//! A process with several threads cannot make a user namespace and may do next to nothing after
//! `fork(2)`. So it starts its own executable again: argv\[1\] names a [`Program`], descriptor 3 is a
//! sealed file with the request, 4 a socket to the parent and 5 onwards whatever else was passed.
//! `main` calls [`enter`] before anything else.
//!
//! Invariants: the executable is held open from the start (`/proc/self/exe` may be gone, or belong to
//! a test harness); nothing but the descriptors named here reaches the new process, and no
//! environment; who types the hidden name by hand has no sealed file and gets the ordinary program.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, FdFlags};
use rustix::process::{Pid, Rlimit, Signal, WaitOptions};

use crate::socket::Socket;
use crate::{SyscallError, limits, memfd};

/// Descriptor of the request in a re-executed process.
const REQUEST: RawFd = 3;
/// Descriptors are first moved above this number, then to their places.
const ABOVE_PLACES: RawFd = 200;

/// A process that this executable can be started as.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// What it is called: `ps` shows `ch-image: NAME`.
    pub name: &'static str,
    /// What it does.
    pub main: fn(Invocation) -> ExitCode,
}

/// What a re-executed process was given.
#[derive(Debug)]
pub struct Invocation {
    /// The bytes given as [`Start::request`].
    pub request: Vec<u8>,
    /// The other end of the parent's socket, if there is one.
    pub socket: Option<Socket>,
    /// Further descriptors, in the order of [`Start::descriptors`].
    pub descriptors: Vec<OwnedFd>,
}

/// Becomes one of `programs` if this process was started as such, and returns its exit status.
///
/// First thing in `main`, before threads and before descriptors are opened:
/// `if let Some(status) = reexec::enter(&[...]) { return status; }`.
#[must_use = "the process must end with this status"]
pub fn enter(programs: &[Program]) -> Option<ExitCode> {
    let name = std::env::args_os().nth(1)?;
    let program = programs
        .iter()
        .find(|program| name == *hidden_name(program))?;
    let invocation = inherited()?;
    Some((program.main)(invocation))
}

/// How argv\[1\] names a program.
fn hidden_name(program: &Program) -> String {
    format!("internal:{}", program.name)
}

/// Takes over the descriptors that [`Executable::start`] put in place.
fn inherited() -> Option<Invocation> {
    // Looked at before it is owned: what the user's shell opened as 3 stays open.
    if !memfd::is_sealed(opened(REQUEST)?) {
        return None;
    }
    let request = take(REQUEST)?;
    let mut bytes = memfd::read(request).ok()?;
    let header = Header::take_from(&mut bytes)?;
    let mut next = REQUEST + 1;
    let mut take_next = || {
        let descriptor = take(next);
        next += 1;
        descriptor
    };
    let socket = if header.socket {
        Some(Socket::from(take_next()?))
    } else {
        None
    };
    let descriptors = (0..header.descriptors)
        .map(|_| take_next())
        .collect::<Option<_>>()?;
    Some(Invocation {
        request: bytes,
        socket,
        descriptors,
    })
}

/// Descriptor `number`, if it is open.
#[expect(
    unsafe_code,
    reason = "descriptors inherited by number have no owner yet"
)]
fn opened(number: RawFd) -> Option<BorrowedFd<'static>> {
    // SAFETY: only asks, by number; one that is not open gives EBADF.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: it is open (asked above), thus not -1; nothing closes it before `take` owns it.
    Some(unsafe { BorrowedFd::borrow_raw(number) })
}

/// Owns descriptor `number`, if it is open, and marks it close-on-exec again.
#[expect(
    unsafe_code,
    reason = "descriptors inherited by number have no owner yet"
)]
fn take(number: RawFd) -> Option<OwnedFd> {
    rustix::io::fcntl_setfd(opened(number)?, FdFlags::CLOEXEC).ok()?;
    // SAFETY: it is open, and `enter` runs before anything else in this process opened or took a
    // descriptor, so nobody else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// What the request file begins with: which descriptors follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    socket: bool,
    descriptors: u8,
}

impl Header {
    fn bytes(self) -> [u8; 2] {
        [u8::from(self.socket), self.descriptors]
    }

    fn take_from(bytes: &mut Vec<u8>) -> Option<Self> {
        let (&[socket, descriptors], _) = bytes.split_first_chunk()?;
        bytes.drain(..2);
        Some(Self {
            socket: socket == 1,
            descriptors,
        })
    }
}

/// The executable of this process, held open.
#[derive(Debug)]
pub struct Executable(OwnedFd);

/// What to start a [`Program`] with.
#[derive(Debug, Default)]
pub struct Start<'a> {
    /// Handed over in a sealed file.
    pub request: &'a [u8],
    /// Becomes [`Invocation::socket`].
    pub socket: Option<BorrowedFd<'a>>,
    /// Become [`Invocation::descriptors`].
    pub descriptors: &'a [BorrowedFd<'a>],
    /// Standard input; else this process' own.
    pub input: Option<BorrowedFd<'a>>,
    /// Standard output; else this process' own.
    pub output: Option<BorrowedFd<'a>>,
    /// Standard error; else this process' own.
    pub error: Option<BorrowedFd<'a>>,
    /// Shown by `ps` as the last argument, e.g. the number of a step.
    pub label: &'a str,
    /// Kill the process when the *thread* that starts it ends.
    pub die_with_thread: bool,
}

impl Executable {
    /// Opens the executable of this process; works also after its file was deleted.
    pub fn current() -> Result<Self, SyscallError> {
        Self::open("/proc/self/exe".as_ref())
    }

    /// Opens another executable that calls [`enter`]. It need not be readable.
    pub fn open(path: &OsStr) -> Result<Self, SyscallError> {
        rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map(Self)
            .map_err(|errno| SyscallError::new("open", format!("{path:?}"), errno))
    }

    /// Starts `program` as a new process.
    pub fn start(&self, program: &Program, start: &Start<'_>) -> Result<Child, SyscallError> {
        let image = Image::new(self, program, start)?;
        let (failure, low) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|errno| SyscallError::new("pipe2", "O_CLOEXEC", errno))?;
        let report = above(low.as_fd(), "report")?;
        drop(low);
        let pid = fork_and_execute(&image, report.as_fd())
            .map_err(|error| SyscallError::new("fork", "", error))?;
        drop(report);
        let child = Child { pid };
        match read_errno(failure) {
            None => Ok(child),
            Some(errno) => {
                // It has ended by itself; only its number is to be given back.
                let _ = child.wait();
                Err(SyscallError::new(
                    "execveat",
                    program.name,
                    io::Error::from_raw_os_error(errno),
                ))
            }
        }
    }
}

/// Everything that the new process needs, made before `fork(2)` because afterwards nothing may be
/// allocated.
struct Image {
    executable: OwnedFd,
    /// Where each descriptor is now, above all places, and its place.
    places: Vec<(OwnedFd, RawFd)>,
    /// First descriptor that must not reach the new process.
    end: RawFd,
    arguments: Vec<CString>,
    parent: Option<Pid>,
    open_files: Option<Rlimit>,
}

impl Image {
    fn new(
        executable: &Executable,
        program: &Program,
        start: &Start<'_>,
    ) -> Result<Self, SyscallError> {
        let count = u8::try_from(start.descriptors.len())
            .map_err(|_| SyscallError::new("dup2", "too many descriptors", Errno::MFILE))?;
        let header = Header {
            socket: start.socket.is_some(),
            descriptors: count,
        };
        let request = memfd::sealed(program.name, &[&header.bytes(), start.request].concat())?;
        let mut places = Vec::new();
        for (descriptor, place) in [(start.input, 0), (start.output, 1), (start.error, 2)] {
            if let Some(descriptor) = descriptor {
                places.push((above(descriptor, "standard stream")?, place));
            }
        }
        let further = [request.as_fd()].into_iter().chain(start.socket);
        let mut end = REQUEST;
        for descriptor in further.chain(start.descriptors.iter().copied()) {
            places.push((above(descriptor, "passed descriptor")?, end));
            end += 1;
        }
        let mut arguments = vec![format!("ch-image: {}", program.name), hidden_name(program)];
        if !start.label.is_empty() {
            arguments.push(start.label.to_owned());
        }
        Ok(Self {
            executable: above(executable.0.as_fd(), "executable")?,
            places,
            end,
            arguments: arguments.iter().map(|text| c_string(text)).collect(),
            parent: start.die_with_thread.then(rustix::process::getpid),
            open_files: limits::open_files_before(),
        })
    }
}

/// A copy of `descriptor` that is in nobody's place.
fn above(descriptor: BorrowedFd<'_>, what: &str) -> Result<OwnedFd, SyscallError> {
    rustix::io::fcntl_dupfd_cloexec(descriptor, ABOVE_PLACES).map_err(|errno| {
        // The kernel's word for a number that the limit of open files does not allow.
        let errno = match errno {
            Errno::INVAL => Errno::MFILE,
            other => other,
        };
        SyscallError::new("F_DUPFD_CLOEXEC", what, errno)
    })
}

/// `text` for the kernel; what follows a NUL is lost.
fn c_string(text: &str) -> CString {
    let end = text
        .bytes()
        .position(|byte| byte == 0)
        .unwrap_or(text.len());
    CString::new(OsStr::new(&text[..end]).as_bytes()).expect("it was cut before the first NUL")
}

/// Forks; the child puts descriptors into place and executes, or writes `errno` to `report`.
#[expect(
    unsafe_code,
    reason = "fork(2) and what may follow it have no safe wrapper"
)]
fn fork_and_execute(image: &Image, report: BorrowedFd<'_>) -> io::Result<Pid> {
    let mut arguments: Vec<_> = image.arguments.iter().map(|text| text.as_ptr()).collect();
    arguments.push(std::ptr::null());
    let environment = [std::ptr::null()];
    // SAFETY: the child only makes system calls on memory prepared above, allocates nothing, takes no
    // lock, and ends in execveat(2) or _exit(2); the parent only reads the number.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: all pointers are to C strings or null-terminated arrays that live in `image` and
            // this frame; descriptors are open.
            unsafe {
                let errno = execute(image, arguments.as_ptr(), environment.as_ptr());
                libc::write(
                    report.as_raw_fd(),
                    (&raw const errno).cast(),
                    size_of::<i32>(),
                );
                libc::_exit(127)
            }
        }
        pid => Ok(Pid::from_raw(pid).expect("fork(2) gives the parent a positive number")),
    }
}

/// The child's half; returns only with the `errno` of what failed.
///
/// # Safety
///
/// In a forked child only; the arrays must be null-terminated and of valid C strings.
#[expect(unsafe_code, reason = "raw system calls between fork and exec")]
unsafe fn execute(
    image: &Image,
    arguments: *const *const libc::c_char,
    environment: *const *const libc::c_char,
) -> i32 {
    let errno = || {
        io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO)
    };
    // SAFETY: promised by the caller; every other argument is a number.
    unsafe {
        if let Some(parent) = image.parent {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return errno();
            }
            if libc::getppid() != parent.as_raw_nonzero().get() {
                libc::_exit(127);
            }
        }
        if let Some(limit) = &image.open_files {
            limits::set_open_files(limit);
        }
        for (descriptor, place) in &image.places {
            if libc::dup2(descriptor.as_raw_fd(), *place) < 0 {
                return errno();
            }
        }
        // Others' descriptors, such as cargo's job server, are not close-on-exec by themselves. Before
        // Linux 5.11 they leak, which does no harm.
        libc::syscall(
            libc::SYS_close_range,
            image.end,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
        libc::syscall(
            libc::SYS_execveat,
            image.executable.as_raw_fd(),
            c"".as_ptr(),
            arguments,
            environment,
            libc::AT_EMPTY_PATH,
        );
        errno()
    }
}

/// What the child reported before it ended, or `None` if it executes.
fn read_errno(failure: OwnedFd) -> Option<i32> {
    use std::io::Read;
    let mut bytes = [0; size_of::<i32>()];
    File::from(failure).read_exact(&mut bytes).ok()?;
    Some(i32::from_ne_bytes(bytes))
}

/// A process started by [`Executable::start`]. Whoever has it must [`wait`](Child::wait) for it.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl Child {
    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Kills it; it must still be waited for.
    pub fn kill(&self) -> Result<(), SyscallError> {
        rustix::process::kill_process(self.pid, Signal::KILL)
            .map_err(|errno| SyscallError::new("kill", format!("{}, SIGKILL", self.pid()), errno))
    }

    /// Waits until it has ended.
    pub fn wait(self) -> Result<Ended, SyscallError> {
        let failed = |errno| SyscallError::new("waitpid", self.pid().to_string(), errno);
        let ended = rustix::io::retry_on_intr(|| {
            rustix::process::waitpid(Some(self.pid), WaitOptions::empty())
        });
        let (_, status) = ended.map_err(failed)?.ok_or_else(|| failed(Errno::CHILD))?;
        Ok(match status.terminating_signal() {
            Some(signal) => Ended::Killed(signal),
            None => Ended::Exited(status.exit_status().unwrap_or_default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives_the_request_file() {
        for header in [
            Header {
                socket: false,
                descriptors: 0,
            },
            Header {
                socket: true,
                descriptors: 255,
            },
        ] {
            let mut bytes = [&header.bytes(), &b"request"[..]].concat();
            assert_eq!(Header::take_from(&mut bytes), Some(header));
            assert_eq!(bytes, b"request");
        }
        assert_eq!(Header::take_from(&mut vec![1]), None);
    }

    #[test]
    fn an_unknown_or_missing_name_is_the_ordinary_program() {
        fn unreachable(_: Invocation) -> ExitCode {
            panic!("nobody asked for this program")
        }
        assert!(
            enter(&[Program {
                name: "never",
                main: unreachable
            }])
            .is_none()
        );
    }

    #[test]
    fn what_cannot_be_executed_is_an_error_of_start() {
        let file = Executable::open("/etc/passwd".as_ref()).unwrap();
        let program = Program {
            name: "never",
            main: |_| ExitCode::SUCCESS,
        };
        let error = file.start(&program, &Start::default()).unwrap_err();
        assert_eq!(error.call(), "execveat");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
