//! Terminals: how wide they are, and asking the user something.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The terminal that controls this process, whatever standard input and output are.
#[derive(Debug)]
pub struct Terminal {
    file: File,
}

impl Terminal {
    /// Opens it; fails if the process has none.
    pub fn open() -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        Ok(Self { file })
    }

    /// Shows `prompt` and reads a line, without its end. `None` at end of file.
    pub fn ask(&self, prompt: &str) -> io::Result<Option<String>> {
        (&self.file).write_all(prompt.as_bytes())?;
        let mut line = String::new();
        let read = BufReader::new(&self.file).read_line(&mut line)?;
        let text = line.strip_suffix('\n').unwrap_or(&line);
        Ok((read > 0).then(|| text.to_owned()))
    }

    /// The same for a secret: what is typed is not shown.
    pub fn ask_secret(&self, prompt: &str) -> io::Result<Option<String>> {
        hide(&self.file)?;
        let answer = self.ask(prompt);
        show_again();
        answer
    }
}

/// How many columns the terminal has that `output` goes to; `None` if it is none, or does not tell.
pub fn columns(output: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(output).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A terminal that does not show what is typed, and how it was before.
struct Hidden {
    file: File,
    before: Termios,
}

/// The terminal that is asked for a secret. A process has one terminal at most, and whatever ends the process
/// must find it: a signal that ends it comes to another thread than the one that asks.
static HIDDEN: Mutex<Option<Hidden>> = Mutex::new(None);

fn hide(file: &File) -> io::Result<()> {
    let mut hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (file, before) = (file.try_clone()?, tcgetattr(file)?);
    let mut modes = before.clone();
    modes.local_modes -= LocalModes::ECHO;
    tcsetattr(&file, OptionalActions::Flush, &modes)?;
    *hidden = Some(Hidden { file, before });
    Ok(())
}

/// Ends the question for a secret, if one is open, as far as the terminal is concerned: what is typed is shown
/// again, on a new line. To be called by who ends the process.
pub fn show_again() {
    let mut hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Hidden { mut file, before }) = hidden.take() {
        // A terminal that has gone needs no restoring.
        let _ = tcsetattr(&file, OptionalActions::Flush, &before);
        let _ = file.write_all(b"\n");
    }
}
