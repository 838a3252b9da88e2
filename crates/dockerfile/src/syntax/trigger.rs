//! Triggers: instructions of an image for whatever is built on it, kept as text.

use crate::ast::{Command, File, Instruction};
use crate::diagnostic::Diagnostics;
use crate::source::Source;

/// A trigger of an image that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("can't parse the trigger {text:?}: {reason}")]
pub struct TriggerError {
    text: String,
    reason: String,
}

impl File {
    /// Reads an instruction that an image, or a stage, has as a trigger. Its spans are none of this file's, and which
    /// stages it names is not looked at.
    pub fn trigger(&self, text: &str) -> Result<Instruction, TriggerError> {
        let failed = |reason| TriggerError {
            text: text.to_owned(),
            reason,
        };
        let escape = self.directives.escape.char();
        let source = Source::new(
            "ONBUILD",
            format!("# escape={escape}\nFROM scratch\n{text}\n"),
        );
        let read = crate::on_a_large_stack(&|| super::parse_alone(&source));
        let mut stages = read.map_err(|found| failed(first(&found)))?.stages;
        let mut instructions = stages.swap_remove(0).instructions;
        match (instructions.pop(), instructions.len(), stages.len()) {
            (Some(instruction), 0, 0) if may_be_trigger(&instruction.command) => Ok(instruction),
            _ => Err(failed("it is not one instruction".to_owned())),
        }
    }
}

fn first(found: &Diagnostics) -> String {
    let first = found.iter().next().expect("there is something wrong");
    first.message().to_owned()
}

/// `FROM` would be a stage of its own.
fn may_be_trigger(command: &Command) -> bool {
    !matches!(command, Command::OnBuild(_) | Command::Maintainer(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_is_one_instruction() {
        let file = crate::parse(&Source::new("Dockerfile", "FROM a\n")).unwrap();
        for text in [
            "RUN true",
            "COPY --from=0 a b",
            "COPY --from=later a b",
            "RUN <<EOF\nhi\nEOF",
        ] {
            let trigger = file.trigger(text).unwrap();
            let line = text.lines().next().unwrap();
            assert_eq!(trigger.header.to_string(), line);
        }
        for (text, reason) in [
            ("", "it is not one instruction"),
            ("RUN a\nRUN b", "it is not one instruction"),
            ("RUN a\nFROM b", "it is not one instruction"),
            ("ONBUILD RUN a", "it is not one instruction"),
            ("RNU a", "unknown instruction: RNU (did you mean RUN?)"),
        ] {
            let error = file.trigger(text).unwrap_err();
            let want = format!("can't parse the trigger {text:?}: {reason}");
            assert_eq!(error.to_string(), want);
        }
    }
}
