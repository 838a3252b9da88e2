//! Objects, and what they do to each other.

use super::archive::{Archive, Entry, directory, entry, file, hard_link, symlink};
use super::{Error, Layer, Tree, Vector, check};

fn of<const N: usize>(entries: [Entry; N]) -> Archive {
    Archive::of(entries)
}

fn replacing() -> Vec<Vector> {
    vec![
        (
            "V-tar-53",
            of([file("f", "long one").mode(0o600), file("f", "2")]),
            Tree("f f 644 \"2\""),
        ),
        (
            "V-tar-54",
            of([
                directory("d").owner(1, 1),
                file("d/f", ""),
                directory("d").mode(0o700).time(9),
            ]),
            Tree("d d 700 @9\nd/f f 644"),
        ),
        (
            "V-tar-54-attributes",
            of([
                directory("d")
                    .pax("SCHILY.xattr.user.a", "1")
                    .pax("SCHILY.xattr.user.b", "1"),
                file("d/f", ""),
                directory("d").pax("SCHILY.xattr.user.b", "2"),
            ]),
            Tree("d d 755 user.b=2\nd/f f 644"),
        ),
        (
            "V-tar-54-opaque",
            of([
                file("d/.wh..wh..opq", ""),
                directory("d").pax("SCHILY.xattr.user.a", "1"),
                directory("d"),
            ]),
            Tree("d d 755 user.overlay.opaque=y"),
        ),
        (
            "V-tar-101-attributes",
            of([
                file("f", "x").pax("SCHILY.xattr.user.a", "1"),
                hard_link("h", "f"),
            ]),
            Tree("f f 644 \"x\"\nh f 644 \"x\" =f"),
        ),
        (
            "V-tar-55",
            of([directory("d"), file("d/sub/f", ""), file("d", "x")]),
            Tree("d f 644 \"x\""),
        ),
        (
            "V-tar-56",
            of([file("d", "x"), directory("d"), file("d/f", "")]),
            Tree("d d 755\nd/f f 644"),
        ),
        (
            "V-tar-56-implied",
            of([file("d", "x"), file("d/f", "")]),
            Tree("d d 755\nd/f f 644"),
        ),
        (
            "V-tar-56-link",
            of([symlink("d", "/etc"), directory("d"), file("d/f", "")]),
            Tree("d d 755\nd/f f 644"),
        ),
        (
            "V-tar-55-cached",
            of([file("d/a/f", ""), symlink("d", "e"), file("d/a/g", "")]),
            Tree("d l -> e\ne d 755\ne/a d 755\ne/a/g f 644"),
        ),
        (
            "V-tar-57",
            of([file("a/b/f", "").time(5)]),
            Tree("a d 755 @5\na/b d 755 @5\na/b/f f 644 @5"),
        ),
        (
            "V-tar-59",
            of([
                directory("usr/lib"),
                symlink("lib", "usr/lib"),
                file("lib/f", ""),
            ]),
            Tree("lib l -> usr/lib\nusr d 755\nusr/lib d 755\nusr/lib/f f 644"),
        ),
        (
            "V-tar-59-missing",
            of([symlink("lib", "usr/lib"), file("lib/f", "")]),
            Tree("lib l -> usr/lib\nusr d 755\nusr/lib d 755\nusr/lib/f f 644"),
        ),
        (
            "V-tar-60-absolute",
            of([symlink("l", "/etc"), file("l/f", "")]),
            Tree("etc d 755\netc/f f 644\nl l -> /etc"),
        ),
        (
            "V-tar-60-above",
            of([symlink("l", "../../../x"), file("l/f", "")]),
            Tree("l l -> ../../../x\nx d 755\nx/f f 644"),
        ),
        (
            "V-tar-60-inner",
            of([symlink("d/l", "../../e/../x"), file("d/l/f", "")]),
            Tree("d d 755\nd/l l -> ../../e/../x\ne d 755\nx d 755\nx/f f 644"),
        ),
        (
            "V-tar-60-loop",
            of([symlink("l", "l"), file("l/f", "")]),
            Error("member \"l/f\", offset 512: can't be written"),
        ),
        (
            "V-tar-62-above",
            of([symlink("l", "../../../../etc/passwd")]),
            Tree("l l -> ../../../../etc/passwd"),
        ),
        (
            "V-tar-62-empty",
            of([symlink("l", "")]),
            Error("symbolic link without a target"),
        ),
    ]
}

