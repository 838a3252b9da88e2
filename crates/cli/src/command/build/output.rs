//! What `RUN` commands write, as loud as the user wants it.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ch_builder::{Built, Event, Mark};
use ch_container::Stream;
use ch_oci::Digest;

use super::lines::Lines;
use crate::failure::Failure;
use crate::terminal::{Activity, Terminal, Verbosity};

/// Takes the output of commands where it can't simply go to ours.
///
/// On a terminal with a live area whole lines are printed above it; with `-q` standard output is for the
/// image's id alone; with more `-q` the commands are silent. Lines of stages that are built at the same time come as
/// they are written, each in one piece: before those of another stage than the last ones its instruction is shown again,
/// as in `  3> RUN make`.
pub(super) struct RunOutput<'t> {
    terminal: &'t Terminal,
    /// Standard output is for something else.
    is_taken: bool,
    /// Several commands may write at the same time.
    may_mix: bool,
    speakers: Mutex<Speakers>,
}

/// The stages that are built.
#[derive(Default)]
struct Speakers {
    by_stage: HashMap<usize, Speaker>,
    /// Whose instruction or lines were printed last.
    latest: Option<usize>,
}

/// A stage that is built.
#[derive(Default)]
struct Speaker {
    /// By stream.
    lines: [Lines; 2],
    activity: Activity,
    /// Number and text of its latest instruction.
    instruction: (usize, String),
    /// That takes a while.
    is_executed: bool,
}

impl<'t> RunOutput<'t> {
    /// As loud as `terminal` is; on standard error if standard output is taken.
    pub(super) fn new(terminal: &'t Terminal, is_taken: bool, may_mix: bool) -> Self {
        Self {
            terminal,
            is_taken,
            may_mix,
            speakers: Mutex::default(),
        }
    }

    /// Whether commands must not write to our own streams.
    pub(super) fn is_needed(&self) -> bool {
        let is_quiet = self.terminal.verbosity() <= Verbosity::QUIET;
        self.is_taken || self.may_mix || is_quiet || self.terminal.has_live_area()
    }

    /// Takes a piece of what a command writes.
    pub(super) fn take(&self, stage: usize, stream: Stream, bytes: &[u8]) {
        let mut speakers = self.speakers();
        let Speakers { by_stage, latest } = &mut *speakers;
        let speaker = by_stage.entry(stage).or_default();
        let instruction = &speaker.instruction;
        speaker.lines[stream as usize].take(bytes, |bytes| {
            self.introduce(stage, instruction, latest);
            self.write(stream, bytes);
        });
    }

    /// An instruction begins, and its line is printed; if it is executed, that is shown until
    /// [`finish`](Self::finish).
    pub(super) fn begin(&self, stage: usize, number: usize, mark: Mark, text: &str) {
        // Locked while the line is printed: no other stage's lines must come between it and ours.
        let mut speakers = self.speakers();
        let text = text.to_owned();
        self.terminal.info(Event::Instruction {
            number,
            mark,
            text: text.clone(),
        });
        speakers.latest = Some(stage);
        let speaker = speakers.by_stage.entry(stage).or_default();
        speaker.instruction = (number, text);
        speaker.is_executed = mark == Mark::Executed;
        speaker.show(self.terminal);
    }

    /// The instruction that was begun is not at its end yet.
    pub(super) fn go_on(&self, stage: usize) {
        let mut speakers = self.speakers();
        let speaker = speakers.by_stage.entry(stage).or_default();
        speaker.show(self.terminal);
    }

    /// An instruction has ended: lines without an end end now.
    pub(super) fn finish(&self, stage: usize) {
        let mut speakers = self.speakers();
        let Speakers { by_stage, latest } = &mut *speakers;
        let Some(speaker) = by_stage.get_mut(&stage) else {
            return;
        };
        drop(std::mem::take(&mut speaker.activity));
        let instruction = &speaker.instruction;
        for stream in [Stream::Output, Stream::Error] {
            speaker.lines[stream as usize].finish(|bytes| {
                self.introduce(stage, instruction, latest);
                self.write(stream, bytes);
            });
        }
    }

    /// All instructions have ended.
    pub(super) fn finish_all(&self) {
        let mut stages: Vec<_> = self.speakers().by_stage.keys().copied().collect();
        stages.sort_unstable();
        stages.into_iter().for_each(|stage| self.finish(stage));
    }

    /// Says whose lines follow, if others were printed last.
    fn introduce(
        &self,
        stage: usize,
        (number, text): &(usize, String),
        latest: &mut Option<usize>,
    ) {
        if *latest != Some(stage) {
            *latest = Some(stage);
            self.terminal.info(format_args!("{number:3}> {text}"));
        }
    }

    fn speakers(&self) -> MutexGuard<'_, Speakers> {
        self.speakers.lock().unwrap_or_else(PoisonError::into_inner)
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
        // The live area is drawn from the beginning of a line on, and other commands begin their lines there.
        let in_parts = !self.may_mix && !self.terminal.has_live_area();
        let ended = in_parts || bytes.ends_with(b"\n");
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

impl Speaker {
    /// Shows that its instruction goes on.
    fn show(&mut self, terminal: &Terminal) {
        if self.is_executed {
            let label = format!("step {}", self.instruction.0);
            self.activity = Activity::start(terminal, label);
        }
    }
}
