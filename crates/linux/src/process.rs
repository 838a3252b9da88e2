//! Processes: fork, execute, wait, signal, and what a process sets for itself before it executes.
//!
//! A process is named by [`Pid`]. [`fork`] refuses to run beside other threads, because the child would
//! inherit their locks but not them; that is why everything behind it may allocate and use `std`.

use std::ffi::{CStr, CString, OsStr, c_char};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{PidfdFlags, WaitOptions, WaitStatus};

pub use rustix::process::Pid;

use crate::SyscallError;
use crate::signal::Signal;

/// Which side of a [`fork`] this is.
#[derive(Debug)]
pub enum Fork {
    /// The new process.
    Child,
    /// The old one, and the new one's identifier.
    Parent(Pid),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exited(u8),
    /// By a signal.
    Killed(Signal),
}

/// The program that process `pid` executes, as `ps` calls it: at most 15 bytes. For messages only.
pub fn program_name(pid: u32) -> Option<String> {
    let name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}

/// Duplicates the calling process, which must have one thread and a `/proc` that says so.
pub fn fork() -> Result<Fork, SyscallError> {
    let failed = |source| SyscallError::new("fork", "", source);
    require_one_thread("/proc/self/task")?;
    #[expect(unsafe_code, reason = "fork(2) is in no safe wrapper")]
    // SAFETY: no other thread exists (checked above), so no lock is held by one that the child lacks.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(failed(io::Error::last_os_error())),
        0 => Ok(Fork::Child),
        _ => Ok(Fork::Parent(
            Pid::from_raw(pid).expect("fork gives a child's identifier"),
        )),
    }
}

/// Refuses unless the directory `tasks` lists exactly one thread; also if it can't be read, since the
/// soundness of [`fork`] rests on the answer.
fn require_one_thread(tasks: &str) -> Result<(), SyscallError> {
    let failed = |source| SyscallError::new("readdir", format!("{tasks:?}"), source);
    let mut threads = 0;
    for thread in std::fs::read_dir(tasks).map_err(failed)? {
        thread.map_err(failed)?;
        threads += 1;
    }
    if threads == 1 {
        return Ok(());
    }
    let several = io::Error::other("the process has several threads");
    Err(SyscallError::new("fork", "", several))
}

/// Ends the calling process at once: no destructor, no buffer of the parent's written a second time.
pub fn exit_now(status: u8) -> ! {
    #[expect(unsafe_code, reason = "_exit(2) is in no safe wrapper")]
    // SAFETY: has no preconditions.
    unsafe {
        libc::_exit(i32::from(status))
    }
}

/// Executes the file `path` with `arguments` (the first is its name) and `environment` (`NAME=VALUE`) in
/// place of this process. Returns only what went wrong.
pub fn execute(path: &CStr, arguments: &[CString], environment: &[CString]) -> SyscallError {
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings
            .iter()
            .map(|string| string.as_ptr())
            .chain([std::ptr::null()])
            .collect()
    };
    let (argv, envp) = (pointers(arguments), pointers(environment));
    #[expect(unsafe_code, reason = "execve(2) is in no safe wrapper")]
    // SAFETY: both arrays are NULL-terminated and point to NUL-terminated strings that outlive the call.
    unsafe {
        libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr());
    }
    SyscallError::new("execve", format!("{path:?}"), io::Error::last_os_error())
}

fn end(status: WaitStatus) -> Option<End> {
    if let Some(code) = status.exit_status() {
        return Some(End::Exited(u8::try_from(code).unwrap_or(u8::MAX)));
    }
    status
        .terminating_signal()
        .map(|number| End::Killed(Signal::from_raw(number)))
}

/// Waits until the child `pid` has ended.
pub fn wait(pid: Pid) -> Result<End, SyscallError> {
    let failed = |source| SyscallError::new("waitpid", pid.as_raw_nonzero().to_string(), source);
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(end) = end(status) {
                    return Ok(end);
                }
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(source) => return Err(failed(source)),
        }
    }
}

