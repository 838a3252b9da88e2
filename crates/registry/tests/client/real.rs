//! Debian's `docker-registry`, started by the test as whoever runs it, on a loopback port.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ch_oci::{Digest, Document, Reference, RegistryDefaults, RemoteReference, media_type};
use ch_registry::{Client, FetchError, Options, Retries, Trust};
use tempfile::TempDir;

use crate::fixture::{Image, listening, options, reference};
use crate::login::with_prompt;

/// bcrypt of `word:with:colons` for `user`.
const HTPASSWD: &str = "user:$2b$05$abcdefghijklmnopqrstuucdkFwqrdVlmIuILsVx4YmU97ynY6Bb6\n";

/// A running registry; it ends with this value.
struct Registry {
    process: Child,
    port: u16,
}

impl Registry {
    /// Starts it on `storage`; `http` and `rest` are further lines of its configuration.
    fn start(storage: &Path, http: &str, rest: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:{port}\n  secret: s\n{http}{rest}",
            storage.join("registry").display()
        );
        let file = storage.join(format!("{port}.yml"));
        fs::write(&file, config).expect("a writable directory");
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is installed (package docker-registry)");
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = process.try_wait().expect("a child can be waited for");
            assert_eq!(ended, None, "docker-registry ended at once");
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "docker-registry does not answer"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, port }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Puts the image into a registry that asks for nothing, as `x:1`.
fn push(registry: &Registry, image: &Image) {
    let base = format!("http://127.0.0.1:{}", registry.port);
    for blob in [&image.config, &image.layer] {
        let started = ureq::post(format!("{base}/v2/x/blobs/uploads/")).send_empty();
        let started = started.expect("an upload starts");
        let location = started.headers()["location"]
            .to_str()
            .expect("an address")
            .to_owned();
        let put = ureq::put(format!("{location}&digest={}", Digest::of(blob)));
        put.send(&blob[..]).expect("an upload ends");
    }
    let put = ureq::put(format!("{base}/v2/x/manifests/1"));
    let put = put.header("Content-Type", media_type::OCI_MANIFEST);
    put.send(&image.manifest[..])
        .expect("the manifest is accepted");
}

/// Fetches everything of `x:1` and compares it with what was pushed.
fn fetch(client: &Client, reference: &RemoteReference) -> Result<(), FetchError> {
    let image = Image::new();
    let fetched = client.manifest(reference)?;
    assert_eq!(fetched.bytes, image.manifest);
    let Document::Manifest(manifest) = fetched.document else {
        panic!("not a manifest")
    };
    assert_eq!(client.config(reference, &manifest.config)?, image.config);
    let mut layer = Vec::new();
    client
        .blob(reference, &manifest.layers[0])?
        .read_to_end(&mut layer)
        .expect("a whole layer");
    assert_eq!(layer, image.layer);
    Ok(())
}

#[test]
fn an_image_comes_out_as_it_went_in() {
    let storage = TempDir::new().unwrap();
    let registry = Registry::start(storage.path(), "", "");
    push(&registry, &Image::new());
    let client = Client::new(options());
    fetch(&client, &reference(registry.port, "x:1")).unwrap();
    let error = fetch(&client, &reference(registry.port, "nosuch:1")).unwrap_err();
    let full = format!("127.0.0.1:{}/nosuch:1", registry.port);
    assert_eq!(
        error.to_string(),
        format!("unauthorized or not in registry: {full}")
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.starts_with("registry says: MANIFEST_UNKNOWN: "),
        "{cause}"
    );
}

#[test]
fn a_registry_with_passwords_lets_in_who_knows_one() {
    let storage = TempDir::new().unwrap();
    push(&Registry::start(storage.path(), "", ""), &Image::new());
    let passwords = storage.path().join("htpasswd");
    fs::write(&passwords, HTPASSWD).unwrap();
    let auth = format!(
        "auth:\n  htpasswd:\n    realm: x\n    path: {}\n",
        passwords.display()
    );
    let registry = Registry::start(storage.path(), "", &auth);
    let reference = reference(registry.port, "x:1");
    let good = Client::new(with_prompt(options(), "user", "word:with:colons"));
    fetch(&good, &reference).unwrap();
    let bad = Client::new(with_prompt(options(), "user", "word"));
    let error = fetch(&bad, &reference).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("unauthorized or not in registry: {reference}")
    );
}

