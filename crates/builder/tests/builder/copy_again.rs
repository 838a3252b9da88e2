//! A `COPY` after a change: what was the same last time is the same file, and the image is as if it were not.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, FileTimes};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ch_builder::{Cache, Options};
use ch_linux::tree::Directory;
use ch_storage::LayerId;
use ch_test_support::Entry;

use crate::Case;
use crate::cache::marks;
use crate::copy_vectors::{put_context, tree};
use crate::fixture::{Fixture, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("unchanged_files_are_those_of_the_last_layer", shared),
    ("a_touched_file_executes_nothing_again", touched),
    ("layers_of_one_image_share_no_file", not_in_one_image),
    ("a_layer_that_is_gone_is_copied_again", vanished),
    ("what_the_image_has_is_replaced_all_the_same", over_an_image),
    ("only_the_last_source_is_shared", several),
    ("what_a_later_source_replaced_is_not_shared", replaced),
    ("what_a_later_source_removed_is_not_shared", removed),
    ("a_file_that_is_gone_is_copied_again", lost),
    ("without_cache_nothing_is_shared", without_cache),
    ("names_of_one_file_are_never_shared", names),
];

/// Where the files of a layer are.
fn files(fixture: &Fixture, layer: &LayerId) -> PathBuf {
    fixture.storage.path().join(format!("layers/{layer}/fs"))
}

/// Numbers of all files of a layer.
fn inodes(fixture: &Fixture, layer: &LayerId) -> BTreeMap<PathBuf, u64> {
    let root = files(fixture, layer);
    let entries = ch_test_support::listing(&root);
    let number = |path: PathBuf| {
        let number = fs::symlink_metadata(root.join(&path)).unwrap().ino();
        (path, number)
    };
    let files = entries.into_iter().filter(|(_, entry)| entry.kind == '-');
    files.map(|(path, _)| number(path)).collect()
}

/// The paths at which two layers have the same file.
fn same(fixture: &Fixture, one: &LayerId, other: &LayerId) -> Vec<String> {
    let one = inodes(fixture, one);
    let other = inodes(fixture, other);
    let same = one
        .iter()
        .filter(|(path, number)| other.get(*path) == Some(*number));
    same.map(|(path, _)| path.display().to_string()).collect()
}

/// What an image looks like, times too, but for those of directories that the copy itself has made or merged.
fn looks(fixture: &Fixture, built: &Outcome) -> BTreeMap<PathBuf, Entry> {
    let directory = tempfile::tempdir().unwrap();
    let target = Directory::open(directory.path()).unwrap();
    ch_rootfs::flatten(&fixture.storage, &built.layers(), &target).unwrap();
    let mut found = ch_test_support::listing(directory.path());
    for (path, entry) in &mut found {
        if path.components().count() < 2 {
            entry.mtime = 0;
        }
    }
    found
}

/// Builds, and compares the image with that of a build that shares nothing.
fn build(fixture: &Fixture, dockerfile: &str) -> Outcome {
    let built = fixture.build(dockerfile).good();
    let options = Options {
        cache: Cache::Disabled,
        ..fixture.options()
    };
    let plain = fixture.build_with(dockerfile, &options).good();
    let (got, want) = (looks(fixture, &built), looks(fixture, &plain));
    let paths: HashSet<_> = got.keys().chain(want.keys()).collect();
    for path in paths {
        assert_eq!(got.get(path), want.get(path), "{}", path.display());
    }
    built
}

fn last(built: &Outcome) -> LayerId {
    built.layers().pop().unwrap()
}

