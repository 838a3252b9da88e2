//! How messages look: options and environment variables, checked once.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use crate::environment::{self, Environment};

/// How much is printed: from -3 (`-qqq`) to 3 (`-vvv`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Verbosity(i8);

impl Verbosity {
    /// Only errors.
    pub(crate) const SILENT: Self = Self(-3);
    /// Neither output of `RUN` commands nor ours, nor warnings.
    pub(crate) const VERY_QUIET: Self = Self(-2);
    /// No chatter.
    pub(crate) const QUIET: Self = Self(-1);
    /// Without options.
    pub(crate) const NORMAL: Self = Self(0);
    /// `-v`.
    pub(crate) const VERBOSE: Self = Self(1);
    /// `-vv`.
    pub(crate) const DEBUG: Self = Self(2);
    /// `-vvv`.
    pub(crate) const TRACE: Self = Self(3);

    /// The verbosity after so many `-v` and `-q`; more than three of either mean three.
    pub(crate) fn of(verbose: usize, quiet: usize) -> Self {
        let level = |count: usize| i8::try_from(count.min(3)).expect("at most three");
        Self(level(verbose) - level(quiet))
    }
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum WhenColour {
    /// If the log is a terminal that can
    #[default]
    Auto,
    /// Even in files
    Always,
    /// Not at all
    Never,
}

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ProgressMode {
    /// Live on a terminal, else plain
    #[default]
    Auto,
    /// Lines that stay
    Plain,
    /// Live, whatever the log is
    Tty,
    /// No progress
    Quiet,
}

/// Everything that decides where messages go and how they look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// How much is printed.
    pub(crate) verbosity: Verbosity,
    /// Put before every message, like `ch-run[123]: `.
    pub(crate) prefix: String,
    /// Whether the repetition of warnings calls them the first ones, as `ch-run` does.
    pub(crate) repeats_first: bool,
    /// Colour in messages.
    pub(crate) colour: bool,
    /// Process id and time before every line.
    pub(crate) festoon: bool,
    /// Where the log goes instead of standard error.
    pub(crate) log_file: Option<PathBuf>,
    /// Nothing is said of transfers but that they begin.
    pub(super) no_progress: bool,
    /// Progress in place, not as lines.
    pub(super) live: bool,
}

impl Settings {
    /// What options and environment say together.
    pub(crate) fn new(
        verbosity: Verbosity,
        colour: WhenColour,
        progress: ProgressMode,
        environment: &Environment,
    ) -> Self {
        let dumb = environment
            .get(environment::TERM)
            .is_some_and(|term| term == "dumb");
        let log_file = environment.path(environment::CH_LOG_FILE);
        let terminal = log_file.is_none() && io::stderr().is_terminal();
        let festoon = environment.is_set(environment::CH_LOG_FESTOON);
        let live = match progress {
            ProgressMode::Auto => terminal && !dumb && environment.is_set(environment::TERM),
            ProgressMode::Tty => true,
            ProgressMode::Plain | ProgressMode::Quiet => false,
        };
        Self {
            verbosity,
            prefix: String::new(),
            repeats_first: false,
            colour: has_colour(colour, terminal, dumb, environment),
            festoon,
            log_file,
            no_progress: progress == ProgressMode::Quiet,
            live: live && !festoon,
        }
    }

    /// Whether progress is drawn in place.
    pub(crate) fn live_area(&self) -> bool {
        self.live && self.verbosity >= Verbosity::NORMAL
    }

    /// A log file is for finding out later what happened: one level more, unless quiet was wanted.
    pub(crate) fn log_file_verbosity(&self) -> Verbosity {
        if self.verbosity < Verbosity::NORMAL {
            self.verbosity
        } else {
            self.verbosity.max(Verbosity::VERBOSE)
        }
    }
}

/// Whether messages are coloured: the option wins, then the customary variables, then the terminal.
fn has_colour(when: WhenColour, terminal: bool, dumb: bool, environment: &Environment) -> bool {
    let forced = [environment::CLICOLOR_FORCE, environment::FORCE_COLOR]
        .iter()
        .any(|name| environment.get(name).is_some_and(|value| value != "0"));
    match when {
        WhenColour::Always => true,
        WhenColour::Never => false,
        WhenColour::Auto if environment.get(environment::NO_COLOR).is_some() || dumb => false,
        WhenColour::Auto => forced || terminal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_wins_over_the_variables_and_these_over_the_terminal() {
        use WhenColour::{Always, Auto, Never};
        let cases: [(WhenColour, bool, bool, &[(&str, &str)], bool); 9] = [
            (Auto, true, false, &[], true),
            (Auto, false, false, &[], false),
            (Auto, true, true, &[], false),
            (Auto, true, false, &[("NO_COLOR", "1")], false),
            (Auto, true, false, &[("NO_COLOR", "")], true),
            (Auto, false, false, &[("CLICOLOR_FORCE", "1")], true),
            (Auto, false, false, &[("FORCE_COLOR", "0")], false),
            (Always, false, true, &[("NO_COLOR", "1")], true),
            (Never, true, false, &[("FORCE_COLOR", "1")], false),
        ];
        for (when, terminal, dumb, variables, expected) in cases {
            let environment = variables.iter().copied().collect();
            let found = has_colour(when, terminal, dumb, &environment);
            assert_eq!(found, expected, "{when:?} {terminal} {dumb} {variables:?}");
        }
    }

    #[test]
    fn verbosity_counts_and_stops_at_three() {
        for (verbose, quiet, level) in [
            (0, 0, 0),
            (1, 0, 1),
            (3, 0, 3),
            (9, 0, 3),
            (0, 2, -2),
            (0, 4, -3),
        ] {
            assert_eq!(
                Verbosity::of(verbose, quiet),
                Verbosity(level),
                "-v {verbose} -q {quiet}"
            );
        }
    }

    #[test]
    fn a_log_file_holds_verbose_messages_unless_quiet() {
        for (verbose, quiet, level) in [(0, 0, 1), (2, 0, 2), (0, 1, -1)] {
            let settings = Settings {
                verbosity: Verbosity::of(verbose, quiet),
                ..Settings::default()
            };
            assert_eq!(settings.log_file_verbosity(), Verbosity(level));
        }
    }
}
