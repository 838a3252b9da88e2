use std::fs::{self, FileTimes};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::context::resolve::Root;

/// A context of directories wide and deep, with links of both kinds.
fn context() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let top = directory.path().join("top");
    for number in 0..20 {
        let below = top.join(format!("d{number}/{}", "e/".repeat(number)));
        fs::create_dir_all(&below).unwrap();
        // The largest is more than one task.
        let count = if number == 12 { 600 } else { number * 4 };
        for name in 0..count {
            fs::write(below.join(format!("f{name}")), format!("{number} {name}")).unwrap();
        }
        symlink("..", below.join("up")).unwrap();
    }
    fs::write(top.join("large"), vec![7; 3 * PIECE + 1]).unwrap();
    for name in ["a", "d3/z", "z"] {
        fs::hard_link(top.join("large"), top.join(name)).unwrap();
    }
    directory
}

fn seen_by(threads: usize, context: &Path, contents: &mut Contents) -> (Vec<Seen>, String) {
    let root = Root::open(context, None).unwrap();
    let operands = root.resolve(&["top".to_owned()]).unwrap();
    let seen = look(&operands, Originals::Host, contents, threads).unwrap();
    let mut key = KeyHash::new("test");
    add_to_key(&operands, &seen, &mut key);
    (seen, key.finish().hex().to_owned())
}

fn key(threads: usize, context: &Path) -> String {
    seen_by(threads, context, &mut Contents::load(None, context)).1
}

#[test]
fn the_key_is_the_same_however_many_threads_look() {
    let directory = context();
    let one = key(1, directory.path());
    for threads in [2, 3, 8] {
        assert_eq!(key(threads, directory.path()), one, "{threads}");
    }
}

#[test]
fn every_change_that_is_copied_is_in_the_key() {
    let directory = context();
    let at = |name: &str| directory.path().join("top").join(name);
    let mut keys = vec![key(2, directory.path())];
    let changes: [&dyn Fn(); 7] = [
        &|| fs::write(at("d5/e/e/e/e/e/f9"), "x").unwrap(),
        &|| fs::rename(at("d7/e"), at("d7/f")).unwrap(),
        &|| fs::create_dir(at("d0/new")).unwrap(),
        &|| {
            fs::remove_file(at("d0/up")).unwrap();
            symlink(".", at("d0/up")).unwrap();
        },
        &|| {
            fs::remove_file(at("z")).unwrap();
            fs::copy(at("large"), at("z")).unwrap();
        },
        &|| {
            let object = fs::File::open(at("d1")).unwrap();
            xattr::set(&object, b"user.a", b"b").unwrap();
        },
        &|| {
            let object = fs::File::open(at("d1/e/f0")).unwrap();
            xattr::set(&object, b"user.a", b"b").unwrap();
        },
    ];
    for change in changes {
        change();
        keys.push(key(2, directory.path()));
    }
    let different: HashSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len());
    let later = SystemTime::now() - Duration::from_secs(100);
    let times = FileTimes::new().set_modified(later);
    fs::File::open(at("large"))
        .unwrap()
        .set_times(times)
        .unwrap();
    assert_eq!(
        keys.last(),
        Some(&key(2, directory.path())),
        "times do not count"
    );
}

/// How many files the second of two looks reads, of all that there are.
fn read_again(between: impl FnOnce(&Path)) -> (usize, usize) {
    let directory = context();
    let storage = directory.path().join("storage");
    let storage = ch_storage::Storage::open(&storage, ch_storage::Options::default()).unwrap();
    // Until then a change might not show.
    std::thread::sleep(Duration::from_millis(3100));
    let count = |seen: &[Seen]| {
        let entries = seen[0].directories.iter().flat_map(|it| &it.entries);
        let files = entries.filter(|entry| matches!(entry.object, seen::Object::File(_)));
        files.count()
    };
    let mut contents = Contents::load(Some(&storage), directory.path());
    let (seen, before) = seen_by(2, directory.path(), &mut contents);
    assert_eq!(contents.read(), count(&seen), "nothing was known");
    contents.save(&storage);
    between(&directory.path().join("top"));
    let mut contents = Contents::load(Some(&storage), directory.path());
    let (seen, after) = seen_by(3, directory.path(), &mut contents);
    let unknown = key(1, directory.path());
    assert_eq!(after, unknown, "the index says what reading would");
    if contents.read() == 0 {
        assert_eq!(before, after);
    }
    (contents.read(), count(&seen))
}

#[test]
fn only_what_may_have_changed_is_read_again() {
    assert_eq!(read_again(|_| ()).0, 0);
    let (read, all) = read_again(|top| {
        fs::write(top.join("d9").join("e/".repeat(9)).join("f3"), "x").unwrap();
        fs::write(top.join("new"), "x").unwrap();
        fs::remove_file(top.join("d4/e/e/e/e/f1")).unwrap();
    });
    assert_eq!(read, 2, "of {all}");
    // A change of the same length, and the time put back: it shows in the other time.
    let (read, _) = read_again(|top| {
        let path = top.join("d2/e/e/f1");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "3 2").unwrap();
        let times = FileTimes::new().set_modified(modified);
        fs::File::open(&path).unwrap().set_times(times).unwrap();
    });
    assert_eq!(read, 1);
}
