//! The terminal as the commands see it: the log, standard output, and progress.
//!
//! *Output* is what was asked for and goes to standard output; *chatter* is what is happening and
//! goes to the log, which is standard error or `$CH_LOG_FILE`. One message is one `write(2)`, so
//! that several processes can share a log. Control characters are escaped, because names from
//! archives and texts from registries are printed here.

mod bar;
mod bridge;
mod progress;
mod settings;
mod sink;

pub(crate) use progress::{Activity, Transfers};
pub(crate) use settings::{ProgressMode, Settings, Verbosity, WhenColour};
pub(crate) use sink::escaped;

use std::fmt;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use indicatif::MultiProgress;

use crate::environment::Environment;
use crate::failure::Failure;
use sink::Sink;

/// What a message is; decides its prefix, its colour and from which verbosity on it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One line per file, for developers.
    Trace,
    /// Requests and decisions.
    Debug,
    /// What a user needs to debug an image or a site.
    Verbose,
    /// What happens.
    Info,
    /// What is probably not meant so.
    Warning,
    /// What did not work.
    Error,
    /// Why it did not work.
    Cause,
    /// What to do about it.
    Hint,
}

impl Kind {
    /// The lowest verbosity at which such messages are printed.
    fn threshold(self) -> Verbosity {
        match self {
            Self::Trace => Verbosity::TRACE,
            Self::Debug => Verbosity::DEBUG,
            Self::Verbose => Verbosity::VERBOSE,
            Self::Info => Verbosity::NORMAL,
            Self::Warning => Verbosity::QUIET,
            Self::Error | Self::Cause | Self::Hint => Verbosity::SILENT,
        }
    }
}

/// Where messages and output of one program run go.
#[derive(Debug)]
pub(crate) struct Terminal {
    verbosity: Verbosity,
    log: Sink,
    /// Standard error, if the log is elsewhere: errors and hints are seen in both places.
    screen: Option<Sink>,
    warnings: Mutex<Vec<Repeated>>,
    repeats_first: bool,
    /// The live area at the bottom of a terminal; `None` in plain mode.
    live: Option<MultiProgress>,
    no_progress: bool,
    /// A question to the user is on the screen, instead of the live area.
    asking: AtomicBool,
    /// Who says the last thing before this process ends.
    last_speaker: OnceLock<ThreadId>,
}

/// A warning, and how often it was given.
#[derive(Debug)]
struct Repeated {
    text: String,
    times: usize,
}