/// Reaps one child that has ended, whichever; `None` if none has ended, or if there is none.
pub fn reap() -> Option<(Pid, End)> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if let Some(end) = end(status) {
                    return Some((pid, end));
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Opens a descriptor of the process `pid`, which stays its even when the number is used again.
pub fn open(pid: Pid) -> Result<OwnedFd, SyscallError> {
    rustix::process::pidfd_open(pid, PidfdFlags::empty())
        .map_err(|source| SyscallError::new("pidfd_open", pid.as_raw_nonzero().to_string(), source))
}

/// Sends `signal` to the process behind the descriptor `process`.
pub fn signal(process: impl AsFd, signal: Signal) -> Result<(), SyscallError> {
    let process = process.as_fd();
    rustix::process::pidfd_send_signal(process, signal.named()?).map_err(|source| {
        let arguments = format!("{}, {signal}", process.as_raw_fd());
        SyscallError::new("pidfd_send_signal", arguments, source)
    })
}

/// Sends `signal`, a real-time one too, to the child `child`, which must not have been waited for.
pub fn signal_child(child: Pid, signal: Signal) -> Result<(), SyscallError> {
    let child = child.as_raw_nonzero().get();
    #[expect(
        unsafe_code,
        reason = "kill(2) with real-time signals is in no safe wrapper"
    )]
    // SAFETY: has no preconditions.
    let answer = unsafe { libc::kill(child, signal.as_raw()) };
    match answer {
        0 => Ok(()),
        _ => {
            let error = io::Error::last_os_error();
            Err(SyscallError::new(
                "kill",
                format!("{child}, {signal}"),
                error,
            ))
        }
    }
}

/// Sends `signal` to every process of the group that `leader` leads.
pub fn signal_group(leader: Pid, signal: Signal) -> Result<(), SyscallError> {
    rustix::process::kill_process_group(leader, signal.named()?).map_err(|source| {
        SyscallError::new(
            "kill",
            format!("-{}, {signal}", leader.as_raw_nonzero()),
            source,
        )
    })
}

/// Sends `signal` to every other process of the PID namespace whose first process this is.
pub fn signal_namespace(signal: Signal) -> Result<(), SyscallError> {
    let failed = |source| SyscallError::new("kill", format!("-1, {signal}"), source);
    // In any other process the call would reach all of the user's.
    if own_id() != Pid::INIT {
        return Err(failed(io::Error::from(rustix::io::Errno::PERM)));
    }
    #[expect(unsafe_code, reason = "kill(2) of all processes is in no safe wrapper")]
    // SAFETY: has no preconditions.
    let answer = unsafe { libc::kill(-1, signal.as_raw()) };
    match answer {
        0 => Ok(()),
        _ => Err(failed(io::Error::last_os_error())),
    }
}

/// Identifier of this process.
pub fn own_id() -> Pid {
    rustix::process::getpid()
}

/// Has this process killed when its parent (the thread that made it) ends.
pub fn die_with_parent() -> Result<(), SyscallError> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|source| SyscallError::new("prctl", "PR_SET_PDEATHSIG, SIGKILL", source))
}

/// Makes this process the parent of every orphan below it.
pub fn adopt_orphans() -> Result<(), SyscallError> {
    rustix::process::set_child_subreaper(Some(own_id()))
        .map_err(|source| SyscallError::new("prctl", "PR_SET_CHILD_SUBREAPER, 1", source))
}

/// Gives up, for good, what set-user-ID files and file capabilities would grant.
pub fn forbid_new_privileges() -> Result<(), SyscallError> {
    rustix::thread::set_no_new_privs(true)
        .map_err(|source| SyscallError::new("prctl", "PR_SET_NO_NEW_PRIVS, 1", source))
}

/// Keeps others from looking at this process, at its memory and at what it has open, until it executes: those of its own
/// user, and those who are privileged in no user namespace but its first one.
pub fn forbid_inspection() -> Result<(), SyscallError> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|source| SyscallError::new("prctl", "PR_SET_DUMPABLE, 0", source))
}

/// Sets by how many nanoseconds timers of the calling thread may be late.
pub fn set_timer_slack(nanoseconds: u64) -> Result<(), SyscallError> {
    #[expect(unsafe_code, reason = "this prctl(2) is in no safe wrapper")]
    // SAFETY: takes a number and touches no memory.
    let answer = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanoseconds) };
    if answer < 0 {
        let arguments = format!("PR_SET_TIMERSLACK, {nanoseconds}");
        let error = io::Error::last_os_error();
        return Err(SyscallError::new("prctl", arguments, error));
    }
    Ok(())
}

/// Sets the name that `ps` shows (15 bytes of it).
pub fn set_name(name: &CStr) -> Result<(), SyscallError> {
    rustix::thread::set_name(name)
        .map_err(|source| SyscallError::new("prctl", format!("PR_SET_NAME, {name:?}"), source))
}

