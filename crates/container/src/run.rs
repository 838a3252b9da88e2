//! Running one command in a container of its own, seen from ch-image.
//!
//! The runtime process does the work; this side passes output on, listens to reports, and asks it to end
//! when the user wants that. When [`run`] returns, no process of the container lives and none of its
//! mounts exists.

use std::fs::File;
use std::io::{self, PipeReader, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ch_emulation::Memory;
use ch_linux::reexec::{Child, Executable, Start};
use ch_linux::socket::Socket;
use ch_linux::{SyscallError, process};

use crate::error::{Cause, ExecError, Finding, SetUpError};
use crate::report::{Channel, End, Notice, Order, Report, Request};
use crate::runtime::RUNTIME;
use crate::set_up::open_source;
use crate::spec::{Source, Spec};
use crate::stop::Stop;
use crate::{descendants, memory};

/// How long a command may take to end when asked to.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a second request to stop is looked for.
const GLANCE: Duration = Duration::from_millis(50);
/// How long processes that were killed may take before the user is told of them.
const LINGERING: Duration = Duration::from_secs(10);
/// How much output is passed on at once.
const PIECE: usize = 64 * 1024;

/// What every run of a command needs.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// This program, which must [enter](ch_linux::reexec::enter) [`RUNTIME`].
    pub executable: &'a Executable,
    /// The user namespace that the root was mounted in.
    pub user_namespace: BorrowedFd<'a>,
    /// What earlier runs found out.
    pub abilities: &'a Abilities,
    /// How the user ends a run early.
    pub stop: &'a Stop,
    /// Told at once of whatever is otherwise than wanted.
    pub notify: &'a dyn Fn(Notice),
}

/// What the surroundings allow; found out by trying, once.
#[derive(Debug, Default)]
pub struct Abilities {
    no_pid_namespace: AtomicBool,
}

/// Where the command's output goes.
pub enum Output<'a> {
    /// To this process' own standard output and error.
    Inherit,
    /// To this function, as it comes.
    Each(&'a mut dyn FnMut(Stream, &[u8])),
}

/// One of the two streams of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// A command that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Whether the kernel killed something for want of memory meanwhile.
    pub out_of_memory: bool,
    /// What the supervisor remembers of objects that can't carry it.
    pub remembered: Vec<Memory>,
}

/// Why a command did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The container could not be set up.
    #[error(transparent)]
    SetUp(SetUpError),
    /// The command could not be executed.
    #[error(transparent)]
    Exec(ExecError),
    /// The runtime process could not be started.
    #[error("can't start the container's runtime")]
    Start {
        /// The failed call.
        source: SyscallError,
    },
    /// Talking to the runtime process failed.
    #[error("can't talk to the container's runtime")]
    Talk {
        /// The failed call.
        source: SyscallError,
    },
    /// The container's own processes ended before the command.
    #[error("the container's init {}", lost(*end))]
    InitLost {
        /// How init ended, if it is known.
        end: Option<End>,
    },
    /// The command left processes that do not die.
    #[error("RUN left {} processes that can't be killed", names.len())]
    Left {
        /// Their names.
        names: Vec<String>,
    },
    /// The user wanted it to end.
    #[error("stopped")]
    Stopped,
}

/// What to look at when init was lost.
pub(crate) const ABOUT_INIT: &str = "dmesg and the memory limits of the cgroup may say why";

/// `was killed by SIGKILL`: the number would say nothing more here.
pub(crate) fn lost(end: Option<End>) -> String {
    match end {
        Some(End::Killed(number)) => {
            let name = ch_linux::signal::Signal::from_raw(number).to_string();
            format!("was killed by {}", name.split(' ').next().unwrap_or(&name))
        }
        _ => "has ended".to_owned(),
    }
}

impl RunError {
    /// What the user may do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SetUp(error) => error.hint(),
            Self::Exec(error) if error.finding == Some(Finding::NoShell) => {
                error.hint().map(|hint| format!("{hint}; use RUN [...]"))
            }
            Self::Exec(error) => error.hint(),
            Self::InitLost { .. } => Some(ABOUT_INIT.to_owned()),
            Self::Left { names } => Some(names.join(" ")),
            _ => None,
        }
    }
}

