#![expect(clippy::print_stdout, reason = "counts of vectors are read by people")]

use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tempfile::TempDir;

use ch_linux::file;
use ch_ownership::Override;

use super::*;
use crate::context::contents::Contents;
use crate::context::imposed::Ids;
use crate::context::mode::Mode;
use crate::context::original::Originals;
use crate::context::resolve::Root;
use crate::context::scan;

/// A context and an image, while the directory lives.
fn planted(context: &[&str], image: &[&str]) -> (TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    let (from, to) = (path("context"), path("image"));
    for (root, items) in [(&from, context), (&to, image)] {
        fs::create_dir(root).unwrap();
        ch_test_support::plant(root, items);
    }
    (directory, from, to)
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
    let imposed = Imposed::default();
    copy_as(&imposed, context, image, working_directory, words).map(drop)
}

fn look(operands: &[Operand], context: &Path) -> Result<Vec<Seen>, CopyError> {
    let mut contents = Contents::load(None, context);
    scan::look(operands, Originals::Host, &mut contents, 2)
}

fn copy_as(
    imposed: &Imposed,
    context: &Path,
    image: &Path,
    working_directory: &str,
    words: &[&str],
) -> Result<Learned, CopyError> {
    let (to, sources) = words.split_last().unwrap();
    let sources: Vec<String> = sources.iter().map(|s| (*s).to_owned()).collect();
    let operands = Root::open(context, None).unwrap().resolve(&sources)?;
    let root = fs::File::open(image).unwrap();
    let target = Target {
        root: root.as_fd(),
        beside: &|_| Ok(None),
    };
    let destination = Destination::new(working_directory, to);
    let seen = look(&operands, context)?;
    copy(target, &operands, &seen, &destination, imposed, None).map(|written| written.learned)
}

/// The path in a line of a listing.
fn listed_path(line: &str) -> &str {
    let end = line.find('=').or_else(|| line.find(" -> "));
    let path = &line[..end.unwrap_or(line.len())];
    let path = path.split_once(' ').map_or(path, |(_mode, path)| path);
    path.trim_end_matches('/')
}

/// What the image believes, sorted: `UID:GID MODE PATH`, of a link what was learned.
fn believed(root: &Path, learned: &Learned) -> Vec<String> {
    let listing = listing(root);
    let mut paths: Vec<_> = listing.iter().map(|line| listed_path(line)).collect();
    paths.sort();
    let line = |path: &str| {
        let status = file::status_at(fs::File::open(root).unwrap(), path).unwrap();
        let believed = if status.kind == Kind::Symlink {
            learned.at(Path::new(path)).unwrap()
        } else {
            let object = fs::File::open(root.join(path)).unwrap();
            ch_ownership::believed(&object, &status).unwrap()
        };
        let Override { uid, gid, mode, .. } = believed;
        format!("{uid}:{gid} {mode:o} {path}")
    };
    paths.into_iter().map(line).collect()
}

/// (vector, context, image, owner and mode, words of COPY, what is believed afterwards)
type ImposedVector = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    (Option<(u32, u32)>, Option<&'static str>),
    &'static [&'static str],
    &'static [&'static str],
);

const IMPOSED_VECTORS: &[ImposedVector] = &[
    (
        "V-C45",
        &["644 d/f"],
        &["755 x/"],
        (Some((1, 2)), None),
        &["d", "/x"],
        &["5:6 755 x", "1:2 644 x/f"],
    ),
    (
        "V-C46",
        &["4755 d/f", "755 d/e/", "700 d/"],
        &[],
        (None, Some("640")),
        &["d", "/x/y"],
        &["0:0 640 x", "0:0 640 x/y", "0:0 640 x/y/e", "0:0 640 x/y/f"],
    ),
    (
        "V-C47",
        &["600 d/f", "700 d/e/s"],
        &[],
        (None, Some("u=rwX,go=rX")),
        &["d", "/x"],
        &["0:0 755 x", "0:0 755 x/e", "0:0 755 x/e/s", "0:0 644 x/f"],
    ),
    (
        "V-C47",
        &["600 f"],
        &[],
        (None, Some("+x")),
        &["f", "/x"],
        &["0:0 711 x"],
    ),
    (
        "created parents, merged directories and links",
        &["644 d/e/f", "d/e/l -> f", "755 d/e/", "755 d/g/"],
        &["700 x/", "700 x/y/", "700 x/y/z/", "700 x/y/z/e/"],
        (Some((1, 2)), Some("7777")),
        &["d", "/x/y/z/"],
        &[
            "5:6 700 x",
            "0:0 700 x/y",
            "0:0 700 x/y/z",
            "1:2 7777 x/y/z/e",
            "1:2 7777 x/y/z/e/f",
            "1:2 777 x/y/z/e/l",
            "1:2 7777 x/y/z/g",
        ],
    ),
    (
        "parents of a file",
        &["600 f"],
        &[],
        (Some((1, 0)), Some("g+w")),
        &["f", "/x/y/f"],
        &["1:0 755 x", "1:0 755 x/y", "1:0 620 x/y/f"],
    ),
    (
        "modes that the disk must not have",
        &["4711 d/f", "755 d/e/"],
        &[],
        (None, Some("0")),
        &["d", "/x"],
        &["0:0 0 x", "0:0 0 x/e", "0:0 0 x/f"],
    ),
];

