//! Asking a person for name and password.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use ch_linux::tty;
use ch_registry::{Credentials, Prompt, PromptError, Secret};

use crate::terminal::Terminal;

/// A prompt on the terminal that controls this process, whatever standard input is; without one,
/// two lines of standard input if that is `free`.
pub(super) fn on_terminal(terminal: Arc<Terminal>, free: bool) -> Prompt {
    Arc::new(move |host| {
        terminal.ask(|| match tty::Terminal::open() {
            Ok(tty) => ask(&tty, host),
            Err(_) if free && !io::stdin().is_terminal() => read_lines(io::stdin().lock()),
            Err(_) => Err(PromptError::NoTerminal),
        })
    })
}

fn ask(tty: &tty::Terminal, host: &str) -> Result<Credentials, PromptError> {
    let answered =
        |answer: io::Result<Option<String>>| answer.ok().flatten().ok_or(PromptError::Cancelled);
    let username = answered(tty.ask(&format!("{host} needs credentials\nUsername: ")))?;
    let password = Secret::new(answered(tty.ask_secret("Password: "))?);
    Ok(Credentials::Password { username, password })
}

/// Name and password from two lines; an end of file before them means that nobody is there.
fn read_lines(input: impl io::BufRead) -> Result<Credentials, PromptError> {
    let mut lines = input.lines();
    let mut next = || match lines.next() {
        Some(Ok(line)) => Ok(line),
        _ => Err(PromptError::NoTerminal),
    };
    let username = next()?;
    let password = Secret::new(next()?);
    Ok(Credentials::Password { username, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_are_name_and_password() {
        let found = read_lines(&b"ann\nsecret\nmore\n"[..]);
        assert!(matches!(found, Ok(Credentials::Password { username, .. }) if username == "ann"));
        for input in ["", "ann\n"] {
            let found = read_lines(input.as_bytes());
            assert!(matches!(found, Err(PromptError::NoTerminal)), "{input:?}");
        }
    }
}
