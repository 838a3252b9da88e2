//! Names, clean and not.

use super::archive::{Archive, Entry, directory, file, symlink};
use super::{Error, Layer, Tree, Vector, check};

fn one(entry: Entry) -> Archive {
    Archive::of([entry])
}

fn vectors() -> Vec<Vector> {
    const F: &str = "a d 755\na/b f 644";
    vec![
        (
            "V-tar-40",
            one(file(b"caf\xe9", "")),
            Tree("caf\\xe9 f 644"),
        ),
        (
            "V-tar-41",
            Archive::of([file("a", "1"), file("A", "2")]),
            Tree("A f 644 \"2\"\na f 644 \"1\""),
        ),
        ("V-tar-42-dot", one(file("./a/b", "")), Tree(F)),
        ("V-tar-42-double", one(file("a//b", "")), Tree(F)),
        ("V-tar-42-inner", one(file("a/./b", "")), Tree(F)),
        ("V-tar-42-slash", one(directory("a/")), Tree("a d 755")),
        ("V-tar-43", one(file("/a/b", "")), Tree(F)),
        ("V-tar-44", one(file("a/../b", "")), Tree("b f 644")),
        (
            "V-tar-45",
            one(file("../evil", "")),
            Error("member \"../evil\", offset 0: leaves the root"),
        ),
        (
            "V-tar-45-inner",
            one(file("a/../../evil", "")),
            Error("leaves the root"),
        ),
        ("V-tar-46-empty", one(file("", "")), Error("empty name")),
        (
            "V-tar-46-dot",
            one(file(".", "")),
            Error("the root is no directory"),
        ),
        (
            "V-tar-46-link",
            one(symlink("./", "x")),
            Error("the root is no directory"),
        ),
        (
            "V-tar-48",
            one(file("f/", "")),
            Tree("f d 744 0:0:0644:dir"),
        ),
        (
            "V-tar-48-content",
            one(file("f/", "x")),
            Error("a file with a directory's name"),
        ),
        (
            "V-tar-49",
            one(file("n".repeat(256), "")),
            Error("name too long"),
        ),
        (
            "V-tar-51-newline",
            one(file("a\nb", "")),
            Tree("a\\nb f 644"),
        ),
        (
            "V-tar-51-backslash",
            one(file("a\\b", "")),
            Tree("a\\\\b f 644"),
        ),
        ("V-tar-51-colon", one(file("a:b", "")), Tree("a:b f 644")),
        (
            "V-tar-51-escape",
            one(file("\x1b[31m", "")),
            Tree("\\x1b[31m f 644"),
        ),
        ("V-tar-51-dash", one(file("-rf", "")), Tree("-rf f 644")),
        ("V-tar-51-dots", one(file("..x", "")), Tree("..x f 644")),
        ("V-tar-51-wh", one(file(".wh", "")), Tree(".wh f 644")),
        (
            "V-tar-51-message",
            one(file("../\x1b\n", "")),
            Error("member \"../\\x1b\\n\""),
        ),
        (
            "V-tar-98",
            one(file("d/".repeat(1000) + "f", "")),
            Error("too many levels"),
        ),
        (
            "V-tar-50-limit",
            one(file("d/".repeat(20_000), "")),
            Error("name too long"),
        ),
    ]
}

#[test]
fn names_are_cleaned_kept_or_refused() {
    check("10.3", vectors());
}

#[test]
fn root_has_attributes_of_its_own() {
    let layer = Layer::new();
    let root = directory("./")
        .mode(0o2500)
        .owner(3, 4)
        .time(77)
        .pax("SCHILY.xattr.user.x", "y");
    let found = layer
        .unpack(&Archive::of([root]).finish()[..])
        .unwrap()
        .root
        .unwrap();
    assert_eq!(
        (found.mode, found.modified.seconds),
        (0o2700, 77),
        "V-tar-47"
    );
    let attributes: Vec<_> = found.attributes.into_iter().collect();
    let expected = [
        ("user.containers.override_stat", "3:4:02500:dir"),
        ("user.x", "y"),
    ];
    assert_eq!(
        attributes,
        expected.map(|(name, value)| (name.into(), value.into())),
        "V-tar-47"
    );
    let status = ch_linux::file::status(layer.open()).unwrap();
    assert_eq!((status.mode, status.modified.seconds), (0o2700, 77));
    let without = Layer::new()
        .unpack(&Archive::of([file("f", "")]).finish()[..])
        .unwrap();
    assert_eq!(without.root, None);
}

#[test]
fn path_of_5000_bytes_goes_by_descriptor() {
    let layer = Layer::new();
    let name = "0123456789/".repeat(450) + "f";
    let archive = Archive::of([
        file(&name, "deep"),
        symlink("l", "0123456789"),
        file("l/g", ""),
    ]);
    let found = layer.unpack(&archive.finish()[..]).unwrap();
    assert_eq!((found.entries, found.implied.len()), (3, 450), "V-tar-50");
    let deep = ch_linux::in_root::open(
        layer.open(),
        std::path::Path::new(&name),
        ch_linux::file::OFlags::RDONLY,
    );
    let text = std::io::read_to_string(std::fs::File::from(deep.unwrap())).unwrap();
    assert_eq!(text, "deep", "V-tar-50");
    assert!(layer.files().join("0123456789/g").exists());
}
