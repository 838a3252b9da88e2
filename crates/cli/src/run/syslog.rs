//! `CH_RUN_SYSLOG=1`: the system log is told of every command line.

use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::report::shown;
use crate::environment::{self, Environment};
use crate::failure::Failure;

/// Where the machine's log listens.
const SOCKET: &str = "/dev/log";
/// What it is told of the importance: `LOG_USER|LOG_INFO`.
const PRIORITY: u8 = 1 << 3 | 6;

/// Tells the system log of `arguments` (without the program's name), if that is wanted. A log that does not listen, or
/// not now, keeps nobody from working.
pub(super) fn log(arguments: &[OsString], environment: &Environment) -> Result<(), Failure> {
    match environment.text(environment::CH_RUN_SYSLOG).as_deref() {
        None | Some("0") => {}
        Some("1") => {
            let user = ch_linux::namespace::Identity::current().uid;
            let text = line(arguments, user, std::process::id());
            if let Err(error) = send(Path::new(SOCKET), &text) {
                tracing::debug!("can't tell {SOCKET}: {error}");
            }
        }
        Some(value) => {
            let name = environment::CH_RUN_SYSLOG;
            let message = format_args!("${name}: invalid value: {value}");
            return Err(Failure::new(message).with_hint("1 turns it on"));
        }
    }
    Ok(())
}

/// The words are counted as a program counts them, its own name included.
fn line(arguments: &[OsString], user: u32, process: u32) -> String {
    let mut words = vec![OsString::from("ch-run")];
    words.extend_from_slice(arguments);
    format!(
        "<{PRIORITY}>ch-run[{process}]: uid={user} args={}: {}",
        words.len(),
        shown(&words)
    )
}

fn send(to: &Path, text: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(text.as_bytes(), to).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_gets_the_command_line_and_nobody_waits_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        let words = ["-w", "my image", "--", "true"].map(OsString::from);
        let text = line(&words, 7, 99);
        send(&path, &text).unwrap();
        let mut buffer = [0; 200];
        let length = log.recv(&mut buffer).unwrap();
        let expected = "<14>ch-run[99]: uid=7 args=5: ch-run -w \"my image\" -- true";
        assert_eq!(str::from_utf8(&buffer[..length]), Ok(expected));
        // Until it is full.
        while send(&path, &text).is_ok() {}
        drop(log);
        assert!(send(&path, &text).is_err());
    }

    #[test]
    fn it_is_off_unless_turned_on() {
        let with = |value: &str| {
            log(
                &[],
                &[(environment::CH_RUN_SYSLOG, value)].into_iter().collect(),
            )
        };
        assert!(with("").is_ok() && with("0").is_ok() && with("1").is_ok());
        let failure = with("yes").unwrap_err();
        assert_eq!(failure.message(), "$CH_RUN_SYSLOG: invalid value: yes");
    }
}
