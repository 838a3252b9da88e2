//! A proxy on the way, and no way at all.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use ch_oci::{Reference, RegistryDefaults, RemoteReference, media_type};
use ch_registry::{Client, Content, DirectHosts, FetchError, Options, Proxies, Proxy, UploadError};

use crate::fixture::{Image, options};
use crate::server::{Reply, Server};

/// A proxy that leads every CONNECT to one port of this machine, and remembers the heads of requests.
struct Tunnel {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heads);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                // A connection that breaks is the client's business.
                std::thread::spawn(move || drop(tunnel(client, target, &log)));
            }
        });
        Self { port, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic while locked").clone()
    }
}

fn tunnel(mut client: TcpStream, target: u16, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let wanted = head.starts_with("CONNECT registry.test:");
    log.lock().expect("no panic while locked").push(head);
    if !wanted {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    }
    let mut server = TcpStream::connect(("127.0.0.1", target))?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut back, mut from) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let copied = io::copy(&mut from, &mut back);
        let _ = back.shutdown(Shutdown::Both);
        copied
    });
    io::copy(&mut reader, &mut server)?;
    server.shutdown(Shutdown::Write)
}

fn registry() -> Server {
    let manifest = Image::new().manifest;
    Server::start(move |_, _| {
        Reply::new(200, manifest.clone()).header("Content-Type", media_type::OCI_MANIFEST)
    })
}

fn reference(text: &str) -> RemoteReference {
    let reference = Reference::parse(text).expect("a valid reference");
    reference.remote(&RegistryDefaults::default())
}

/// Options with a proxy at `port` of this machine for everything.
fn by_proxy(port: u16) -> Options {
    let proxy = Proxy::parse(&format!("http://ann:secret@127.0.0.1:{port}")).expect("an address");
    Options {
        plain_http: true,
        proxies: Proxies {
            https: Some(proxy.clone()),
            http: Some(proxy),
            direct: DirectHosts::default(),
        },
        ..options()
    }
}

#[test]
fn bad_address_of_a_proxy_is_an_error_where_it_is_needed() {
    let proxy = Proxy::of_variable("https_proxy", "odd://ann:secret@proxy");
    let proxies = Proxies {
        https: Some(proxy.clone()),
        http: Some(proxy),
        direct: DirectHosts::default(),
    };
    let client = Client::new(Options {
        proxies,
        ..options()
    });
    let error = client
        .manifest(&reference("elsewhere.test/x:1"))
        .unwrap_err();
    let expected = "$https_proxy: not the address of a proxy";
    assert_eq!(error.to_string(), expected);
    let server = registry();
    let direct = reference(&format!("127.0.0.1:{}/x:1", server.port));
    client.manifest(&direct).expect("loopback has no proxy");
}

#[test]
fn registry_that_has_no_address_here_is_reached_by_the_proxy() {
    let server = registry();
    let tunnel = Tunnel::to(server.port);
    let client = Client::new(by_proxy(tunnel.port));
    let image = reference("registry.test:5000/x:1");
    let fetched = client.manifest(&image).unwrap();
    assert_eq!(fetched.bytes, Image::new().manifest);
    let heads = tunnel.heads();
    assert!(heads.len() >= 2, "TLS is tried first: {heads:?}");
    for head in heads {
        assert!(head.starts_with("CONNECT registry.test:5000 "), "{head}");
        let lower = head.to_ascii_lowercase();
        assert!(lower.contains("proxy-authorization: basic "), "{head}");
    }
    let asked = server.asked();
    let at_registry = asked.last().expect("it was asked");
    assert_eq!(at_registry.header("proxy-authorization"), None);
}

#[test]
fn loopback_and_excluded_hosts_are_reached_directly() {
    let server = registry();
    let tunnel = Tunnel::to(server.port);
    let client = Client::new(by_proxy(tunnel.port));
    let loopback = reference(&format!("127.0.0.1:{}/x:1", server.port));
    client.manifest(&loopback).unwrap();

    let mut options = by_proxy(tunnel.port);
    options.proxies.direct = DirectHosts::parse(".test");
    let error = Client::new(options)
        .manifest(&reference("registry.test:5000/x:1"))
        .unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error}");
    assert_eq!(tunnel.heads(), [""; 0]);
}

#[test]
fn proxy_that_refuses_or_is_not_there_is_named_without_its_password() {
    let tunnel = Tunnel::to(1);
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    for port in [tunnel.port, closed] {
        let options = Options {
            plain_http: false,
            ..by_proxy(port)
        };
        let error = Client::new(options)
            .manifest(&reference("elsewhere.test/x:1"))
            .unwrap_err();
        let cause = std::error::Error::source(&error)
            .expect("a cause")
            .to_string();
        assert_eq!(error.to_string(), "can't reach elsewhere.test:443");
        let expected = format!("by proxy 127.0.0.1:{port}: ");
        assert!(cause.starts_with(&expected), "{cause}");
        assert!(!cause.contains("secret"), "{cause}");
    }
}

#[test]
fn what_is_wrong_with_the_bytes_is_not_told_of_the_proxy() {
    let server = Server::start(|_, _| Reply::new(202, "").header("Location", "/upload"));
    let tunnel = Tunnel::to(server.port);
    let pusher = Client::new(by_proxy(tunnel.port));
    let pusher = pusher.push_to(&reference("registry.test:5000/x:1"), &[]);
    let content = Content::Bytes(b"less than it should be".to_vec());
    let uploaded = pusher.upload(None, &Image::new().layer(), &content, &|_| true);
    assert!(
        matches!(uploaded, Err(UploadError::Read { .. })),
        "{uploaded:?}"
    );
}

#[test]
fn offline_means_that_no_request_is_made() {
    let server = registry();
    let client = Client::new(Options {
        offline: true,
        ..options()
    });
    let image = reference(&format!("127.0.0.1:{}/x:1", server.port));
    let error = client.manifest(&image).unwrap_err();
    let url = format!("https://127.0.0.1:{}/v2/x/manifests/1", server.port);
    assert_eq!(error.to_string(), format!("offline: can't GET {url}"));
    let hint = error.hint();
    assert_eq!(
        hint.as_deref(),
        Some("--offline or CH_IMAGE_OFFLINE is set")
    );
    assert_eq!(server.asked().len(), 0);
}
