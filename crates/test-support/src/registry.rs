//! A real registry: Debian's `docker-registry`, on a free port of the loopback interface.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{ImageLayout, run_tool};

/// Who may use a registry.
pub enum Access {
    /// Everybody.
    Anonymous,
    /// Who knows the name and password of [`Registry::CREDENTIALS`] (Basic authentication).
    Password,
}

/// How a registry is spoken to.
pub enum Transport {
    /// HTTP.
    Plain,
    /// HTTPS with a certificate for `localhost` and 127.0.0.1 from an authority of its own.
    Tls,
}

/// [`Registry::CREDENTIALS`] in the form of htpasswd(1), with bcrypt: the only kind that the registry reads.
const HTPASSWD: &str = "tester:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// A running registry; it ends with the value.
pub struct Registry {
    process: Child,
    directory: tempfile::TempDir,
    port: u16,
    tls: bool,
    password: bool,
}

impl Registry {
    /// Name and password for a registry with [`Access::Password`].
    pub const CREDENTIALS: (&str, &str) = ("tester", "secret");

    /// Starts a registry that everybody may use over HTTP.
    pub fn start() -> Self {
        Self::start_with(&Transport::Plain, &Access::Anonymous)
    }

    /// Starts a registry.
    ///
    /// # Panics
    ///
    /// When `docker-registry` or `openssl` is missing, or the registry does not come up.
    pub fn start_with(transport: &Transport, access: &Access) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("ch-image-registry.")
            .tempdir()
            .expect("TMPDIR can be written to");
        let tls = matches!(transport, Transport::Tls);
        if tls {
            make_certificates(directory.path());
        }
        let password = matches!(access, Access::Password);
        let config = directory.path().join("config.yml");
        fs::write(&config, configuration(directory.path(), tls, password))
            .expect("the directory is ours");
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed");
        let port = announced_port(&mut process);
        Self {
            process,
            directory,
            port,
            tls,
            password,
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Certificate of the authority that vouches for a registry with [`Transport::Tls`].
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// Directory in which the registry keeps its blobs.
    pub fn storage(&self) -> PathBuf {
        self.directory.path().join("storage")
    }

    /// Puts an image into the registry as `name`, e.g. `debian:bookworm`, by skopeo(1).
    ///
    /// # Panics
    ///
    /// When skopeo is missing or fails.
    pub fn put(&self, image: &ImageLayout, name: &str) {
        let source = format!("oci:{}:latest", image.directory().display());
        let destination = format!("docker://{}/{name}", self.host());
        let (user, password) = Self::CREDENTIALS;
        let credentials = self
            .password
            .then(|| format!("--dest-creds={user}:{password}"));
        let mut arguments = vec!["--insecure-policy", "copy", "--dest-tls-verify=false"];
        arguments.extend(credentials.as_deref());
        arguments.extend([source.as_str(), destination.as_str()]);
        run_tool("skopeo", &arguments);
    }

    /// Whether the registry speaks TLS.
    pub fn has_tls(&self) -> bool {
        self.tls
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It can only fail when the process has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(directory: &Path, tls: bool, password: bool) -> String {
    let place = directory.display();
    let mut text = format!(
        "version: 0.1\nlog: {{level: info, formatter: json}}\nstorage: {{filesystem: {{rootdirectory: {place}/storage}}, delete: {{enabled: true}}}}\n\
         http:\n  addr: 127.0.0.1:0\n  secret: of-this-test\n"
    );
    if tls {
        text += &format!("  tls: {{certificate: {place}/server.pem, key: {place}/server.key}}\n");
    }
    if password {
        fs::write(directory.join("htpasswd"), HTPASSWD).expect("the directory is ours");
        text += &format!("auth: {{htpasswd: {{realm: test, path: {place}/htpasswd}}}}\n");
    }
    text
}

/// The port that the registry was given; it logs `listening on 127.0.0.1:PORT` when it is ready. The rest
/// of its log is read and dropped, so that it never waits for us.
fn announced_port(process: &mut Child) -> u16 {
    let log = process.stderr.take().expect("the log is a pipe");
    let mut lines = BufReader::new(log).lines();
    let mut seen = String::new();
    let port = loop {
        let Some(Ok(line)) = lines.next() else {
            panic!("docker-registry did not start:\n{seen}")
        };
        let listening = line
            .split("listening on ")
            .nth(1)
            .and_then(|rest| rest.split(':').nth(1));
        if let Some(rest) = listening {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            break digits.parse().expect("the registry logs its port");
        }
        seen += &line;
        seen.push('\n');
    };
    std::thread::spawn(move || lines.for_each(drop));
    port
}

/// An authority and a certificate of it for `localhost` and 127.0.0.1, by openssl(1).
fn make_certificates(directory: &Path) {
    let path = |name: &str| directory.join(name).display().to_string();
    let new_key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let (authority, authority_key) = (path("authority.pem"), path("authority.key"));
    let mut arguments = vec!["req", "-x509", "-subj", "/CN=test authority", "-days", "2"];
    arguments.extend(new_key);
    arguments.extend(["-keyout", &authority_key, "-out", &authority]);
    run_tool("openssl", &arguments);

    let (key, request, certificate) = (path("server.key"), path("server.csr"), path("server.pem"));
    let mut arguments = vec!["req", "-subj", "/CN=localhost"];
    arguments.extend(new_key);
    arguments.extend(["-keyout", &key, "-out", &request]);
    run_tool("openssl", &arguments);

    let extensions = path("extensions");
    fs::write(&extensions, "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        .expect("the directory is ours");
    run_tool(
        "openssl",
        &[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &request,
            "-CA",
            &authority,
            "-CAkey",
            &authority_key,
            "-CAcreateserial",
            "-extfile",
            &extensions,
            "-out",
            &certificate,
        ],
    );
}