/// Becomes leader of a new session without a terminal.
pub fn new_session() -> Result<(), SyscallError> {
    rustix::process::setsid()
        .map(drop)
        .map_err(|source| SyscallError::new("setsid", "", source))
}

/// Starts a session keyring that shares no key with the one before.
pub fn new_session_keyring() -> Result<(), SyscallError> {
    let nameless = std::ptr::null::<c_char>();
    #[expect(unsafe_code, reason = "keyctl(2) is in no safe wrapper")]
    // SAFETY: the kernel reads the name only if it is not NULL.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            libc::KEYCTL_JOIN_SESSION_KEYRING,
            nameless,
        )
    };
    if answer < 0 {
        let arguments = "KEYCTL_JOIN_SESSION_KEYRING, NULL";
        return Err(SyscallError::new(
            "keyctl",
            arguments,
            io::Error::last_os_error(),
        ));
    }
    Ok(())
}

/// Waits until one of `descriptors` can be read or is closed on the other side, or `limit` has passed;
/// says of each whether it is so.
pub fn wait_readable(
    descriptors: &[BorrowedFd<'_>],
    limit: Option<Duration>,
) -> Result<Vec<bool>, SyscallError> {
    let failed = |source| SyscallError::new("poll", format!("{} files", descriptors.len()), source);
    let mut files: Vec<PollFd<'_>> = descriptors
        .iter()
        .map(|file| PollFd::from_borrowed_fd(*file, PollFlags::IN))
        .collect();
    let limit = limit
        .map(Timespec::try_from)
        .transpose()
        .map_err(|_| failed(rustix::io::Errno::INVAL))?;
    match rustix::event::poll(&mut files, limit.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(source) => return Err(failed(source)),
    }
    Ok(files
        .iter()
        .map(|file| !file.revents().is_empty())
        .collect())
}

/// Sets the bits that are taken away from the modes of new files; says what they were.
pub fn set_file_mode_mask(mask: u32) -> u32 {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask)).as_raw_mode()
}

/// Changes the working directory to `path`.
pub fn change_directory(path: &Path) -> Result<(), SyscallError> {
    rustix::process::chdir(path)
        .map_err(|source| SyscallError::new("chdir", format!("{path:?}"), source))
}

/// Changes the working directory to `directory`.
pub fn change_directory_to(directory: impl AsFd) -> Result<(), SyscallError> {
    let directory = directory.as_fd();
    rustix::process::fchdir(directory)
        .map_err(|source| SyscallError::new("fchdir", directory.as_raw_fd().to_string(), source))
}

/// Sets the host name of this UTS namespace.
pub fn set_host_name(name: &OsStr) -> Result<(), SyscallError> {
    rustix::system::sethostname(name.as_bytes())
        .map_err(|source| SyscallError::new("sethostname", format!("{name:?}"), source))
}

/// Puts the file behind `file` at the descriptor `number`, open in the programs this process executes.
pub fn place_descriptor(file: impl AsFd, number: i32) -> Result<(), SyscallError> {
    let file = file.as_fd().as_raw_fd();
    #[expect(
        unsafe_code,
        reason = "the number of the new descriptor is chosen by the caller"
    )]
    // SAFETY: `file` is open; whoever owned `number` gave it up by asking for this.
    let answer = unsafe { libc::dup2(file, number) };
    if answer < 0 {
        return Err(SyscallError::new(
            "dup2",
            format!("{file}, {number}"),
            io::Error::last_os_error(),
        ));
    }
    Ok(())
}

/// Has every descriptor from `first` on closed when this process executes a program.
pub fn close_on_execute_from(first: u32) -> Result<(), SyscallError> {
    #[expect(unsafe_code, reason = "close_range(2) is in no safe wrapper")]
    // SAFETY: only sets a flag; nothing is closed while this program runs.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if answer == 0 {
        return Ok(());
    }
    let failure = io::Error::last_os_error();
    match failure.raw_os_error() {
        Some(libc::ENOSYS | libc::EINVAL) => mark_each_descriptor(first),
        _ => Err(SyscallError::new(
            "close_range",
            format!("{first}, MAX, CLOEXEC"),
            failure,
        )),
    }
}

