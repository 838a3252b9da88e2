//! `ch-image pull` from real registries.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ch_test_support::{
    Access, Entry, ImageLayout, Outcome, Registry, TestEnv, Transport, listing, run_tool,
    small_root,
};

use crate::{put_debian, using};

/// An image of this machine's `sh`, in `registry` as `small:1`.
pub(crate) fn put_small(registry: &Registry, env: &TestEnv) -> ImageLayout {
    small_root(&env.path("small"));
    let (archive, root) = (env.path("small.tar"), env.path("small"));
    let arguments = ["--create", "--owner=0", "--group=0", "--file"];
    let arguments = arguments
        .into_iter()
        .chain([text(&archive), "--directory", text(&root), "."]);
    run_tool("tar", &arguments.collect::<Vec<_>>());
    let layout = ImageLayout::from_archive(&env.path("layout"), &archive);
    registry.put(&layout, "small:1");
    layout
}

/// The file in which `registry` keeps the layer of `layout`.
pub(crate) fn layer_in(registry: &Registry, layout: &ImageLayout) -> PathBuf {
    let layer = layout.layer();
    let digest = layer
        .file_name()
        .expect("a file")
        .to_str()
        .expect("hexadecimal");
    registry
        .storage()
        .join("docker/registry/v2/blobs/sha256")
        .join(&digest[..2])
        .join(digest)
        .join("data")
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("the test's paths are UTF-8")
}

/// The only layer of the storage directory.
fn only_layer(env: &TestEnv) -> PathBuf {
    let layers = fs::read_dir(env.storage().join("layers")).expect("something was pulled");
    let mut layers: Vec<PathBuf> = layers
        .map(|entry| entry.unwrap().path().join("fs"))
        .collect();
    assert_eq!(layers.len(), 1, "one layer: {layers:?}");
    layers.remove(0)
}

#[test]
fn pulled_debian_is_the_tree_that_umoci_unpacks() {
    let registry = Registry::start();
    let env = using(&registry);
    put_debian(&registry, &env);
    env.image(["pull", "debian:bookworm"]).success();

    let (copy, bundle) = (env.path("copy"), env.path("bundle"));
    let source = format!("docker://{}/debian:bookworm", registry.host());
    let arguments = [
        "--insecure-policy",
        "copy",
        "--src-tls-verify=false",
        &source,
    ];
    let destination = format!("oci:{}:latest", copy.display());
    run_tool("skopeo", &[&arguments[..], &[&destination]].concat());
    let image = format!("{}:latest", copy.display());
    run_tool(
        "umoci",
        &["unpack", "--rootless", "--image", &image, text(&bundle)],
    );

    let expected = with_documented_modes(listing(&bundle.join("rootfs")));
    let pulled = listing(&only_layer(&env));
    let names = |tree: &BTreeMap<PathBuf, Entry>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&pulled), names(&expected));
    // The root itself has no member in an archive made of its content: its time is that of the unpacking.
    for (name, entry) in expected
        .iter()
        .filter(|(name, _)| !name.as_os_str().is_empty())
    {
        assert_eq!(&pulled[name], entry, "{}", name.display());
    }
    println!("{} names are the same", expected.len());
}

/// The modes that a layer has on disk for those that umoci sets: its user can read, write and delete
/// everything, and files never are set-user-ID or set-group-ID.
fn with_documented_modes(mut tree: BTreeMap<PathBuf, Entry>) -> BTreeMap<PathBuf, Entry> {
    for entry in tree.values_mut() {
        match entry.kind {
            'd' => entry.mode |= 0o700,
            '-' => entry.mode = entry.mode & !0o6000 | 0o600,
            _ => {}
        }
    }
    tree
}

#[test]
fn pulling_again_downloads_nothing() {
    let registry = Registry::start();
    let env = using(&registry);
    put_small(&registry, &env);
    env.image(["pull", "small:1"])
        .success()
        .complains("pulled image: adding to build cache\n");
    let again = env.image(["pull", "small:1"]).success();
    again.complains("pulled image: found in build cache\n");
    env.ch_run(["small:1", "--", "echo", "it runs"])
        .success()
        .prints("it runs\n");
}

