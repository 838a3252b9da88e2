//! OCI image layouts made from an archive, as a registry's user would have them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use sha2::{Digest, Sha256};

/// An OCI image layout on disk, made by hand from one tar archive; what a registry is filled from.
pub struct ImageLayout {
    directory: PathBuf,
}

impl ImageLayout {
    /// Makes a layout in `directory` whose only layer is `archive`, compressed by pigz(1); its tag is
    /// `latest`.
    ///
    /// # Panics
    ///
    /// When the directory can't be written to or pigz can't be run.
    pub fn from_archive(directory: &Path, archive: &Path) -> Self {
        let layout = Self {
            directory: directory.to_owned(),
        };
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("the directory can be written to");
        let compressed = directory.join("layer.new");
        let output = File::create(&compressed).expect("the directory can be written to");
        let status = Command::new("pigz")
            .arg("-nc")
            .stdin(File::open(archive).expect("the archive can be read"))
            .stdout(output)
            .status()
            .expect("pigz can be run");
        assert!(status.success(), "pigz failed");
        let (digest, size) = digest_of(&compressed);
        fs::rename(&compressed, blobs.join(&digest)).expect("the directory can be written to");
        let config = layout.put(
            &json!({
                "created": "2026-01-02T03:04:05Z",
                "architecture": architecture(),
                "os": "linux",
                "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["bash"]},
                "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest_of(archive).0)]},
                "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "debian root filesystem"}],
            }),
            "application/vnd.oci.image.config.v1+json",
        );
        let manifest = layout.put(
            &json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": config,
                "layers": [{
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": format!("sha256:{digest}"),
                    "size": size,
                }],
            }),
            "application/vnd.oci.image.manifest.v1+json",
        );
        let mut tagged = manifest;
        tagged["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
        layout.write(
            "index.json",
            &json!({"schemaVersion": 2, "manifests": [tagged]}),
        );
        layout.write("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}));
        layout
    }

    /// The layout's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The compressed layer.
    pub fn layer(&self) -> PathBuf {
        let blobs = fs::read_dir(self.directory.join("blobs/sha256")).expect("the layout exists");
        blobs
            .map(|entry| entry.expect("the layout can be read").path())
            .max_by_key(|path| {
                fs::metadata(path)
                    .expect("the layout does not change")
                    .len()
            })
            .expect("a layout has blobs")
    }

    fn put(&self, value: &serde_json::Value, media_type: &str) -> serde_json::Value {
        let bytes = value.to_string();
        let digest = hex(&Sha256::digest(&bytes));
        fs::write(self.directory.join("blobs/sha256").join(&digest), &bytes)
            .expect("the directory can be written to");
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
    }

    fn write(&self, name: &str, value: &serde_json::Value) {
        fs::write(self.directory.join(name), value.to_string())
            .expect("the directory can be written to");
    }
}

/// Runs a tool of the machine; panics with its output when it fails.
///
/// # Panics
///
/// When the tool is missing or fails.
pub fn run_tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("can't run {program}, which this test needs: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// This machine's architecture in the words of the OCI image specification (GOARCH).
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn digest_of(path: &Path) -> (String, u64) {
    let mut hash = Sha256::new();
    let mut file = File::open(path).expect("the file was just written");
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        let length = file.read(&mut buffer).expect("the file can be read");
        if length == 0 {
            return (hex(&hash.finalize()), size);
        }
        hash.update(&buffer[..length]);
        size += length as u64;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
