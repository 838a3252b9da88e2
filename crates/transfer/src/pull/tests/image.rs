//! Images made by hand and put into a registry.

use std::path::Path;

use ch_oci::{Descriptor, Digest, ImageConfig, Manifest, Platform, media_type};
use ch_test_support::{Registry, run_tool};

/// One member of a layer: a name, and what it is.
pub(super) enum Member<'a> {
    File(&'a str, &'a str),
    Directory(&'a str, u32),
    HardLink(&'a str, &'a str),
}
pub(super) use Member::{Directory, File, HardLink};

/// An archive of these members, all with the time 1,000,000.
pub(super) fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_ustar();
        header.set_mtime(1_000_000);
        let (name, content) = match *member {
            File(name, content) => {
                header.set_mode(0o644);
                header.set_size(content.len() as u64);
                (name, content)
            }
            Directory(name, mode) => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(mode);
                (name, "")
            }
            HardLink(name, target) => {
                header.set_entry_type(tar::EntryType::Link);
                header.set_mode(0o644);
                header.set_link_name(target).unwrap();
                (name, "")
            }
        };
        header.set_path(name).unwrap();
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// An image with plain layers; fields may be spoiled before it is put anywhere.
pub(super) struct Image {
    pub(super) config: ImageConfig,
    pub(super) layers: Vec<(Descriptor, Vec<u8>)>,
    /// An index offers it for all of these; none: there is no index.
    pub(super) architectures: Vec<&'static str>,
}

impl Image {
    pub(super) fn new(archives: &[Vec<u8>]) -> Self {
        let mut config = ImageConfig::new(&Platform::new("linux", "amd64", None));
        let mut layers = Vec::new();
        for archive in archives {
            let digest = Digest::of(archive);
            config.rootfs.diff_ids.push(digest.clone());
            let size = archive.len() as u64;
            layers.push((
                Descriptor::new(media_type::OCI_LAYER, digest, size),
                archive.clone(),
            ));
        }
        Self {
            config,
            layers,
            architectures: Vec::new(),
        }
    }

    /// An index of this manifest for several architectures.
    fn index(&self, manifest: &Descriptor) -> Vec<u8> {
        let entry = |architecture: &&str| {
            let platform = Platform::new("linux", architecture, None);
            Descriptor {
                platform: Some(platform),
                ..manifest.clone()
            }
        };
        let entries: Vec<_> = self.architectures.iter().map(entry).collect();
        serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_INDEX,
            "manifests": entries,
        })
        .to_string()
        .into_bytes()
    }

    /// Puts it into `registry` as `name`; gives the digests of its layers.
    pub(super) fn put(&self, registry: &Registry, name: &str) {
        let directory = tempfile::tempdir().unwrap();
        let blobs = directory.path().join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let write = |bytes: &[u8], kind: &str| {
            let digest = Digest::of(bytes);
            std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
            Descriptor::new(kind, digest, bytes.len() as u64)
        };
        for (_, bytes) in &self.layers {
            write(bytes, "");
        }
        let config = write(&self.config.to_bytes(), media_type::OCI_CONFIG);
        let layers = self
            .layers
            .iter()
            .map(|(descriptor, _)| descriptor.clone())
            .collect();
        let bytes = Manifest::new(ch_oci::Format::Oci, config, layers).to_bytes();
        let mut manifest = write(&bytes, media_type::OCI_MANIFEST);
        if !self.architectures.is_empty() {
            manifest = write(&self.index(&manifest), media_type::OCI_INDEX);
        }
        let text =
            |name: &str, text: String| std::fs::write(directory.path().join(name), text).unwrap();
        text("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#.to_owned());
        text(
            "index.json",
            serde_json::json!({"schemaVersion": 2, "manifests": [manifest]}).to_string(),
        );
        let source = format!("oci:{}", directory.path().display());
        let destination = format!("docker://{}/{name}", registry.host());
        let copy = [
            "--insecure-policy",
            "copy",
            "--all",
            "--dest-tls-verify=false",
        ];
        let operands = ["--preserve-digests", &source, &destination];
        run_tool("skopeo", &[&copy[..], &operands].concat());
    }
}

/// The file in which `registry` keeps a blob.
pub(super) fn stored_blob(registry: &Registry, digest: &Digest) -> std::path::PathBuf {
    let place = Path::new("docker/registry/v2/blobs/sha256");
    registry
        .storage()
        .join(place)
        .join(&digest.hex()[..2])
        .join(digest.hex())
        .join("data")
}