#[test]
fn pulling_without_cache_downloads_everything_again() {
    let registry = Registry::start();
    let mut env = using(&registry);
    put_small(&registry, &env);
    env.image(["pull", "small:1"]).success();
    let pulled = listing(&env.storage().join("layers"));
    let downloads = "config: downloading\nlayer 1/1: ";
    for option in ["--no-cache", "--always-download"] {
        let again = env.image(["pull", option, "--jobs=1", "small:1"]).success();
        again.complains(downloads);
    }
    env.set("CH_IMAGE_CACHE", "disabled");
    let again = env.image(["pull", "small:1"]).success();
    again.complains(downloads);
    assert_eq!(listing(&env.storage().join("layers")), pulled);
}

#[test]
fn lost_layers_are_named_and_made_again_from_their_blobs() {
    let registry = Registry::start();
    let env = using(&registry);
    put_small(&registry, &env);
    env.image(["pull", "small:1"]).success();
    drop(registry);
    env.write("context/Dockerfile", "FROM small:1\nRUN true\n");
    let lose = |what| run_tool("rm", &["-r", text(&env.storage().join(what))]);
    let run = ["small:1", "--", "echo", "it runs"];
    let told = |outcome: Outcome| {
        outcome
            .complains("is missing, needed by small:1\n")
            .complains("hint: pull or build again: small:1\n");
    };
    lose("layers");
    told(env.ch_run(run).exits(31));
    env.image(["build", "context"]).success();
    env.ch_run(run).success().prints("it runs\n");
    lose("layers");
    lose("blobs");
    told(env.image(["build", "context"]).exits(1));
}

#[test]
fn password_is_needed_and_used() {
    let registry = Registry::start_with(&Transport::Plain, &Access::Password);
    let mut env = using(&registry);
    put_small(&registry, &env);
    let refused = env.image(["pull", "small:1"]).exits(1);
    refused.complains("unauthorized or not in registry: 127.0.0.1:");
    env.image(["list"]).success().prints("");

    let (name, password) = Registry::CREDENTIALS;
    env.set("CH_IMAGE_USERNAME", name);
    env.set("CH_IMAGE_PASSWORD", password);
    env.image(["pull", "--auth", "small:1"]).success();
    env.set("CH_IMAGE_PASSWORD", "wrong");
    let refused = env.image(["pull", "--auth", "small:1"]).exits(1);
    assert!(
        !refused.stderr.contains("wrong"),
        "passwords are not printed{refused}"
    );
}

#[test]
fn certificate_is_checked_unless_told_otherwise() {
    let registry = Registry::start_with(&Transport::Tls, &Access::Anonymous);
    let mut env = using(&registry);
    put_small(&registry, &env);
    env.image(["pull", "small:1"]).exits(1).complains("error: ");
    env.image(["list"]).success().prints("");
    env.image(["--tls-no-verify", "pull", "small:1"]).success();
    env.image(["delete", "small:1"]).success();
    env.set("SSL_CERT_FILE", text(&registry.authority()));
    env.image(["pull", "small:1"]).success();
}

#[test]
fn damaged_blob_is_refused_and_nothing_is_kept() {
    let registry = Registry::start();
    let env = using(&registry);
    let layout = put_small(&registry, &env);
    let blob = layer_in(&registry, &layout);
    let good = fs::read(&blob).unwrap();

    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [
        &good[..good.len() / 2],
        &flipped,
        &[good.clone(), vec![0]].concat(),
    ] {
        fs::write(&blob, damaged).unwrap();
        env.image(["pull", "small:1"]).exits(1).complains("error: ");
        env.image(["list"]).success().prints("");
        let layers = fs::read_dir(env.storage().join("layers")).unwrap().count();
        assert_eq!(layers, 0, "a damaged layer was kept");
    }
    fs::write(&blob, good).unwrap();
    env.image(["pull", "small:1"]).success();
}

#[test]
fn reference_is_parsed_without_network() {
    let env = crate::empty();
    let report = env
        .image(["pull", "--parse-only", "registry.example:5000/a/b:c"])
        .success();
    assert!(
        report.stdout.contains("registry.example"),
        "the host is shown{report}"
    );
    assert!(!env.storage().exists(), "nothing is created");
}
