//! The vectors of `COPY`, each through a whole build on an image of its own.

#![expect(clippy::print_stdout, reason = "counts of vectors are read by people")]

use std::error::Error as _;
use std::fs;
use std::path::Path;

use ch_linux::tree::Directory;
use ch_oci::ImageConfig;
use ch_storage::{LayerId, LayerMeta};

use crate::Case;
use crate::fixture::{Fixture, Outcome, platform};

pub(crate) const CASES: &[Case] = &[
    ("vectors_become_what_they_say", vectors),
    ("what_was_copied_is_not_copied_again", twice),
    ("errors_of_sources_say_what_is_the_case", errors),
];

/// A vector: its name, the context, the image, the instructions, and what the image has then or what the build says.
///
/// Trees are those of [`ch_test_support::plant`].
struct Vector {
    name: &'static str,
    context: &'static [&'static str],
    image: &'static [&'static str],
    instructions: &'static str,
    want: Result<&'static [&'static str], &'static str>,
}

macro_rules! vectors {
    ($(($name:literal, [$($context:literal),*], [$($image:literal),*], $instructions:literal, $want:expr),)*) => {
        &[$(Vector {
            name: $name,
            context: &[$($context),*],
            image: &[$($image),*],
            instructions: $instructions,
            want: $want,
        }),*]
    };
}

