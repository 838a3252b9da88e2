//! Manifests and blobs over a connection that breaks, stalls, lies and leads elsewhere.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::{Duration, Instant};

use ch_oci::{Descriptor, Digest, Document, media_type};
use ch_registry::{BlobError, Client, FetchError, Options, Retries};

use crate::fixture::{Image, options, reference};
use crate::server::{Asked, End, Reply, Server};

fn read(client: &Client, server: &Server, blob: &Descriptor) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let blob = client
        .blob(&reference(server.port, "x:1"), blob)
        .map_err(io::Error::other)?;
    let mut blob = blob;
    blob.read_to_end(&mut bytes)?;
    assert_eq!(blob.read(&mut [0; 8])?, 0, "the end stays the end");
    Ok(bytes)
}

fn blob_error(error: &io::Error) -> &BlobError {
    error
        .get_ref()
        .expect("wraps")
        .downcast_ref()
        .expect("a blob error")
}

fn offset(asked: &Asked) -> Option<usize> {
    asked
        .header("range")?
        .strip_prefix("bytes=")?
        .strip_suffix('-')?
        .parse()
        .ok()
}

#[test]
fn manifest_is_fetched_by_tag_and_by_digest_and_checked() {
    let image = Image::new();
    let (manifest, digest) = (image.manifest.clone(), Digest::of(&image.manifest));
    let server = Server::start(move |asked, _| {
        if asked.is("/v2/x/manifests/lie") {
            return Reply::new(200, "{}").header("Docker-Content-Digest", digest.to_string());
        }
        Reply::new(200, manifest.clone()).header("Content-Type", media_type::OCI_MANIFEST)
    });
    let client = Client::new(options());
    let fetched = client.manifest(&reference(server.port, "x:1")).unwrap();
    assert_eq!(fetched.bytes, image.manifest);
    assert!(matches!(fetched.document, Document::Manifest(_)));
    assert_eq!(fetched.media_type, media_type::OCI_MANIFEST);
    let accept = server.asked()[0].header("accept").unwrap().to_owned();
    assert!(
        accept.starts_with("application/vnd.oci.image.index.v1+json, "),
        "{accept}"
    );

    let by_digest = reference(server.port, &format!("x:1@{}", fetched.digest));
    assert_eq!(client.manifest(&by_digest).unwrap().digest, fetched.digest);
    assert!(server.asked()[1].is(&format!("/manifests/{}", fetched.digest)));

    let other = reference(server.port, &format!("x@{}", Digest::of(b"other")));
    for wrong in [other, reference(server.port, "x:lie")] {
        let error = client.manifest(&wrong).unwrap_err();
        assert_eq!(error.to_string(), "manifest: digest mismatch");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.starts_with("received sha256:"), "{cause}");
    }
}

#[test]
fn blob_is_read_whole_and_only_once() {
    let image = Image::new();
    let (layer, descriptor) = (image.layer.clone(), image.layer());
    let server = Server::start(move |_, _| Reply::new(200, layer.clone()));
    let client = Client::new(options());
    assert_eq!(read(&client, &server, &descriptor).unwrap(), image.layer);
    assert_eq!(server.asked().len(), 1);
    assert_eq!(
        server.asked()[0].header("accept-encoding"),
        Some("identity")
    );
}

#[test]
fn an_empty_blob_is_checked_too() {
    let server = Server::start(|_, _| Reply::new(200, ""));
    let client = Client::new(options());
    let empty = Descriptor::new(media_type::OCI_LAYER, Digest::of(b""), 0);
    assert_eq!(read(&client, &server, &empty).unwrap(), b"");
    let wrong = Descriptor::new(media_type::OCI_LAYER, Digest::of(b"x"), 0);
    assert!(read(&client, &server, &wrong).is_err());
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    for (honours_range, end) in [
        (true, End::Cut(100_000)),
        (false, End::Cut(100_000)),
        (true, End::Stall(100_000)),
    ] {
        let image = Image::new();
        let (layer, descriptor) = (image.layer.clone(), image.layer());
        let server = Server::start(move |asked, number| match offset(asked) {
            Some(start) if honours_range => Reply::new(206, &layer[start..])
                .header("Content-Range", format!("bytes {start}-/*")),
            _ if number == 0 => Reply::new(200, layer.clone())
                .header("ETag", "\"e\"")
                .end(end),
            _ => Reply::new(200, layer.clone()),
        });
        let client = Client::new(options());
        assert_eq!(read(&client, &server, &descriptor).unwrap(), image.layer);
        let asked = server.asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[1].header("range"), Some("bytes=100000-"));
        assert_eq!(asked[1].header("if-range"), Some("\"e\""));
    }
}