/// The same before Linux 5.11: descriptor by descriptor.
fn mark_each_descriptor(first: u32) -> Result<(), SyscallError> {
    for number in open_descriptors(first)? {
        #[expect(unsafe_code, reason = "the descriptors are known by number only")]
        // SAFETY: only sets a flag; a number that is no longer open gives EBADF.
        unsafe {
            libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
    Ok(())
}

/// The open descriptors from `first` on, and that of the list itself.
fn open_descriptors(first: u32) -> Result<Vec<i32>, SyscallError> {
    let failed = |source| SyscallError::new("open", r#""/proc/self/fd""#, source);
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let number = name.to_str().and_then(|name| name.parse::<i32>().ok());
        numbers.extend(number.filter(|number| u32::try_from(*number).is_ok_and(|it| it >= first)));
    }
    Ok(numbers)
}

/// Closes every descriptor but `kept` and the three standard ones, whoever opened them.
///
/// For a process that was forked to do something else: what its parent had open must not be used, nor dropped, in it
/// any more.
pub fn close_all_but(kept: impl AsFd) -> Result<(), SyscallError> {
    const FIRST: u32 = 3;
    let kept = kept.as_fd().as_raw_fd().unsigned_abs();
    let below = kept.checked_sub(1).map(|last| (FIRST, last));
    for (first, last) in below.into_iter().chain([(FIRST.max(kept + 1), u32::MAX)]) {
        if first > last {
            continue;
        }
        #[expect(unsafe_code, reason = "close_range(2) is in no safe wrapper")]
        // SAFETY: touches no memory; whoever owned the descriptors gave them up by asking for this.
        let answer = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        if answer == 0 {
            continue;
        }
        let failure = io::Error::last_os_error();
        if failure.raw_os_error() == Some(libc::ENOSYS) {
            return close_each_but(kept, FIRST);
        }
        let arguments = format!("{first}, {last}, 0");
        return Err(SyscallError::new("close_range", arguments, failure));
    }
    Ok(())
}

/// The same before Linux 5.9: descriptor by descriptor.
fn close_each_but(kept: u32, first: u32) -> Result<(), SyscallError> {
    for number in open_descriptors(first)? {
        if number.unsigned_abs() != kept {
            #[expect(unsafe_code, reason = "the descriptors are known by number only")]
            // SAFETY: as above; that of the list is closed already, and gives EBADF.
            unsafe {
                libc::close(number);
            }
        }
    }
    Ok(())
}

/// Whether this file was executed with privileges that its caller does not have (set-user-ID,
/// set-group-ID, file capabilities).
pub fn is_privileged_executable() -> bool {
    #[expect(unsafe_code, reason = "getauxval(3) is in no safe wrapper")]
    // SAFETY: has no preconditions.
    unsafe {
        libc::getauxval(libc::AT_SECURE) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_several_threads_is_not_forked() {
        // The test harness runs this in a thread of its own.
        let error = fork().expect_err("several threads");
        assert_eq!(error.call(), "fork");
    }

    #[test]
    fn a_process_whose_threads_cannot_be_counted_is_not_forked() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let tasks = directory.path().join("task");
        let count = || require_one_thread(tasks.to_str().expect("UTF-8"));
        assert_eq!(count().unwrap_err().errno(), Some(rustix::io::Errno::NOENT));
        std::fs::create_dir_all(tasks.join("7")).expect("make a thread");
        count().expect("one thread");
        std::fs::create_dir(tasks.join("8")).expect("make a thread");
        assert_eq!(count().unwrap_err().call(), "fork");
    }

    #[test]
    fn only_a_first_process_signals_its_namespace() {
        let error = signal_namespace(Signal::CONTINUE).unwrap_err();
        assert_eq!(error.errno(), Some(rustix::io::Errno::PERM));
        assert_eq!(error.to_string(), "kill(-1, SIGCONT (18))");
    }

    #[test]
    fn descriptors_are_marked_one_by_one_where_close_range_is_missing() {
        let file = std::fs::File::open("/dev/null").expect("open /dev/null");
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).expect("clear the flag");
        mark_each_descriptor(3).expect("mark");
        let flags = rustix::io::fcntl_getfd(&file).expect("flags");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn what_cannot_be_executed_says_so() {
        let error = execute(c"/nonexistent", &[c"x".to_owned()], &[]);
        assert_eq!(error.errno(), Some(rustix::io::Errno::NOENT));
        assert_eq!(error.to_string(), r#"execve("/nonexistent")"#);
    }
}
