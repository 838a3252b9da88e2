//! Stacks made by hand, and what they are as one directory.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use ch_linux::{file, xattr};
use ch_ownership::{Kind, OVERRIDE_STAT, OWNERS_FILE, Override, Owner};
use ch_storage::{LayerMeta, Options, RootAttributes};

use super::*;

/// A storage directory, and a place for what comes out.
struct Fixture {
    directory: tempfile::TempDir,
    storage: Storage,
    layers: Vec<LayerId>,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            sync: false,
            ..Options::default()
        };
        let storage = Storage::open(&directory.path().join("storage"), options).unwrap();
        Self {
            directory,
            storage,
            layers: Vec::new(),
        }
    }

    /// Puts one more layer on top, with what `fill` puts into it.
    fn layer(&mut self, fill: impl FnOnce(&Path)) -> &mut Self {
        self.layer_with(LayerMeta::new(), fill)
    }

    fn layer_with(&mut self, meta: LayerMeta, fill: impl FnOnce(&Path)) -> &mut Self {
        let draft = self.storage.draft().unwrap();
        let layer = draft.layer().unwrap();
        let place = self.storage.path().join(draft.relative_path());
        fill(&place.join("layer/fs"));
        drop(layer);
        let id = LayerId::random();
        draft.publish_layer(&id, &meta).unwrap();
        self.layers.push(id);
        self
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("flat")
    }

    fn flatten(&self) -> Flattened {
        fs::create_dir(self.root()).unwrap();
        let target = Directory::open(&self.root()).unwrap();
        flatten(&self.storage, &self.layers, &target).unwrap()
    }

    /// Names with their content, directories with a slash.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.root(), "", &mut names);
        names
    }
}

fn collect(directory: &Path, prefix: &str, names: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            names.push(format!("{name}/"));
            collect(&entry.path(), &format!("{name}/"), names);
        } else if kind.is_symlink() {
            let says = fs::read_link(entry.path()).unwrap();
            names.push(format!("{name} -> {}", says.display()));
        } else {
            let content = fs::read_to_string(entry.path()).unwrap();
            names.push(format!("{name} {content}"));
        }
    }
}

/// Makes files with their content; a name that ends in a slash is a directory.
fn put(root: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::write(path, content).unwrap();
        }
    }
}

fn whiteout(root: &Path, name: &str) {
    let directory = file::open_directory(root).unwrap();
    file::make_whiteout_at(directory, name).unwrap();
}

fn mark(path: &Path, name: &str, value: &str) {
    xattr::set(File::open(path).unwrap(), name.as_bytes(), value.as_bytes()).unwrap();
}

fn age(path: &Path, seconds: u64) {
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// What a lower and an upper layer show together, as in the kernel's overlay.
type Case = (&'static str, fn(&Path), fn(&Path), &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "file over file",
        |lower| put(lower, &[("a", "1"), ("b", "1")]),
        |upper| put(upper, &[("a", "2")]),
        &["a 2", "b 1"],
    ),
    (
        "directory over directory",
        |lower| put(lower, &[("d/a", "1"), ("d/b", "1"), ("d/e/f", "1")]),
        |upper| put(upper, &[("d/b", "2"), ("d/e/g", "2")]),
        &["d/", "d/a 1", "d/b 2", "d/e/", "d/e/f 1", "d/e/g 2"],
    ),
    (
        "whiteout of a file and of a directory",
        |lower| put(lower, &[("a", "1"), ("d/a", "1"), ("keep", "1")]),
        |upper| {
            whiteout(upper, "a");
            whiteout(upper, "d");
        },
        &["keep 1"],
    ),
    (
        "whiteout without a device",
        |lower| put(lower, &[("d/a", "1"), ("d/b", "")]),
        |upper| {
            put(upper, &[("d/a", "")]);
            mark(&upper.join("d"), "user.overlay.opaque", "x");
            mark(&upper.join("d/a"), "user.overlay.whiteout", "");
        },
        &["d/", "d/b "],
    ),
    (
        "whiteout of nothing",
        |lower| put(lower, &[("a", "1")]),
        |upper| whiteout(upper, "ghost"),
        &["a 1"],
    ),
    (
        "opaque directory",
        |lower| put(lower, &[("d/a", "1"), ("d/e/a", "1"), ("x", "1")]),
        |upper| {
            put(upper, &[("d/e/b", "2")]);
            mark(&upper.join("d"), "user.overlay.opaque", "y");
        },
        &["d/", "d/e/", "d/e/b 2", "x 1"],
    ),
    (
        "opaque root",
        |lower| put(lower, &[("a", "1"), ("d/a", "1")]),
        |upper| {
            put(upper, &[("d/b", "2")]);
            mark(upper, "user.overlay.opaque", "y");
        },
        &["d/", "d/b 2"],
    ),
    (
        "file over directory",
        |lower| put(lower, &[("d/a", "1")]),
        |upper| put(upper, &[("d", "2")]),
        &["d 2"],
    ),
    (
        "directory over file",
        |lower| put(lower, &[("d", "1")]),
        |upper| put(upper, &[("d/a", "2")]),
        &["d/", "d/a 2"],
    ),
    (
        "directory over link to a directory, which is not entered",
        |lower| {
            put(lower, &[("real/a", "1")]);
            symlink("real", lower.join("d")).unwrap();
        },
        |upper| put(upper, &[("d/b", "2")]),
        &["d/", "d/b 2", "real/", "real/a 1"],
    ),
    (
        "link over directory",
        |lower| put(lower, &[("d/a", "1")]),
        |upper| symlink("/etc/passwd", upper.join("d")).unwrap(),
        &["d -> /etc/passwd"],
    ),
];

