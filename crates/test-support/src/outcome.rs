//! [`Outcome`]: what a program printed and how it ended.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Output};

/// The end of one program, for assertions that show all of it when they fail.
#[derive(Debug)]
pub struct Outcome {
    command: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    status: ExitStatus,
}

impl Outcome {
    pub(crate) fn new(command: &Command, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            command: format!("{command:?}"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            status: output.status,
        }
    }

    /// The exit status; 128 and the signal's number for a program that a signal ended.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().expect("a process exits or is killed"))
    }

    /// Panics unless the status is 0.
    #[track_caller]
    pub fn success(self) -> Self {
        self.exits(0)
    }

    /// Panics unless the status is `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(
            self.code() == code,
            "status {}, not {code}{self}",
            self.code()
        );
        self
    }

    /// Panics unless standard error contains `text`.
    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "{text:?} is not on standard error{self}"
        );
        self
    }

    /// Panics unless standard output is exactly `text`.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout == text, "standard output is not {text:?}{self}");
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            stdout,
            stderr,
            status,
        } = self;
        write!(
            f,
            "\n{command}\n{status}\n-- stdout\n{stdout}-- stderr\n{stderr}--"
        )
    }
}
