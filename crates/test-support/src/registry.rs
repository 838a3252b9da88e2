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
    /// HTTPS with a certificate for `localhost` from an authority of its own; not for 127.0.0.1.
    Tls,
    /// The same, for those who show a certificate of that authority.
    MutualTls,
}

/// [`Registry::CREDENTIALS`] in the form of htpasswd(1), with bcrypt: the only kind that the registry reads.
const HTPASSWD: &str = "tester:$2y$05$abcdefghijklmnopqrstuuj5DaoYnUxZnCxcpQ8vG/UCDkJIC0IC2\n";

/// A running registry; it ends with the value.
pub struct Registry {
    server: Server,
    directory: tempfile::TempDir,
    tls: bool,
    password: bool,
}

/// A process and where it listens.
struct Server {
    process: Child,
    port: u16,
}

impl Registry {
    /// Name and password for a registry with [`Access::Password`].
    pub const CREDENTIALS: (&str, &str) = ("tester", "secret:with:colons");

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
        Self::serving(directory, transport, access)
    }

    /// Ends, and starts again with the same images, on another port.
    #[must_use]
    pub fn again_with(self, transport: &Transport, access: &Access) -> Self {
        let Self {
            server, directory, ..
        } = self;
        drop(server);
        Self::serving(directory, transport, access)
    }

    fn serving(directory: tempfile::TempDir, transport: &Transport, access: &Access) -> Self {
        let tls = !matches!(transport, Transport::Plain);
        if tls {
            make_certificates(directory.path());
        }
        let config = directory.path().join("config.yml");
        fs::write(&config, configuration(directory.path(), transport, access))
            .expect("the directory is ours");
        Self {
            server: Server::start(&config),
            directory,
            tls,
            password: matches!(access, Access::Password),
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Certificate of the authority that vouches for a registry with [`Transport::Tls`].
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// Key of that authority.
    pub fn authority_key(&self) -> PathBuf {
        self.directory.path().join("authority.key")
    }

    /// The registry's own certificate, which also serves to show to a registry with [`Transport::MutualTls`].
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("server.pem")
    }

    /// Key of that certificate.
    pub fn key(&self) -> PathBuf {
        self.directory.path().join("server.key")
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

impl Server {
    fn start(config: &Path) -> Self {
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed");
        let port = announced_port(&mut process);
        Self { process, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It can only fail when the process has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(directory: &Path, transport: &Transport, access: &Access) -> String {
    let place = directory.display();
    let mut text = format!(
        "version: 0.1\nlog: {{level: info, formatter: json}}\nstorage: {{filesystem: {{rootdirectory: {place}/storage}}, delete: {{enabled: true}}}}\n\
         http:\n  addr: 127.0.0.1:0\n  secret: of-this-test\n"
    );
    let clients = match transport {
        Transport::MutualTls => format!(", clientcas: [{place}/authority.pem]"),
        Transport::Plain | Transport::Tls => String::new(),
    };
    if !matches!(transport, Transport::Plain) {
        text += &format!(
            "  tls: {{certificate: {place}/server.pem, key: {place}/server.key{clients}}}\n"
        );
    }
    if matches!(access, Access::Password) {
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

/// An authority and a certificate of it for `localhost`, by openssl(1).
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
    fs::write(&extensions, "subjectAltName=DNS:localhost\n").expect("the directory is ours");
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