fn shared(fixture: &Fixture) {
    put_context(
        fixture,
        &[
            "d/a", "d/b", "4755 d/c", "d/e/f", "d/e/g", "d/gone", "700 d/e/",
        ],
    );
    let dockerfile = "FROM base\nRUN true\nCOPY --chown=7:8 d /d\nRUN cat /d/a\n";
    let first = build(fixture, dockerfile);
    fixture.write("d/a", "changed");
    fixture.write("d/e/new", "new");
    fs::remove_file(fixture.path("d/gone")).unwrap();
    fs::set_permissions(fixture.path("d/e/g"), fs::Permissions::from_mode(0o600)).unwrap();
    let before = files(fixture, &last(&first)).join("d/b");
    let before = fs::metadata(before).unwrap();
    let second = build(fixture, dockerfile);
    assert_eq!(marks(&second.transcript), "**..");
    assert!(
        second
            .transcript
            .ends_with("grown in 4 instructions: built\n")
    );
    let (one, other) = (last(&first), last(&second));
    assert_eq!(same(fixture, &one, &other), ["d/b", "d/c", "d/e/f"]);
    let after = fs::metadata(files(fixture, &one).join("d/b")).unwrap();
    assert_eq!(
        (after.mode(), after.mtime()),
        (before.mode(), before.mtime())
    );
    let names = tree(fixture, std::slice::from_ref(&other));
    assert!(!names.iter().any(|line| line.contains("gone")), "{names:?}");
    // From the third, too: the list is that of the latest.
    fixture.write("d/a", "again");
    let third = last(&build(fixture, dockerfile));
    let want = ["d/b", "d/c", "d/e/f", "d/e/g", "d/e/new"];
    assert_eq!(same(fixture, &other, &third), want);
}

fn touched(fixture: &Fixture) {
    put_context(fixture, &["d/a", "d/b"]);
    let dockerfile = "FROM base\nCOPY d /d\nRUN cat /d/a\n";
    let first = fixture.build(dockerfile).good();
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(1000));
    let file = fs::File::options()
        .write(true)
        .open(fixture.path("d/a"))
        .unwrap();
    file.set_times(times).unwrap();
    let second = fixture.build(dockerfile).good();
    assert_eq!(marks(&second.transcript), "***");
    // When another file changes, the time is that of the source, so the file is another one.
    fixture.write("d/b", "changed");
    let third = build(fixture, dockerfile);
    assert_eq!(marks(&third.transcript), "*..");
    let none: [&str; 0] = [];
    assert_eq!(same(fixture, &last(&first), &last(&third)), none);
}

fn not_in_one_image(fixture: &Fixture) {
    put_context(fixture, &["d/a", "d/b", "d/c"]);
    let dockerfile = "FROM base\nCOPY d /d\nRUN echo x > /d/a; rm /d/c\nCOPY d /d\n";
    build(fixture, dockerfile);
    for content in ["one", "two", "three"] {
        fixture.write("d/b", content);
        let built = build(fixture, dockerfile);
        let mut numbers = HashSet::new();
        for layer in built.layers() {
            for (path, number) in inodes(fixture, &layer) {
                assert!(numbers.insert(number), "{content}: {}", path.display());
            }
        }
    }
}

fn vanished(fixture: &Fixture) {
    put_context(fixture, &["d/a", "d/b"]);
    let dockerfile = "FROM base\nCOPY d /d\n";
    let first = last(&fixture.build(dockerfile).good());
    fs::remove_dir_all(fixture.storage.path().join(format!("layers/{first}"))).unwrap();
    fixture.write("d/a", "changed");
    let layer = last(&fixture.build(dockerfile).good());
    let want = ["755 d/", "d/a=changed", "d/b=d/b"];
    assert_eq!(tree(fixture, &[layer]), want);
}

fn over_an_image(fixture: &Fixture) {
    put_context(
        fixture,
        &["d/a", "d/b", "d/c/f", "d/e/f", "d/g/f", "d/h", "d/x"],
    );
    let lower = "mkdir -p /d/a/deep /d/e /r; echo o > /d/a/deep/o; echo o > /d/b; echo o > /d/c; ln -s ../r /d/g; \
                 touch -d @1 /d/e/old; chmod 700 /d/e; ln /d/b /d/h";
    let dockerfile = format!("FROM base\nRUN {lower}\nCOPY d /d\n");
    let first = build(fixture, &dockerfile);
    fixture.write("d/x", "changed");
    let second = build(fixture, &dockerfile);
    let want = ["d/a", "d/b", "d/c/f", "d/e/f", "d/g/f", "d/h"];
    assert_eq!(same(fixture, &last(&first), &last(&second)), want);
    let said = fixture.inside("ls /r /d/a /d/e; cat /d/b /d/c/f");
    assert_eq!(said, "/d/a\n\n/d/e:\nf\nold\n\n/r:\nd/bd/c/f");
}

