//! What a build tells while it goes on. Displaying an event gives the exact line to print.

use std::fmt;

/// Something worth showing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An instruction begins; its output, if any, follows.
    Instruction {
        /// Counted from 1 over the instructions of the Dockerfile; what a base image has done has that of the `FROM`.
        number: usize,
        /// Where its result comes from.
        mark: Mark,
        /// The instruction on one line, as the author wrote it.
        text: String,
    },
    /// Something that the author may not have meant.
    Warning(String),
    /// What only those who look for a problem want to know.
    Note(String),
    /// What the `fakeroot` mode found or does.
    Workaround(String),
    /// How many instructions the root emulation had to change.
    Modified {
        /// The mode.
        mode: ch_emulation::Mode,
        /// How many `RUN` instructions.
        count: usize,
        /// Nothing was done, as in a dry run.
        only_planned: bool,
    },
    /// The image exists.
    Grown {
        /// How many instructions it took, cached ones too.
        instructions: usize,
        /// The image's name, as given.
        name: String,
    },
}

/// Where the result of an instruction comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// From the build cache.
    Hit,
    /// It is executed now.
    Executed,
    /// There is nothing to execute and nothing to remember.
    Neither,
}

impl Mark {
    fn character(self) -> char {
        match self {
            Self::Hit => '*',
            Self::Executed => '.',
            Self::Neither => ' ',
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instruction { number, mark, text } => {
                write!(f, "{number:3}{} {text}", mark.character())
            }
            Self::Warning(text) | Self::Note(text) | Self::Workaround(text) => f.write_str(text),
            Self::Modified {
                mode,
                count,
                only_planned,
            } => {
                let is_fakeroot = *mode == ch_emulation::Mode::Fakeroot;
                match is_fakeroot {
                    true => f.write_str("--force: ")?,
                    false => write!(f, "--force={mode}: ")?,
                }
                f.write_str(match (only_planned, is_fakeroot) {
                    (true, _) => "would modify",
                    (false, true) => "init OK & modified",
                    (false, false) => "modified",
                })?;
                write!(f, " {count} RUN instructions")
            }
            Self::Grown { instructions, name } => {
                write!(f, "grown in {instructions} instructions: {name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruction_lines_are_aligned_and_marked() {
        let line = |number, mark| {
            Event::Instruction {
                number,
                mark,
                text: "RUN x".to_owned(),
            }
            .to_string()
        };
        assert_eq!(line(3, Mark::Hit), "  3* RUN x");
        assert_eq!(line(4, Mark::Executed), "  4. RUN x");
        assert_eq!(line(12, Mark::Neither), " 12  RUN x");
    }
}
