//! Pulls from a real registry.

mod directory;
mod image;

use std::fs;
use std::os::unix::fs::MetadataExt;

use ch_oci::{Digest, Platform, RegistryDefaults, Wanted, media_type};
use ch_registry::{Client, Retries};
use ch_test_support::{Registry, listing};

use super::*;
use crate::LayerEvent;
use crate::tests::{Lines, Place, full_text, reference};
use image::{Directory, File, HardLink, Image, archive, stored_blob};

fn client() -> Client {
    let retries = Retries {
        attempts: 1,
        ..Retries::default()
    };
    Client::new(ch_registry::Options {
        retries,
        ..ch_registry::Options::default()
    })
}

fn options(registry: &Registry) -> PullOptions {
    let platform = Platform::new("linux", "amd64", None);
    PullOptions {
        destination: None,
        defaults: RegistryDefaults {
            host: "127.0.0.1".to_owned(),
            port: Some(registry.port()),
            path_prefix: String::new(),
        },
        wanted: Wanted::Host {
            platform: platform.clone(),
            amd64_level: 1,
        },
        host: platform,
        last_layer: None,
        always_download: false,
        jobs: 3,
        unpack: ch_layer::Options::default(),
        unfinished: crate::Unfinished::default(),
    }
}

/// Pulls; gives the lines as a user sees them, an error as the last.
fn lines(place: &Place, name: &str, options: &PullOptions) -> Vec<String> {
    let lines = Lines::default();
    let storage = place.storage();
    let result = pull(&storage, &client(), &reference(name), options, &|event| {
        lines.add(event)
    });
    let mut lines = lines.take();
    if let Err(error) = result {
        lines.push(format!("error: {}", full_text(&error)));
        lines.extend(error.hint().map(|hint| format!("hint: {hint}")));
    }
    storage.commit().unwrap();
    lines
}

fn small() -> Image {
    Image::new(&[archive(&[Directory("bin/", 0o755), File("bin/sh", "#!")])])
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the run shows how many vectors there were"
)]
fn output_of_pull() {
    let registry = Registry::start();
    small().put(&registry, "debian:buster");
    let (place, options) = (Place::new(), options(&registry));
    let short = small().layers[0].0.digest.short().to_owned();
    let fresh = [
        "pulling image:    debian:buster",
        "requesting arch:  amd64",
        "manifest list: downloading",
        "manifest: downloading",
        "config: downloading",
        "layer 1/1: SHORT: downloading",
        "pulled image: adding to build cache",
        "flattening image",
        "layer 1/1: SHORT: listing",
        "validating tarball members",
        "resolving whiteouts",
        "layer 1/1: SHORT: extracting",
        "image arch: amd64",
        "done",
    ];
    let again = [
        "pulling image:    debian:buster",
        "requesting arch:  amd64",
        "manifest list: downloading",
        "manifest: downloading",
        "config: using existing file",
        "layer 1/1: SHORT: using existing file",
        "pulled image: found in build cache",
        "image arch: amd64",
        "done",
    ];
    let shown = |lines: &[&str]| -> Vec<String> {
        lines
            .iter()
            .map(|line| line.replace("SHORT", &short))
            .collect()
    };
    assert_eq!(
        lines(&place, "debian:buster", &options),
        shown(&fresh),
        "V-cmd-50"
    );
    assert_eq!(
        lines(&place, "debian:buster", &options),
        shown(&again),
        "V-cmd-51"
    );

    let everything = PullOptions {
        always_download: true,
        ..options.clone()
    };
    assert_eq!(
        lines(&place, "debian:buster", &everything),
        shown(&fresh),
        "--no-cache"
    );
    assert_eq!(lines(&place, "debian:buster", &options), shown(&again));

    let empty = Place::new();
    let said = lines(&empty, "nosuch", &options);
    let port = registry.port();
    let expected =
        format!("error: unauthorized or not in registry: 127.0.0.1:{port}/nosuch:latest");
    assert!(
        said.iter().any(|line| line.starts_with(&expected)),
        "V-cmd-54: {said:?}"
    );
    assert!(empty.storage().images().list().unwrap().images.is_empty());
    println!("commands.md 3.3: V-cmd-50, 51, 54");
}