#[test]
fn upper_layers_decide() {
    for (name, lower, upper, expected) in CASES {
        let mut fixture = Fixture::new();
        fixture.layer(lower).layer(upper);
        let found = fixture.flatten();
        assert_eq!(fixture.names(), *expected, "{name}");
        assert_eq!(found.entries, expected.len() as u64, "{name}");
    }
}

#[test]
fn what_a_middle_layer_hides_stays_hidden() {
    let mut fixture = Fixture::new();
    fixture
        .layer(|root| put(root, &[("d/low", "1"), ("e/low", "1"), ("f/low", "1")]))
        .layer(|root| {
            put(root, &[("d", "file"), ("f/middle", "2")]);
            whiteout(root, "e");
            mark(&root.join("f"), "user.overlay.opaque", "y");
        })
        .layer(|root| put(root, &[("d/top", "3"), ("e/top", "3"), ("f/top", "3")]));
    fixture.flatten();
    let expected = [
        "d/",
        "d/top 3",
        "e/",
        "e/top 3",
        "f/",
        "f/middle 2",
        "f/top 3",
    ];
    assert_eq!(fixture.names(), expected);
}

#[test]
fn hard_links_of_one_layer_stay_links() {
    let mut fixture = Fixture::new();
    fixture
        .layer(|root| {
            put(root, &[("a", "1"), ("d/e/", ""), ("gone", "1")]);
            for name in ["b", "d/e/c", "replaced"] {
                fs::hard_link(root.join("a"), root.join(name)).unwrap();
            }
            fs::hard_link(root.join("gone"), root.join("left")).unwrap();
            symlink("a", root.join("s")).unwrap();
            fs::hard_link(root.join("s"), root.join("t")).unwrap();
        })
        .layer(|root| {
            put(root, &[("replaced", "2")]);
            whiteout(root, "gone");
        });
    fixture.flatten();
    let status = |name: &str| fs::symlink_metadata(fixture.root().join(name)).unwrap();
    for name in ["a", "b", "d/e/c"] {
        let found = status(name);
        assert_eq!(
            (found.ino(), found.nlink()),
            (status("a").ino(), 3),
            "{name}"
        );
    }
    assert_eq!(status("s").ino(), status("t").ino());
    for (name, links) in [("replaced", 1), ("left", 1), ("t", 2)] {
        assert_eq!(status(name).nlink(), links, "{name}");
    }
    // Nothing of the storage directory became part of it.
    let layer = fixture.storage.path().join("layers");
    let original = layer.join(fixture.layers[0].as_str()).join("fs/a");
    assert_eq!(fs::metadata(&original).unwrap().nlink(), 4);
    fs::write(fixture.root().join("a"), "changed").unwrap();
    assert_eq!(fs::read_to_string(original).unwrap(), "1");
}

