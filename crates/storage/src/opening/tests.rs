//! commands.md §7.2, §7.3: what is found at the path, and what is done then.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use ch_linux::tree::Directory;

use crate::tests::{Place, image_of, impatient, listening, make_layer};
use crate::*;

fn refusal(path: &Path) -> OpenError {
    Storage::open(path, impatient()).unwrap_err()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn nothing_is_created_for_readers() {
    let place = Place::new();
    assert!(
        Storage::open_existing(&place.path, impatient())
            .unwrap()
            .is_none()
    );
    assert!(!place.path.exists());
    fs::create_dir(&place.path).unwrap();
    set_mode(&place.path, 0o700);
    assert!(
        Storage::open_existing(&place.path, impatient())
            .unwrap()
            .is_none()
    );
    assert!(place.names("").is_empty());
}

#[test]
fn missing_parents_are_made_too() {
    let place = Place::new();
    let path = place.path.join("a/b");
    let (options, heard) = listening();
    let storage = Storage::open(&path, options).unwrap();
    let said: Vec<_> = heard
        .lock()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [format!(
            "initializing storage directory: v1 {}",
            path.display()
        )]
    );
    assert_eq!(storage.path(), path);
    assert_eq!(
        fs::metadata(&place.path).unwrap().permissions().mode() & 0o7777,
        0o700
    );
    assert_eq!(
        fs::read_to_string(path.join("VERSION")).unwrap(),
        "ch-image storage 1\n"
    );
    drop(storage);
    let (options, heard) = listening();
    Storage::open(&path, options).unwrap();
    assert!(
        heard.lock().unwrap().is_empty(),
        "the second time nothing is said"
    );
}

#[test]
fn own_empty_directory_is_used() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    set_mode(&place.path, 0o755);
    place.open();
    assert_eq!(
        fs::metadata(&place.path).unwrap().permissions().mode() & 0o7777,
        0o700
    );
}

#[test]
fn other_versions_are_refused_by_name() {
    let place = Place::new();
    drop(place.open());
    let version = place.path.join("VERSION");
    fs::write(&version, "ch-image storage 99\n").unwrap();
    let error = refusal(&place.path);
    let expected = format!(
        "incompatible storage directory v99: {}",
        place.path.display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("ch-image reset"));
    fs::write(&version, "abc\n").unwrap();
    assert_eq!(
        refusal(&place.path).to_string(),
        "malformed storage version: \"abc\""
    );
    let reset = Storage::reset(&place.path, impatient()).unwrap_err();
    assert_eq!(
        reset.to_string(),
        format!("{} not a builder storage", place.path.display())
    );
    fs::write(&version, "ch-image storage 99\n").unwrap();
    Storage::reset(&place.path, impatient()).unwrap();
    place.open();
}

#[test]
fn charliecloud_is_never_touched() {
    for with_version in [false, true] {
        let place = Place::new();
        for name in ["img", "dlcache"] {
            fs::create_dir_all(place.path.join(name)).unwrap();
        }
        set_mode(&place.path, 0o755);
        if with_version {
            fs::write(place.path.join("version"), "6").unwrap();
        }
        let before = place.names("");
        let path = place.path.display();
        let expected = format!("{path} is a storage directory of Charliecloud's ch-image");
        assert_eq!(refusal(&place.path).to_string(), expected);
        let reading = Storage::open_existing(&place.path, impatient()).unwrap_err();
        assert_eq!(reading.to_string(), expected);
        let reset = Storage::reset(&place.path, impatient()).unwrap_err();
        assert_eq!(reset.to_string(), expected);
        assert!(
            reset
                .hint()
                .unwrap()
                .contains(&format!("ch-image import {path}/img/NAME NAME"))
        );
        assert_eq!(place.names(""), before);
        assert_eq!(
            fs::metadata(&place.path).unwrap().permissions().mode() & 0o7777,
            0o755
        );
    }
}

