//! Terminals: asking the user something.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

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
        let shown = Echo::off(&self.file)?;
        let answer = self.ask(prompt);
        drop(shown);
        (&self.file).write_all(b"\n")?;
        answer
    }
}

/// Typed characters are not shown while it lives.
struct Echo<'a> {
    file: &'a File,
    before: Termios,
}

impl<'a> Echo<'a> {
    fn off(file: &'a File) -> io::Result<Self> {
        let before = tcgetattr(file)?;
        let mut hidden = before.clone();
        hidden.local_modes -= LocalModes::ECHO;
        tcsetattr(file, OptionalActions::Flush, &hidden)?;
        Ok(Self { file, before })
    }
}

impl Drop for Echo<'_> {
    fn drop(&mut self) {
        // A terminal that has gone needs no restoring.
        let _ = tcsetattr(self.file, OptionalActions::Flush, &self.before);
    }
}