#[test]
fn modes_times_and_attributes_go_along() {
    let mut fixture = Fixture::new();
    fixture
        .layer(|root| {
            put(root, &[("d/low", "1"), ("script", "#!")]);
            mark(&root.join("d"), "user.low", "1");
            age(&root.join("d"), 1);
        })
        .layer(|root| {
            put(root, &[("d/top", "2")]);
            let directory = file::open_directory(root).unwrap();
            file::make_fifo_at(&directory, "pipe", 0o600).unwrap();
            fs::set_permissions(root.join("pipe"), PermissionsExt::from_mode(0o622)).unwrap();
            file::set_modified_at(&directory, "pipe", time(7)).unwrap();
            symlink("nowhere", root.join("link")).unwrap();
            file::set_modified_at(&directory, "link", time(8)).unwrap();
            fs::set_permissions(root.join("d/top"), PermissionsExt::from_mode(0o640)).unwrap();
            fs::set_permissions(root.join("d"), PermissionsExt::from_mode(0o1770)).unwrap();
            mark(&root.join("d"), "user.top", "2");
            mark(&root.join("d/top"), "user.note", "kept");
            mark(&root.join("d/top"), "user.overlay.origin", "kernel's");
            let ours = "3:4:0555:dir";
            mark(&root.join("d"), "user.containers.override_stat", ours);
            age(&root.join("d/top"), 5);
            age(&root.join("d"), 6);
        });
    fixture.flatten();
    let at = |name: &str| fixture.root().join(name);
    for (name, mode, seconds) in [("d", 0o1770, 6), ("d/top", 0o640, 5), ("pipe", 0o622, 7)] {
        let found = fs::symlink_metadata(at(name)).unwrap();
        assert_eq!(
            (found.mode() & 0o7777, found.mtime()),
            (mode, seconds),
            "{name}"
        );
    }
    assert_eq!(fs::symlink_metadata(at("link")).unwrap().mtime(), 8);
    let names = |name: &str| xattr::names(File::open(at(name)).unwrap()).unwrap();
    let expected = [OVERRIDE_STAT.to_vec(), b"user.top".to_vec()];
    assert_eq!(names("d"), expected, "only those of the topmost");
    assert_eq!(names("d/top"), [b"user.note".to_vec()]);
}

fn time(seconds: i64) -> file::Time {
    file::Time {
        seconds,
        nanoseconds: 0,
    }
}

#[test]
fn root_has_the_attributes_of_the_topmost_that_says_any() {
    let mut fixture = Fixture::new();
    let root = RootAttributes {
        mode: 0o555,
        mtime: 9,
        mtime_nanoseconds: 0,
        xattrs: Default::default(),
    };
    let meta = LayerMeta {
        root: Some(root),
        ..LayerMeta::new()
    };
    fixture
        .layer_with(meta, |root| put(root, &[("a", "1")]))
        .layer(|root| put(root, &[("b", "2")]));
    fixture.flatten();
    let found = fs::metadata(fixture.root()).unwrap();
    assert_eq!((found.mode() & 0o7777, found.mtime()), (0o755, 9));

    let empty = Fixture::new();
    assert_eq!(empty.flatten(), Flattened::default());
    let found = fs::metadata(empty.root()).unwrap();
    assert_eq!((found.mode() & 0o7777, found.mtime()), (0o755, 0));
}

#[test]
fn owners_go_onto_files_and_come_back_for_the_rest() {
    let owner = |kind| Owner {
        believed: Some(Override {
            uid: 1,
            gid: 2,
            mode: 0o644,
            kind,
        }),
        ..Owner::default()
    };
    let link = ch_ownership::line(b"d/link", &owner(Kind::Symlink));
    let text = [
        ch_ownership::line(b"d/file", &owner(Kind::File)),
        link.clone(),
        ch_ownership::line(b"d/hidden", &owner(Kind::Symlink)),
    ]
    .concat();
    let mut fixture = Fixture::new();
    fixture
        .layer(|root| {
            put(root, &[("d/file", "1")]);
            symlink("a", root.join("d/link")).unwrap();
            symlink("a", root.join("d/hidden")).unwrap();
            fs::write(root.parent().unwrap().join(OWNERS_FILE), text).unwrap();
        })
        .layer(|root| {
            put(root, &[("d/", "")]);
            whiteout(&root.join("d"), "hidden");
        });
    let found = fixture.flatten();
    assert_eq!(String::from_utf8(found.owners).unwrap(), link);
    let file = File::open(fixture.root().join("d/file")).unwrap();
    assert_eq!(
        ch_ownership::read(file).unwrap(),
        owner(Kind::File).believed
    );
}