#[test]
fn anything_else_is_refused_and_left_alone() {
    let place = Place::new();
    fs::create_dir_all(place.path.join("tmp/precious")).unwrap();
    set_mode(&place.path, 0o755);
    let expected = format!("storage directory seems invalid: {}", place.path.display());
    assert_eq!(refusal(&place.path).to_string(), expected);
    fs::write(place.path.join("thesis.tex"), "").unwrap();
    assert_eq!(refusal(&place.path).to_string(), expected);
    assert_eq!(place.names(""), ["thesis.tex", "tmp"]);
    let reset = Storage::reset(&place.path, impatient()).unwrap_err();
    assert_eq!(
        reset.to_string(),
        format!("{} not a builder storage", place.path.display())
    );
    let file = place.path.join("thesis.tex");
    let expected = format!(
        "storage directory seems invalid: not a directory: {}",
        file.display()
    );
    assert_eq!(refusal(&file).to_string(), expected);
    assert_eq!(refusal(&file.join("below")).to_string(), expected);
}

/// Paths below `place` with the modes of what they name, sorted.
fn snapshot(place: &Place) -> Vec<(PathBuf, u32)> {
    let mut todo = vec![place.path.clone()];
    let mut seen = Vec::new();
    while let Some(path) = todo.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            todo.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        seen.push((path, metadata.permissions().mode()));
    }
    seen.sort();
    seen
}

#[test]
fn lock_of_someone_else_does_not_make_a_directory_ours() {
    let foreign = [
        "precious",
        "tmp/precious",
        "tmp/precious.lock",
        "images/holiday.jpg",
        "layers/onion",
        "states/kansas.json",
        "blobs/ink",
        "contents/1",
        "mounts/everest",
        "index.json/precious",
    ];
    for path in foreign {
        let place = Place::new();
        let file = place.path.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::create_dir_all(place.path.join("tmp")).unwrap();
        fs::write(place.path.join("tmp/lock"), "").unwrap();
        fs::write(&file, "").unwrap();
        set_mode(&place.path, 0o755);
        let before = snapshot(&place);
        let invalid = format!("storage directory seems invalid: {}", place.path.display());
        assert_eq!(refusal(&place.path).to_string(), invalid, "{path}");
        let reading = Storage::open_existing(&place.path, impatient()).unwrap_err();
        assert_eq!(reading.to_string(), invalid, "{path}");
        let reset = Storage::reset(&place.path, impatient()).unwrap_err();
        let not_ours = format!("{} not a builder storage", place.path.display());
        assert_eq!(reset.to_string(), not_ours, "{path}");
        assert_eq!(snapshot(&place), before, "{path}");
    }
}

#[test]
fn what_is_unfinished_is_empty_to_readers_and_left_as_it_is() {
    for cut_short in ["VERSION", "layers"] {
        let place = Place::new();
        let storage = place.open();
        let layer = make_layer(&storage, "x");
        storage.images().put(&image_of("x", &[layer])).unwrap();
        drop(storage);
        if cut_short == "VERSION" {
            fs::remove_file(place.path.join("VERSION")).unwrap();
        } else {
            fs::write(place.path.join("tmp/reset"), "").unwrap();
            fs::remove_dir_all(place.path.join("layers")).unwrap();
        }
        let before = snapshot(&place);
        let found = Storage::open_existing(&place.path, impatient()).unwrap();
        assert!(found.is_none(), "{cut_short}");
        assert_eq!(snapshot(&place), before, "{cut_short}");
        drop(place.open());
        assert!(place.path.join("VERSION").exists(), "{cut_short}");
    }
}

#[test]
fn reset_that_was_killed_before_a_foreign_file_moved_is_finished() {
    let place = Place::new();
    drop(place.open());
    let root = Directory::open(&place.path).unwrap();
    let tmp = root.directory("tmp").unwrap();
    tmp.ensure_file("reset").unwrap();
    super::reset::clear(&root, &tmp, &impatient()).unwrap();
    fs::write(place.path.join("notes.txt"), "").unwrap();
    place.open();
    assert!(!place.path.join("tmp/reset").exists());
    assert!(!place.path.join("notes.txt").exists());
}

