//! Drafts, what comes of them, and what is left of them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;

#[test]
fn layer_appears_whole_and_leaves_no_draft() {
    let place = Place::new();
    let storage = place.open();
    let draft = storage.draft().unwrap();
    let layer = draft.layer().unwrap();
    layer.files.write("hello", 0o644, b"world").unwrap();
    draft.directory().make_directory("work", 0o700).unwrap();
    assert!(place.names("layers").is_empty());
    let id = LayerId::pulled(&Digest::of(b"x"));
    let meta = LayerMeta {
        entries: 1,
        ..LayerMeta::new()
    };
    draft.publish_layer(&id, &meta).unwrap();
    drop(draft);
    let found = storage.layers().get(&id).unwrap().unwrap();
    assert_eq!(found.meta, meta);
    assert_eq!(
        found.files().unwrap().try_read("hello").unwrap().unwrap(),
        b"world"
    );
    drop(storage);
    assert_eq!(
        place.names("tmp"),
        ["claims", "leases", "lock", "locks", "trash"]
    );
    assert_eq!(place.names("tmp/trash").len(), 1, "the work directory");
}

#[test]
fn next_draft_finds_nothing_of_the_one_before() {
    let place = Place::new();
    let storage = place.open();
    let names = [3, 30].map(|files| {
        let draft = storage.draft().unwrap();
        draft.layer().unwrap();
        for number in 0..files {
            draft
                .directory()
                .write(number.to_string(), 0o600, b"")
                .unwrap();
        }
        draft.relative_path()
    });
    assert_eq!(names[0], names[1], "used again");
    let next = storage.draft().unwrap();
    assert_ne!(next.relative_path(), names[1], "not worth clearing");
    assert!(next.directory().entries().unwrap().is_empty());
    assert_eq!(place.names("tmp/trash").len(), 4 + 1);
}

#[test]
fn equal_names_are_equal_layers() {
    let place = Place::new();
    let storage = place.open();
    let id = LayerId::pulled(&Digest::of(b"x"));
    for content in ["first", "second"] {
        let draft = storage.draft().unwrap();
        draft
            .layer()
            .unwrap()
            .files
            .write("file", 0o644, content.as_bytes())
            .unwrap();
        draft.publish_layer(&id, &LayerMeta::new()).unwrap();
    }
    let files = storage.layers().get(&id).unwrap().unwrap().files().unwrap();
    assert_eq!(files.try_read("file").unwrap().unwrap(), b"first");
}

#[test]
fn layer_that_is_not_believed_is_replaced() {
    let place = Place::new();
    let id = LayerId::pulled(&Digest::of(b"x"));
    let publish = |storage: &Storage, content: &str| {
        let draft = storage.draft().unwrap();
        draft
            .layer()
            .unwrap()
            .files
            .write("file", 0o644, content.as_bytes())
            .unwrap();
        draft.publish_layer(&id, &LayerMeta::new()).unwrap();
    };
    publish(&place.open(), "before the power cut");
    let storage = place.after_reboot();
    publish(&storage, "after");
    let files = storage.layers().get(&id).unwrap().unwrap().files().unwrap();
    assert_eq!(files.try_read("file").unwrap().unwrap(), b"after");
}

#[test]
fn blob_is_streamed_in_and_read_back() {
    let place = Place::new();
    let storage = place.open();
    let draft = storage.draft().unwrap();
    let mut blob = draft.blob().unwrap();
    for _ in 0..1000 {
        blob.write_all(&[7; 1000]).unwrap();
    }
    let digest = Digest::of(&[7; 1_000_000]);
    assert!(!storage.blobs().contains(&digest).unwrap());
    blob.publish(&digest).unwrap();
    assert_eq!(
        storage
            .blobs()
            .open(&digest)
            .unwrap()
            .unwrap()
            .metadata()
            .unwrap()
            .len(),
        1_000_000
    );
    assert_eq!(
        storage.blobs().read(&digest, 999_999).unwrap(),
        None,
        "longer than a manifest may be"
    );
    assert_eq!(
        storage
            .blobs()
            .read(&digest, 1_000_000)
            .unwrap()
            .unwrap()
            .len(),
        1_000_000
    );
}