#[test]
fn holes_stay_holes() {
    let mut fixture = Fixture::new();
    fixture.layer(|root| {
        let mut file = File::create(root.join("sparse")).unwrap();
        file.seek(SeekFrom::Start(8 << 20)).unwrap();
        file.write_all(b"end").unwrap();
        file.set_len(16 << 20).unwrap();
    });
    fixture.flatten();
    let file = File::open(fixture.root().join("sparse")).unwrap();
    let status = file.metadata().unwrap();
    assert_eq!(status.len(), 16 << 20);
    assert!(
        status.blocks() * 512 < 1 << 20,
        "{} blocks",
        status.blocks()
    );
    let mut end = [1; 5];
    file.read_exact_at(&mut end, (8 << 20) - 1).unwrap();
    assert_eq!(&end, b"\0end\0");
}

#[test]
fn missing_layer_is_named() {
    let fixture = Fixture::new();
    let target = Directory::open(fixture.directory.path()).unwrap();
    let id = LayerId::random();
    let error = flatten(&fixture.storage, std::slice::from_ref(&id), &target).unwrap_err();
    assert_eq!(error.to_string(), format!("storage: layer {id} is missing"));
}

#[test]
fn only_what_is_missing_is_furnished() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    put(
        root,
        &[("usr/bin/", ""), ("image/etc/hosts", "mine"), ("mnt", "")],
    );
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink("/nowhere", root.join("tmp")).unwrap();
    symlink("/image/etc", root.join("etc")).unwrap();
    age(&root.join("image/etc"), 3);
    age(root, 4);
    furnish(&Directory::open(root).unwrap()).unwrap();
    assert_eq!(fs::metadata(root).unwrap().mtime(), 4);
    let etc = root.join("image/etc");
    assert_eq!(fs::metadata(&etc).unwrap().mtime(), 3);
    assert_eq!(fs::read_to_string(etc.join("hosts")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(etc.join("passwd")).unwrap(), "");
    assert!(fs::symlink_metadata(root.join("tmp")).unwrap().is_symlink());
    assert!(fs::metadata(root.join("mnt")).unwrap().is_file());
    assert!(fs::metadata(root.join("dev")).unwrap().is_dir());
}

#[test]
fn only_what_was_furnished_and_is_empty_is_taken_out_again() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    put(root, &[("etc/hosts", ""), ("mnt/3/", "")]);
    age(&root.join("etc/hosts"), 5);
    age(&root.join("mnt/3"), 5);
    age(&root.join("mnt"), 5);
    age(&root.join("etc"), 5);
    age(root, 4);
    let opened = Directory::open(root).unwrap();
    furnish(&opened).unwrap();
    fs::write(root.join("mnt/7/used"), "").unwrap();
    unfurnish(&opened).unwrap();
    let mut left: Vec<_> = fs::read_dir(root.join("mnt"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["3", "7"]);
    assert!(root.join("etc/hosts").exists() && !root.join("etc/resolv.conf").exists());
    assert!(root.join("dev").exists(), "images have one");
    for (name, time) in [("", 4), ("etc", 5), ("mnt", 5)] {
        let found = fs::metadata(root.join(name)).unwrap().mtime();
        assert_eq!(found, time, "{name}");
    }
}

#[test]
fn depth_needs_no_stack() {
    let mut fixture = Fixture::new();
    let deep: PathBuf = ["d"; 300].iter().collect();
    fixture.layer(|root| put(root, &[(deep.join("f").to_str().unwrap(), "x")]));
    let thread = std::thread::Builder::new().stack_size(128 << 10);
    std::thread::scope(|scope| {
        let flattened = thread.spawn_scoped(scope, || fixture.flatten()).unwrap();
        assert_eq!(flattened.join().unwrap().entries, 301);
    });
    assert_eq!(fs::read(fixture.root().join(deep).join("f")).unwrap(), b"x");
}