#[test]
fn foreign_files_beside_ours_are_ignored() {
    let place = Place::new();
    drop(place.open());
    fs::write(place.path.join("notes.txt"), "").unwrap();
    fs::create_dir(place.path.join("img")).unwrap();
    place.open();
    assert!(place.path.join("notes.txt").exists());
}

#[test]
fn writable_by_others_is_refused() {
    let place = Place::new();
    drop(place.open());
    for mode in [0o770, 0o707, 0o1777] {
        set_mode(&place.path, mode);
        let error = refusal(&place.path);
        assert!(
            matches!(error, OpenError::WritableByOthers { .. }),
            "{mode:o}"
        );
        assert_eq!(
            error.hint().unwrap(),
            format!("chmod go-w {}", place.path.display())
        );
    }
    set_mode(&place.path, 0o755);
    place.open();
}

#[test]
fn what_may_not_be_written_is_read_all_the_same() {
    let place = Place::new();
    let storage = place.open();
    let layer = make_layer(&storage, "a");
    let image = image_of("app", std::slice::from_ref(&layer));
    storage.images().put(&image).unwrap();
    storage.commit().unwrap();
    drop(storage);
    let parts = [
        "",
        "tmp",
        "tmp/trash",
        "layers",
        "blobs",
        "images",
        "states",
    ];
    for part in parts {
        let path = place.path.join(part);
        set_mode(&path, 0o500);
        let error = refusal(&place.path);
        let path = path.display().to_string();
        let path = path.trim_end_matches('/');
        let expected = format!("storage directory is read-only: {path}");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.hint().unwrap(), format!("chmod u+w {path}"));
        set_mode(Path::new(path), 0o700);
    }
    set_mode(&place.path.join("tmp/lock"), 0o400);
    for part in parts.iter().chain(&["tmp/leases"]) {
        set_mode(&place.path.join(part), 0o500);
    }
    let reader = Storage::open_existing(&place.path, impatient()).unwrap();
    let reader = reader.unwrap();
    assert_eq!(reader.images().list().unwrap().images.len(), 1);
    let lease = reader.lease(&[layer]).unwrap();
    drop(reader);
    for part in parts.iter().chain(&["tmp/leases"]) {
        set_mode(&place.path.join(part), 0o700);
    }
    set_mode(&place.path.join("tmp/lock"), 0o600);
    let busy = Storage::reset(&place.path, impatient()).unwrap_err();
    assert_eq!(busy.to_string(), "storage directory is already in use");
    drop(lease);
    Storage::reset(&place.path, impatient()).unwrap();
}

#[test]
fn another_users_directory_is_refused() {
    let user = ch_linux::boot::effective_user();
    assert_ne!(
        user, 0,
        "tests run as an ordinary user, to whom /proc does not belong"
    );
    let error = refusal(Path::new("/proc"));
    assert_eq!(
        error.to_string(),
        "storage directory belongs to another user: /proc (uid 0)"
    );
    assert!(error.hint().unwrap().contains("/proc/ch-image"));
}

#[test]
fn own_links_on_the_way_are_followed_and_circles_are_not() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    fs::create_dir(place.path.join("scratch")).unwrap();
    symlink("../storage/./scratch", place.path.join("relative")).unwrap();
    symlink(place.path.join("relative"), place.path.join("absolute")).unwrap();
    let path = place.path.join("absolute/new/../new");
    fs::create_dir(place.path.join("scratch/new")).unwrap();
    let storage = Storage::open(&path, impatient()).unwrap();
    assert_eq!(storage.path(), path);
    assert!(place.path.join("scratch/new/VERSION").exists());
    symlink("circle", place.path.join("circle")).unwrap();
    let error = refusal(&place.path.join("circle/x"));
    assert!(matches!(error, OpenError::TooManyLinks { .. }), "{error}");
}

#[test]
fn odd_bytes_in_the_path_are_fine() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let path = place
        .path
        .join(std::ffi::OsStr::from_bytes(b"a b:c,d\\e\nf\xff"));
    let storage = Storage::open(&path, impatient()).unwrap();
    make_layer(&storage, "x");
    assert!(path.join("VERSION").exists());
}