#[test]
fn a_transfer_that_breaks_before_it_is_where_it_was_is_tried_again() {
    for good in [true, false] {
        let image = Image::new();
        let (layer, descriptor) = (image.layer.clone(), image.layer());
        let server = Server::start(move |_, number| {
            Reply::new(200, layer.clone()).end(match number {
                0 => End::Cut(100_000),
                2 if good => End::Whole,
                _ => End::Cut(50_000),
            })
        });
        match read(&Client::new(options()), &server, &descriptor) {
            Ok(bytes) => assert!(good && bytes == image.layer),
            Err(error) => {
                assert!(!good, "{error}");
                let shown = blob_error(&error).to_string();
                assert_eq!(shown, "transfer broke off after 100000 of 1200000 bytes");
            }
        }
        assert_eq!(server.asked().len(), 3);
    }
}

#[test]
fn a_transfer_that_keeps_breaking_without_progress_is_reported() {
    let image = Image::new();
    let (layer, descriptor) = (image.layer.clone(), image.layer());
    let server = Server::start(move |asked, _| match offset(asked) {
        Some(start) => Reply::new(206, &layer[start..])
            .header("Content-Range", format!("bytes {start}-/*"))
            .end(End::Cut(0)),
        None => Reply::new(200, layer.clone()).end(End::Cut(5)),
    });
    let error = read(&Client::new(options()), &server, &descriptor).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let shown = blob_error(&error).to_string();
    assert_eq!(shown, "transfer broke off after 5 of 1200000 bytes");
    assert_eq!(
        server.asked().len(),
        3,
        "as many attempts as the options allow"
    );
}

#[test]
fn wrong_bytes_are_refused_before_the_end_is_shown() {
    let image = Image::new();
    let descriptor = image.layer();
    let mut layer = image.layer.clone();
    *layer.last_mut().unwrap() ^= 1;
    let received = Digest::of(&layer);
    let server = Server::start(move |_, _| Reply::new(200, layer.clone()));
    let client = Client::new(options());
    let mut blob = client
        .blob(&reference(server.port, "x:1"), &descriptor)
        .unwrap();
    let mut bytes = Vec::new();
    let error = blob.read_to_end(&mut bytes).unwrap_err();
    assert!(
        bytes.len() < image.layer.len(),
        "the last bytes are held back"
    );
    let error = blob_error(&error);
    assert_eq!(error.to_string(), "digest mismatch");
    let cause = std::error::Error::source(error).unwrap();
    assert_eq!(cause.to_string(), format!("received {received}"));
    assert!(
        blob.read(&mut [0]).is_err(),
        "an error is not followed by an end"
    );
}

#[test]
fn a_blob_of_another_size_is_refused() {
    let image = Image::new();
    let (layer, descriptor) = (image.layer.clone(), image.layer());
    let server = Server::start(move |asked, _| {
        let end = if asked.is("/endless/") {
            End::Endless
        } else {
            End::Whole
        };
        Reply::new(200, layer.clone()).end(end)
    });
    let client = Client::new(options());
    let larger = Descriptor {
        size: descriptor.size + 1,
        ..descriptor.clone()
    };
    let error = client
        .blob(&reference(server.port, "x"), &larger)
        .err()
        .unwrap();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        cause,
        "size mismatch: 1200001 bytes promised, the blob has 1200000"
    );

    let mut endless = client
        .blob(&reference(server.port, "endless"), &descriptor)
        .unwrap();
    let error = endless.read_to_end(&mut Vec::new()).unwrap_err();
    let shown = blob_error(&error).to_string();
    assert_eq!(shown, "larger than the 1200000 bytes its manifest promises");
}

#[test]
fn authorization_does_not_follow_to_another_host() {
    let image = Image::new();
    let (layer, descriptor) = (image.layer.clone(), image.layer());
    let storage = Server::start(move |_, _| Reply::new(200, layer.clone()));
    let (layer, elsewhere) = (image.layer.clone(), storage.port);
    let server = Server::start(move |asked, _| {
        let known = asked.header("authorization").is_some();
        match asked.target.as_str() {
            _ if !known => Reply::new(401, "").header("WWW-Authenticate", "Basic realm=x"),
            "/here" => Reply::new(200, layer.clone()),
            target if target.starts_with("/v2/same/") => {
                Reply::new(307, "").header("Location", "/here")
            }
            _ => Reply::new(307, "").header(
                "Location",
                format!("http://localhost:{elsewhere}/there?sig=secret"),
            ),
        }
    });
    let client = Client::new(crate::login::with_prompt(options(), "u", "p"));
    for (name, repository) in [
        ("V-cmd-67 same host and port", "same"),
        ("V-cmd-67 other", "x"),
    ] {
        let mut bytes = Vec::new();
        let mut blob = client
            .blob(&reference(server.port, repository), &descriptor)
            .unwrap();
        blob.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, image.layer, "{name}");
    }
    let here = server
        .asked()
        .into_iter()
        .find(|asked| asked.target == "/here")
        .unwrap();
    assert!(
        here.header("authorization").is_some(),
        "V-cmd-67 same host and port"
    );
    assert_eq!(storage.asked().len(), 1);
    assert_eq!(
        storage.asked()[0].header("authorization"),
        None,
        "V-cmd-67 other host"
    );
    println!("commands.md §4.2 redirects: 2 vectors");
}