#[test]
fn platform_that_is_not_offered_is_refused() {
    let registry = Registry::start();
    small().put(&registry, "debian:buster");
    let options = options(&registry);
    let mut several = small();
    several.architectures = vec!["riscv64", "amd64"];
    several.put(&registry, "debian");
    let foreign = Wanted::Exact(Platform::new("linux", "foo", None));
    let other = PullOptions {
        wanted: foreign,
        ..options.clone()
    };
    let empty = Place::new();
    let said = lines(&empty, "debian", &other);
    let end = [
        "error: requested arch unavailable: foo",
        "hint: available: amd64 riscv64",
    ];
    assert_eq!(said[said.len() - 2..], end, "V-cmd-53");
    assert!(
        empty.storage().images().list().unwrap().images.is_empty(),
        "V-cmd-53"
    );
    assert!(lines(&empty, "debian", &options).contains(&"done".to_owned()));
    let said = lines(&empty, "debian", &options);
    assert_eq!(said[3], "manifest: using existing file");

    let said = lines(&empty, "debian:buster", &other);
    let end = [
        "error: image is architecture-unaware",
        "hint: consider --arch=yolo",
    ];
    assert_eq!(said[said.len() - 2..], end);
}

#[test]
fn image_gets_its_own_name_and_keeps_where_it_came_from() {
    let registry = Registry::start();
    small().put(&registry, "debian:buster");
    let place = Place::new();
    let options = PullOptions {
        destination: Some(reference("mine")),
        ..options(&registry)
    };
    let said = lines(&place, "debian:buster", &options);
    assert_eq!(said[1], "destination:      mine");
    let record = place
        .storage()
        .images()
        .get(&reference("mine"))
        .unwrap()
        .unwrap();
    assert_eq!(
        place
            .storage()
            .images()
            .get(&reference("debian:buster"))
            .unwrap(),
        None
    );
    let manifest = record.manifest.unwrap();
    assert_eq!(record.identity, format!("pulled:{}", manifest.digest));
    let source = format!("127.0.0.1:{}/debian:buster", registry.port());
    assert_eq!(record.source, Some(source));
    for digest in [&manifest.digest, &small().layers[0].0.digest] {
        assert!(
            place.storage().blobs().contains(digest).unwrap(),
            "{digest}"
        );
    }
}

#[test]
fn wrong_bytes_are_named_kept_out_and_come_right_when_the_registry_does() {
    let registry = Registry::start();
    let image = Image::new(&[
        archive(&[File("a", "first")]),
        archive(&[File("b", "second")]),
    ]);
    image.put(&registry, "app");
    let blob = stored_blob(&registry, &image.layers[1].0.digest);
    let right = fs::read(&blob).unwrap();
    let mut wrong = right.clone();
    wrong[600] ^= 1;
    let (place, options) = (Place::new(), options(&registry));

    fs::write(&blob, &wrong).unwrap();
    let said = lines(&place, "app", &options);
    let received = Digest::of(&wrong);
    assert_eq!(
        said[said.len() - 2],
        format!("error: layer 2/2: digest mismatch: received {received}")
    );
    assert!(said[said.len() - 1].starts_with("hint: something between here and the registry"));
    assert_eq!(
        place.storage().images().get(&reference("app")).unwrap(),
        None
    );
    assert!(
        !place
            .storage()
            .blobs()
            .contains(&image.layers[1].0.digest)
            .unwrap()
    );

    // A header that no longer adds up is not blamed either, when the digest tells more.
    let mut wrong = right.clone();
    wrong[0] ^= 1;
    fs::write(&blob, &wrong).unwrap();
    let said = lines(&place, "app", &options).join("\n");
    assert!(said.contains("error: layer 2/2: digest mismatch"), "{said}");

    fs::write(&blob, &right[..right.len() - 512]).unwrap();
    let said = lines(&place, "app", &options).join("\n");
    assert!(said.contains("error: "), "{said}");

    fs::write(&blob, &right).unwrap();
    let said = lines(&place, "app", &options);
    assert!(said.contains(&"done".to_owned()), "{said:?}");
    let first = image.layers[0].0.digest.short();
    assert!(
        said.contains(&format!("layer 1/2: {first}: using existing file")),
        "{said:?}"
    );
    assert_eq!(
        fs::read_to_string(place.files("app", 1).join("b")).unwrap(),
        "second"
    );
}

