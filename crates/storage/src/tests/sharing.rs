//! Several commands, and several threads, in one storage directory; and the dead among them.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn what_two_want_is_made_once() {
    let place = Place::new();
    drop(place.open());
    let made = AtomicUsize::new(0);
    let id = state_id("wanted");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            // Half of them share a handle with nobody, as processes do.
            scope.spawn(|| {
                let storage = place.open();
                let _lock = storage.once(&Key::State(&id)).unwrap();
                if storage.states().get(&id).unwrap().is_none() {
                    made.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    storage.states().put(&id, &state_of(&[])).unwrap();
                }
            });
        }
    });
    assert_eq!(made.load(Ordering::SeqCst), 1);
    assert!(place.names("tmp/locks").is_empty());
}

#[test]
fn different_keys_do_not_wait_for_each_other() {
    let place = Place::new();
    let storage = place.open();
    let digest = Digest::of(b"x");
    let id = state_id("other");
    let keys = [Key::Blob(&digest), Key::State(&id)];
    let held: Vec<_> = keys.iter().map(|key| storage.once(key).unwrap()).collect();
    let names = place.names("tmp/locks");
    assert_eq!(
        names,
        [
            format!("blob-sha256-{}", digest.hex()),
            format!("state-{id}")
        ]
    );
    drop(held);
    assert!(place.names("tmp/locks").is_empty());
}

#[test]
fn sweep_takes_the_dead_and_leaves_the_living() {
    let place = Place::new();
    let storage = place.open();
    let living = storage.draft().unwrap();
    living.directory().write("precious", 0o600, b"").unwrap();
    // Left by the dead: with a lock that nobody holds, without one, a lock alone, a key, a lease.
    let tmp = place.path.join("tmp");
    for name in ["dead", "older"] {
        std::fs::create_dir(tmp.join(name)).unwrap();
        std::fs::write(tmp.join(name).join("file"), "").unwrap();
    }
    for name in ["dead.lock", "alone.lock", "locks/state-x", "leases/y"] {
        std::fs::write(tmp.join(name), "").unwrap();
    }
    let (options, heard) = listening();
    let _other = Storage::open(&place.path, options).unwrap();
    assert_eq!(*heard.lock().unwrap(), [Notice::Swept { leftovers: 5 }]);
    let left = place.names("tmp");
    assert_eq!(left.len(), 6, "{left:?}");
    assert!(living.directory().try_read("precious").unwrap().is_some());
    assert!(place.names("tmp/locks").is_empty());
    assert!(place.names("tmp/leases").is_empty());
    assert_eq!(place.names("tmp/trash").len(), 2);
}

#[test]
fn what_failed_or_died_can_be_deleted_by_ordinary_tools() {
    let place = Place::new();
    let storage = place.open();
    let close = |path: &std::path::Path| {
        let inner = path.join("layer/fs/closed");
        std::fs::create_dir_all(inner.join("below")).unwrap();
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o555)).unwrap();
        std::fs::set_permissions(inner.join("below"), std::fs::Permissions::from_mode(0o0))
            .unwrap();
    };
    let failed = storage.draft().unwrap();
    close(&place.path.join(failed.relative_path()));
    drop(failed);
    close(&place.path.join("tmp/dead"));
    drop(storage);
    drop(place.open());
    assert_eq!(place.names("tmp/trash").len(), 2);
    std::fs::remove_dir_all(&place.path).unwrap();
}

#[test]
fn lease_lists_the_layers_and_lives_as_long_as_its_descriptor() {
    let place = Place::new();
    let storage = place.open();
    let layers = [make_layer(&storage, "a"), make_layer(&storage, "b")];
    let lease = storage.lease(&layers).unwrap();
    let file = place
        .path
        .join("tmp/leases")
        .join(&place.names("tmp/leases")[0]);
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text.split_whitespace().collect();
    assert_eq!(lines, layers.each_ref().map(LayerId::as_str));
    let descriptor = lease.into_descriptor();
    drop(storage);
    let _again = place.open();
    assert_eq!(place.names("tmp/leases").len(), 1, "the sweep leaves it");
    let busy = Storage::reset(&place.path, impatient()).unwrap_err();
    assert_eq!(busy.to_string(), "storage directory is already in use");
    drop(descriptor);
    drop(_again);
    drop(place.open());
    assert!(place.names("tmp/leases").is_empty());
}