fn hard_links() -> Vec<Vector> {
    vec![
        (
            "V-tar-63",
            of([file("f", "x"), hard_link("h", "f")]),
            Tree("f f 644 \"x\"\nh f 644 \"x\" =f"),
        ),
        (
            "V-tar-64",
            of([symlink("l", "t"), hard_link("h", "l")]),
            Tree("h l -> t\nl l -> t =h"),
        ),
        (
            "V-tar-101",
            of([
                file("f", "x"),
                hard_link("h", "f").mode(0o4711).owner(1, 2).time(3),
            ]),
            Tree("f f 711 1:2:04711:file \"x\" @3\nh f 711 1:2:04711:file \"x\" @3 =f"),
        ),
        (
            "V-tar-65",
            of([hard_link("h", "z/f"), hard_link("i", "h"), file("z/f", "x")]),
            Tree("h f 644 \"x\"\ni f 644 \"x\" =h\nz d 755\nz/f f 644 \"x\" =h"),
        ),
        (
            "V-tar-67-directory",
            of([directory("d"), hard_link("h", "d")]),
            Error("hard link to a directory"),
        ),
        (
            "V-tar-67-whiteout",
            of([file(".wh.f", ""), hard_link("h", "f")]),
            Error("same layer removes"),
        ),
        (
            "V-tar-68",
            of([
                file("f", "x"),
                hard_link("h", "../../f"),
                hard_link("i", "/f"),
            ]),
            Tree("f f 644 \"x\"\nh f 644 \"x\" =f\ni f 644 \"x\" =f"),
        ),
        (
            "V-tar-69",
            of([file("f", "old"), hard_link("h", "f"), file("f", "new")]),
            Tree("f f 644 \"new\"\nh f 644 \"old\""),
        ),
        (
            "V-tar-63-self",
            of([file("f", "x"), hard_link("f", "f")]),
            Tree("f f 644 \"x\""),
        ),
        (
            "V-tar-63-replace",
            of([file("f", "x"), file("h", "y"), hard_link("h", "f")]),
            Tree("f f 644 \"x\"\nh f 644 \"x\" =f"),
        ),
        (
            "V-tar-63-device",
            of([
                entry('3', "c").device(1, 3),
                hard_link("h", "c").mode(0o600),
            ]),
            Tree("c f 600 0:0:0600:char-1-3\nh f 600 0:0:0600:char-1-3 =c"),
        ),
    ]
}

fn whiteouts() -> Vec<Vector> {
    const OPAQUE: &str = "d d 755 user.overlay.opaque=y\nd/f f 644";
    let opaque = || file("d/.wh..wh..opq", "");
    vec![
        (
            "V-tar-70-before",
            of([file(".wh.f", ""), file("f", "x")]),
            Tree("f f 644 \"x\""),
        ),
        (
            "V-tar-70-after",
            of([file("f", "x"), file(".wh.f", "")]),
            Tree("f f 644 \"x\""),
        ),
        (
            "V-tar-70-directory",
            of([file(".wh.d", ""), file("d/f", "")]),
            Tree(OPAQUE),
        ),
        (
            "V-tar-70-directory-after",
            of([file("d/f", ""), file(".wh.d", "")]),
            Tree(OPAQUE),
        ),
        (
            "V-tar-71-first",
            of([opaque(), file("d/f", "")]),
            Tree(OPAQUE),
        ),
        (
            "V-tar-71-last",
            of([file("d/f", ""), opaque()]),
            Tree(OPAQUE),
        ),
        (
            "V-tar-71-twice",
            of([opaque(), file("d/f", ""), opaque()]),
            Tree(OPAQUE),
        ),
        (
            "V-tar-72",
            of([file(".wh..wh..opq", ""), file("f", "")]),
            Tree("f f 644"),
        ),
        (
            "V-tar-73-nothing",
            of([file(".wh.", "")]),
            Error("malformed whiteout"),
        ),
        (
            "V-tar-73-dot",
            of([file("d/.wh..", "")]),
            Error("malformed whiteout"),
        ),
        (
            "V-tar-73-dots",
            of([file(".wh...", "")]),
            Error("malformed whiteout"),
        ),
        (
            "V-tar-74",
            of([
                file(".wh..wh.aufs", ""),
                directory(".wh..wh.orph/"),
                directory(".wh..wh.plnk/"),
                file(".wh..wh.plnk/1.2", "x"),
                hard_link("f", ".wh..wh.plnk/1.2"),
                hard_link("g", ".wh..wh.plnk/1.2"),
            ]),
            Tree("f f 644 \"x\"\ng f 644 \"x\" =f"),
        ),
        (
            "V-tar-75",
            of([directory("d"), file("d/.wh.f", "")]),
            Tree("d d 755\nd/f whiteout"),
        ),
        (
            "V-tar-75-link",
            of([directory("d"), symlink("l", "d"), file("l/.wh.f", "")]),
            Tree("d d 755\nd/f whiteout\nl l -> d"),
        ),
        (
            "V-tar-75-gone",
            of([file("d/.wh.f", ""), file("d", "")]),
            Tree("d f 644"),
        ),
    ]
}

