//! What `RUN` commands write, as loud as the user wants it.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ch_builder::Built;
use ch_container::Stream;
use ch_oci::Digest;

use super::lines::Lines;
use crate::failure::Failure;
use crate::terminal::{Activity, Terminal, Verbosity};

/// Takes the output of commands where it can't simply go to ours.
///
/// On a terminal with a live area whole lines are printed above it; with `-q` standard output is for the
/// image's id alone; with more `-q` the commands are silent.
pub(super) struct RunOutput<'t> {
    terminal: &'t Terminal,
    /// Standard output is for something else.
    is_taken: bool,
    /// By stream.
    lines: Mutex<[Lines; 2]>,
    activity: Mutex<Activity>,
    /// The latest step that took a while.
    step: AtomicUsize,
}

impl<'t> RunOutput<'t> {
    /// As loud as `terminal` is; on standard error if standard output is taken.
    pub(super) fn new(terminal: &'t Terminal, is_taken: bool) -> Self {
        Self {
            terminal,
            is_taken,
            lines: Mutex::default(),
            activity: Mutex::default(),
            step: AtomicUsize::new(0),
        }
    }

    /// Whether commands must not write to our own streams.
    pub(super) fn is_needed(&self) -> bool {
        let is_quiet = self.terminal.verbosity() <= Verbosity::QUIET;
        self.is_taken || is_quiet || self.terminal.has_live_area()
    }

    /// Takes a piece of what a command writes.
    pub(super) fn take(&self, stream: Stream, bytes: &[u8]) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines[stream as usize].take(bytes, |bytes| self.write(stream, bytes));
    }

    /// A step begins that takes a while; shown until [`finish`](Self::finish).
    pub(super) fn begin(&self, step: usize) {
        self.step.store(step, Ordering::Relaxed);
        let activity = Activity::start(self.terminal, format!("step {step}"));
        *self.activity.lock().unwrap_or_else(PoisonError::into_inner) = activity;
    }

    /// The step that was begun is not at its end yet.
    pub(super) fn go_on(&self) {
        match self.step.load(Ordering::Relaxed) {
            0 => {}
            step => self.begin(step),
        }
    }

    /// A step has ended: lines without an end end now.
    pub(super) fn finish(&self) {
        drop(std::mem::take(
            &mut *self.activity.lock().unwrap_or_else(PoisonError::into_inner),
        ));
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in [Stream::Output, Stream::Error] {
            lines[stream as usize].finish(|bytes| self.write(stream, bytes));
        }
    }

    /// With `-q`, the image's id is all that is printed on standard output, unless that is taken.
    pub(super) fn print_result(&self, built: &Built) -> Result<(), Failure> {
        let is_quiet = self.terminal.verbosity() == Verbosity::QUIET;
        match &built.image {
            Some(image) if is_quiet && !self.is_taken => self
                .terminal
                .output(format!("{}\n", Digest::of(&image.config))),
            _ => Ok(()),
        }
    }

    fn write(&self, stream: Stream, bytes: &[u8]) {
        let verbosity = self.terminal.verbosity();
        let silent = match stream {
            Stream::Output => verbosity <= Verbosity::VERY_QUIET,
            Stream::Error => verbosity <= Verbosity::SILENT,
        };
        let is_quiet = verbosity == Verbosity::QUIET;
        let to_error = stream == Stream::Error || self.is_taken || is_quiet;
        if silent {
            return;
        }
        // The live area is drawn from the beginning of a line on.
        let ended = bytes.ends_with(b"\n") || !self.terminal.has_live_area();
        let bytes = &[bytes, if ended { b"" } else { b"\n" }].concat()[..];
        // A reader that went away does not stop a build.
        let _ = self.terminal.above_live_area(|| {
            if to_error {
                io::stderr().write_all(bytes)
            } else {
                let mut output = io::stdout().lock();
                output.write_all(bytes).and_then(|()| output.flush())
            }
        });
    }
}
