#![expect(clippy::print_stdout, reason = "counts of vectors are read by people")]

use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use super::*;
use crate::context::resolve::Root;

/// Makes a tree of `PATH` (a file holding its own path), `PATH/` or `PATH -> TARGET`, each with an
/// optional mode in front.
fn plant(root: &Path, items: &[&str]) {
    for item in items {
        let (mode, item) = match item.split_once(' ') {
            Some((mode, rest)) if mode.bytes().all(|b| b.is_ascii_digit()) => (Some(mode), rest),
            _ => (None, *item),
        };
        if let Some((path, target)) = item.split_once(" -> ") {
            symlink(target, root.join(path)).unwrap();
            continue;
        }
        let path = root.join(item);
        if item.ends_with('/') {
            fs::create_dir_all(&path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, item).unwrap();
        }
        if let Some(mode) = mode {
            let mode = u32::from_str_radix(mode, 8).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// The tree as sorted `PATH=CONTENT`, `MODE PATH/` and `PATH -> TARGET`.
fn listing(root: &Path) -> Vec<String> {
    fn walk(root: &Path, below: &Path, out: &mut Vec<String>) {
        let mut names: Vec<_> = fs::read_dir(below)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        for path in names {
            let shown = path.strip_prefix(root).unwrap().display().to_string();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_symlink() {
                out.push(format!(
                    "{shown} -> {}",
                    fs::read_link(&path).unwrap().display()
                ));
            } else if metadata.is_dir() {
                out.push(format!("{:o} {shown}/", metadata.mode() & 0o7777));
                walk(root, &path, out);
            } else {
                out.push(format!("{shown}={}", fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut out = Vec::new();
    walk(root, root, &mut out);
    out
}

fn copy_into(
    context: &Path,
    image: &Path,
    working_directory: &str,
    words: &[&str],
) -> Result<(), CopyError> {
    let (to, sources) = words.split_last().unwrap();
    let sources: Vec<String> = sources.iter().map(|s| (*s).to_owned()).collect();
    let operands = Root::open(context).unwrap().resolve(&sources)?;
    let root = fs::File::open(image).unwrap();
    copy(
        root.as_fd(),
        &operands,
        &Destination::new(working_directory, to),
    )
}

/// (vector, context, image, words of COPY, result or the start of the error)
type Vector = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
    Result<&'static [&'static str], &'static str>,
);

const VECTORS: &[Vector] = &[
    ("V-C1", &["f"], &[], &["f", "/x"], Ok(&["x=f"])),
    ("V-C2", &["f"], &[], &["f", "/x/"], Ok(&["755 x/", "x/f=f"])),
    (
        "V-C3",
        &["f"],
        &[],
        &["f", "/x/y/z"],
        Ok(&["755 x/", "755 x/y/", "x/y/z=f"]),
    ),
    (
        "V-C4",
        &["f"],
        &["700 x/"],
        &["f", "/x"],
        Ok(&["700 x/", "x/f=f"]),
    ),
    (
        "V-C5",
        &["f"],
        &["x/f/"],
        &["f", "/x"],
        Err("cannot replace directory /x/f with file"),
    ),
    ("V-C6", &["f"], &["x"], &["f", "/x"], Ok(&["x=f"])),
    (
        "V-C7",
        &["f"],
        &["x"],
        &["f", "/x/"],
        Err("can't COPY: not a directory: /x"),
    ),
    (
        "V-C7",
        &["f"],
        &["x"],
        &["f", "/x/y"],
        Err("can't COPY: not a directory: /x"),
    ),
    (
        "V-C8",
        &["700 d/", "711 d/e/", "d/f"],
        &[],
        &["d", "/x"],
        Ok(&["755 x/", "711 x/e/", "x/f=d/f"]),
    ),
    (
        "V-C9",
        &["700 d/", "711 d/e/", "d/f"],
        &["777 x/", "777 x/e/"],
        &["d", "/x"],
        Ok(&["777 x/", "711 x/e/", "x/f=d/f"]),
    ),
    (
        "V-C10",
        &["d/"],
        &["x"],
        &["d", "/x"],
        Err("can't COPY: not a directory: /x"),
    ),
    (
        "V-C11",
        &["755 d/e/", "d/e/f"],
        &["755 x/", "x/e"],
        &["d", "/x"],
        Ok(&["755 x/", "755 x/e/", "x/e/f=d/e/f"]),
    ),
    (
        "V-C12",
        &["d/e"],
        &["755 x/", "x/e/k/l"],
        &["d", "/x"],
        Ok(&["755 x/", "x/e=d/e"]),
    ),
    (
        "V-C13",
        &["755 d/s/", "d/s/f"],
        &["755 x/", "755 r/", "x/s -> ../r"],
        &["d", "/x"],
        Ok(&["755 r/", "755 x/", "755 x/s/", "x/s/f=d/s/f"]),
    ),
    (
        "V-C14",
        &["f", "g"],
        &[],
        &["f", "g", "/x"],
        Ok(&["755 x/", "x/f=f", "x/g=g"]),
    ),
    (
        "V-C15",
        &["f1", "f2"],
        &[],
        &["f*", "/x"],
        Ok(&["755 x/", "x/f1=f1", "x/f2=f2"]),
    ),
    (
        "V-C16",
        &["a1/f", "755 a1/s/", "a2/g"],
        &[],
        &["a*", "/x"],
        Ok(&["755 x/", "x/f=a1/f", "x/g=a2/g", "755 x/s/"]),
    ),
    (
        "V-C17",
        &["a1/f", "a2"],
        &[],
        &["a*", "/x/"],
        Ok(&["755 x/", "x/a2=a2", "x/f=a1/f"]),
    ),
    ("V-C18", &["f"], &[], &["no*", "/x"], Ok(&[])),
    (
        "V-C24",
        &["d/", "d/l -> ../f", "d/m -> /abs"],
        &[],
        &["d", "/x"],
        Ok(&["755 x/", "x/l -> ../f", "x/m -> /abs"]),
    ),
    (
        "V-C25",
        &["f"],
        &["755 r/", "x -> r"],
        &["f", "/x"],
        Ok(&["755 r/", "r/f=f", "x -> r"]),
    ),
    (
        "V-C26",
        &["f"],
        &["755 r/", "x -> /r"],
        &["f", "/x/"],
        Ok(&["755 r/", "r/f=f", "x -> /r"]),
    ),
    (
        "V-C27",
        &["f"],
        &["r", "x -> r"],
        &["f", "/x"],
        Ok(&["r=f", "x -> r"]),
    ),
    (
        "V-C28",
        &["f"],
        &["x -> nowhere"],
        &["f", "/x"],
        Ok(&["nowhere=f", "x -> nowhere"]),
    ),
    (
        "V-C29",
        &["f"],
        &["x -> ../../../out"],
        &["f", "/x/"],
        Ok(&["755 out/", "out/f=f", "x -> ../../../out"]),
    ),
    (
        "V-C40",
        &["foo/bar"],
        &["755 foo/", "foo/bar/baz"],
        &["foo", "/foo"],
        Ok(&["755 foo/", "foo/bar=foo/bar"]),
    ),
    ("V-C41", &["f"], &[], &["f", ""], Ok(&["755 w/", "w/f=f"])),
    ("V-C41", &["f"], &[], &["f", "."], Ok(&["755 w/", "w/f=f"])),
    ("V-C41", &["f"], &[], &["f", "./"], Ok(&["755 w/", "w/f=f"])),
    (
        "V-C38",
        &["d/f"],
        &[],
        &["d", "/x/."],
        Ok(&["755 x/", "x/f=d/f"]),
    ),
    (
        "V-C38",
        &["d/f"],
        &[],
        &["d/.", "/x"],
        Ok(&["755 x/", "x/f=d/f"]),
    ),
    (
        "V-C39",
        &["f", "755 d/", "d/g"],
        &[],
        &[".", "/x"],
        Ok(&["755 x/", "755 x/d/", "x/d/g=d/g", "x/f=f"]),
    ),
];

#[test]
fn trees_become_what_the_vectors_say() {
    for (vector, context, image, words, want) in VECTORS {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (
            directory.path().join("context"),
            directory.path().join("image"),
        );
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        plant(&from, context);
        plant(&to, image);
        match (copy_into(&from, &to, "/w", words), want) {
            (Ok(()), Ok(want)) => assert_eq!(listing(&to), *want, "{vector}"),
            (Err(error), Err(want)) => assert_eq!(error.to_string(), *want, "{vector}"),
            (got, want) => panic!("{vector}: {got:?}, want {want:?}"),
        }
    }
    println!("dockerfile.md §6.4: {} result vectors", VECTORS.len());
}

#[test]
fn relative_destination_may_climb_but_not_above_the_root() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (
        directory.path().join("context"),
        directory.path().join("image"),
    );
    plant(&from, &["f"]);
    plant(&to, &["755 a/", "755 a/b/"]);
    copy_into(&from, &to, "/a/b", &["f", ".."]).unwrap();
    assert_eq!(listing(&to), ["755 a/", "755 a/b/", "a/f=f"], "V-C42");
    copy_into(&from, &to, "/a/b", &["f", "../../../../"]).unwrap();
    assert_eq!(listing(&to), ["755 a/", "755 a/b/", "a/f=f", "f=f"]);
}

#[test]
fn names_of_one_file_stay_together_and_old_names_keep_their_content() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (
        directory.path().join("context"),
        directory.path().join("image"),
    );
    plant(&from, &["d/f", "f"]);
    fs::hard_link(from.join("d/f"), from.join("d/g")).unwrap();
    plant(&to, &["x/"]);
    copy_into(&from, &to, "/", &["d", "/x"]).unwrap();
    let copy = fs::metadata(to.join("x/f")).unwrap();
    assert_eq!(
        (copy.nlink(), copy.ino()),
        (2, fs::metadata(to.join("x/g")).unwrap().ino()),
        "V-C37"
    );
    copy_into(&from, &to, "/", &["f", "/x/f"]).unwrap();
    assert_eq!(fs::read_to_string(to.join("x/f")).unwrap(), "f", "V-C44");
    assert_eq!(fs::read_to_string(to.join("x/g")).unwrap(), "d/f", "V-C44");
}

#[test]
fn times_and_modes_are_kept_and_dangerous_bits_only_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (
        directory.path().join("context"),
        directory.path().join("image"),
    );
    plant(&from, &["4555 d/f"]);
    plant(&to, &["x/"]);
    copy_into(&from, &to, "/", &["d", "/x"]).unwrap();
    let (original, copy) = (
        fs::metadata(from.join("d/f")).unwrap(),
        fs::metadata(to.join("x/f")).unwrap(),
    );
    assert_eq!(
        (original.mtime(), original.mtime_nsec()),
        (copy.mtime(), copy.mtime_nsec())
    );
    assert_eq!(copy.mode() & 0o7777, 0o755);
    let file = fs::File::open(to.join("x/f")).unwrap();
    let believed = ch_ownership::read(&file).unwrap().unwrap();
    assert_eq!((believed.uid, believed.mode), (0, 0o4555));
}

#[test]
fn what_is_there_already_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (
        directory.path().join("context"),
        directory.path().join("image"),
    );
    plant(&from, &["d/e/f", "d/e/l -> f", "g"]);
    // A file that was named has one name in the image, however many in the context.
    fs::hard_link(from.join("g"), from.join("h")).unwrap();
    plant(&to, &["x/"]);
    copy_into(&from, &to, "/", &["d", "/x"]).unwrap();
    copy_into(&from, &to, "/", &["g", "/x/g"]).unwrap();
    let inodes = || {
        ["x/e", "x/e/f", "x/e/l", "x/g"].map(|n| {
            let metadata = fs::symlink_metadata(to.join(n)).unwrap();
            (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
        })
    };
    let before = inodes();
    copy_into(&from, &to, "/", &["d", "/x"]).unwrap();
    copy_into(&from, &to, "/", &["g", "/x/g"]).unwrap();
    assert_eq!(inodes(), before, "V-hw-6");
}
