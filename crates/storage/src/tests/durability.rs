//! layers.md §8: what survives a power cut, and what it costs. V-du-4 to V-du-8.
//!
//! A power cut is played by opening the directory as another boot, and by tearing files. TMPDIR must be on a
//! disk: in memory nothing is synced and nothing marked.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn tear(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let mode = fs::metadata(path).unwrap().permissions();
    fs::remove_file(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    fs::set_permissions(path, mode).unwrap();
}

fn blob_path(place: &Place, digest: &Digest) -> PathBuf {
    place.path.join("blobs/sha256").join(digest.hex())
}

fn meta_path(place: &Place, layer: &LayerId) -> PathBuf {
    place
        .path
        .join("layers")
        .join(layer.as_str())
        .join("meta.json")
}

/// V-du-4: unmarked things of another boot do not exist; marked ones do.
fn unmarked_of_another_boot_is_absent() {
    let place = Place::new();
    let storage = place.open();
    let marked = make_layer(&storage, "marked");
    storage
        .states()
        .put(
            &state_id("marked"),
            &state_of(std::slice::from_ref(&marked)),
        )
        .unwrap();
    storage.commit().unwrap();
    let unmarked = make_layer(&storage, "unmarked");
    storage
        .states()
        .put(
            &state_id("unmarked"),
            &state_of(std::slice::from_ref(&unmarked)),
        )
        .unwrap();
    storage
        .states()
        .put(&state_id("half"), &state_of(std::slice::from_ref(&marked)))
        .unwrap();
    assert_eq!(mode(&meta_path(&place, &marked)), 0o444, "V-du-4");
    assert_eq!(mode(&meta_path(&place, &unmarked)), 0o644, "V-du-4");
    // The same boot believes both, in another process too.
    drop(storage);
    let again = place.open();
    assert!(
        again.layers().get(&unmarked).unwrap().is_some(),
        "V-du-4: page cache is whole"
    );
    drop(again);

    let rebooted = place.after_reboot();
    assert!(
        rebooted.layers().get(&marked).unwrap().is_some(),
        "V-du-4: marked"
    );
    assert!(
        rebooted
            .states()
            .get(&state_id("marked"))
            .unwrap()
            .is_some(),
        "V-du-4: marked"
    );
    assert!(
        rebooted.layers().get(&unmarked).unwrap().is_none(),
        "V-du-4: unmarked"
    );
    assert!(
        rebooted
            .states()
            .get(&state_id("unmarked"))
            .unwrap()
            .is_none(),
        "V-du-4: unmarked"
    );
    assert!(
        rebooted.states().get(&state_id("half")).unwrap().is_none(),
        "V-du-4: unmarked"
    );
    assert!(
        !place.path.join("layers").join(unmarked.as_str()).exists(),
        "V-du-4: to the trash"
    );
    assert_eq!(
        place.names("states").len(),
        1,
        "V-du-4: useless states are removed"
    );
}

/// V-du-5: torn JSON of each kind counts as absent, of an image it is an error that names it.
fn torn_json_is_noticed() {
    let place = Place::new();
    let storage = place.open();
    let layers = [make_layer(&storage, "one"), make_layer(&storage, "two")];
    storage
        .states()
        .put(&state_id("one"), &state_of(&layers))
        .unwrap();
    storage
        .states()
        .put(&state_id("two"), &state_of(&layers[..1]))
        .unwrap();
    storage
        .images()
        .put(&image_of("good", &layers[..1]))
        .unwrap();
    storage
        .images()
        .put(&image_of("ex.com/torn:1", &layers))
        .unwrap();
    storage.commit().unwrap();
    drop(storage);
    tear(&meta_path(&place, &layers[1]));
    tear(
        &place
            .path
            .join("states")
            .join(format!("{}.json", state_id("two"))),
    );
    tear(&place.path.join("images/ex.com%torn+1.json"));

    let storage = place.open();
    assert!(
        storage.layers().get(&layers[1]).unwrap().is_none(),
        "V-du-5: layer, although marked"
    );
    assert!(
        storage.states().get(&state_id("one")).unwrap().is_none(),
        "V-du-5: its layer"
    );
    assert!(
        storage.states().get(&state_id("two")).unwrap().is_none(),
        "V-du-5: state"
    );
    let error = storage
        .images()
        .get(&reference("ex.com/torn:1"))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("storage: can't parse images/ex.com%torn+1.json:"),
        "V-du-5: {error}"
    );
    assert_eq!(
        error.hint().unwrap(),
        "pull or build again: ex.com/torn:1; or remove it: ch-image delete ex.com/torn:1",
        "V-du-5"
    );
    let listing = storage.images().list().unwrap();
    assert_eq!(listing.images.len(), 1, "V-du-5: the others are listed");
    assert_eq!(listing.damaged.len(), 1, "V-du-5");
    // It is replaced as if it were not there.
    assert!(
        storage
            .images()
            .put(&image_of("ex.com/torn:1", &layers[..1]))
            .unwrap(),
        "V-du-5"
    );
    assert!(
        storage
            .images()
            .get(&reference("ex.com/torn:1"))
            .unwrap()
            .is_some(),
        "V-du-5"
    );
}