impl Terminal {
    /// Opens the log that `settings` name.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Failure> {
        let Some(path) = &settings.log_file else {
            return Ok(Self::on_standard_error(settings));
        };
        let file = std::fs::File::options()
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| {
                Failure::new(format_args!(
                    "can't open for at: {}: {error}",
                    path.display()
                ))
            })?;
        let screen = Sink::standard_error(settings);
        Ok(Self {
            log: Sink::file(file, settings),
            screen: Some(screen),
            live: None,
            no_progress: settings.no_progress,
            verbosity: settings.log_file_verbosity(),
            warnings: Mutex::default(),
            repeats_first: settings.repeats_first,
            asking: AtomicBool::default(),
            last_speaker: OnceLock::new(),
        })
    }

    /// A terminal whose log is standard error.
    pub(crate) fn on_standard_error(settings: &Settings) -> Self {
        Self {
            log: Sink::standard_error(settings),
            screen: None,
            live: settings.live_area().then(progress::live_area),
            no_progress: settings.no_progress,
            verbosity: settings.verbosity,
            warnings: Mutex::default(),
            repeats_first: settings.repeats_first,
            asking: AtomicBool::default(),
            last_speaker: OnceLock::new(),
        }
    }

    /// Sends the libraries' log events here.
    pub(crate) fn listen(self: &Arc<Self>, environment: &Environment) {
        bridge::install(Arc::clone(self), environment);
    }

    /// How much is printed.
    pub(crate) fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Whether part of the screen is redrawn, so that nobody else may write to it.
    pub(crate) fn has_live_area(&self) -> bool {
        self.live.is_some()
    }

    /// Says what happens.
    pub(crate) fn info(&self, text: impl fmt::Display) {
        self.message(Kind::Info, &text.to_string());
    }

    /// Says what only a curious user wants to know.
    pub(crate) fn verbose(&self, text: impl fmt::Display) {
        self.message(Kind::Verbose, &text.to_string());
    }

    /// Warns: shown once however often it is said, and again before the program ends.
    pub(crate) fn warning(&self, text: impl fmt::Display) {
        let text = text.to_string();
        if self.is_new(&text) {
            self.message(Kind::Warning, &text);
        }
    }

    /// Remembers a warning; whether it was never given before.
    fn is_new(&self, text: &str) -> bool {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = warnings.iter_mut().find(|known| known.text == text) {
            known.times += 1;
            return false;
        }
        let text = text.to_owned();
        warnings.push(Repeated { text, times: 1 });
        true
    }

    /// Reports a failure that does not end the program yet.
    pub(crate) fn error(&self, failure: &Failure) {
        self.message(Kind::Error, failure.message());
        for cause in failure.causes() {
            self.message(Kind::Cause, cause);
        }
        if let Some(hint) = failure.hint() {
            self.message(Kind::Hint, hint);
        }
    }

    /// Ends the program's messages with a failure, after the warnings; returns the exit status.
    pub(crate) fn fail(&self, failure: &Failure) -> ExitCode {
        self.reprint_warnings();
        self.error(failure);
        if let Some(text) = failure.output() {
            // The status says already that something went wrong.
            let _ = self.output(text);
        }
        failure.status()
    }

    /// Ends the program's messages.
    pub(crate) fn reprint_warnings(&self) {
        let warnings =
            std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        if warnings.is_empty() {
            return;
        }
        let first = if self.repeats_first { "first " } else { "" };
        self.message(
            Kind::Warning,
            &format!("reprinting {first}{} warning(s)", warnings.len()),
        );
        for Repeated { text, times } in warnings {
            let times = if times > 1 {
                format!(" ({times} times)")
            } else {
                String::new()
            };
            self.message(Kind::Warning, &format!("{text}{times}"));
        }
    }

    /// Writes `text` to standard error as it is.
    pub(crate) fn plain(&self, text: impl AsRef<[u8]>) {
        // There is nobody to tell when that does not work.
        let _ = io::stderr().write_all(text.as_ref());
    }

    /// Writes what was asked for to standard output.
    pub(crate) fn output(&self, text: impl AsRef<[u8]>) -> Result<(), Failure> {
        let text = text.as_ref();
        if self.verbosity < Verbosity::QUIET || text.is_empty() {
            return Ok(());
        }
        if ch_linux::standard_output::was_closed() {
            return Err(Failure::new(
                "can't write output: standard output is closed",
            ));
        }
        self.above_live_area(|| {
            let mut output = io::stdout().lock();
            output.write_all(text).and_then(|()| output.flush())
        })
        .map_err(|error| output_failure(&error))
    }

    /// Ends this process silently if nobody reads its standard output any more, as a write to it would.
    pub(crate) fn die_if_unread(&self) {
        if is_unread(io::stdout().as_fd()) {
            ch_linux::signal::die_of(ch_linux::signal::Signal::PIPE);
        }
    }

    /// Prints one message, if the verbosity allows.
    pub(crate) fn message(&self, kind: Kind, text: &str) {
        if self.verbosity < kind.threshold() {
            return;
        }
        let important = matches!(kind, Kind::Error | Kind::Cause | Kind::Hint);
        self.above_live_area(|| {
            self.log.write(kind, text);
            if let Some(screen) = self.screen.as_ref().filter(|_| important) {
                screen.write(kind, text);
            }
        });
    }

    /// Runs `question`, which speaks to the user, while the live area is out of the way.
    pub(crate) fn ask<T>(&self, question: impl FnOnce() -> T) -> T {
        self.above_live_area(|| {
            self.asking.store(true, Ordering::Relaxed);
            let answer = question();
            self.asking.store(false, Ordering::Relaxed);
            answer
        })
    }

    /// Runs `speak`, after which this process ends: the live area is gone, and other threads say and draw nothing
    /// more. A question that will not be answered leaves the terminal as it was before.
    pub(crate) fn speak_last(&self, speak: impl FnOnce()) {
        ch_linux::tty::show_again();
        if self.last_speaker.set(thread::current().id()).is_err() {
            wait_for_the_end();
        }
        match &self.live {
            // Who asks has the live area out of the way already.
            Some(live) if !self.asking.load(Ordering::Relaxed) => live.suspend(speak),
            _ => speak(),
        }
    }

    /// Runs `write` while the live area is out of the way.
    pub(crate) fn above_live_area<T>(&self, write: impl FnOnce() -> T) -> T {
        match (self.last_speaker.get(), &self.live) {
            (Some(speaker), _) if *speaker == thread::current().id() => write(),
            (Some(_), _) => wait_for_the_end(),
            (None, Some(live)) => live.suspend(write),
            (None, None) => write(),
        }
    }
}

/// Does nothing more: another thread ends this process.
fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}

/// Whether `output` is a pipe whose reader went away; the kernel reports that as an event of reading.
fn is_unread(output: BorrowedFd<'_>) -> bool {
    let path = format!("/proc/self/fd/{}", output.as_raw_fd());
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
        && ch_linux::process::wait_readable(&[output], Some(Duration::ZERO))
            .is_ok_and(|happened| happened == [true])
}

/// A reader that went away wants silence; anything else is worth a message.
fn output_failure(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        ch_linux::signal::die_of(ch_linux::signal::Signal::PIPE);
    }
    Failure::new(format_args!("can't write output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pipe_without_a_reader_is_unread() {
        let (reader, writer) = io::pipe().unwrap();
        (&writer).write_all(b"x").unwrap();
        assert!(!is_unread(writer.as_fd()));
        drop(reader);
        assert!(is_unread(writer.as_fd()));
        let file = tempfile::tempfile().unwrap();
        assert!(!is_unread(file.as_fd()));
    }
}
