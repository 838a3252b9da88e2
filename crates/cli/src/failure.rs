//! What a user is told when a command fails, and the exit status that goes with it.
//!
//! A failure has one message, the chain of its causes, and at most one hint. Library errors become
//! failures here: their own text is the message, their `source()`s the causes.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use ch_linux::without_number;
use ch_storage::NoSpace;

/// Status of every failure of the work.
const FAILED: u8 = 1;
/// Status of a command line that could not be understood.
const USAGE: u8 = 2;

/// What the kernel says (`EAGAIN`) when a process or a thread is one too many; nothing else here is done without
/// waiting.
const NO_MORE_PROCESSES: &str = "Resource temporarily unavailable";
/// What it says (`EMFILE`) when a descriptor is one too many.
const NO_MORE_FILES: &str = "Too many open files";

/// Why a command did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// What goes to standard output all the same.
    output: Option<&'static str>,
    status: u8,
    /// There was no space for what it wanted to write.
    lacks_space: bool,
}

impl Failure {
    /// A failure of the work: status 1.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self {
            message: without_number(message.to_string()),
            causes: Vec::new(),
            hint: None,
            output: None,
            status: FAILED,
            lacks_space: false,
        }
        .about_limits()
    }

    /// The same failure; if a limit of resources is behind it, that is the hint.
    fn about_limits(mut self) -> Self {
        if self.hint.is_none() {
            self.hint = limit(self.causes.last().unwrap_or(&self.message));
        }
        self
    }

    /// A command line whose values make no sense together: status 2.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self {
            status: USAGE,
            ..Self::new(message)
        }
    }

    /// Something that belongs to the product and is not there yet.
    pub(crate) fn not_yet(what: impl fmt::Display) -> Self {
        Self::new(format_args!("not yet supported: {what}"))
    }

    /// `message`, caused by `error` and everything behind it.
    pub(crate) fn caused(message: impl fmt::Display, error: &dyn Error) -> Self {
        let mut failure = Self::new(message);
        let mut cause = Some(error);
        while let Some(error) = cause {
            failure.add_cause(error.to_string());
            cause = error.source();
        }
        failure.about_limits()
    }

    /// The same failure with advice.
    pub(crate) fn with_hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The same failure with advice, if there is any.
    pub(crate) fn with_any_hint(self, hint: Option<impl fmt::Display>) -> Self {
        match hint {
            Some(hint) => self.with_hint(hint),
            None => self,
        }
    }

    /// The same failure with advice, unless it has some.
    pub(crate) fn or_hint(self, hint: impl fmt::Display) -> Self {
        match self.hint {
            Some(_) => self,
            None => self.with_hint(hint),
        }
    }

    /// The same failure with something for standard output.
    pub(crate) fn with_output(self, output: &'static str) -> Self {
        let output = Some(output);
        Self { output, ..self }
    }

    /// What goes to standard output beside it.
    pub(crate) fn output(&self) -> Option<&'static str> {
        self.output
    }

    /// The same failure with another exit status.
    pub(crate) fn with_status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }

    /// The same failure with another exit status, unless it has a special one.
    pub(crate) fn with_default_status(self, status: u8) -> Self {
        if self.status == FAILED {
            self.with_status(status)
        } else {
            self
        }
    }

    /// Whether it goes back to a write for which there was no space.
    pub(crate) fn lacks_space(&self) -> bool {
        self.lacks_space
    }

    /// The same failure; what it could not write was not for the storage directory.
    pub(crate) fn of_another_directory(self) -> Self {
        Self {
            lacks_space: false,
            ..self
        }
    }

    /// The same failure, told as one of the storage directory: what could not be written becomes a cause.
    pub(crate) fn for_want_of_space(mut self, space: &NoSpace) -> Self {
        let said = std::mem::replace(&mut self.message, space.to_string());
        if !self.message.starts_with(&said) {
            self.causes.insert(0, said);
        }
        self.with_hint(NoSpace::HINT)
    }

    /// What went wrong, in one sentence (or an excerpt below it).
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Why, outermost first.
    pub(crate) fn causes(&self) -> &[String] {
        &self.causes
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What the program returns.
    pub(crate) fn status(&self) -> ExitCode {
        ExitCode::from(self.status)
    }

    /// Wrappers often repeat the text of what they wrap; saying it twice helps nobody.
    fn add_cause(&mut self, text: String) {
        let text = without_number(text);
        let said = self.causes.last().unwrap_or(&self.message);
        if !text.is_empty() && *said != text {
            self.causes.push(text);
        }
    }
}