#[test]
fn wrong_sizes_are_refused_wherever_the_bytes_are() {
    let registry = Registry::start();
    small().put(&registry, "right");
    let mut wrong = small();
    wrong.layers[0].0.size += 1;
    wrong.put(&registry, "wrong");
    let (place, options) = (Place::new(), options(&registry));
    let size = small().layers[0].0.size;
    let expected = format!(
        "error: layer 1/1: size mismatch: {} bytes promised, the blob has {size}",
        size + 1
    );
    let said = |name| lines(&place, name, &options).pop();
    assert_eq!(
        said("wrong").as_deref(),
        Some(&*expected),
        "in the registry"
    );
    assert_eq!(said("right").as_deref(), Some("done"));
    assert_eq!(said("wrong").as_deref(), Some(&*expected), "here");
}

#[test]
fn layer_that_has_come_is_told_to_be_unpacked_until_it_is_here() {
    let (registry, place) = (Registry::start(), Place::new());
    small().put(&registry, "app");
    let told = std::sync::Mutex::new(Vec::new());
    let listen = |event: Event| {
        let name = match event {
            Event::Layer(_, LayerEvent::Progress { done, total }) if done == total => "all",
            Event::Layer(_, LayerEvent::Unpacking) => "unpacking",
            Event::Layer(_, LayerEvent::Downloaded { .. }) => "here",
            _ => return,
        };
        told.lock().unwrap().push(name);
    };
    let (storage, options) = (place.storage(), options(&registry));
    pull(&storage, &client(), &reference("app"), &options, &listen).unwrap();
    assert_eq!(*told.lock().unwrap(), ["all", "unpacking", "here"]);
}

#[test]
fn layers_are_settled_on_those_below() {
    let registry = Registry::start();
    let lower = archive(&[
        Directory("tmp/", 0o1777),
        Directory("etc/", 0o750),
        File("etc/passwd", "root"),
    ]);
    let upper = archive(&[
        File("tmp/x", ""),
        File("etc/.wh.passwd", ""),
        File("new/.wh.ghost", ""),
        HardLink("copy", "etc/passwd"),
    ]);
    let image = Image::new(&[lower, upper.clone()]);
    image.put(&registry, "app");
    let (place, options) = (Place::new(), options(&registry));
    let said = lines(&place, "app", &options).join("\n");
    assert!(
        said.contains("hard link") && said.contains("same layer removes"),
        "{said}"
    );

    let upper = archive(&[
        File("tmp/x", ""),
        File("etc/.wh.shadow", ""),
        File("new/.wh.ghost", ""),
        HardLink("copy", "etc/passwd"),
    ]);
    let image = Image::new(&[image.layers[0].1.clone(), upper]);
    image.put(&registry, "app");
    let said = lines(&place, "app", &options);
    assert!(said.contains(&"done".to_owned()), "{said:?}");
    let record = place
        .storage()
        .images()
        .get(&reference("app"))
        .unwrap()
        .unwrap();
    assert!(record.layers[0].id.as_str().starts_with("d-"));
    assert!(record.layers[1].id.as_str().starts_with("c-"));
    let files = place.files("app", 1);
    let mode = |name: &str| fs::symlink_metadata(files.join(name)).unwrap().mode();
    assert_eq!(mode("tmp") & 0o7777, 0o1777, "V-tar-58");
    assert_eq!(mode("etc") & 0o7777, 0o750, "V-tar-58");
    assert_eq!(
        fs::symlink_metadata(files.join("etc")).unwrap().mtime(),
        1_000_000
    );
    assert_eq!(
        fs::read_to_string(files.join("copy")).unwrap(),
        "root",
        "V-tar-66"
    );
    let whiteout = fs::symlink_metadata(files.join("etc/shadow")).unwrap();
    assert_eq!(
        (whiteout.mode() & 0o170_000, whiteout.rdev()),
        (0o020_000, 0),
        "V-tar-75"
    );
    assert_eq!(
        fs::read_dir(files.join("new")).unwrap().count(),
        0,
        "V-tar-76"
    );
}