const VECTORS: &[Vector] = vectors![
    ("V-C1", ["f"], [], "COPY f /x", Ok(&["x=f"])),
    ("V-C2", ["f"], [], "COPY f /x/", Ok(&["755 x/", "x/f=f"])),
    (
        "V-C3",
        ["f"],
        [],
        "COPY f /x/y/z",
        Ok(&["755 x/", "755 x/y/", "x/y/z=f"])
    ),
    (
        "V-C4",
        ["f"],
        ["700 x/"],
        "COPY f /x",
        Ok(&["700 x/", "x/f=f"])
    ),
    (
        "V-C5",
        ["f"],
        ["x/f/"],
        "COPY f /x",
        Err("cannot replace directory /x/f with file")
    ),
    ("V-C6", ["f"], ["x"], "COPY f /x", Ok(&["x=f"])),
    (
        "V-C7",
        ["f"],
        ["x"],
        "COPY f /x/",
        Err("can't COPY: not a directory: /x")
    ),
    (
        "V-C7",
        ["f"],
        ["x"],
        "COPY f /x/y",
        Err("can't COPY: not a directory: /x")
    ),
    (
        "V-C8",
        ["711 d/e/", "d/f", "700 d/"],
        [],
        "COPY d /x",
        Ok(&["755 x/", "711 x/e/", "x/f=d/f"])
    ),
    (
        "V-C9",
        ["711 d/e/", "d/f", "700 d/"],
        ["777 x/e/", "777 x/"],
        "COPY d /x",
        Ok(&["777 x/", "711 x/e/", "x/f=d/f"])
    ),
    (
        "V-C10",
        ["d/"],
        ["x"],
        "COPY d /x",
        Err("can't COPY: not a directory: /x")
    ),
    (
        "V-C11",
        ["d/e/f", "755 d/e/"],
        ["755 x/", "x/e"],
        "COPY d /x",
        Ok(&["755 x/", "755 x/e/", "x/e/f=d/e/f"])
    ),
    (
        "V-C12",
        ["d/e"],
        ["x/e/k/l", "755 x/"],
        "COPY d /x",
        Ok(&["755 x/", "x/e=d/e"])
    ),
    (
        "V-C13",
        ["d/s/f", "755 d/s/"],
        ["755 x/", "755 r/", "r/k", "x/s -> ../r"],
        "COPY d /x",
        Ok(&["755 r/", "r/k=r/k", "755 x/", "755 x/s/", "x/s/f=d/s/f"])
    ),
    (
        "V-C14",
        ["f", "g"],
        [],
        "COPY f g /x",
        Ok(&["755 x/", "x/f=f", "x/g=g"])
    ),
    (
        "V-C15",
        ["f1", "f2"],
        [],
        "COPY f* /x",
        Ok(&["755 x/", "x/f1=f1", "x/f2=f2"])
    ),
    (
        "V-C16",
        ["a1/f", "755 a1/s/", "a2/g"],
        [],
        "COPY a* /x",
        Ok(&["755 x/", "x/f=a1/f", "x/g=a2/g", "755 x/s/"])
    ),
    (
        "V-C17",
        ["a1/f", "a2"],
        [],
        "COPY a* /x/",
        Ok(&["755 x/", "x/a2=a2", "x/f=a1/f"])
    ),
    ("V-C18", ["f"], [], "COPY no* /x", Ok(&[])),
    (
        "V-C19",
        ["f"],
        [],
        "COPY f no* /x/",
        Ok(&["755 x/", "x/f=f"])
    ),
    (
        "V-C20",
        ["f"],
        [],
        "COPY no /x",
        Err("source not found: no")
    ),
    ("V-C21", ["f", "l -> f"], [], "COPY l /x", Ok(&["x=f"])),
    (
        "V-C22",
        ["d/f", "l -> d"],
        [],
        "COPY l /x",
        Ok(&["755 x/", "x/f=d/f"])
    ),
    (
        "V-C23",
        ["d/f", "lf -> d/f", "l -> d"],
        [],
        "COPY l* /x/",
        Ok(&["755 x/", "x/f=d/f", "x/lf=d/f"])
    ),
    (
        "V-C24",
        ["d/", "d/l -> ../f", "d/m -> /abs"],
        [],
        "COPY d /x",
        Ok(&["755 x/", "x/l -> ../f", "x/m -> /abs"])
    ),
    (
        "V-C25",
        ["f"],
        ["755 r/", "x -> r/"],
        "COPY f /x",
        Ok(&["755 r/", "r/f=f", "x -> r/"])
    ),
    (
        "V-C26",
        ["f"],
        ["755 r/", "x -> /r"],
        "COPY f /x/",
        Ok(&["755 r/", "r/f=f", "x -> /r"])
    ),
    (
        "V-C27",
        ["f"],
        ["r", "x -> r"],
        "COPY f /x",
        Ok(&["r=f", "x -> r"])
    ),
    (
        "V-C28",
        ["f"],
        ["x -> nowhere"],
        "COPY f /x",
        Ok(&["nowhere=f", "x -> nowhere"])
    ),
    (
        "V-C29",
        ["f"],
        ["x -> ../../../out"],
        "COPY f /x/",
        Ok(&["755 out/", "out/f=f", "x -> ../../../out"])
    ),
    (
        "V-C30",
        ["l -> /etc/hostname"],
        [],
        "COPY l /x",
        Err("can't COPY from outside context: l")
    ),
    (
        "V-C31",
        [".h", "v"],
        [],
        "COPY * /x/",
        Ok(&["755 x/", "x/.h=.h", "x/v=v"])
    ),
    (
        "V-C32",
        ["a1", "a2", "ab"],
        [],
        "COPY a[1-2] /x/",
        Ok(&["755 x/", "x/a1=a1", "x/a2=a2"])
    ),
    (
        "V-C32",
        ["a1", "a2", "ab"],
        [],
        "COPY a[^1] /x/",
        Ok(&["755 x/", "x/a2=a2", "x/ab=ab"])
    ),
    (
        "V-C32",
        ["a1", "a2", "ab"],
        [],
        "COPY a[!1] /x/",
        Ok(&["755 x/", "x/a2=a2", "x/ab=ab"])
    ),
    (
        "V-C33",
        ["a*b", "axb"],
        [],
        r"COPY a\*b /x/",
        Ok(&["755 x/", "x/a*b=a*b"])
    ),
    (
        "V-C33 in a list",
        ["a*b", "axb"],
        [],
        r#"COPY ["a\\*b", "/x/"]"#,
        Ok(&["755 x/", "x/a*b=a*b"])
    ),
    (
        "V-C33 with a backslash",
        [r"a\b", "ab"],
        [],
        r"COPY a\\b /x/",
        Ok(&["755 x/", r"x/a\b=a\b"])
    ),
    (
        "V-C34",
        ["arr[0].txt", "arr0.txt"],
        [],
        "COPY arr[[]0].txt /x/",
        Ok(&["755 x/", "x/arr[0].txt=arr[0].txt"])
    ),
    (
        "V-C35",
        ["s/f", "s/a/f", "s/a/b/f"],
        [],
        "COPY s/**/f /x/",
        Ok(&["755 x/", "x/f=s/a/f"])
    ),
    (
        "V-C36",
        ["s/a/d/f", "s/b/d/g"],
        [],
        "COPY s/*/d /x",
        Ok(&["755 x/", "x/f=s/a/d/f", "x/g=s/b/d/g"])
    ),
    (
        "V-C37",
        ["d/f", "d/g = d/f"],
        [],
        "COPY d /x",
        Ok(&["755 x/", "x/f=d/f", "x/g = x/f"])
    ),
    (
        "V-C38",
        ["d/f"],
        [],
        "COPY d /x/.",
        Ok(&["755 x/", "x/f=d/f"])
    ),
    (
        "V-C38",
        ["d/f"],
        [],
        "COPY d/ /x",
        Ok(&["755 x/", "x/f=d/f"])
    ),
    (
        "V-C38",
        ["d/f"],
        [],
        "COPY d/. /x",
        Ok(&["755 x/", "x/f=d/f"])
    ),
    (
        "V-C39",
        ["f", "d/g", "755 d/"],
        [],
        "COPY / /x",
        Ok(&["755 x/", "755 x/d/", "x/d/g=d/g", "x/f=f"])
    ),
    (
        "V-C39",
        ["f", "d/g", "755 d/"],
        [],
        "COPY . /x",
        Ok(&["755 x/", "755 x/d/", "x/d/g=d/g", "x/f=f"])
    ),
    (
        "V-C40",
        ["foo/bar"],
        ["foo/bar/baz", "755 foo/"],
        "COPY foo /foo",
        Ok(&["755 foo/", "foo/bar=foo/bar"])
    ),
    (
        "V-C41",
        ["f"],
        [],
        "WORKDIR /w\nENV E=\nCOPY f $E",
        Ok(&["755 w/", "w/f=f"])
    ),
    (
        "V-C41",
        ["f"],
        [],
        "WORKDIR /w\nCOPY f .",
        Ok(&["755 w/", "w/f=f"])
    ),
    (
        "V-C41",
        ["f"],
        [],
        "WORKDIR /w\nCOPY f ./",
        Ok(&["755 w/", "w/f=f"])
    ),
    (
        "V-C42",
        ["f"],
        [],
        "WORKDIR /a/b\nCOPY f ..",
        Ok(&["755 a/", "755 a/b/", "a/f=f"])
    ),
    (
        "V-C43",
        ["x/f"],
        [],
        "COPY ../../x /b",
        Ok(&["755 b/", "b/f=x/f"])
    ),
    (
        "V-C44",
        ["f"],
        ["x", "y = x"],
        "COPY f /x",
        Ok(&["x=f", "y=x"])
    ),
    (
        "V-hw-1",
        ["f"],
        ["1777 tmp/"],
        "COPY f /tmp/",
        Ok(&["1777 tmp/", "tmp/f=f"])
    ),
    (
        "V-hw-2",
        ["a/n"],
        ["a/o", "750 a/"],
        "COPY a/ /a/",
        Ok(&["750 a/", "a/n=a/n", "a/o=a/o"])
    ),
    (
        "V-hw-3",
        ["a/f"],
        ["755 a/", "a/f", "other = a/f"],
        "COPY a /a",
        Ok(&["755 a/", "a/f=a/f", "other=a/f"])
    ),
    (
        "V-hw-4",
        ["f"],
        ["755 usr/", "755 usr/lib/", "lib -> usr/lib"],
        "COPY f /lib/",
        Ok(&["lib -> usr/lib", "755 usr/", "755 usr/lib/", "usr/lib/f=f"])
    ),
    (
        "a circle of links",
        ["f"],
        ["x -> y", "y -> x"],
        "COPY f /x/f",
        Err("can't COPY: too many levels of symbolic links: /x/f")
    ),
    (
        "a deep link",
        ["f"],
        ["755 a/", "755 a/b/", "x -> a/l", "a/l -> /a/b/../b"],
        "COPY f /x/y/",
        Ok(&[
            "755 a/",
            "755 a/b/",
            "755 a/b/y/",
            "a/b/y/f=f",
            "a/l -> /a/b/../b",
            "x -> a/l"
        ])
    ),
    (
        "later sources win",
        ["a/f", "b/f", "a/g/h", "b/g"],
        [],
        "COPY a b /x",
        Ok(&["755 x/", "x/f=b/f", "x/g=b/g"])
    ),
    (
        "later sources win as directories, too",
        ["a/g/h", "b/g", "755 a/g/"],
        [],
        "COPY b a /x",
        Ok(&["755 x/", "755 x/g/", "x/g/h=a/g/h"])
    ),
    (
        "a class that is not closed",
        ["f"],
        [],
        "COPY [f /x",
        Err("source [f")
    ),
    (
        "names of several sources are not one file",
        ["a/f", "b/g = a/f"],
        [],
        "COPY a b /x",
        Ok(&["755 x/", "x/f=a/f", "x/g=a/f"])
    ),
];