/// The limit that may have been reached when the kernel says `text`.
fn limit(text: &str) -> Option<String> {
    use ch_linux::limits;
    if text.ends_with(NO_MORE_FILES) {
        let most = limits::open_files()?;
        return Some(format!(
            "this process may have {most} files open (ulimit -n)"
        ));
    }
    if !text.ends_with(NO_MORE_PROCESSES) {
        return None;
    }
    // A thread needs room for its stack, too, and the kernel says the same where there is none.
    let processes = limits::processes();
    let memory = limits::address_space().map(|most| most >> 10);
    match (processes, memory) {
        (Some(most), None) => Some(format!(
            "this user may have {most} processes and threads (ulimit -u)"
        )),
        (None, Some(kib)) => Some(format!(
            "this process may have {kib} KiB of memory (ulimit -v)"
        )),
        (Some(most), Some(kib)) => Some(format!(
            "this process may have {kib} KiB of memory (ulimit -v), this user {most} processes and threads (ulimit -u)"
        )),
        (None, None) => None,
    }
}

/// A library error that knows what the user can do about it.
pub(crate) trait Advice: Error {
    /// The hint, if there is one.
    fn advice(&self) -> Option<String>;
}

/// The failure of an operation, with its hint.
pub(crate) fn advised(error: impl Advice + 'static) -> Failure {
    let hint = error.advice();
    Failure::from(error).with_any_hint(hint)
}

/// Says that errors of these types have a method `hint`.
macro_rules! with_hints {
    ($($error:ty),+ $(,)?) => {
        $(impl Advice for $error {
            fn advice(&self) -> Option<String> {
                self.hint().map(|hint| hint.to_string())
            }
        })+
    };
}

with_hints!(
    ch_builder::BuildError,
    ch_container::ExecError,
    ch_container::SetUpError,
    ch_oci::ReferenceError,
    ch_registry::FetchError,
    ch_registry::KeepError,
    ch_registry::LogInError,
    ch_rootfs::ViewError,
    ch_storage::CollectError,
    ch_storage::OpenError,
    ch_transfer::ExportError,
    ch_transfer::ImportError,
    ch_transfer::PullError,
    ch_transfer::PushError,
    ch_storage::RecordError,
    ch_storage::ResetError,
    ch_storage::UndeleteError,
);

impl Advice for ch_emulation::UnknownMode {
    fn advice(&self) -> Option<String> {
        let names = ch_emulation::Mode::ALL.map(ch_emulation::Mode::name);
        Some(format!("there are {}", names.join(", ")))
    }
}

impl Advice for ch_oci::PlatformError {
    fn advice(&self) -> Option<String> {
        Some(self.hint().to_owned())
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let failure = match error.source() {
            Some(source) => Self::caused(&error, source),
            None => Self::new(&error),
        };
        Self {
            lacks_space: ch_storage::is_no_space(&error),
            ..failure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("can't read image")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("opening record")]
    struct Middle(#[source] io::Error);

    #[test]
    fn causes_are_the_sources_of_the_error() {
        let failure = Failure::from(Outer(Middle(io::Error::other("disk on fire"))));
        assert_eq!(failure.message(), "can't read image");
        assert_eq!(failure.causes(), ["opening record", "disk on fire"]);
        assert_eq!(failure.hint(), None);
    }

    #[test]
    fn want_of_space_is_told_of_the_storage_directory() {
        let full = Outer(Middle(io::ErrorKind::StorageFull.into()));
        let failure = Failure::from(full);
        assert!(failure.lacks_space());
        let failure = failure.for_want_of_space(&NoSpace::at(std::path::Path::new("/none/s")));
        assert_eq!(
            failure.message(),
            "no space left in storage directory: /none/s (file system /)"
        );
        assert_eq!(
            failure.causes(),
            ["can't read image", "opening record", "no storage space"]
        );
        assert!(failure.hint().is_some());
        assert!(!Failure::from(Outer(Middle(io::Error::other("no")))).lacks_space());
    }

    #[test]
    fn who_has_too_many_processes_is_told_of_the_limit() {
        let fork = Outer(Middle(io::Error::from_raw_os_error(11)));
        let hint = Failure::from(fork).hint().map(str::to_owned);
        let limit = ch_linux::limits::processes();
        assert_eq!(hint.is_some(), limit.is_some(), "{hint:?}");
        assert!(hint.is_none_or(|hint| hint.contains("ulimit -u")));
    }

    #[test]
    fn who_has_too_many_open_files_is_told_of_the_limit() {
        let open = Outer(Middle(io::Error::from_raw_os_error(24)));
        let texts = [
            Failure::from(open),
            Failure::new("can't bind: /x: Too many open files (os error 24)"),
        ];
        for failure in texts {
            let hint = failure.hint();
            assert!(
                hint.is_none_or(|hint| hint.contains("ulimit -n")),
                "{failure:?}"
            );
            assert_eq!(hint.is_some(), ch_linux::limits::open_files().is_some());
        }
    }

    #[test]
    fn a_cause_that_repeats_its_effect_is_left_out() {
        let failure = Failure::caused("opening record", &Middle(io::Error::other("no")));
        assert_eq!(failure.causes(), ["no"]);
    }
}