/// Runs the command of `spec` in a container whose root is the detached mount `root`.
///
/// The calling thread must live until this returns: the container ends with it.
pub fn run(
    context: &Context<'_>,
    root: BorrowedFd<'_>,
    spec: &Spec,
    mut output: Output<'_>,
) -> Result<Outcome, RunError> {
    for mount in &spec.mounts {
        if let Source::Bind(path) = &mount.source {
            open_source(path).map_err(RunError::SetUp)?;
        }
    }
    let kills = memory::kills();
    let abilities = context.abilities;
    let with_pid = !abilities.no_pid_namespace.load(Ordering::Relaxed);
    let mut heard = attempt(context, root, spec, with_pid, &mut output)?;
    if let Some(cause) = heard.no_proc.take() {
        abilities.no_pid_namespace.store(true, Ordering::Relaxed);
        heard = attempt(context, root, spec, false, &mut output)?;
        (context.notify)(Notice::Shared {
            namespace: "PID".to_owned(),
            cause,
        });
    }
    let out_of_memory = memory::kills() > kills;
    heard.into_outcome(context.stop.requests() > 0, out_of_memory)
}

/// What was reported.
#[derive(Debug, Default)]
struct Heard {
    no_proc: Option<Cause>,
    error: Option<RunError>,
    end: Option<End>,
    init_end: Option<End>,
    remembered: Vec<Memory>,
}

impl Heard {
    fn note(&mut self, report: Report, notify: &dyn Fn(Notice)) {
        match report {
            Report::Notice(notice) => notify(notice),
            Report::NoProc(cause) => self.no_proc = Some(cause),
            Report::Failed(error) => self.keep(RunError::SetUp(error)),
            Report::NotExecuted(error) => self.keep(RunError::Exec(error)),
            Report::Left(names) => self.keep(RunError::Left { names }),
            Report::Ended(end) => self.end = Some(end),
            Report::Remembered(some) => self.remembered.extend(some),
            Report::InitLost(end) => self.init_end = Some(end),
        }
    }

    /// The first error is the cause of those that follow.
    fn keep(&mut self, error: RunError) {
        self.error.get_or_insert(error);
    }

    fn into_outcome(self, stopped: bool, out_of_memory: bool) -> Result<Outcome, RunError> {
        if stopped {
            return Err(RunError::Stopped);
        }
        match (self.error, self.end) {
            (Some(error), _) => Err(error),
            (None, Some(end)) => Ok(Outcome {
                end,
                out_of_memory,
                remembered: self.remembered,
            }),
            (None, None) => Err(RunError::InitLost { end: self.init_end }),
        }
    }
}

/// The runtime process and what comes from it.
struct Running {
    channel: Arc<Channel>,
    child: Child,
    streams: Vec<(Stream, PipeReader)>,
}

fn attempt(
    context: &Context<'_>,
    root: BorrowedFd<'_>,
    spec: &Spec,
    pid_namespace: bool,
    output: &mut Output<'_>,
) -> Result<Heard, RunError> {
    let piped = matches!(output, Output::Each(_));
    let mut running = start(context, root, spec, pid_namespace, piped)
        .map_err(|source| RunError::Start { source })?;
    let mut heard = Heard::default();
    let joined = context.stop.join(&running.channel);
    let listened = listen(&mut running, context, &mut heard, output);
    drop(joined);
    if listened.is_err() {
        running.channel.send(&Order::Kill);
    }
    let waited = running.child.wait();
    listened
        .and(waited)
        .map_err(|source| RunError::Talk { source })?;
    Ok(heard)
}