#[test]
fn creation_that_was_cut_short_is_finished() {
    let place = Place::new();
    drop(place.open());
    // In the order in which they are made; the state after each is a state one may find.
    let made = ["tmp", "tmp/lock", "blobs", "images", "layers"];
    for length in 0..=made.len() {
        fs::remove_dir_all(&place.path).unwrap();
        fs::create_dir(&place.path).unwrap();
        set_mode(&place.path, 0o700);
        for name in &made[..length] {
            match *name {
                "tmp/lock" => fs::write(place.path.join(name), "").unwrap(),
                _ => fs::create_dir(place.path.join(name)).unwrap(),
            }
        }
        make_layer(&place.open(), "x");
        assert!(place.path.join("VERSION").exists(), "after {length}");
    }
}

#[test]
fn two_may_create_at_once() {
    let place = Place::new();
    let patient = || Options {
        lock_timeout: std::time::Duration::from_secs(20),
        ..impatient()
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| Storage::open(&place.path, patient()).unwrap());
        }
    });
    assert!(place.path.join("VERSION").exists());
}

#[test]
fn reset_leaves_nothing_but_trash() {
    let place = Place::new();
    let storage = place.open();
    let layer = make_layer(&storage, "x");
    storage.images().put(&image_of("x", &[layer])).unwrap();
    drop(storage);
    fs::write(place.path.join("notes.txt"), "").unwrap();
    let (options, heard) = listening();
    let storage = Storage::reset(&place.path, options).unwrap();
    let said: Vec<_> = heard
        .lock()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [format!(
            "initializing storage directory: v1 {}",
            place.path.display()
        )]
    );
    assert!(storage.images().list().unwrap().images.is_empty());
    assert!(place.names("layers").is_empty());
    assert!(!place.path.join("notes.txt").exists());
    assert!(!place.names("tmp/trash").is_empty());
    storage
        .empty_trash(ch_linux::tree::Budget::UNLIMITED)
        .unwrap();
    assert!(place.names("tmp/trash").is_empty());
    drop(storage);
    drop(place.open());
}

#[test]
fn reset_that_was_killed_is_finished_by_the_next_command() {
    for with_version in [true, false] {
        let place = Place::new();
        let storage = place.open();
        let layer = make_layer(&storage, "x");
        storage.images().put(&image_of("x", &[layer])).unwrap();
        drop(storage);
        fs::write(place.path.join("tmp/reset"), "").unwrap();
        if !with_version {
            fs::remove_file(place.path.join("VERSION")).unwrap();
            fs::remove_dir_all(place.path.join("states")).unwrap();
        }
        let storage = place.open();
        assert!(storage.images().list().unwrap().images.is_empty());
        assert!(place.names("layers").is_empty());
        assert!(!place.path.join("tmp/reset").exists());
    }
}

#[test]
fn reset_of_nothing_makes_nothing() {
    let place = Place::new();
    let error = Storage::reset(&place.path, impatient()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} not a builder storage", place.path.display())
    );
    assert!(!place.path.exists());
}

#[test]
fn directory_may_be_moved_and_lose_its_tmp() {
    let place = Place::new();
    let storage = place.open();
    let moved = place.path.with_file_name("moved");
    fs::rename(&place.path, &moved).unwrap();
    let layer = make_layer(&storage, "while it is open");
    storage.commit().unwrap();
    drop(storage);
    fs::remove_dir_all(moved.join("tmp")).unwrap();
    let storage = Storage::open(&moved, impatient()).unwrap();
    assert!(storage.layers().get(&layer).unwrap().is_some());
    make_layer(&storage, "again");
}

#[test]
fn waiting_ends_with_who_is_in_the_way() {
    let place = Place::new();
    let _storage = place.open();
    let options = Options {
        lock_timeout: std::time::Duration::from_millis(30),
        ..impatient()
    };
    let since = std::time::Instant::now();
    let error = Storage::reset(&place.path, options).unwrap_err();
    assert_eq!(error.to_string(), "storage directory is already in use");
    assert!(since.elapsed() >= std::time::Duration::from_millis(30));
}