fn others() -> Vec<Vector> {
    vec![
        (
            "V-tar-77-char",
            of([entry('3', "c").mode(0o666).device(1, 3).time(4)]),
            Tree("c f 666 0:0:0666:char-1-3 @4"),
        ),
        (
            "V-tar-77-block",
            of([entry('4', "b").owner(0, 6).device(259, 65536)]),
            Tree("b f 644 0:6:0644:block-259-65536"),
        ),
        (
            "V-tar-78",
            of([entry('3', "c")]),
            Tree("c f 644 0:0:0644:char-0-0"),
        ),
        (
            "V-tar-79",
            of([entry('6', "p").mode(0o600)]),
            Tree("p p 600"),
        ),
        (
            "V-tar-79-owner",
            of([entry('6', "p").mode(0o600).owner(1, 2)]),
            Tree("p p 600\nowners: p 1:2:0600:pipe"),
        ),
        (
            "V-tar-82-link",
            of([symlink("l", "t").owner(1, 2)]),
            Tree("l l -> t\nowners: l 1:2:0777:symlink"),
        ),
        (
            "V-tar-82-link-replaced",
            of([symlink("d/l", "t").owner(1, 2), file("d", "")]),
            Tree("d f 644\nowners: d/l 1:2:0777:symlink\nowners: d gone"),
        ),
        (
            "V-tar-80",
            of([directory("d")
                .pax("SCHILY.xattr.user.overlay.opaque", "y")
                .pax("SCHILY.xattr.user.overlay.redirect", "/")]),
            Tree("d d 755 user.overlay.overlay.opaque=y user.overlay.overlay.redirect=/"),
        ),
        (
            "V-tar-81",
            of([file("f", "")
                .pax(
                    "SCHILY.xattr.user.containers.override_stat",
                    "0:0:04755:file",
                )
                .pax("SCHILY.xattr.user.chimage.x", "y")]),
            Tree("f f 644"),
        ),
    ]
}

#[test]
fn objects_replace_link_and_hide_each_other() {
    check("10.4 replacing", replacing());
    check("10.4 hard links", hard_links());
    check("10.4 whiteouts", whiteouts());
    check("10.4 others", others());
}

#[test]
fn what_was_found_is_counted_and_what_was_dropped_is_said() {
    let layer = Layer::new();
    let forged = |name| file(name, "abc").pax("SCHILY.xattr.user.chimage.x", "y");
    let archive = of([
        forged("a"),
        forged("b"),
        file("d/.wh.x", ""),
        file("d/.wh.y", ""),
        file("e/.wh..wh..opq", ""),
        hard_link("h", "below/f"),
    ]);
    let found = layer.unpack(&archive.finish()[..]).unwrap();
    assert_eq!(
        (found.entries, found.bytes, found.whiteouts, found.opaque),
        (3, 6, 2, 1)
    );
    assert_eq!(
        found.warnings,
        ["extended attribute reserved for ch-image left out: a and 1 more"]
    );
    assert_eq!(found.implied, ["d", "e"].map(std::path::PathBuf::from));
    assert_eq!(found.whiteout_parents, [std::path::PathBuf::from("d")]);
    assert_eq!(found.lower_links.len(), 1);
    assert!(found.depends_on_lower());
}