/// V-du-5 again: records of which next to nothing is left.
fn empty_record_is_noticed() {
    let place = Place::new();
    let storage = place.open();
    storage.images().put(&image_of("good", &[])).unwrap();
    for left in ["", "{", "null\n", "{}\n"] {
        fs::write(place.path.join("images/good.json"), left).unwrap();
        assert!(
            storage.images().get(&reference("good")).is_err(),
            "V-du-5: {left:?}"
        );
    }
}

/// V-du-6: a build that hits everywhere and changes nothing syncs nothing.
fn full_hit_syncs_nothing() {
    let place = Place::new();
    let storage = place.open();
    let layer = make_layer(&storage, "x");
    storage
        .states()
        .put(&state_id("x"), &state_of(std::slice::from_ref(&layer)))
        .unwrap();
    assert!(
        storage
            .images()
            .put(&image_of("x", std::slice::from_ref(&layer)))
            .unwrap(),
        "V-du-6"
    );
    storage.commit().unwrap();
    let durability = &storage.inner().durability;
    assert_eq!(durability.syncs(), 2, "V-du-6: before and after the record");
    drop(storage);

    let storage = place.open();
    let record_path = place.path.join("images/x.json");
    let before = fs::read(&record_path).unwrap();
    let hit = storage.states().get(&state_id("x")).unwrap().unwrap();
    let record = image_of("x", &hit.layers);
    assert!(
        !storage.images().put(&record).unwrap(),
        "V-du-6: unchanged but for the time"
    );
    storage.commit().unwrap();
    assert_eq!(storage.inner().durability.syncs(), 0, "V-du-6");
    assert_eq!(
        fs::read(&record_path).unwrap(),
        before,
        "V-du-6: not written"
    );
}

/// V-du-7: without sync there is none, and nothing is marked.
fn no_sync_syncs_nothing() {
    let place = Place::new();
    let storage = place.open_with(Options {
        sync: false,
        ..impatient()
    });
    let layer = make_layer(&storage, "x");
    storage
        .states()
        .put(&state_id("x"), &state_of(std::slice::from_ref(&layer)))
        .unwrap();
    storage
        .images()
        .put(&image_of("x", std::slice::from_ref(&layer)))
        .unwrap();
    storage.commit().unwrap();
    assert_eq!(storage.inner().durability.syncs(), 0, "V-du-7");
    assert_eq!(mode(&meta_path(&place, &layer)), 0o644, "V-du-7");
    drop(storage);
    let storage = place.open();
    let record = storage.images().get(&reference("x")).unwrap().unwrap();
    assert!(
        storage.images().check_layers(&record).is_ok(),
        "V-du-7: until the power cut"
    );
    drop(storage);
    let storage = place.after_reboot();
    let record = storage.images().get(&reference("x")).unwrap().unwrap();
    let error = storage.images().check_layers(&record).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("storage: layer {layer} is missing, needed by x"),
        "V-du-7: and not after"
    );
}

/// What was stored without being taken to disk is taken there by whoever finds it of use.
#[test]
fn found_again_is_taken_to_disk() {
    let place = Place::new();
    let hasty = place.open_with(Options {
        sync: false,
        ..impatient()
    });
    let layer = make_layer(&hasty, "x");
    let state = state_of(std::slice::from_ref(&layer));
    hasty.states().put(&state_id("x"), &state).unwrap();
    let record = image_of("x", std::slice::from_ref(&layer));
    hasty.images().put(&record).unwrap();
    hasty.commit().unwrap();
    drop(hasty);

    // By its state: a build that failed left it.
    let storage = place.open();
    assert!(storage.states().get(&state_id("x")).unwrap().is_some());
    storage.commit().unwrap();
    assert_eq!(storage.inner().durability.syncs(), 1);
    let state_file = format!("states/{}.json", state_id("x"));
    assert_eq!(mode(&place.path.join(state_file)), 0o444);
    assert_eq!(mode(&meta_path(&place, &layer)), 0o444);
    drop(storage);

    // By its record, which says the same.
    let path = meta_path(&place, &layer);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let storage = place.open();
    assert!(!storage.images().put(&record).unwrap());
    storage.commit().unwrap();
    assert_eq!(mode(&path), 0o444);
}

