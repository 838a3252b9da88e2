//! Asking a person for name and password.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use ch_linux::tty;
use ch_registry::{Credentials, Prompt, PromptError, Secret};

use crate::terminal::Terminal;

/// A prompt on the terminal that controls this process, whatever standard input is; without one,
/// lines of standard input if that is `free`. If there is a `username`, only the password is asked for.
pub(super) fn on_terminal(terminal: Arc<Terminal>, free: bool, username: Option<String>) -> Prompt {
    Arc::new(move |host| {
        let username = username.clone();
        terminal.ask(|| match tty::Terminal::open() {
            Ok(tty) => ask(&tty, host, username),
            Err(_) if free && !io::stdin().is_terminal() => {
                read_lines(io::stdin().lock(), username)
            }
            Err(_) => Err(PromptError::NoTerminal),
        })
    })
}

fn ask(
    tty: &tty::Terminal,
    host: &str,
    username: Option<String>,
) -> Result<Credentials, PromptError> {
    let answered =
        |answer: io::Result<Option<String>>| answer.ok().flatten().ok_or(PromptError::Cancelled);
    let (username, question) = match username {
        Some(username) => (username, format!("{host} needs credentials\nPassword: ")),
        None => {
            let question = format!("{host} needs credentials\nUsername: ");
            (answered(tty.ask(&question))?, "Password: ".to_owned())
        }
    };
    let password = Secret::new(answered(tty.ask_secret(&question))?);
    Ok(Credentials::Password { username, password })
}

/// Name, unless it is known, and password from a line each; an end of file before them means that nobody is there.
fn read_lines(
    input: impl io::BufRead,
    username: Option<String>,
) -> Result<Credentials, PromptError> {
    let mut lines = input.lines();
    let mut next = || match lines.next() {
        Some(Ok(line)) => Ok(line),
        _ => Err(PromptError::NoTerminal),
    };
    let username = username.map_or_else(&mut next, Ok)?;
    let password = Secret::new(next()?);
    Ok(Credentials::Password { username, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_are_name_and_password() {
        let found = read_lines(&b"ann\nsecret\nmore\n"[..], None);
        assert!(matches!(found, Ok(Credentials::Password { username, .. }) if username == "ann"));
        let found = read_lines(&b"secret\n"[..], Some("eve".to_owned()));
        assert!(matches!(found, Ok(Credentials::Password { username, .. }) if username == "eve"));
        for input in ["", "ann\n"] {
            let found = read_lines(input.as_bytes(), None);
            assert!(matches!(found, Err(PromptError::NoTerminal)), "{input:?}");
        }
    }
}
