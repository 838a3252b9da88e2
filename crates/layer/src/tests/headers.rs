//! Headers of all formats, right and wrong.

use super::archive::{Archive, Entry, directory, entry, file, record, symlink};
use super::{Error, Tree, Vector, check};

fn one(entry: Entry) -> Archive {
    Archive::of([entry])
}

/// A name that fits no plain header.
fn long() -> String {
    format!("{}/f", "d".repeat(150))
}

const LONG_TREE: &str = concat!(
    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd d 755\n",
    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd/f f 644 \"x\"\n",
);

fn gnu(entry: Entry) -> Entry {
    entry.raw(257, b"ustar  \0")
}

fn formats() -> Vec<Vector> {
    let v7 = || file("f", "x").raw(257, [0; 8]);
    vec![
        ("V-tar-13-v7", one(v7()), Tree("f f 644 \"x\"")),
        (
            "V-tar-13-gnu",
            one(gnu(file("f", "x"))),
            Tree("f f 644 \"x\""),
        ),
        (
            "V-tar-13-star",
            one(file("f", "x").raw(345, "p").raw(508, "tar\0")),
            Tree("p d 755\np/f f 644 \"x\""),
        ),
        (
            "V-tar-13-prefix",
            one(file("f", "x").raw(345, "a/b")),
            Tree("a d 755\na/b d 755\na/b/f f 644 \"x\""),
        ),
        (
            "V-tar-13-gnu-no-prefix",
            one(gnu(file("f", "x").raw(345, "times"))),
            Tree("f f 644 \"x\""),
        ),
        (
            "V-tar-14",
            one(file(b"\xe9", "x").signed_sum()),
            Tree("\\xe9 f 644 \"x\""),
        ),
        (
            "V-tar-15",
            one(file("f", "x").raw(148, "000123\0 ")),
            Error("not a tar archive"),
        ),
        (
            "V-tar-15-later",
            Archive::of([file("a", "x"), file("f", "x").raw(148, "000123\0 ")]),
            Error("offset 1024: wrong header checksum"),
        ),
        (
            "V-tar-16-blanks",
            one(file("f", "").raw(100, "   640 \0")),
            Tree("f f 640"),
        ),
        (
            "V-tar-16-full",
            one(file("f", "").raw(100, "00000640")),
            Tree("f f 640"),
        ),
        (
            "V-tar-17-size",
            one(file("f", "x").raw(124, [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
            Tree("f f 644 \"x\""),
        ),
        (
            "V-tar-17-time",
            one(file("f", "x").raw(
                136,
                [0xff, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 254],
            )),
            Tree("f f 644 \"x\" @-2"),
        ),
        (
            "V-tar-17-uid",
            one(file("f", "").raw(108, [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff])),
            Tree("f f 644 2147483647:0:0644:file"),
        ),
    ]
}

fn numbers() -> Vec<Vector> {
    let negative = [0xff; 12];
    let huge = [0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
    vec![
        (
            "V-tar-18-negative",
            one(file("f", "").raw(124, negative)),
            Error("member \"f\", offset 0: field size"),
        ),
        (
            "V-tar-18-huge",
            one(file("f", "").raw(124, huge)),
            Error("field size"),
        ),
        (
            "V-tar-18-text",
            one(file("f", "").raw(124, "12x45678901\0")),
            Error("field size"),
        ),
        (
            "V-tar-19-uid",
            one(file("f", "").raw(108, [0x80, 0, 0, 0, 255, 255, 255, 255])),
            Error("field uid"),
        ),
        (
            "V-tar-19-gid",
            one(file("f", "").pax("gid", "4294967295")),
            Error("field gid"),
        ),
        (
            "V-tar-19-largest",
            one(file("f", "").pax("gid", "4294967294")),
            Tree("f f 644 0:4294967294:0644:file"),
        ),
    ]
}

fn extensions() -> Vec<Vector> {
    let long_name =
        |letter, text: &str| gnu(entry(letter, "././@LongLink").content(format!("{text}\0")));
    vec![
        (
            "V-tar-20",
            Archive::of([long_name('L', &long()), file("short", "x")]),
            Tree(LONG_TREE),
        ),
        (
            "V-tar-20-link",
            Archive::of([long_name('K', "to/a/far/place"), symlink("l", "short")]),
            Tree("l l -> to/a/far/place"),
        ),
        (
            "V-tar-21",
            Archive::of([
                long_name('L', "loses"),
                file("short", "x").pax("path", "wins"),
            ]),
            Tree("wins f 644 \"x\""),
        ),
        (
            "V-tar-22",
            one(file("short", "x")
                .size(0)
                .pax("size", "1")
                .pax("path", "p")
                .pax("uid", "7")
                .pax("gid", "8")
                .pax("mtime", "1.5")),
            Tree("p f 644 7:8:0644:file \"x\" @1.500000000"),
        ),
        (
            "V-tar-22-link",
            one(symlink("l", "short").pax("linkpath", "long")),
            Tree("l l -> long"),
        ),
        (
            "V-tar-23",
            one(file("f", "x")
                .pax("atime", "1")
                .pax("ctime", "2")
                .pax("uname", "nobody")
                .pax("gname", "no")
                .pax("comment", "")
                .pax("hdrcharset", "BINARY")),
            Tree("f f 644 \"x\""),
        ),
        (
            "V-tar-24-length",
            raw_pax(b"99 path=x\n"),
            Error("malformed extended header"),
        ),
        (
            "V-tar-24-zero",
            raw_pax(b"0 path=x\n"),
            Error("malformed extended header"),
        ),
        (
            "V-tar-24-equals",
            raw_pax(b"8 path\n"),
            Error("malformed extended header"),
        ),
        (
            "V-tar-24-no-equals",
            raw_pax(b"7 path\n"),
            Error("malformed extended header"),
        ),
        (
            "V-tar-24-nul",
            raw_pax(&record(b"path", b"a\0b")),
            Error("malformed extended header"),
        ),
        (
            "V-tar-24-number",
            raw_pax(&record(b"size", b"1e3")),
            Error("field size"),
        ),
        (
            "V-tar-25",
            one(file("f", "").pax("comment", vec![b'x'; 1 << 20])),
            Error("more than 1 MiB"),
        ),
        (
            "V-tar-26",
            Archive::of([
                entry('g', "pax_global_header").content(record(b"comment", b"0a1b")),
                file("f", "x"),
            ]),
            Tree("f f 644 \"x\""),
        ),
        (
            "V-tar-26-alone",
            one(entry('g', "pax_global_header").content(record(b"comment", b"0a1b"))),
            Tree(""),
        ),
        (
            "V-tar-26-path",
            Archive::of([
                entry('g', "g").content(record(b"path", b"all")),
                file("f", "x"),
            ]),
            Error("global extended header with path"),
        ),
        (
            "V-tar-26-size",
            Archive::of([
                entry('g', "g").content(record(b"size", b"0")),
                file("f", "x"),
            ]),
            Error("global extended header with size"),
        ),
    ]
}

fn raw_pax(records: &[u8]) -> Archive {
    Archive::of([entry('x', "PaxHeaders/f").content(records), file("f", "")])
}

fn sparse() -> Vec<Vector> {
    let descriptor = |offset: u64, length: u64| format!("{offset:011o}\0{length:011o}\0");
    let old = |pieces: &str, real: u64, content: &str| {
        gnu(entry('S', "f").content(content))
            .raw(345, [0; 167])
            .raw(386, pieces)
            .raw(483, format!("{real:011o}\0"))
    };
    let form_1 = |map: &str, content: &str| {
        let mut stored = map.as_bytes().to_vec();
        stored.resize(stored.len().next_multiple_of(512), 0);
        stored.extend(content.as_bytes());
        file("GNUSparseFile.1/f", stored)
            .pax("GNU.sparse.major", "1")
            .pax("GNU.sparse.minor", "0")
            .pax("GNU.sparse.name", "f")
            .pax("GNU.sparse.realsize", "12")
    };
    const TREE: &str = r#"f f 644 "\0\0\0\0abc\0\0de\0""#;
    let two = descriptor(4, 3) + &descriptor(9, 2) + &descriptor(12, 0);
    vec![
        ("V-tar-27", one(old(&two, 12, "abcde")), Tree(TREE)),
        (
            "V-tar-27-more",
            old_sparse_with_more(),
            Tree("f f 644 60 bytes"),
        ),
        (
            "V-tar-28",
            one(file("f", "abcde")
                .pax("GNU.sparse.size", "12")
                .pax("GNU.sparse.numblocks", "2")
                .pax("GNU.sparse.offset", "4")
                .pax("GNU.sparse.numbytes", "3")
                .pax("GNU.sparse.offset", "9")
                .pax("GNU.sparse.numbytes", "2")),
            Tree(TREE),
        ),
        (
            "V-tar-29",
            one(file("GNUSparseFile.1/f", "abcde")
                .pax("GNU.sparse.size", "12")
                .pax("GNU.sparse.name", "f")
                .pax("GNU.sparse.map", "4,3,9,2")),
            Tree(TREE),
        ),
        (
            "V-tar-30",
            one(form_1("2\n4\n3\n9\n2\n", "abcde")),
            Tree(TREE),
        ),
        (
            "V-tar-30-cut-map",
            one(form_1("900\n4\n", "")),
            Error("malformed map of a sparse file"),
        ),
        (
            "V-tar-31-overlap",
            one(form_1("2\n4\n3\n6\n2\n", "abcde")),
            Error("malformed map of a sparse file"),
        ),
        (
            "V-tar-31-unsorted",
            one(form_1("2\n9\n2\n4\n3\n", "abcde")),
            Error("malformed map of a sparse file"),
        ),
        (
            "V-tar-31-beyond",
            one(form_1("2\n4\n3\n11\n2\n", "abcde")),
            Error("malformed map of a sparse file"),
        ),
        (
            "V-tar-31-sum",
            one(form_1("1\n4\n3\n", "abcde")),
            Error("malformed map of a sparse file"),
        ),
        (
            "V-tar-31-number",
            one(form_1("1\n-4\n3\n", "abc")),
            Error("malformed map of a sparse file"),
        ),
        (
            "V-tar-31-digits",
            one(form_1(&"1".repeat(600), "")),
            Error("malformed map of a sparse file"),
        ),
        (
            "V-tar-31-odd",
            one(file("f", "abc")
                .pax("GNU.sparse.size", "12")
                .pax("GNU.sparse.map", "4,3,9")),
            Error("malformed map"),
        ),
    ]
}

/// Six pieces of one byte: four in the header, two in the block that follows.
fn old_sparse_with_more() -> Archive {
    let descriptor = |at: u64| format!("{:011o}\0{:011o}\0", at * 10, 1);
    let first: String = (0..4).map(descriptor).collect();
    let header = gnu(entry('S', "f").size(6))
        .raw(345, [0; 167])
        .raw(386, first)
        .raw(482, [1])
        .raw(483, format!("{:011o}\0", 60));
    let mut more: Vec<u8> = (4..6).map(descriptor).collect::<String>().into_bytes();
    more.resize(512, 0);
    more.extend(b"uvwxyz");
    more.resize(1024, 0);
    Archive::of([header]).endless().then(more).then([0; 1024])
}

fn types() -> Vec<Vector> {
    let ok = "f f 644 \"x\"";
    vec![
        (
            "V-tar-32-D",
            one(entry('D', "f")),
            Error("unknown type \"D\""),
        ),
        (
            "V-tar-32-M",
            one(entry('M', "f")),
            Error("unknown type \"M\""),
        ),
        (
            "V-tar-32-V",
            Archive::of([entry('V', "label"), file("f", "x")]),
            Tree(ok),
        ),
        (
            "V-tar-33",
            one(entry('Z', "f")),
            Error("member \"f\", offset 0: unknown type \"Z\""),
        ),
        ("V-tar-34-7", one(entry('7', "f").content("x")), Tree(ok)),
        ("V-tar-34-nul", one(entry('\0', "f").content("x")), Tree(ok)),
        (
            "V-tar-34-slash",
            one(entry('\0', "d/").mode(0o750)),
            Tree("d d 750"),
        ),
        ("V-tar-35", one(file("f", "x")).endless(), Tree(ok)),
        (
            "V-tar-36",
            one(file("f", "x"))
                .endless()
                .then([0; 512])
                .then(one(file("g", "")).finish()),
            Error("single zero block"),
        ),
        (
            "V-tar-36-end",
            one(file("f", "x")).endless().then([0; 512]),
            Tree(ok),
        ),
        (
            "V-tar-37-header",
            one(file("f", "x")).then(one(file("g", "")).finish()),
            Tree(ok),
        ),
        (
            "V-tar-37-garbage",
            one(file("f", "x")).then("garbage"),
            Tree(ok),
        ),
        (
            "V-tar-38-header",
            Archive::of([file("f", "x"), file("g", "")]).cut(1200),
            Error("the archive ends inside a header"),
        ),
        (
            "V-tar-38-data",
            one(file("f", "x".repeat(2000))).cut(1500),
            Error("member \"f\", offset 0: the archive ends inside content"),
        ),
        (
            "V-tar-38-pax",
            one(file("f", "").pax("comment", "x")).cut(600),
            Error("the archive ends inside an extended header"),
        ),
        (
            "V-tar-38-alone",
            one(entry('x', "p").content(record(b"path", b"x"))),
            Error("the archive ends inside a member"),
        ),
        (
            "V-tar-39",
            Archive::of([
                file("f", "x"),
                directory("d").size(1000),
                symlink("l", "f").size(1000),
                entry('1', "h").link("f").size(1000),
                entry('3', "c").device(1, 3).size(1000),
            ]),
            Tree("c f 644 0:0:0644:char-1-3\nd d 755\nf f 644 \"x\"\nh f 644 \"x\" =f\nl l -> f"),
        ),
    ]
}

#[test]
fn headers_of_every_format_are_read_or_refused() {
    check("10.2 formats", formats());
    check("10.2 numbers", numbers());
    check("10.2 extended headers", extensions());
    check("10.2 sparse files", sparse());
    check("10.2 types and ends", types());
}
