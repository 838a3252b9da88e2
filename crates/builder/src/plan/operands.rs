//! Operands that can have no meaning, whatever the variables are: better told before the first step
//! than after hours of them. A word with a `$` in it is judged when its turn comes.

use ch_dockerfile::ast::{Command, Copy, File};

use crate::context::mode::Mode;
use crate::error::{BuildError, Problem};
use crate::plan;
use crate::scope::Scope;
use crate::step::{port, signal};

/// Refuses an instruction with such an operand.
pub(super) fn check(file: &File, command: &Command) -> Result<(), BuildError> {
    let expand = |keyword, text| plan::expand(file, keyword, text, &Scope::default());
    match command {
        Command::StopSignal(word) if is_known(&word.text) => {
            let text = expand("STOPSIGNAL", &word.text)?.text;
            if !signal::is_signal(&text) {
                return Err(Problem::Signal(text).into());
            }
        }
        Command::Expose(words) => {
            for word in words.iter().filter(|word| is_known(&word.text)) {
                for text in expand("EXPOSE", &word.text)?.text.split_whitespace() {
                    port::ports(text)?;
                }
            }
        }
        Command::Copy(Copy { files, .. }) => {
            if let Some(word) = files.chmod.as_ref().filter(|word| is_known(&word.text)) {
                let text = expand("COPY", &word.text)?.text;
                if !text.is_empty() {
                    Mode::parse(&text)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether no variable has a say in it.
fn is_known(text: &str) -> bool {
    !text.contains('$')
}
