//! Another program that answers a question: it is started, gets its input, and has a limited time.
//!
//! Input and output are files in memory, not pipes: the program never waits for its reader, and what it leaves
//! running behind itself (an agent, say) keeps nobody waiting. It stays in the process group of its caller, so that it
//! may ask on the terminal, and ^C reaches it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;

use crate::process::{self, Pid};

/// So much of each output is read.
const OUTPUT_BYTES: u64 = 1 << 20;

/// A program, and what it is started with.
#[derive(Debug)]
pub struct Program<'p> {
    /// The file to execute.
    pub path: &'p Path,
    /// Arguments behind its name.
    pub arguments: &'p [&'p str],
    /// All of its environment.
    pub environment: &'p [(&'p OsStr, &'p OsStr)],
    /// How long it may take.
    pub limit: Duration,
}

/// What a program said, and whether it succeeded.
pub struct Answer {
    /// Its exit status was 0.
    pub success: bool,
    /// The beginning of its standard output.
    pub output: Vec<u8>,
    /// The beginning of its standard error.
    pub errors: Vec<u8>,
}

impl Program<'_> {
    /// Runs the program with `input`; one that takes too long is killed, and the error is [`io::ErrorKind::TimedOut`].
    pub fn run(&self, input: &[u8]) -> io::Result<Answer> {
        let (mut given, mut output, mut errors) = (memory()?, memory()?, memory()?);
        given.write_all(input)?;
        given.rewind()?;
        let mut child = Command::new(self.path)
            .args(self.arguments)
            .env_clear()
            .envs(self.environment.iter().copied())
            .stdin(Stdio::from(given))
            .stdout(Stdio::from(output.try_clone()?))
            .stderr(Stdio::from(errors.try_clone()?))
            .spawn()?;
        let ended = ends_within(child.id(), self.limit);
        if !matches!(ended, Ok(true)) {
            // Nothing is lost if it has ended by itself meanwhile.
            let _ = child.kill();
        }
        let status = child.wait()?;
        if !ended? {
            let text = format!("no answer within {} s", self.limit.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        Ok(Answer {
            success: status.success(),
            output: beginning(&mut output)?,
            errors: beginning(&mut errors)?,
        })
    }
}

fn memory() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("program", MemfdFlags::CLOEXEC)?.into())
}

/// Whether the child `id`, which nobody has waited for, ends before the limit.
fn ends_within(id: u32, limit: Duration) -> io::Result<bool> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    let pid = pid.expect("the kernel gave this number");
    let descriptor = process::open(pid).map_err(io::Error::other)?;
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let ended = process::wait_readable(&[descriptor.as_fd()], Some(left));
        if ended.map_err(io::Error::other)?[0] {
            return Ok(true);
        }
        if left.is_zero() {
            return Ok(false);
        }
    }
}

fn beginning(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(OUTPUT_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration, input: &str) -> io::Result<Answer> {
        let program = Program {
            path: Path::new("/bin/sh"),
            arguments: &["-c", script],
            environment: &[(OsStr::new("GREETING"), OsStr::new("hello"))],
            limit,
        };
        program.run(input.as_bytes())
    }

    #[test]
    fn a_program_gets_its_input_and_nothing_but_its_environment() {
        let script = "read line; echo \"$GREETING $line $HOME\"; echo no >&2; exit 3";
        let answer = shell(script, Duration::from_secs(60), "world").unwrap();
        assert!(!answer.success);
        assert_eq!(answer.output, b"hello world \n");
        assert_eq!(answer.errors, b"no\n");
        let answer = shell("true", Duration::from_secs(60), "").unwrap();
        assert!(answer.success && answer.output.is_empty());
    }

    #[test]
    fn what_a_program_leaves_behind_is_not_waited_for() {
        let answer = shell("sleep 600 & echo $!", Duration::from_secs(300), "").unwrap();
        let left = String::from_utf8(answer.output).unwrap();
        let left = Pid::from_raw(left.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed() {
        let error = shell("exec sleep 600", Duration::from_millis(10), "")
            .err()
            .unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "no answer within 0 s");
    }
}