#[test]
fn lease_alone_keeps_reset_away() {
    let place = Place::new();
    let storage = place.open();
    let layer = make_layer(&storage, "a");
    let lease = storage.lease(std::slice::from_ref(&layer)).unwrap();
    drop(storage);
    let busy = Storage::reset(&place.path, impatient()).unwrap_err();
    assert_eq!(busy.to_string(), "storage directory is already in use");
    drop(lease);
    Storage::reset(&place.path, impatient()).unwrap();
}

#[test]
fn missing_layer_can_not_be_leased() {
    let place = Place::new();
    let missing = LayerId::random();
    let error = place
        .open()
        .lease(std::slice::from_ref(&missing))
        .unwrap_err();
    assert!(matches!(error, LeaseError::Missing { layer } if layer == missing));
}

#[test]
fn layer_that_was_collected_since_it_was_found_can_not_be_leased() {
    let place = Place::new();
    let layer = make_layer(&place.open(), "a");
    let reader = Storage::open_existing(&place.path, impatient());
    let reader = reader.unwrap().unwrap();
    assert!(reader.layers().contains(&layer).unwrap());
    let freed = place.open().collect(&Selection::garbage()).unwrap();
    assert_eq!(freed.layers.count, 1);
    let error = reader.lease(std::slice::from_ref(&layer)).unwrap_err();
    assert!(matches!(error, LeaseError::Missing { layer: missing } if missing == layer));
}

#[test]
fn readers_and_writers_share_and_reset_is_alone() {
    let place = Place::new();
    let writer = place.open();
    let reader = Storage::open_existing(&place.path, impatient())
        .unwrap()
        .unwrap();
    let error = Storage::reset(&place.path, impatient()).unwrap_err();
    assert_eq!(error.to_string(), "storage directory is already in use");
    drop(writer);
    let error = Storage::reset(&place.path, impatient()).unwrap_err();
    assert_eq!(error.to_string(), "storage directory is already in use");
    drop(reader);
    Storage::reset(&place.path, impatient()).unwrap();
}

#[test]
fn images_of_many_writers_are_all_there() {
    let place = Place::new();
    drop(place.open());
    std::thread::scope(|scope| {
        for number in 0..8 {
            let place = &place;
            scope.spawn(move || {
                let storage = place.open();
                for round in 0..5 {
                    let layer = make_layer(&storage, &format!("{number} {round}"));
                    let name = format!("image{number}");
                    storage.images().put(&image_of(&name, &[layer])).unwrap();
                    storage.images().put(&image_of("common", &[])).unwrap();
                }
                storage.commit().unwrap();
            });
        }
    });
    let storage = place.open();
    let listing = storage.images().list().unwrap();
    assert_eq!((listing.images.len(), listing.damaged.len()), (9, 0));
    for image in &listing.images {
        storage.images().check_layers(image).unwrap();
    }
    assert_eq!(
        place.names("tmp"),
        ["claims", "leases", "lock", "locks", "trash"]
    );
}

/// Where the child of the next test works; not set when the suite runs it.
const CHILD_PLACE: &str = "CH_STORAGE_TEST_CHILD";

/// Publishes one layer, begins another, holds a key and a lease, says so, and waits for its end.
#[test]
#[ignore = "started by killed_writer_leaves_what_it_published_and_nothing_else"]
fn child_that_is_killed() {
    let Some(path) = std::env::var_os(CHILD_PLACE) else {
        return;
    };
    let storage = Storage::open(path.as_ref(), impatient()).unwrap();
    let layer = make_layer(&storage, "published");
    let half = storage.draft().unwrap();
    half.layer()
        .unwrap()
        .files
        .write("half", 0o644, b"")
        .unwrap();
    let _key = storage.once(&Key::State(&state_id("x"))).unwrap();
    let _lease = storage.lease(&[layer]).unwrap();
    storage.directory().write("ready", 0o600, b"").unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn killed_writer_leaves_what_it_published_and_nothing_else() {
    let place = Place::new();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "tests::sharing::child_that_is_killed",
        ])
        .env(CHILD_PLACE, &place.path)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let since = std::time::Instant::now();
    while !place.path.join("ready").exists() {
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "the child does not come up"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(place.names("tmp").len() > 4);
    child.kill().unwrap();
    child.wait().unwrap();

    let storage = place.open();
    assert_eq!(
        place.names("tmp"),
        ["claims", "leases", "lock", "locks", "trash"]
    );
    assert!(place.names("tmp/leases").is_empty() && place.names("tmp/locks").is_empty());
    let layers = place.names("layers");
    assert_eq!(layers.len(), 1);
    let layer = storage
        .layers()
        .get(&layers[0].parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(
        layer.files().unwrap().try_read("file").unwrap().unwrap(),
        b"published"
    );
}