#[test]
fn redirects_end_and_lead_to_web_addresses_only() {
    let server = Server::start(|asked, _| {
        let location = if asked.is("/v2/round/") {
            asked.target.clone()
        } else {
            "file:///etc/passwd".to_owned()
        };
        Reply::new(302, "").header("Location", location)
    });
    let client = Client::new(options());
    let error = |name: &str| {
        client
            .manifest(&reference(server.port, name))
            .unwrap_err()
            .to_string()
    };
    let round = format!("http://127.0.0.1:{}/v2/round/manifests/latest", server.port);
    let round = format!("can't follow redirect from {round} to {round}: more than 10");
    assert_eq!(error("round"), round);
    assert!(error("file").ends_with("to file:///etc/passwd: no valid address"));
}

#[test]
fn only_failures_that_may_pass_are_tried_again() {
    let table = [
        (
            500,
            3,
            "GET failed; expected status 200 but got 500: Internal Server Error",
        ),
        (
            503,
            3,
            "GET failed; expected status 200 but got 503: Service Unavailable",
        ),
        (404, 1, "unauthorized or not in registry: 127.0.0.1:"),
        (403, 1, "unauthorized or not in registry: 127.0.0.1:"),
        (
            415,
            1,
            "GET failed; expected status 200 but got 415: Unsupported Media Type",
        ),
        (429, 1, "registry rate limit exceeded (HTTP 429)"),
    ];
    for (status, requests, message) in table {
        let server = Server::start(move |_, _| {
            let body = r#"{"errors":[{"code":"DENIED","message":"no \u001b[31m"}]}"#;
            Reply::new(status, body)
        });
        let error = Client::new(options())
            .manifest(&reference(server.port, "x"))
            .unwrap_err();
        assert!(error.to_string().starts_with(message), "{status}: {error}");
        assert_eq!(server.asked().len(), requests, "{status}");
        if let Some(cause) = std::error::Error::source(&error) {
            assert_eq!(
                cause.to_string(),
                "registry says: DENIED: no \\x1b[31m",
                "{status}"
            );
        }
    }
    println!("commands.md §4.8, 4.10 statuses: {} rows", table.len());
}

#[test]
fn what_passes_is_tried_again_until_it_does() {
    let image = Image::new();
    let manifest = image.manifest.clone();
    let server = Server::start(move |_, number| match number {
        0 => Reply::new(502, ""),
        1 => Reply::new(200, manifest.clone()).end(End::Cut(10)),
        2 => Reply::new(429, "").header("Retry-After", "0"),
        _ => Reply::new(200, manifest.clone()),
    });
    let fetched = Client::new(options())
        .manifest(&reference(server.port, "x"))
        .unwrap();
    assert_eq!(fetched.bytes, image.manifest);
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn other_web_servers_and_silence_are_told_apart() {
    let page = Server::start(|asked, _| {
        let status = if asked.is("/v2/found/") { 200 } else { 404 };
        Reply::new(status, "<html>").header("Content-Type", "text/html; charset=utf-8")
    });
    let client = Client::new(options());
    for name in ["found", "missing"] {
        let error = client.manifest(&reference(page.port, name)).unwrap_err();
        let expected = format!("not a container registry: 127.0.0.1:{}", page.port);
        assert_eq!(error.to_string(), expected, "{name}");
    }
    let free = unused_port();
    let error = client.manifest(&reference(free, "x")).unwrap_err();
    assert_eq!(error.to_string(), format!("can't reach 127.0.0.1:{free}"));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("refused"), "{cause}");
}

/// A port where every connection gets these bytes.
fn babbling(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&answer);
            // What is left unread would reset the connection before the answer is read.
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    port
}