#[test]
fn scaffold_is_made_once_and_survives_the_sweep() {
    let place = Place::new();
    let storage = place.open();
    assert!(storage.scaffold("abc").unwrap().is_none());
    for name in ["proc", "dev"] {
        let draft = storage.draft().unwrap();
        let made = draft.directory().make_directory("scaffold", 0o700).unwrap();
        made.make_directory(name, 0o755).unwrap();
        draft.publish_scaffold("scaffold", "abc").unwrap();
    }
    drop(storage);
    let scaffold = place.open().scaffold("abc").unwrap().unwrap();
    assert_eq!(scaffold.entries().unwrap()[0].name, "proc");
}

#[test]
fn image_keeps_its_spelling_and_is_found_by_its_meaning() {
    let place = Place::new();
    let storage = place.open();
    let images = storage.images();
    let layer = make_layer(&storage, "x");
    images
        .put(&image_of("debian:12", std::slice::from_ref(&layer)))
        .unwrap();
    assert!(
        images
            .get(&reference("docker.io/library/debian:12"))
            .unwrap()
            .is_some(),
        "V-cmd-41"
    );
    images
        .put(&image_of("foo", std::slice::from_ref(&layer)))
        .unwrap();
    images
        .put(&image_of("foo:latest", std::slice::from_ref(&layer)))
        .unwrap();
    let names: Vec<_> = images
        .list()
        .unwrap()
        .images
        .iter()
        .map(|image| image.name.to_string())
        .collect();
    assert_eq!(names, ["debian:12", "foo:latest"], "V-cmd-42");
    assert_eq!(images.matching("foo").unwrap().images.len(), 1, "V-cmd-43");
    assert!(images.delete(&reference("foo")).unwrap());
    assert!(!images.delete(&reference("foo")).unwrap());
    assert!(images.get(&reference("foo:latest")).unwrap().is_none());
    assert_eq!(place.names("images/deleted").len(), 1, "can come back");
}

#[test]
fn image_is_found_by_the_beginning_of_its_digest() {
    let place = Place::new();
    let storage = place.open();
    let draft = storage.draft().unwrap();
    let mut digests = Vec::new();
    for number in 0..2 {
        let digest = draft
            .put_blob(format!("{{\"{number}\":1}}").as_bytes())
            .unwrap();
        let mut pulled = image_of(&format!("ex.com/a:{number}"), &[]);
        let manifest = ch_oci::Descriptor::new(ch_oci::media_type::OCI_MANIFEST, digest.clone(), 7);
        pulled.manifest = Some(manifest);
        storage.images().put(&pulled).unwrap();
        digests.push(digest);
    }
    let found = |text: &str| {
        let image = storage.images().get(&reference(text)).unwrap();
        image.map(|image| image.name.to_string())
    };
    for (number, digest) in digests.iter().enumerate() {
        let name = Some(format!("ex.com/a:{number}"));
        assert_eq!(found(&format!("ex.com/a@{digest}")), name);
        assert_eq!(
            found(&format!("ex.com/a@sha256:{}", &digest.hex()[..6])),
            name
        );
        assert_eq!(found(&format!("ex.com/a:other@{digest}")), name);
        assert_eq!(found(&format!("ex.com/b@{digest}")), None);
        assert_eq!(
            found(&format!("ex.com/a@sha256:{}", &digest.hex()[..5])),
            None
        );
    }
}

#[test]
fn images_are_sorted_by_the_file_form_of_their_names() {
    let place = Place::new();
    let storage = place.open();
    for name in ["b", "a:1", "a-b", "a/b", "a"] {
        storage.images().put(&image_of(name, &[])).unwrap();
    }
    let listing = storage.images().list().unwrap();
    let names: Vec<_> = listing
        .images
        .iter()
        .map(|image| image.name.to_string())
        .collect();
    assert_eq!(names, ["a", "a/b", "a:1", "a-b", "b"]);
}