/// A tree as sorted lines: `PATH=CONTENT`, `PATH = OTHER NAME`, `MODE PATH/` and `PATH -> TARGET`.
fn listing(root: &Path) -> Vec<String> {
    let entries = ch_test_support::listing(root);
    let below = entries
        .iter()
        .filter(|(path, _)| !path.as_os_str().is_empty());
    let line = |(path, entry): (&std::path::PathBuf, &ch_test_support::Entry)| {
        let shown = path.display();
        match entry.kind {
            'd' => format!("{:o} {shown}/", entry.mode),
            'l' => format!("{shown} -> {}", entry.content),
            _ if entry.first_name != *path => format!("{shown} = {}", entry.first_name.display()),
            _ => format!("{shown}={}", fs::read_to_string(root.join(path)).unwrap()),
        }
    };
    let mut lines: Vec<_> = below.map(line).collect();
    lines.sort_unstable();
    lines
}

/// What the layers of an image together show.
pub(crate) fn tree(fixture: &Fixture, layers: &[LayerId]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let target = Directory::open(directory.path()).unwrap();
    ch_rootfs::flatten(&fixture.storage, layers, &target).unwrap();
    listing(directory.path())
}

/// Stores an image of one layer with such a tree.
fn put_image(fixture: &Fixture, name: &str, items: &[&str]) -> LayerId {
    let draft = fixture.storage.draft().unwrap();
    draft.layer().unwrap();
    let files = fixture
        .storage
        .path()
        .join(draft.relative_path() + "/layer/fs");
    ch_test_support::plant(&files, items);
    let id = LayerId::random();
    draft.publish_layer(&id, &LayerMeta::new()).unwrap();
    fixture.put_image(name, &ImageConfig::new(&platform()), id.clone());
    id
}

