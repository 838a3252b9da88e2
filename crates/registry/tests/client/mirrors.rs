//! Mirrors: who is asked, who is not, and what is believed.

use std::io::Read;

use ch_oci::{Digest, RemoteReference};
use ch_registry::{Client, FetchError, Mirrors, Options, Secret, Source};

use crate::fixture::{Image, listening, options, reference};
use crate::server::{Reply, Server};

/// A registry that has the image, wherever in it.
fn complete() -> Server {
    let image = Image::new();
    Server::start(move |asked, _| {
        if asked.is("/manifests/") {
            Reply::new(200, image.manifest.clone())
        } else if asked.is("/blobs/") {
            Reply::new(200, image.layer.clone())
        } else {
            Reply::new(200, "{}")
        }
    })
}

/// Options with these mirrors of `registry`, best first.
fn mirrored(registry: &Server, mirrors: &[String]) -> Options {
    let mut all = Mirrors::default();
    for mirror in mirrors {
        let text = format!("127.0.0.1:{}={mirror}", registry.port);
        all.add(&text).expect("a mirror");
    }
    Options {
        mirrors: all,
        ..options()
    }
}

fn at(server: &Server) -> String {
    format!("127.0.0.1:{}/cache", server.port)
}

/// An address on which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

fn read_layer(client: &Client, wanted: &RemoteReference) -> std::io::Result<Vec<u8>> {
    let blob = client.blob(wanted, &Image::new().layer());
    let mut bytes = Vec::new();
    blob.expect("it is there")
        .read_to_end(&mut bytes)
        .map(|_| bytes)
}

#[test]
fn a_mirror_is_asked_instead_of_the_registry_for_reading_only() {
    let (registry, mirror) = (complete(), complete());
    let (options, heard) = listening(mirrored(&registry, &[at(&mirror)]));
    let client = Client::new(options);
    let wanted = reference(registry.port, "x:1");
    let fetched = client.manifest(&wanted).unwrap();
    let place = format!("127.0.0.1:{}/cache/x", mirror.port);
    assert_eq!(fetched.mirror.as_deref(), Some(place.as_str()));
    assert_eq!(read_layer(&client, &wanted).unwrap(), Image::new().layer);
    assert!(registry.asked().is_empty(), "{:?}", registry.asked());
    assert_eq!(mirror.asked()[0].target, "/v2/cache/x/manifests/1");
    let told = format!("using mirror {place} of 127.0.0.1:{}/x", registry.port);
    assert_eq!(*heard.lock().unwrap(), [told]);

    let before = mirror.asked().len();
    client.push_to(&wanted, &[]).authenticate().unwrap();
    assert_eq!(
        registry.asked().len(),
        1,
        "what is pushed goes to the registry"
    );
    assert_eq!(mirror.asked().len(), before);
}

#[test]
fn what_a_mirror_cannot_give_comes_from_the_next_place() {
    let registry = complete();
    let empty = Server::start(|_, _| Reply::new(404, ""));
    let gone = nobody();
    let (options, heard) = listening(mirrored(&registry, &[gone.clone(), at(&empty)]));
    let client = Client::new(options);
    let wanted = reference(registry.port, "x:1");
    let fetched = client.manifest(&wanted).unwrap();
    assert_eq!(fetched.mirror, None);
    assert_eq!(read_layer(&client, &wanted).unwrap(), Image::new().layer);
    let cache = format!("127.0.0.1:{}/cache/x", empty.port);
    let digest = Image::new().layer().digest;
    let expected = [
        format!("mirror {gone}/x: can't reach {gone}; trying the next place"),
        format!(
            "mirror {cache}: unauthorized or not in registry: {cache}:1; trying the next place"
        ),
        format!("mirror {cache}: blob {digest} is not in registry: {cache}; trying the next place"),
    ];
    assert_eq!(
        *heard.lock().unwrap(),
        expected,
        "nobody waits twice for who can't be reached"
    );
}

#[test]
fn a_mirror_is_believed_about_tags_and_not_about_digests() {
    let registry = complete();
    let other = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let liar = Server::start(|asked, _| {
        if asked.is("/manifests/") {
            Reply::new(200, other.as_slice())
        } else {
            // As many bytes as promised, but others.
            Reply::new(200, vec![0; Image::new().layer.len()])
        }
    });
    let client = Client::new(mirrored(&registry, &[at(&liar)]));
    let by_tag = client.manifest(&reference(registry.port, "x:1")).unwrap();
    assert_eq!(by_tag.bytes, other);
    let manifest = Image::new().manifest;
    let wanted = reference(registry.port, &format!("x@{}", Digest::of(&manifest)));
    let by_digest = client.manifest(&wanted).unwrap();
    assert_eq!((by_digest.bytes, by_digest.mirror), (manifest, None));

    let layer = Image::new().layer();
    let mut blob = client.blob(&wanted, &layer).unwrap();
    let doubt = blob.doubt();
    blob.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(doubt.is_justified(), "the registry may have the right one");
    let mut blob = client.blob_of_registry(&wanted, &layer).unwrap();
    let mut bytes = Vec::new();
    blob.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, Image::new().layer);
    assert!(!blob.doubt().is_justified());
}

#[test]
fn credentials_for_a_mirror_are_those_of_its_host() {
    let registry = Server::start(|_, _| Reply::new(500, ""));
    let image = Image::new();
    let mirror = Server::start(move |asked, _| match asked.header("authorization") {
        // base64 of u:p
        Some("Basic dTpw") => Reply::new(200, image.manifest.clone()),
        _ => Reply::new(401, "").header("WWW-Authenticate", "Basic realm=x"),
    });
    let json = format!(
        r#"{{"auths":{{"127.0.0.1:{}":{{"auth":"eDp4"}},"127.0.0.1:{}":{{"auth":"dTpw"}}}}}}"#,
        registry.port, mirror.port
    );
    let options = Options {
        sources: vec![Source::Text {
            name: "the test".to_owned(),
            json: Secret::new(json),
        }],
        ..mirrored(&registry, &[at(&mirror)])
    };
    let client = Client::new(options);
    client.manifest(&reference(registry.port, "x:1")).unwrap();
    assert!(registry.asked().is_empty());
}

#[test]
fn a_blocked_registry_is_not_asked_for_anything() {
    let registry = complete();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registries.conf");
    let text = format!(
        "[[registry]]\nlocation = '127.0.0.1:{}/x'\nblocked = true\n",
        registry.port
    );
    std::fs::write(&path, text).unwrap();
    let mut mirrors = Mirrors::default();
    mirrors.configure(std::slice::from_ref(&path), &|notice| panic!("{notice}"));
    let client = Client::new(Options {
        mirrors,
        ..options()
    });
    let wanted = reference(registry.port, "x:1");
    let error = client.manifest(&wanted).unwrap_err();
    let expected = format!("registry blocked by {}: 127.0.0.1", path.display());
    assert_eq!(error.to_string(), expected);
    assert!(matches!(
        client.blob(&wanted, &Image::new().layer()),
        Err(FetchError::Blocked { .. })
    ));
    let pushed = client.push_to(&wanted, &[]).authenticate().unwrap_err();
    assert_eq!(pushed.to_string(), expected);
    assert!(registry.asked().is_empty());
    client.manifest(&reference(registry.port, "y:1")).unwrap();
}
