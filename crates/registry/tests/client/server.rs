//! A registry in this process. What it answers is a function of the request; it can break off, stall,
//! lie about lengths, and it remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a client asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    /// As much of it as was taken.
    pub(crate) body: Vec<u8>,
}

/// How much of the body of a request is taken.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Intake {
    All,
    /// It is answered at once.
    Nothing,
    /// After so many bytes the connection closes, without an answer.
    Cut(u64),
    /// All of it, but there is no answer.
    Unanswered,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body, if it is text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    /// Whether the request is for a token, manifest, blob... by a part of its target.
    pub(crate) fn is(&self, part: &str) -> bool {
        self.target.contains(part)
    }
}

/// How the body of an answer ends.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    Whole,
    /// After so many bytes the connection closes.
    Cut(usize),
    /// After so many bytes nothing more comes.
    Stall(usize),
    /// The body comes without length, and goes on with zeros.
    Endless,
}

/// An answer.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            end: End::Whole,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} X\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.end == End::Endless {
            head.push_str("Connection: close\r\n\r\n");
        } else {
            head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        }
        stream.write_all(head.as_bytes())?;
        match self.end {
            End::Whole => stream.write_all(&self.body),
            End::Cut(at) => {
                stream.write_all(&self.body[..at])?;
                stream.shutdown(std::net::Shutdown::Both)
            }
            End::Stall(at) => {
                stream.write_all(&self.body[..at])?;
                stream.flush()?;
                std::thread::sleep(Duration::from_secs(3));
                stream.shutdown(std::net::Shutdown::Both)
            }
            End::Endless => {
                stream.write_all(&self.body)?;
                while stream.write_all(&[0; 4096]).is_ok() {}
                Ok(())
            }
        }
    }
}

/// A running server; it lives as long as the process.
pub(crate) struct Server {
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Starts a server that answers with `answer`, which also gets the number of the request, from 0.
    pub(crate) fn start(answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::taking(|_, _| Intake::All, answer)
    }

    /// Starts a server that takes as much of bodies as `intake` says.
    pub(crate) fn taking(
        intake: impl Fn(&Asked, usize) -> Intake + Send + Sync + 'static,
        answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let server = Self {
            port,
            log: Arc::clone(&log),
        };
        let behaviour = Arc::new((intake, answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, behaviour) = (Arc::clone(&log), Arc::clone(&behaviour));
                std::thread::spawn(move || serve(stream, &log, &behaviour.0, &behaviour.1));
            }
        });
        server
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().expect("no panic while locked").clone()
    }

    /// How many requests were for `part`.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.asked().iter().filter(|asked| asked.is(part)).count()
    }
}

fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    intake: &(dyn Fn(&Asked, usize) -> Intake + Sync),
    answer: &(dyn Fn(&Asked, usize) -> Reply + Sync),
) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
    while let Some(mut asked) = head(&mut reader) {
        let number = {
            let mut log = log.lock().expect("no panic while locked");
            log.push(asked.clone());
            log.len() - 1
        };
        let taken = intake(&asked, number);
        if taken != Intake::Nothing && take(&mut asked, taken, &mut reader, &mut stream).is_err() {
            return;
        }
        log.lock().expect("no panic while locked")[number] = asked.clone();
        if let Intake::Cut(_) = taken {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
        let reply = answer(&asked, number);
        if taken == Intake::Unanswered {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
        if reply.send(&mut stream).is_err() || taken == Intake::Nothing {
            return;
        }
    }
    // What is no request is a TLS greeting: say in plain HTTP that it was not understood.
    let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
}

/// A request without its body.
fn head(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Some(Asked {
        method,
        target,
        headers,
        body: Vec::new(),
    })
}

/// Reads the body of a request, or a part of it.
fn take(
    asked: &mut Asked,
    intake: Intake,
    reader: &mut impl BufRead,
    stream: &mut TcpStream,
) -> std::io::Result<()> {
    if asked.header("expect") == Some("100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let length = asked.header("content-length");
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let length = match intake {
        Intake::Cut(most) => length.min(most),
        _ => length,
    };
    reader.take(length).read_to_end(&mut asked.body)?;
    Ok(())
}