#[test]
fn lost_layers_are_unpacked_again_where_their_blobs_are() {
    let registry = Registry::start();
    let lower = archive(&[Directory("tmp/", 0o1777), File("etc/passwd", "root")]);
    let upper = archive(&[File("tmp/x", ""), HardLink("copy", "etc/passwd")]);
    let image = Image::new(&[lower, upper]);
    image.put(&registry, "app");
    let place = Place::new();
    lines(&place, "app", &options(&registry));
    let files = [place.files("app", 0), place.files("app", 1)];
    let trees = || {
        files.each_ref().map(|files| {
            let mut tree = listing(files);
            // No member says what the root is like: its time is that of the unpacking.
            tree.remove(std::path::Path::new(""));
            tree
        })
    };
    let pulled = trees();
    let again = || {
        for files in &files {
            fs::remove_dir_all(files.parent().unwrap()).unwrap();
        }
        // What was there is known for as long as a storage directory is open.
        let storage = place.storage();
        let record = storage.images().get(&reference("app")).unwrap().unwrap();
        restore(&storage, &record).unwrap()
    };
    assert!(again());
    assert_eq!(trees(), pulled);
    fs::remove_dir_all(place.directory.path().join("storage/blobs")).unwrap();
    assert!(!again());
}

#[test]
fn last_layer_leaves_the_rest_out() {
    let registry = Registry::start();
    let image = Image::new(&[archive(&[File("a", "1")]), archive(&[File("b", "2")])]);
    image.put(&registry, "app");
    for (last, kept) in [(0, 0), (1, 1), (2, 2), (9, 2)] {
        let place = Place::new();
        let options = PullOptions {
            last_layer: Some(last),
            ..options(&registry)
        };
        let said = lines(&place, "app", &options);
        let skipped = said
            .iter()
            .filter(|line| line.ends_with("skipping per --last-layer"));
        assert_eq!(skipped.count(), 2 - kept, "{last}");
        let record = place
            .storage()
            .images()
            .get(&reference("app"))
            .unwrap()
            .unwrap();
        assert_eq!(
            (record.layers.len(), record.incomplete),
            (kept, kept < 2),
            "{last}"
        );
    }
}

#[test]
fn what_is_no_image_or_not_ours_to_unpack_is_refused() {
    let registry = Registry::start();
    let mut wrong = small();
    wrong.config.rootfs.diff_ids[0] = Digest::of(b"another");
    wrong.put(&registry, "diff");
    let mut wrong = small();
    wrong.config.rootfs.diff_ids.push(Digest::of(b"another"));
    wrong.put(&registry, "count");
    let mut wrong = small();
    wrong.layers[0].0.media_type = format!("{}+encrypted", media_type::OCI_LAYER);
    wrong.put(&registry, "kind");
    let place = Place::new();
    for (name, expected) in [
        (
            "diff",
            "error: layer 1/1: diff ID mismatch: received sha256:",
        ),
        ("count", "error: config names 2 layers, manifest 1"),
        (
            "kind",
            "error: can't unpack layer 1/1: media type application/vnd.oci.image.layer.v1.tar+encrypted",
        ),
    ] {
        let said = lines(&place, name, &options(&registry)).join("\n");
        assert!(said.contains(expected), "{name}: {said}");
        assert_eq!(
            place.storage().images().get(&reference(name)).unwrap(),
            None
        );
    }
}

#[test]
fn the_same_image_wanted_twice_at_once_is_fetched_once() {
    let registry = Registry::start();
    let large = "x".repeat(3 << 20);
    Image::new(&[archive(&[File("a", &large)])]).put(&registry, "app");
    let (place, options) = (Place::new(), options(&registry));
    let downloads = std::thread::scope(|scope| {
        let pulls = [(); 2].map(|()| scope.spawn(|| lines(&place, "app", &options)));
        let said = pulls.map(|pull| pull.join().unwrap());
        for said in &said {
            assert!(said.contains(&"done".to_owned()), "{said:?}");
        }
        said.iter()
            .flatten()
            .filter(|line| line.starts_with("layer") && line.ends_with("downloading"))
            .count()
    });
    assert_eq!(downloads, 1);
}

#[test]
fn scratch_asks_nobody() {
    let registry = Registry::start();
    let (place, options) = (Place::new(), options(&registry));
    drop(registry);
    let said = lines(&place, "scratch", &options);
    assert_eq!(said.last().unwrap(), "done");
    let record = place
        .storage()
        .images()
        .get(&reference("scratch"))
        .unwrap()
        .unwrap();
    assert!(record.layers.is_empty());
}