/// Puts a tree in the place of the context.
pub(crate) fn put_context(fixture: &Fixture, items: &[&str]) {
    fs::remove_dir_all(fixture.path("")).unwrap();
    fs::create_dir(fixture.path("")).unwrap();
    ch_test_support::plant(&fixture.path(""), items);
}

fn build(fixture: &Fixture, context: &[&str], image: &[&str], instructions: &str) -> Outcome {
    put_context(fixture, context);
    put_image(fixture, "planted", image);
    fixture.build(&format!("FROM planted\n{instructions}\n"))
}

fn vectors(fixture: &Fixture) {
    for vector in VECTORS {
        let name = format!("{}: {}", vector.name, vector.instructions);
        let built = build(fixture, vector.context, vector.image, vector.instructions);
        match vector.want {
            Ok(want) => {
                let layers = built.good().layers();
                let mut want = want.to_vec();
                want.sort_unstable();
                assert_eq!(tree(fixture, &layers), want, "{name}");
            }
            Err(want) => assert_eq!(built.result.unwrap_err().message(), want, "{name}"),
        }
    }
    println!(
        "dockerfile.md §6.4, layers.md §5: {} vectors of COPY",
        VECTORS.len()
    );
}

/// V-hw-6: whatever was copied, copying it again makes no layer.
fn twice(fixture: &Fixture) {
    let mut count = 0;
    for vector in VECTORS {
        // Names of one file are written anew, and so is what sources take turns at.
        let has_names = vector.context.iter().any(|item| item.contains(" = "));
        if vector.want.is_err() || has_names || vector.name.starts_with("later") {
            continue;
        }
        let (once, name) = (vector.instructions, vector.name);
        let layers = build(fixture, vector.context, vector.image, once)
            .good()
            .layers();
        let twice = fixture
            .build(&format!("FROM planted\n{once}\n{once}\n"))
            .good();
        assert_eq!(twice.layers(), layers, "{name}: {once}");
        count += 1;
    }
    println!("V-hw-6: {count} copies twice");
}

/// What a build says, with its causes.
fn complaint(outcome: Outcome) -> String {
    let error = outcome.result.expect_err(&outcome.transcript);
    let mut text = error.message();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("; {error}"));
        cause = error.source();
    }
    text
}

fn errors(fixture: &Fixture) {
    let context = [
        "greeting",
        "source/main.c",
        "out -> /etc/hostname",
        "up -> ../../secret",
        "d/",
    ];
    for (instruction, want) in [
        ("COPY no /x", "source not found: no; no sources found"),
        ("COPY greeting no /x/", "source not found: no"),
        (
            "COPY no* nothing /x/",
            "source not found: nothing; no sources found",
        ),
        (
            "COPY greting /x",
            "source not found: greting (did you mean greeting?); no sources found",
        ),
        (
            "COPY /sourc/main.c /x",
            "source not found: /sourc/main.c (did you mean source/main.c?); no sources found",
        ),
        (
            "COPY greeting/ greeting/x /x/",
            "source not found: greeting/x",
        ),
        (
            "COPY out /x",
            "can't COPY from outside context: out; out is a symbolic link that leads outside the context",
        ),
        (
            "COPY up /x",
            "can't COPY from outside context: up; up is a symbolic link that leads outside the context",
        ),
        (
            "COPY ../secret /x",
            "can't COPY from outside context: ../secret; source not found: secret: it is outside the context",
        ),
        ("COPY d/[z-a] /x", "source d/[z-a]; malformed pattern"),
        ("COPY greeting d /x/f/", "can't COPY: not a directory: /x/f"),
        (
            "COPY greeting /x/f/y/z",
            "can't COPY: not a directory: /x/f",
        ),
        (
            "COPY greeting /x",
            "cannot replace directory /x/greeting with file",
        ),
    ] {
        let image = ["x/f", "x/greeting/"];
        let built = build(fixture, &context, &image, instruction);
        assert_eq!(complaint(built), want, "{instruction}");
    }
}