#[test]
fn other_tools_see_pulled_images_in_the_index() {
    let place = Place::new();
    let storage = place.open();
    let draft = storage.draft().unwrap();
    let manifest = draft.put_blob(b"{}").unwrap();
    let mut pulled = image_of("ex.com/pulled:1", &[]);
    pulled.manifest = Some(ch_oci::Descriptor::new(
        ch_oci::media_type::OCI_MANIFEST,
        manifest,
        2,
    ));
    storage.images().put(&pulled).unwrap();
    storage.images().put(&image_of("built", &[])).unwrap();
    let index = || -> serde_json::Value {
        serde_json::from_slice(&fs::read(place.path.join("index.json")).unwrap()).unwrap()
    };
    let manifests = index()["manifests"].as_array().unwrap().clone();
    assert_eq!(manifests.len(), 1);
    assert_eq!(
        manifests[0]["annotations"]["org.opencontainers.image.ref.name"],
        "ex.com/pulled:1"
    );
    storage
        .images()
        .delete(&reference("ex.com/pulled:1"))
        .unwrap();
    assert_eq!(index()["manifests"].as_array().unwrap().len(), 0);
}

#[test]
fn index_stays_as_it_is_when_the_records_cannot_be_listed() {
    let place = Place::new();
    let storage = place.open();
    let mut pulled = image_of("ex.com/pulled:1", &[]);
    let manifest = storage.draft().unwrap().put_blob(b"{}").unwrap();
    let media_type = ch_oci::media_type::OCI_MANIFEST;
    pulled.manifest = Some(ch_oci::Descriptor::new(media_type, manifest, 2));
    storage.images().put(&pulled).unwrap();
    let index = place.path.join("index.json");
    let before = fs::read(&index).unwrap();
    let records = place.path.join("images");
    fs::set_permissions(&records, fs::Permissions::from_mode(0o300)).unwrap();
    let put = storage.images().put(&image_of("another", &[]));
    let deleted = storage.images().delete(&reference("another"));
    fs::set_permissions(&records, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(put.unwrap_err().to_string(), "can't store image another");
    assert!(deleted.is_err());
    assert_eq!(fs::read(&index).unwrap(), before);
}

#[test]
fn trash_is_emptied_within_its_budget() {
    let place = Place::new();
    let storage = place.open();
    let draft = storage.draft().unwrap();
    for number in 0..1500 {
        draft
            .directory()
            .write(number.to_string(), 0o600, b"")
            .unwrap();
    }
    drop(draft);
    assert_eq!(place.names("tmp/trash").len(), 1);
    storage.tidy().unwrap();
    assert_eq!(place.names("tmp/trash").len(), 1, "not all at once");
    storage
        .empty_trash(ch_linux::tree::Budget::UNLIMITED)
        .unwrap();
    assert!(place.names("tmp/trash").is_empty());
}

#[test]
fn owner_can_always_remove_the_directory_with_rm() {
    let place = Place::new();
    let storage = place.open();
    let layer = make_layer(&storage, "x");
    storage
        .images()
        .put(&image_of("x", std::slice::from_ref(&layer)))
        .unwrap();
    storage.commit().unwrap();
    std::mem::forget(storage.draft().unwrap());
    let _lease = storage.lease(std::slice::from_ref(&layer)).unwrap();
    let status = Command::new("rm")
        .arg("-rf")
        .arg(&place.path)
        .status()
        .unwrap();
    assert!(status.success());
    assert!(!place.path.exists());
}

#[test]
fn directories_are_closed_to_others_and_open_to_their_owner() {
    let place = Place::new();
    make_layer(&place.open(), "x");
    let mut todo = vec![place.path.clone()];
    let mut seen = 0;
    while let Some(directory) = todo.pop() {
        let mode = fs::metadata(&directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o700, 0o700, "{directory:?}");
        seen += 1;
        todo.extend(fs::read_dir(directory).unwrap().filter_map(|entry| {
            let entry = entry.unwrap();
            entry.file_type().unwrap().is_dir().then(|| entry.path())
        }));
    }
    assert!(seen > 12);
    assert_eq!(
        fs::metadata(&place.path).unwrap().permissions().mode() & 0o7777,
        0o700
    );
}
