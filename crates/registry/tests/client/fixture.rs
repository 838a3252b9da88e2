//! A small image and clients for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ch_oci::{
    Descriptor, Digest, Manifest, Reference, RegistryDefaults, RemoteReference, media_type,
};
use ch_registry::{Credentials, Notice, Options, Retries, Secret};

/// The parts of an image as a registry holds them.
pub(crate) struct Image {
    pub(crate) config: Vec<u8>,
    pub(crate) layer: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
}

impl Image {
    pub(crate) fn new() -> Self {
        let config = br#"{"architecture":"amd64","os":"linux"}"#.to_vec();
        // Larger than any buffer on the way, and not the same everywhere.
        let layer: Vec<u8> = (0..300_000_u32).flat_map(|n| n.to_le_bytes()).collect();
        let descriptor =
            |kind, bytes: &[u8]| Descriptor::new(kind, Digest::of(bytes), bytes.len() as u64);
        let manifest = Manifest::new(
            ch_oci::Format::Oci,
            descriptor(media_type::OCI_CONFIG, &config),
            vec![descriptor(media_type::OCI_LAYER, &layer)],
        );
        Self {
            manifest: manifest.to_bytes(),
            config,
            layer,
        }
    }

    pub(crate) fn layer(&self) -> Descriptor {
        Descriptor::new(
            media_type::OCI_LAYER,
            Digest::of(&self.layer),
            self.layer.len() as u64,
        )
    }
}

/// Options for tests: waits are short.
pub(crate) fn options() -> Options {
    Options {
        retries: Retries {
            attempts: 3,
            delay: Duration::from_millis(5),
        },
        silence: Duration::from_millis(500),
        ..Options::default()
    }
}

/// Options that collect what a user is told.
pub(crate) fn listening(options: Options) -> (Options, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let notify = move |notice: Notice| {
        ear.lock()
            .expect("no panic while locked")
            .push(notice.to_string());
    };
    (
        Options {
            notify: Arc::new(notify),
            ..options
        },
        heard,
    )
}

pub(crate) fn reference(port: u16, rest: &str) -> RemoteReference {
    let text = format!("127.0.0.1:{port}/{rest}");
    let reference = Reference::parse(&text).expect("a valid reference");
    reference.remote(&RegistryDefaults::default())
}

pub(crate) fn password(username: &str, password: &str) -> Credentials {
    Credentials::Password {
        username: username.to_owned(),
        password: Secret::new(password),
    }
}
