//! Owners, modes, times and extended attributes.

use super::archive::{Archive, Entry, directory, entry, file, symlink};
use super::{Error, Layer, Tree, Vector, check, list};

fn of<const N: usize>(entries: [Entry; N]) -> Archive {
    Archive::of(entries)
}

fn owners_and_modes() -> Vec<Vector> {
    vec![
        (
            "V-tar-82",
            of([file("f", "").owner(1000, 50)]),
            Tree("f f 644 1000:50:0644:file"),
        ),
        (
            "V-tar-82-directory",
            of([directory("d").owner(0, 8)]),
            Tree("d d 755 0:8:0755:dir"),
        ),
        (
            "V-tar-83",
            of([file("f", "").raw(265, "nobody\0")]),
            Tree("f f 644"),
        ),
        (
            "V-tar-84-0000",
            of([file("f", "x").mode(0)]),
            Tree("f f 600 0:0:00:file \"x\""),
        ),
        (
            "V-tar-84-0555",
            of([directory("d").mode(0o555), file("d/f", "")]),
            Tree("d d 755 0:0:0555:dir\nd/f f 644"),
        ),
        (
            "V-tar-84-04755",
            of([file("f", "").mode(0o4755)]),
            Tree("f f 755 0:0:04755:file"),
        ),
        (
            "V-tar-84-02755",
            of([file("f", "").mode(0o2755)]),
            Tree("f f 755 0:0:02755:file"),
        ),
        (
            "V-tar-84-02755-directory",
            of([directory("d").mode(0o2755)]),
            Tree("d d 2755"),
        ),
        (
            "V-tar-84-01777",
            of([directory("d").mode(0o1777)]),
            Tree("d d 1777"),
        ),
        (
            "V-tar-84-high",
            of([file("f", "").mode(0o100644)]),
            Tree("f f 644"),
        ),
        (
            "V-tar-84-umask",
            of([file("f", "").mode(0o666), directory("d").mode(0o777)]),
            Tree("d d 777\nf f 666"),
        ),
    ]
}

fn times() -> Vec<Vector> {
    vec![
        (
            "V-tar-85",
            of([file("f", "").pax("mtime", "5.000000001")]),
            Tree("f f 644 @5.000000001"),
        ),
        (
            "V-tar-86",
            of([file("f", "").pax("mtime", "-5.25")]),
            Tree("f f 644 @-6.750000000"),
        ),
        (
            "V-tar-88",
            of([
                directory("d").time(5),
                directory("d/e").time(6),
                symlink("d/e/l", "x").time(7),
                file("d/f", "").time(8),
            ]),
            Tree("d d 755 @5\nd/e d 755 @6\nd/e/l l -> x @7\nd/f f 644 @8"),
        ),
        (
            "V-tar-88-after",
            of([
                directory("d").time(5),
                file("x", ""),
                entry('1', "d/h").link("x"),
                file("d/.wh.w", "").time(9),
            ]),
            Tree("d d 755 @5\nd/h f 644\nd/w whiteout\nx f 644 =d/h"),
        ),
    ]
}

fn attributes() -> Vec<Vector> {
    const CAPABILITY: &str = "user.chimage.xattr.security.capability";
    let second = format!("\x01\0\0\x02{}", "c".repeat(16));
    let third = format!("\x01\0\0\x03{}rrrr", "c".repeat(16));
    let kept: &'static str = format!(
        "f f 644 {CAPABILITY}=\\x01\\x00\\x00\\x02{}",
        "c".repeat(16)
    )
    .leak();
    vec![
        (
            "V-tar-89",
            of([file("f", "").pax("SCHILY.xattr.user.a", "b=c")]),
            Tree("f f 644 user.a=b=c"),
        ),
        (
            "V-tar-89-nul",
            of([file("f", "").pax("SCHILY.xattr.user.a", "b\0c\n")]),
            Tree("f f 644 user.a=b\\x00c\\n"),
        ),
        (
            "V-tar-90",
            of([file("f", "").pax("LIBARCHIVE.xattr.user.a%25b", "eHl6")]),
            Tree("f f 644 user.a%b=xyz"),
        ),
        (
            "V-tar-90-both",
            of([file("f", "")
                .pax("SCHILY.xattr.user.a", "star")
                .pax("LIBARCHIVE.xattr.user.a", "eHl6")]),
            Tree("f f 644 user.a=star"),
        ),
        (
            "V-tar-90-bad",
            of([file("f", "").pax("LIBARCHIVE.xattr.user.a", "!!")]),
            Error("malformed extended header"),
        ),
        (
            "V-tar-91-v2",
            of([file("f", "").pax("SCHILY.xattr.security.capability", second)]),
            Tree(kept),
        ),
        (
            "V-tar-91-v3",
            of([file("f", "").pax("SCHILY.xattr.security.capability", third)]),
            Tree(kept),
        ),
        (
            "V-tar-92",
            of([symlink("l", "t").pax("SCHILY.xattr.user.a", "b c")]),
            Tree("l l -> t\nowners: l - user.a=b%20c"),
        ),
        (
            "V-tar-92-device",
            of([entry('3', "c").device(1, 3).pax("SCHILY.xattr.user.a", "b")]),
            Tree("c f 644 0:0:0644:char-1-3 user.a=b"),
        ),
        (
            "V-tar-93",
            of([file("f", "")
                .pax("SCHILY.xattr.trusted.t", "1")
                .pax("SCHILY.xattr.security.selinux", "2")
                .pax("SCHILY.xattr.security.ima", "3")
                .pax("SCHILY.xattr.system.posix_acl_access", "4")]),
            Tree(
                "f f 644 user.chimage.xattr.security.ima=3 user.chimage.xattr.system.posix_acl_access=4 user.chimage.xattr.trusted.t=1",
            ),
        ),
    ]
}

#[test]
fn attributes_are_kept_as_an_ordinary_user_can() {
    check("10.5 owners and modes", owners_and_modes());
    check("10.5 times", times());
    check("10.5 extended attributes", attributes());
}

#[test]
fn times_beyond_the_file_system_are_clamped_with_one_warning() {
    let layer = Layer::new();
    let far = |name| file(name, "").pax("mtime", "1099511627776");
    let found = layer
        .unpack(&of([far("a"), far("b"), file("c", "").time(1 << 30)]).finish()[..])
        .unwrap();
    let kept = ch_linux::file::status_at(layer.open(), "a")
        .unwrap()
        .modified
        .seconds
        == 1 << 40;
    let warning = "time of last change out of the file system's range: a and 1 more";
    let expected: &[&str] = if kept { &[] } else { &[warning] };
    assert_eq!(found.warnings, expected, "V-tar-87");
}

#[test]
fn attribute_too_large_for_the_file_system_goes_beside() {
    let layer = Layer::new();
    let value = "v".repeat(70_000);
    let archive = of([file("f", "").pax("SCHILY.xattr.user.large", &value)]);
    layer.unpack(&archive.finish()[..]).unwrap();
    assert!(
        list(&layer).contains(&format!("owners: f - user.large={value}")),
        "V-tar-94"
    );
}