/// Another command found the same fault, and put a good layer in its place.
#[test]
fn what_was_not_judged_is_not_thrown_away() {
    let place = Place::new();
    let storage = place.open();
    let layer = make_layer(&storage, "x");
    let inner = storage.inner();
    let judged = inner.layers.directory(layer.as_str()).unwrap();
    let identity = judged.attributes().unwrap().identity;
    let other = (identity.0, identity.1 + 1);
    let discard = |identity| storage.discard_only(&inner.layers, layer.as_str(), identity);
    discard(other).unwrap();
    assert!(storage.layers().get(&layer).unwrap().is_some());
    discard(identity).unwrap();
    assert!(storage.layers().get(&layer).unwrap().is_none());
    discard(identity).unwrap();
}

/// V-du-8: an unmarked blob is hashed; a flipped bit, and it is gone.
fn flipped_blob_is_absent() {
    let place = Place::new();
    let storage = place.open();
    let draft = storage.draft().unwrap();
    let good = draft.put_blob(b"good").unwrap();
    let bad = draft.put_blob(b"bad!").unwrap();
    let committed = draft.put_blob(b"committed").unwrap();
    assert_eq!(
        storage.blobs().read(&bad, 9).unwrap().unwrap(),
        b"bad!",
        "V-du-8: own blobs"
    );
    drop((draft, storage));
    fs::write(blob_path(&place, &bad), b"bae!").unwrap();

    let storage = place.after_reboot();
    assert!(storage.blobs().contains(&good).unwrap(), "V-du-8");
    assert!(!storage.blobs().contains(&bad).unwrap(), "V-du-8");
    assert!(!blob_path(&place, &bad).exists(), "V-du-8: to the trash");
    storage.commit().unwrap();
    assert_eq!(
        mode(&blob_path(&place, &good)),
        0o444,
        "V-du-8: marked after hashing"
    );
    assert_eq!(
        mode(&blob_path(&place, &committed)),
        0o644,
        "V-du-8: nobody asked"
    );
    // Fetched again, it is there.
    let draft = storage.draft().unwrap();
    assert_eq!(draft.put_blob(b"bad!").unwrap(), bad, "V-du-8");
    assert!(storage.blobs().contains(&bad).unwrap(), "V-du-8");
}

#[test]
fn vectors_of_durability() {
    let vectors: [(&str, fn()); 5] = [
        ("V-du-4", unmarked_of_another_boot_is_absent),
        ("V-du-5", || {
            torn_json_is_noticed();
            empty_record_is_noticed();
        }),
        ("V-du-6", full_hit_syncs_nothing),
        ("V-du-7", no_sync_syncs_nothing),
        ("V-du-8", flipped_blob_is_absent),
    ];
    for (name, vector) in vectors {
        assert!(std::panic::catch_unwind(vector).is_ok(), "{name}");
    }
    print_count(vectors.len());
}

#[expect(clippy::print_stdout, reason = "counts of vectors are read by people")]
fn print_count(vectors: usize) {
    println!("layers.md §8: {vectors} vectors");
}

#[test]
fn record_is_never_ahead_of_what_it_names() {
    let place = Place::new();
    let maker = place.open();
    let layer = make_layer(&maker, "of a command that was killed");
    let blob = maker.draft().unwrap().put_blob(b"manifest").unwrap();
    std::mem::forget(maker);

    let storage = place.open();
    let mut record = image_of("x", std::slice::from_ref(&layer));
    record.manifest = Some(ch_oci::Descriptor::new(
        ch_oci::media_type::OCI_MANIFEST,
        blob.clone(),
        8,
    ));
    storage.images().put(&record).unwrap();
    assert_eq!(mode(&meta_path(&place, &layer)), 0o444);
    assert_eq!(mode(&blob_path(&place, &blob)), 0o444);
}

#[test]
fn image_without_its_layer_is_not_stored() {
    let place = Place::new();
    let storage = place.open();
    let missing = LayerId::random();
    let error = storage
        .images()
        .put(&image_of("x", std::slice::from_ref(&missing)))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("storage: layer {missing} is missing, needed by x")
    );
    assert_eq!(storage.images().get(&reference("x")).unwrap(), None);
}

