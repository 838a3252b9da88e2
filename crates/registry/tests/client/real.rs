//! Debian's `docker-registry`, as `test-support` starts it.

use std::fs;
use std::io::Read;

use ch_oci::{Digest, Document, Reference, RegistryDefaults, RemoteReference, media_type};
use ch_registry::{Client, FetchError, Options, Retries, Trust};
use ch_test_support::{Access, Registry, Transport};
use tempfile::TempDir;

use crate::fixture::{Image, listening, options, reference};
use crate::login::with_prompt;

/// A registry that holds the image as `x:1`.
fn holding_x(transport: &Transport, access: &Access) -> Registry {
    let registry = Registry::start();
    push(&registry, &Image::new());
    registry.again_with(transport, access)
}

/// Puts the image into a registry that asks for nothing, as `x:1`.
fn push(registry: &Registry, image: &Image) {
    let base = format!("http://{}", registry.host());
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
    let registry = Registry::start();
    push(&registry, &Image::new());
    let client = Client::new(options());
    fetch(&client, &reference(registry.port(), "x:1")).unwrap();
    let error = fetch(&client, &reference(registry.port(), "nosuch:1")).unwrap_err();
    let full = format!("{}/nosuch:1", registry.host());
    assert_eq!(
        error.to_string(),
        format!("unauthorized or not in registry: {full}")
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.starts_with("registry says: MANIFEST_UNKNOWN: "),
        "{cause}"
    );
    // It says the same of a repository that it has.
    assert_eq!(error.hint().as_deref(), Some("check the name and the tag"));
}

#[test]
fn a_registry_with_passwords_lets_in_who_knows_one() {
    let registry = holding_x(&Transport::Plain, &Access::Password);
    let (name, word) = Registry::CREDENTIALS;
    let half = word.split(':').next().unwrap();
    let reference = reference(registry.port(), "x:1");
    let good = Client::new(with_prompt(options(), name, word));
    fetch(&good, &reference).unwrap();
    let bad = Client::new(with_prompt(options(), name, half));
    let error = fetch(&bad, &reference).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("unauthorized or not in registry: {reference}")
    );
}

fn called(host: &str, port: u16) -> RemoteReference {
    let reference = Reference::parse(&format!("{host}:{port}/x:1")).expect("a valid reference");
    reference.remote(&RegistryDefaults::default())
}

#[test]
fn certificates_are_checked_against_the_authorities_that_were_chosen() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str| directory.path().join(name);
    let registry = holding_x(&Transport::Tls, &Access::Anonymous);
    let localhost = called("localhost", registry.port());

    // Not known: refused, and plain HTTP is not tried instead.
    let error = fetch(&Client::new(options()), &localhost).unwrap_err();
    assert_eq!(error.to_string(), "can't verify certificate of localhost");
    assert!(error.hint().unwrap().contains("SSL_CERT_FILE"));

    let only = |path| Options {
        trust: Trust::Only(path),
        ..options()
    };
    fetch(&Client::new(only(registry.authority())), &localhost).unwrap();

    // The right authority, but another name.
    let error = fetch(
        &Client::new(only(registry.authority())),
        &called("127.0.0.1", registry.port()),
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
        format!("localhost:{}", registry.port()),
    ] {
        let directory = file("certs.d").join(&name);
        fs::create_dir_all(&directory).unwrap();
        fs::copy(registry.authority(), directory.join("ca.crt")).unwrap();
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
    fetch(&unverified, &called("127.0.0.1", registry.port())).unwrap();
    assert_eq!(
        *heard.lock().unwrap(),
        ["certificate of 127.0.0.1 is not verified"]
    );
}

#[test]
fn a_registry_that_wants_a_certificate_gets_the_one_of_its_directory() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str| directory.path().join(name);
    let registry = holding_x(&Transport::MutualTls, &Access::Anonymous);
    let localhost = called("localhost", registry.port());
    let own = file("certs.d").join("localhost");
    fs::create_dir_all(&own).unwrap();
    fs::copy(registry.authority(), own.join("ca.crt")).unwrap();
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
    fs::copy(registry.key(), own.join("me.key")).unwrap();
    let unusable = |name: &str| format!("can't read certificates: {}", own.join(name).display());
    assert_eq!(
        fetch().unwrap_err().to_string(),
        unusable("me.key"),
        "a key alone"
    );
    fs::copy(registry.certificate(), own.join("me.cert")).unwrap();
    fetch().unwrap();
    fs::copy(registry.authority_key(), own.join("me.key")).unwrap();
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