fn openssl(directory: &Path, arguments: &str) {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(directory).args(arguments.split(' '));
    let output = openssl.output().expect("openssl is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes `ca.crt` and, signed by it, `server.crt` and `server.key` for `localhost`.
fn certificates(directory: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout";
    fs::write(directory.join("names"), "subjectAltName=DNS:localhost\n").expect("writable");
    openssl(
        directory,
        &format!("req -x509 {key} ca.key -out ca.crt -subj /CN=authority -days 2"),
    );
    openssl(
        directory,
        &format!("req {key} server.key -out server.csr -subj /CN=server"),
    );
    openssl(
        directory,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
         -extfile names -out server.crt",
    );
}

fn called(host: &str, port: u16) -> RemoteReference {
    let reference = Reference::parse(&format!("{host}:{port}/x:1")).expect("a valid reference");
    reference.remote(&RegistryDefaults::default())
}

#[test]
fn certificates_are_checked_against_the_authorities_that_were_chosen() {
    let storage = TempDir::new().unwrap();
    push(&Registry::start(storage.path(), "", ""), &Image::new());
    certificates(storage.path());
    let file = |name: &str| storage.path().join(name);
    let tls = format!(
        "  tls:\n    certificate: {}\n    key: {}\n",
        file("server.crt").display(),
        file("server.key").display()
    );
    let registry = Registry::start(storage.path(), &tls, "");
    let localhost = called("localhost", registry.port);

    // Not known: refused, and plain HTTP is not tried instead.
    let error = fetch(&Client::new(options()), &localhost).unwrap_err();
    assert_eq!(error.to_string(), "can't verify certificate of localhost");
    assert!(error.hint().unwrap().contains("SSL_CERT_FILE"));

    let only = |path| Options {
        trust: Trust::Only(path),
        ..options()
    };
    fetch(&Client::new(only(file("ca.crt"))), &localhost).unwrap();

    // The right authority, but another name.
    let error = fetch(
        &Client::new(only(file("ca.crt"))),
        &called("127.0.0.1", registry.port),
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "can't verify certificate of 127.0.0.1"
    );

    let error = fetch(&Client::new(only(file("nosuch.crt"))), &localhost).unwrap_err();
    let expected = format!("can't read certificates: {}", file("nosuch.crt").display());
    assert_eq!(error.to_string(), expected);

    for name in [
        "localhost".to_owned(),
        format!("localhost:{}", registry.port),
    ] {
        let directory = file("certs.d").join(&name);
        fs::create_dir_all(&directory).unwrap();
        fs::copy(file("ca.crt"), directory.join("ca.crt")).unwrap();
        let options = Options {
            certificate_directories: vec![file("certs.d")],
            ..options()
        };
        fetch(&Client::new(options), &localhost).unwrap();
        fs::remove_dir_all(file("certs.d")).unwrap();
    }

    let (options, heard) = listening(options());
    let unverified = Client::new(Options {
        verify_tls: false,
        ..options
    });
    fetch(&unverified, &called("127.0.0.1", registry.port)).unwrap();
    assert_eq!(
        *heard.lock().unwrap(),
        ["certificate of 127.0.0.1 is not verified"]
    );
}

#[test]
fn a_registry_that_wants_a_certificate_gets_the_one_of_its_directory() {
    let storage = TempDir::new().unwrap();
    push(&Registry::start(storage.path(), "", ""), &Image::new());
    certificates(storage.path());
    let file = |name: &str| storage.path().join(name);
    let tls = format!(
        "  tls:\n    certificate: {}\n    key: {}\n    clientcas:\n      - {}\n",
        file("server.crt").display(),
        file("server.key").display(),
        file("ca.crt").display()
    );
    let registry = Registry::start(storage.path(), &tls, "");
    let localhost = called("localhost", registry.port);
    let own = file("certs.d").join("localhost");
    fs::create_dir_all(&own).unwrap();
    fs::copy(file("ca.crt"), own.join("ca.crt")).unwrap();
    let retries = Retries {
        attempts: 1,
        ..options().retries
    };
    let options = Options {
        certificate_directories: vec![file("certs.d")],
        retries,
        ..options()
    };
    let fetch = || fetch(&Client::new(options.clone()), &localhost);

    assert!(
        matches!(fetch(), Err(FetchError::Unreachable { .. })),
        "none is shown"
    );
    fs::copy(file("server.key"), own.join("me.key")).unwrap();
    let unusable = |name: &str| format!("can't read certificates: {}", own.join(name).display());
    assert_eq!(
        fetch().unwrap_err().to_string(),
        unusable("me.key"),
        "a key alone"
    );
    fs::copy(file("server.crt"), own.join("me.cert")).unwrap();
    fetch().unwrap();
    fs::copy(file("ca.key"), own.join("me.key")).unwrap();
    assert_eq!(
        fetch().unwrap_err().to_string(),
        unusable("me.cert"),
        "another's key"
    );
    fs::remove_file(own.join("me.key")).unwrap();
    assert_eq!(
        fetch().unwrap_err().to_string(),
        unusable("me.key"),
        "a certificate alone"
    );
}