#[test]
fn another_machines_unmarked_layer_is_not_used_and_not_thrown_away() {
    let place = Place::new();
    let storage = place.open();
    let draft = storage.draft().unwrap();
    draft.layer().unwrap();
    let layer = LayerId::pulled(&Digest::of(b"x"));
    draft.publish_layer(&layer, &LayerMeta::new()).unwrap();
    let path = meta_path(&place, &layer);
    let origin = crate::sealed::Origin {
        boot: "theirs".to_owned(),
        host: "theirs".to_owned(),
    };
    fs::write(&path, crate::sealed::seal(&LayerMeta::new(), &origin)).unwrap();
    drop((draft, storage));
    let storage = place.open();
    assert!(storage.layers().get(&layer).unwrap().is_none());
    assert!(path.exists());

    let theirs = fs::metadata(&path).unwrap().ino();
    let draft = storage.draft().unwrap();
    draft.layer().unwrap();
    let ours = draft.publish_layer(&layer, &LayerMeta::new()).unwrap();
    assert_ne!(ours, layer, "published beside it");
    assert!(storage.layers().get(&ours).unwrap().is_some());
    assert_eq!(fs::metadata(&path).unwrap().ino(), theirs, "may be mounted");
    drop(draft);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    assert!(storage.layers().get(&layer).unwrap().is_some());
    let draft = storage.draft().unwrap();
    draft.layer().unwrap();
    let same = draft.publish_layer(&layer, &LayerMeta::new()).unwrap();
    assert_eq!(same, layer, "theirs is used now");
}

#[test]
fn blob_put_again_is_not_written_and_keeps_its_mark() {
    let place = Place::new();
    let storage = place.open();
    let digest = storage.draft().unwrap().put_blob(b"manifest").unwrap();
    storage.commit().unwrap();
    drop(storage);
    let state = || {
        let found = fs::metadata(blob_path(&place, &digest)).unwrap();
        (found.ino(), found.permissions().mode() & 0o7777)
    };
    let before = state();
    assert_eq!(before.1, 0o444);

    let storage = place.open();
    let draft = storage.draft().unwrap();
    draft.put_blob(b"manifest").unwrap();
    assert!(draft.directory().entries().unwrap().is_empty());
    // One that somebody else has published since it was begun.
    let mut blob = draft.blob().unwrap();
    blob.write_all(b"manifest").unwrap();
    blob.publish(&digest).unwrap();
    storage.commit().unwrap();
    assert_eq!(state(), before);
    assert_eq!(storage.inner().durability.syncs(), 0);
}

#[test]
fn blob_in_the_way_that_is_not_right_is_replaced() {
    let place = Place::new();
    let storage = place.open();
    let digest = storage.draft().unwrap().put_blob(b"good").unwrap();
    drop(storage);
    fs::write(blob_path(&place, &digest), b"torn").unwrap();

    let storage = place.after_reboot();
    let draft = storage.draft().unwrap();
    let mut blob = draft.blob().unwrap();
    blob.write_all(b"good").unwrap();
    blob.publish(&digest).unwrap();
    let found = storage.blobs().read(&digest, 9).unwrap();
    assert_eq!(found.unwrap(), b"good");
}

#[test]
fn state_put_again_after_a_commit_carries_no_mark() {
    let place = Place::new();
    let storage = place.open();
    let path = place
        .path
        .join("states")
        .join(format!("{}.json", state_id("x")));
    storage
        .states()
        .put(&state_id("x"), &state_of(&[]))
        .unwrap();
    storage.commit().unwrap();
    storage
        .states()
        .put(&state_id("x"), &state_of(&[]))
        .unwrap();
    assert_eq!(mode(&path), 0o644);
    assert_eq!(
        storage
            .states()
            .get(&state_id("x"))
            .unwrap()
            .unwrap()
            .instruction,
        "RUN true"
    );
}

#[test]
fn command_that_lasts_marks_what_it_made_meanwhile() {
    let place = Place::new();
    let storage = place.open();
    let layer = make_layer(&storage, "x");
    let every = Duration::from_millis(5);
    let _thread = crate::durability::Checkpointer::start(storage.downgrade(), every);
    let since = std::time::Instant::now();
    while mode(&meta_path(&place, &layer)) != 0o444 {
        assert!(since.elapsed() < Duration::from_secs(30));
        std::thread::sleep(every);
    }
}