#[test]
fn owners_and_modes_are_those_that_the_author_wants() {
    for (vector, context, image, (owner, mode), words, want) in IMPOSED_VECTORS {
        let (_directory, from, to) = planted(context, image);
        if let Ok(existing) = fs::File::open(to.join("x")) {
            let mode = existing.metadata().unwrap().mode() & 0o7777;
            let theirs = format!("5:6:0{mode:o}:dir").parse().unwrap();
            let place = ch_ownership::remember(&existing, &theirs).unwrap();
            assert_eq!(place, ch_ownership::Place::Object, "{vector}");
        }
        let imposed = Imposed {
            owner: owner.map(|(uid, gid)| Ids { uid, gid }),
            mode: mode.map(|text| Mode::parse(text).unwrap()),
        };
        let learned = copy_as(&imposed, &from, &to, "/", words).unwrap();
        assert_eq!(believed(&to, &learned), *want, "{vector}");
        for line in listing(&to) {
            let mode = line.split_once(' ').map(|(mode, _)| mode);
            let mode = mode.and_then(|mode| u32::from_str_radix(mode, 8).ok());
            assert_eq!(mode.unwrap_or(0o700) & 0o4700, 0o700, "{vector}: {line}");
        }
    }
    println!(
        "dockerfile.md §6.5: {} vectors of owners and modes",
        IMPOSED_VECTORS.len()
    );
}

#[test]
fn links_and_pipes_of_another_owner_are_made_anew() {
    let (_directory, from, to) = planted(&["d/f", "d/l -> f"], &["x/"]);
    let d = fs::File::open(from.join("d")).unwrap();
    file::make_fifo_at(&d, "p", 0o640).unwrap();
    fs::hard_link(from.join("d/p"), from.join("d/q")).unwrap();
    let owned = |uid| Imposed {
        owner: Some(Ids { uid, gid: 9 }),
        mode: Some(Mode::Octal(0o444)),
    };
    let words: &[&str] = &["d", "/x"];
    copy_as(&owned(1), &from, &to, "/", words).unwrap();
    let learned = copy_as(&owned(2), &from, &to, "/", words).unwrap();
    for (name, want) in [
        ("x/l", "2:9:0777:symlink"),
        ("x/p", "2:9:0444:pipe"),
        ("x/q", "2:9:0444:pipe"),
    ] {
        let learned = learned.at(Path::new(name)).unwrap();
        assert_eq!(learned.to_string(), want, "{name}");
    }
    let mode = fs::metadata(to.join("x/p")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o644);
    // The image says already what is wanted of the link.
    let root = fs::File::open(&to).unwrap();
    let target = Target {
        root: root.as_fd(),
        beside: &|path| Ok(learned.at(path)),
    };
    let operands = Root::open(&from, None)
        .unwrap()
        .resolve(&["d".to_owned()])
        .unwrap();
    let destination = Destination::new("/", "/x");
    let seen = look(&operands, &from).unwrap();
    let again = copy(target, &operands, &seen, &destination, &owned(2), None);
    let again = again.unwrap().learned;
    assert_eq!(again.at(Path::new("x/l")), None, "it was left alone");
}

#[test]
fn relative_destination_may_climb_but_not_above_the_root() {
    let (_directory, from, to) = planted(&["f"], &["755 a/", "755 a/b/"]);
    copy_into(&from, &to, "/a/b", &["f", ".."]).unwrap();
    assert_eq!(listing(&to), ["755 a/", "755 a/b/", "a/f=f"], "V-C42");
    copy_into(&from, &to, "/a/b", &["f", "../../../../"]).unwrap();
    assert_eq!(listing(&to), ["755 a/", "755 a/b/", "a/f=f", "f=f"]);
}

#[test]
fn names_of_one_file_stay_together_and_old_names_keep_their_content() {
    let (_directory, from, to) = planted(&["d/f", "f"], &["x/"]);
    fs::hard_link(from.join("d/f"), from.join("d/g")).unwrap();
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
    let (_directory, from, to) = planted(&["4555 d/f"], &["x/"]);
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
    let (_directory, from, to) = planted(&["d/e/f", "d/e/l -> f", "g"], &["x/"]);
    // A file that was named has one name in the image, however many in the context.
    fs::hard_link(from.join("g"), from.join("h")).unwrap();
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