fn several(fixture: &Fixture) {
    put_context(
        fixture,
        &[
            "one/a", "one/b/c", "one/n", "two/a", "two/b", "two/n/m", "two/x",
        ],
    );
    let dockerfile = "FROM base\nCOPY one two /d/\n";
    let first = build(fixture, dockerfile);
    fixture.write("two/x", "changed");
    let second = build(fixture, dockerfile);
    let want = ["d/a", "d/b", "d/n/m"];
    assert_eq!(same(fixture, &last(&first), &last(&second)), want);
}

fn replaced(fixture: &Fixture) {
    put_context(fixture, &["one/f", "two/f", "two/g"]);
    let dockerfile = "FROM base\nCOPY one two /d/\n";
    build(fixture, dockerfile);
    // Content, mode and time go along.
    fs::rename(fixture.path("one/f"), fixture.path("two/f")).unwrap();
    let layer = last(&build(fixture, dockerfile));
    let want = ["755 d/", "d/f=one/f", "d/g=two/g"];
    assert_eq!(tree(fixture, &[layer]), want);
}

fn removed(fixture: &Fixture) {
    put_context(fixture, &["one/d/f", "one/g", "two/d"]);
    let dockerfile = "FROM base\nCOPY one two /d/\n";
    build(fixture, dockerfile);
    fs::remove_file(fixture.path("two/d")).unwrap();
    fs::rename(fixture.path("one/d"), fixture.path("two/d")).unwrap();
    let layer = last(&build(fixture, dockerfile));
    let want = ["755 d/", "755 d/d/", "d/d/f=one/d/f", "d/g=one/g"];
    assert_eq!(tree(fixture, &[layer]), want);
}

fn lost(fixture: &Fixture) {
    put_context(fixture, &["d/a", "d/b", "d/c/f", "d/e", "d/x"]);
    let dockerfile = "FROM base\nCOPY d /d\n";
    let first = last(&build(fixture, dockerfile));
    let damaged = files(fixture, &first).join("d");
    fs::remove_file(damaged.join("b")).unwrap();
    fs::remove_dir_all(damaged.join("c")).unwrap();
    fs::write(damaged.join("e"), "longer").unwrap();
    fixture.write("d/x", "changed");
    let second = last(&build(fixture, dockerfile));
    assert_eq!(same(fixture, &first, &second), ["d/a"]);
}

fn without_cache(fixture: &Fixture) {
    put_context(fixture, &["d/a", "d/b"]);
    let dockerfile = "FROM base\nCOPY d /d\n";
    let first = last(&fixture.build(dockerfile).good());
    for cache in [Cache::Disabled, Cache::Rebuild] {
        let options = Options {
            cache,
            ..fixture.options()
        };
        let again = last(&fixture.build_with(dockerfile, &options).good());
        assert_eq!(same(fixture, &first, &again), Vec::<String>::new());
    }
}

fn names(fixture: &Fixture) {
    put_context(fixture, &["d/a", "d/b = d/a", "d/c", "d/x"]);
    let dockerfile = "FROM base\nCOPY d /d\n";
    let first = build(fixture, dockerfile);
    fixture.write("d/x", "changed");
    let second = build(fixture, dockerfile);
    assert_eq!(same(fixture, &last(&first), &last(&second)), ["d/c"]);
    assert_eq!(fixture.inside("stat -c %h /d/a /d/b"), "2\n2\n");
    // One of the names becomes a file of its own.
    fs::remove_file(fixture.path("d/b")).unwrap();
    fs::copy(fixture.path("d/a"), fixture.path("d/b")).unwrap();
    let third = build(fixture, dockerfile);
    assert_eq!(same(fixture, &last(&second), &last(&third)), ["d/c", "d/x"]);
    let numbers = inodes(fixture, &last(&third));
    assert_ne!(numbers[Path::new("d/a")], numbers[Path::new("d/b")]);
}