#[test]
fn answers_that_are_not_http_are_told_from_silence() {
    let header = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let answers = [
        ("garbage", "what?\r\n\r\n".to_owned()),
        (
            "length",
            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n".to_owned(),
        ),
        ("header", header),
    ];
    for (name, answer) in answers {
        let port = babbling(answer.into_bytes());
        let error = Client::new(options())
            .manifest(&reference(port, "x"))
            .unwrap_err();
        let expected = format!("127.0.0.1:{port}: not a valid HTTP answer");
        assert_eq!(error.to_string(), expected, "{name}: {error:?}");
    }
}

#[test]
fn manifest_has_the_size_that_its_index_says() {
    let image = Image::new();
    let manifest = image.manifest.clone();
    let server = Server::start(move |_, _| {
        Reply::new(200, manifest.clone()).header("Content-Type", media_type::OCI_MANIFEST)
    });
    let size = image.manifest.len() as u64;
    let entry = |size| Descriptor::new(media_type::OCI_MANIFEST, Digest::of(&image.manifest), size);
    let client = Client::new(options());
    let of = |size| client.manifest_of(&reference(server.port, "x"), &entry(size));
    assert_eq!(of(size).unwrap().bytes, image.manifest);
    let error = of(size - 1).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.starts_with("size mismatch: "), "{cause}");
}

#[test]
fn nobody_on_loopback_is_said_at_once() {
    let port = unused_port();
    let patient = Options {
        retries: Retries {
            attempts: 2,
            delay: Duration::from_secs(60),
        },
        ..options()
    };
    let start = Instant::now();
    let error = Client::new(patient)
        .manifest(&reference(port, "x"))
        .unwrap_err();
    assert_eq!(error.to_string(), format!("can't reach 127.0.0.1:{port}"));
    assert!(start.elapsed() < Duration::from_secs(10));
}

fn unused_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

#[test]
fn large_documents_are_refused() {
    let server = Server::start(|_, _| Reply::new(200, vec![b' '; 4 * 1024 * 1024 + 1]));
    let client = Client::new(options());
    let error = client.manifest(&reference(server.port, "x")).unwrap_err();
    assert_eq!(error.to_string(), "manifest is larger than 4194304 bytes");
    let config = Descriptor::new(media_type::OCI_CONFIG, Digest::of(b""), 8 * 1024 * 1024 + 1);
    let error = client
        .config(&reference(server.port, "x"), &config)
        .unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { what: "config", .. }));
    assert_eq!(server.asked().len(), 1, "the config is not even asked for");
}

#[test]
fn a_missing_blob_is_not_called_a_missing_image() {
    let server = Server::start(|_, _| Reply::new(404, ""));
    let blob = Image::new().layer();
    let error = Client::new(options())
        .blob(&reference(server.port, "a/x"), &blob)
        .err()
        .unwrap();
    let expected = format!(
        "blob {} is not in registry: 127.0.0.1:{}/a/x",
        blob.digest, server.port
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_layer_that_the_registry_lacks_comes_from_where_its_manifest_says() {
    let image = Image::new();
    let layer = image.layer.clone();
    let vendor = Server::start(move |asked, _| {
        assert_eq!(asked.header("authorization"), None);
        let status = if asked.is("/layer") { 200 } else { 410 };
        Reply::new(status, layer.clone())
    });
    let server = Server::start(|asked, _| match asked.header("authorization") {
        Some(_) => Reply::new(404, ""),
        None => Reply::new(401, "").header("WWW-Authenticate", "Basic realm=x"),
    });
    let mut descriptor = image.layer();
    let address = |path| format!("http://127.0.0.1:{}/{path}", vendor.port);
    descriptor.urls = vec![
        "file:///etc/passwd".to_owned(),
        address("gone"),
        address("layer"),
    ];
    let client = Client::new(crate::login::with_prompt(options(), "u", "p"));
    assert_eq!(read(&client, &server, &descriptor).unwrap(), image.layer);
    assert_eq!(vendor.asked().len(), 2);
}

#[test]
fn the_host_that_failed_is_named_not_the_registry() {
    let free = unused_port();
    let server = Server::start(move |_, _| {
        Reply::new(307, "").header("Location", format!("http://localhost:{free}/x?sig=secret"))
    });
    let plain = Server::start(|_, _| Reply::new(200, ""));
    let port = plain.port;
    let to_tls = Server::start(move |_, _| {
        Reply::new(307, "").header("Location", format!("https://localhost:{port}/x"))
    });
    let client = Client::new(options());
    let error = |port| {
        client
            .manifest(&reference(port, "x"))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(error(server.port), format!("can't reach localhost:{free}"));
    assert_eq!(
        error(to_tls.port),
        format!("localhost:{port} does not speak TLS")
    );
}