fn start(
    context: &Context<'_>,
    root: BorrowedFd<'_>,
    spec: &Spec,
    pid_namespace: bool,
    piped: bool,
) -> Result<Running, SyscallError> {
    let pipe = || io::pipe().map_err(|error| SyscallError::new("pipe2", "O_CLOEXEC", error));
    let input = File::open("/dev/null")
        .map_err(|error| SyscallError::new("open", r#""/dev/null""#, error))?;
    let request = Request {
        spec: spec.clone(),
        pid_namespace,
    };
    let request = serde_json::to_vec(&request).expect("a request has no maps with odd keys");
    let (ours, theirs) = Socket::pair()?;
    let pipes = if piped {
        Some((pipe()?, pipe()?))
    } else {
        None
    };
    let child = context.executable.start(
        &RUNTIME,
        &Start {
            request: &request,
            socket: Some(theirs.as_fd()),
            descriptors: &[context.user_namespace, root],
            input: Some(input.as_fd()),
            output: pipes.as_ref().map(|((_, writer), _)| writer.as_fd()),
            error: pipes.as_ref().map(|(_, (_, writer))| writer.as_fd()),
            label: &spec.label,
            die_with_thread: true,
        },
    )?;
    let streams = pipes.map_or_else(Vec::new, |((output, _), (error, _))| {
        vec![(Stream::Output, output), (Stream::Error, error)]
    });
    Ok(Running {
        channel: Arc::new(Channel::new(ours)),
        child,
        streams,
    })
}

/// Until the container's processes have ended: then the socket has no other side.
fn listen(
    running: &mut Running,
    context: &Context<'_>,
    heard: &mut Heard,
    output: &mut Output<'_>,
) -> Result<(), SyscallError> {
    let stop = context.stop;
    let mut deadline: Option<Instant> = None;
    let mut killing = false;
    let mut lingering = Lingering::Alive;
    loop {
        let mut waiting = vec![running.channel.socket().as_fd()];
        waiting.extend(running.streams.iter().map(|(_, reader)| reader.as_fd()));
        let limit = match deadline {
            Some(_) if !killing => Some(GLANCE),
            Some(_) => lingering.limit(),
            None => {
                waiting.extend(stop.requested());
                lingering.limit()
            }
        };
        let ready = process::wait_readable(&waiting, limit)?;
        let (open, readable) = (ready[0], &ready[1..]);
        pass_on(&mut running.streams, readable, output);
        if open {
            match running.channel.receive()? {
                Some(report) => heard.note(report, context.notify),
                None => break,
            }
        }
        match deadline {
            None if stop.requests() > 0 => {
                running.channel.send(&Order::Terminate);
                deadline = Some(Instant::now() + PATIENCE);
            }
            Some(end) if !killing && (stop.requests() > 1 || Instant::now() > end) => {
                running.channel.send(&Order::Kill);
                killing = true;
            }
            _ => {}
        }
        if lingering.is_due(killing || heard.end.is_some()) {
            let names = descendants::names_inside(running.child.pid());
            (context.notify)(Notice::Lingering(names));
        }
    }
    drain(running, output)
}

/// How long the container has had nothing to do but to end.
#[derive(Clone, Copy, Debug)]
enum Lingering {
    /// It still has.
    Alive,
    /// Since then.
    Since(Instant),
    /// For so long that the user was told.
    Told,
}

impl Lingering {
    /// When to look again.
    fn limit(self) -> Option<Duration> {
        match self {
            Self::Since(start) => Some(LINGERING.saturating_sub(start.elapsed())),
            Self::Alive | Self::Told => None,
        }
    }

    /// Whether it is time to tell the user; once.
    fn is_due(&mut self, ending: bool) -> bool {
        match *self {
            Self::Alive if ending => *self = Self::Since(Instant::now()),
            Self::Since(start) if start.elapsed() >= LINGERING => {
                *self = Self::Told;
                return true;
            }
            _ => {}
        }
        false
    }
}

/// What is still in the pipes. Not until their end: who left the container in time may hold them open.
fn drain(running: &mut Running, output: &mut Output<'_>) -> Result<(), SyscallError> {
    while !running.streams.is_empty() {
        let waiting: Vec<_> = running
            .streams
            .iter()
            .map(|(_, reader)| reader.as_fd())
            .collect();
        let ready = process::wait_readable(&waiting, Some(Duration::ZERO))?;
        if !ready.contains(&true) {
            break;
        }
        pass_on(&mut running.streams, &ready, output);
    }
    Ok(())
}

/// Reads once from each stream that is `ready`, and forgets those that have ended.
fn pass_on(streams: &mut Vec<(Stream, PipeReader)>, ready: &[bool], output: &mut Output<'_>) {
    let Output::Each(each) = output else { return };
    let mut buffer = vec![0; PIECE];
    let mut ready = ready.iter();
    streams.retain_mut(|(stream, reader)| {
        if ready.next() != Some(&true) {
            return true;
        }
        match reader.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                each(*stream, &buffer[..length]);
                true
            }
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    });
}
