//! layers.md 11: what a layer becomes when it is packed. Each layer comes from an archive made by hand, or is changed
//! by hand afterwards; the result is read by another implementation.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

use ch_linux::{file as disk, xattr};
use ch_oci::Digest;
use ch_ownership::{OWNERS_FILE, Owner, Owners};
use proptest::prelude::*;

use super::archive::{Archive, Entry, directory, entry, file, hard_link, symlink};
use super::{Layer, full_text, list, unindent};
use crate::unpack::RootAttributes;
use crate::{Content, Ownership, PackError, PackOptions, Packed, pack_layer, pack_tree};

/// A layer of these members, and what it says of its root.
fn layer(entries: impl IntoIterator<Item = Entry>) -> (Layer, Option<RootAttributes>) {
    let layer = Layer::new();
    let unpacked = layer.unpack(&Archive::of(entries).finish()[..]).unwrap();
    (layer, unpacked.root)
}

fn owners(layer: &Layer) -> Owners {
    match fs::read(layer.directory.path().join(OWNERS_FILE)) {
        Ok(text) => Owners::read(&text[..]).unwrap(),
        Err(_) => Owners::default(),
    }
}

fn pack_with(
    layer: &Layer,
    root: Option<&RootAttributes>,
    options: &PackOptions,
) -> Result<(Vec<u8>, Packed), PackError> {
    let mut archive = Vec::new();
    let files = layer.open();
    let content = Content {
        files: files.as_fd(),
        owners: &owners(layer),
    };
    let packed = pack_layer(content, root, options, &mut archive)?;
    Ok((archive, packed))
}

fn pack((layer, root): &(Layer, Option<RootAttributes>)) -> Vec<u8> {
    pack_with(layer, root.as_ref(), &PackOptions::default())
        .unwrap()
        .0
}

/// An archive as text, by the `tar` crate: `NAME TYPE MODE UID:GID @TIME SIZE [-> LINK] [MAJOR,MINOR] ["CONTENT"] [KEY=VALUE]`.
fn listing(archive: &[u8]) -> String {
    let mut text = String::new();
    for member in tar::Archive::new(archive).entries().unwrap() {
        let mut member = member.unwrap();
        let header = member.header().clone();
        let path = member.path_bytes().into_owned();
        write!(
            text,
            "{} {} {:o} {}:{} @{} {}",
            path.escape_ascii(),
            header.entry_type().as_byte() as char,
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
            member.size(),
        )
        .unwrap();
        if let Some(link) = member.link_name_bytes() {
            write!(text, " -> {}", link.escape_ascii()).unwrap();
        }
        if matches!(header.entry_type().as_byte(), b'3' | b'4') {
            let (major, minor) = (header.device_major(), header.device_minor());
            write!(
                text,
                " {},{}",
                major.unwrap().unwrap(),
                minor.unwrap().unwrap()
            )
            .unwrap();
        }
        let records: Vec<(String, Vec<u8>)> = member
            .pax_extensions()
            .unwrap()
            .into_iter()
            .flatten()
            .map(|record| record.unwrap())
            .map(|record| {
                (
                    record.key().unwrap().to_owned(),
                    record.value_bytes().to_vec(),
                )
            })
            .collect();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        if !content.is_empty() && content.len() <= 40 {
            write!(text, " {:?}", String::from_utf8_lossy(&content)).unwrap();
        }
        for (key, value) in records {
            write!(text, " {key}={}", value.escape_ascii()).unwrap();
        }
        text.push('\n');
    }
    text
}

/// One vector: its ID, a layer, the members of its archive, and the first digits of the digest of its bytes.
type Vector = (&'static str, Vec<Entry>, &'static str, &'static str);

fn vectors() -> Vec<Vector> {
    let long = |count: usize| "d/".repeat(count) + "f";
    vec![
        (
            "V-pack-1 order",
            vec![
                file("b", "2"),
                directory("a"),
                file("a/z", "1"),
                file("a.txt", ""),
                file("a-", ""),
            ],
            "a/ 5 755 0:0 @0 0
             a/z 0 644 0:0 @0 1 \"1\"
             a- 0 644 0:0 @0 0
             a.txt 0 644 0:0 @0 0
             b 0 644 0:0 @0 1 \"2\"",
            "92409f165266",
        ),
        (
            "V-pack-1 root",
            vec![directory("./").mode(0o711).time(7).owner(3, 4), file("f", "")],
            "./ 5 711 3:4 @7 0
             f 0 644 0:0 @0 0",
            "1d36e7658ed9",
        ),
        (
            "V-pack-2 names, V-pack-3 parents",
            vec![
                directory("./usr/").mode(0o555).owner(8, 9).time(5),
                directory("/usr/bin/"),
                file("./usr/bin/x", "x"),
            ],
            "usr/ 5 555 8:9 @5 0
             usr/bin/ 5 755 0:0 @0 0
             usr/bin/x 0 644 0:0 @0 1 \"x\"",
            "43cfde6113ff",
        ),
        (
            "V-pack-4 ids, names",
            vec![
                file("\u{e9}", "").owner(2_097_151, 2_097_151),
                file("big", "")
                    .pax("uid", "2097152")
                    .pax("gid", "4294967294"),
                file(b"\xff\xfe", ""),
                symlink("l", "\u{e9}"),
            ],
            "big 0 644 2097152:4294967294 @0 0 gid=4294967294 uid=2097152
             l 2 777 0:0 @0 0 -> \\xc3\\xa9 linkpath=\\xc3\\xa9
             \\xc3\\xa9 0 644 2097151:2097151 @0 0 path=\\xc3\\xa9
             \\xff\\xfe 0 644 0:0 @0 0",
            "3b79817b486e",
        ),
        (
            "V-pack-5 times are rounded down",
            vec![
                file("old", "").pax("mtime", "-1.5"),
                file("new", "").pax("mtime", "1700000000.999999999"),
            ],
            "new 0 644 0:0 @1700000000 0
             old 0 644 0:0 @0 0 mtime=-2",
            "0ffe761d2245",
        ),
        (
            "V-pack-7 owners, V-pack-8 modes",
            vec![
                file("su", "").mode(0o4711),
                file("sg", "").mode(0o2755).owner(0, 42),
                file("none", "").mode(0).owner(1000, 1000),
                directory("t").mode(0o1777),
                directory("g").mode(0o2775).owner(0, 8),
                symlink("l", "su").owner(5, 6),
            ],
            "g/ 5 2775 0:8 @0 0
             l 2 777 5:6 @0 0 -> su
             none 0 0 1000:1000 @0 0
             sg 0 2755 0:42 @0 0
             su 0 4711 0:0 @0 0
             t/ 5 1777 0:0 @0 0",
            "1f9de39ff67e",
        ),
        (
            "V-pack-9 devices",
            vec![
                entry('3', "null").device(1, 3).mode(0o666),
                entry('4', "sda1").device(8, 1).mode(0o660).owner(0, 6),
                entry('6', "fifo").mode(0o600).owner(7, 7),
            ],
            "fifo 6 600 7:7 @0 0
             null 3 666 0:0 @0 0 1,3
             sda1 4 660 0:6 @0 0 8,1",
            "1b6f9959973e",
        ),
        (
            "V-pack-11 whiteouts, V-pack-12 opaque directories",
            vec![
                file(".wh.gone", ""),
                directory("o"),
                file("o/.wh..wh..opq", ""),
                file("o/f", ""),
                directory("p"),
                file("p/.wh.x", ""),
                file("p/w", ""),
            ],
            ".wh.gone 0 0 0:0 @0 0
             o/ 5 755 0:0 @0 0
             o/.wh..wh..opq 0 0 0:0 @0 0
             o/f 0 644 0:0 @0 0
             p/ 5 755 0:0 @0 0
             p/w 0 644 0:0 @0 0
             p/.wh.x 0 0 0:0 @0 0",
            "186fc8d7fb40",
        ),
        (
            "V-pack-14 hard links",
            vec![
                file("z", "same").mode(0o4755).owner(1, 2),
                hard_link("a", "z").mode(0o4755).owner(1, 2),
                directory("m"),
                hard_link("m/b", "z").mode(0o4755).owner(1, 2),
            ],
            "a 0 4755 1:2 @0 4 \"same\"
             m/ 5 755 0:0 @0 0
             m/b 1 4755 1:2 @0 0 -> a
             z 1 4755 1:2 @0 0 -> a",
            "bf9fa18ad8e2",
        ),
        (
            "V-pack-17 attributes",
            vec![
                file("f", "")
                    .pax("SCHILY.xattr.user.note", "one two")
                    .pax(
                        "SCHILY.xattr.security.capability",
                        b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                    )
                    .pax("SCHILY.xattr.trusted.x", "t")
                    .pax("SCHILY.xattr.user.overlay.opaque", "y"),
                symlink("l", "f").pax("SCHILY.xattr.user.on-link", "v"),
            ],
            "f 0 644 0:0 @0 0 SCHILY.xattr.security.capability=\\x01\\x00\\x00\\x02\\x00 \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00 SCHILY.xattr.trusted.x=t SCHILY.xattr.user.note=one two SCHILY.xattr.user.overlay.opaque=y
             l 2 777 0:0 @0 0 -> f SCHILY.xattr.user.on-link=v",
            "e18945bdd6b0",
        ),
        (
            "V-pack-4 long names",
            vec![
                file(long(60), ""),
                file("n".repeat(101), ""),
                symlink("link", "t".repeat(120)),
            ],
            "",
            "6b67720874a7",
        ),
    ]
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the run shows how many vectors there were"
)]
fn v_pack_layers_become_these_archives() {
    let vectors = vectors();
    let count = vectors.len();
    for (id, entries, expected, digest) in vectors {
        let made = layer(entries);
        let archive = pack(&made);
        let listing = listing(&archive);
        if !expected.is_empty() {
            assert_eq!(listing, unindent(expected), "{id}");
        }
        let found = Digest::of(&archive);
        assert!(
            found.hex().starts_with(digest) && !digest.is_empty(),
            "{id}: {found}\n{listing}"
        );
        // V-pack-23: back and forth loses nothing.
        let again = Layer::new();
        let root = again.unpack(&archive[..]).unwrap().root;
        assert!(pack(&(again, root)) == archive, "{id}: not the inverse");
    }
    println!("layers.md 11: {count} vectors");
}

#[test]
fn v_pack_6_no_member_is_younger_than_asked_for() {
    let (made, root) = layer([file("new", "").time(900), file("old", "").time(100)]);
    let options = PackOptions {
        latest: Some(500),
        ..PackOptions::default()
    };
    let (archive, _) = pack_with(&made, root.as_ref(), &options).unwrap();
    let expected = "new 0 644 0:0 @500 0\nold 0 644 0:0 @100 0\n";
    assert_eq!(listing(&archive), expected);
}

#[test]
fn everything_is_roots_where_that_is_asked_for() {
    let capability = "SCHILY.xattr.security.capability";
    let (made, root) = layer([
        directory("./").mode(0o2755).owner(3, 4),
        entry('4', "disk").device(7, 9).owner(0, 6),
        file("f", "x").mode(0o6755).owner(1, 2).pax(
            capability,
            b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ),
        hard_link("g", "f").mode(0o6755).owner(1, 2),
        entry('3', "null").device(1, 3),
        entry('6', "pipe").owner(5, 5),
        symlink("s", "f").owner(7, 8),
        directory("tmp").mode(0o1777).owner(9, 9),
    ]);
    let options = PackOptions {
        ownership: Ownership::Root,
        ..PackOptions::default()
    };
    let (archive, packed) = pack_with(&made, root.as_ref(), &options).unwrap();
    let expected = "./ 5 755 0:0 @0 0\nf 0 755 0:0 @0 1 \"x\"\ng 1 755 0:0 @0 0 -> f\n\
                    pipe 6 644 0:0 @0 0\ns 2 777 0:0 @0 0 -> f\ntmp/ 5 1777 0:0 @0 0\n";
    assert_eq!(listing(&archive), expected);
    assert_eq!(packed.devices, 2);
}

#[test]
fn v_pack_10_sockets_are_counted_and_left_out() {
    let made = layer([directory("run")]);
    let socket = made.0.files().join("run/socket");
    std::os::unix::net::UnixListener::bind(socket).unwrap();
    let (archive, packed) = pack_with(&made.0, None, &PackOptions::default()).unwrap();
    assert_eq!(packed.sockets, 1);
    assert!(!listing(&archive).contains("socket"));
}

#[test]
fn v_pack_13_name_of_a_whiteout_is_refused() {
    let made = layer([directory("d")]);
    fs::write(made.0.files().join("d/.wh.x"), "").unwrap();
    let error = pack_with(&made.0, None, &PackOptions::default()).unwrap_err();
    assert_eq!(
        full_text(&error),
        "\"d/.wh.x\": its name means a removal, so no layer can hold it"
    );
}

#[test]
fn v_pack_15_lone_name_of_a_shared_file_is_a_file() {
    let made = layer([file("one", "x")]);
    let elsewhere = made.0.directory.path().join("of another layer");
    fs::hard_link(made.0.files().join("one"), elsewhere).unwrap();
    assert_eq!(listing(&pack(&made)), "one 0 644 0:0 @0 1 \"x\"\n");
}

#[test]
fn v_pack_16_whiteouts_with_one_inode_are_two() {
    let made = layer([file(".wh.a", "")]);
    let files = made.0.files();
    fs::hard_link(files.join("a"), files.join("b")).unwrap();
    assert_eq!(
        listing(&pack(&made)),
        ".wh.a 0 0 0:0 @0 0\n.wh.b 0 0 0:0 @0 0\n"
    );
}

#[test]
fn v_pack_18_attributes_of_the_machine_stay() {
    let made = layer([file("f", "")]);
    let opened = fs::File::open(made.0.files().join("f")).unwrap();
    for name in [
        "user.overlay.origin",
        "user.containers.other",
        "user.chimage.note",
    ] {
        xattr::set(&opened, name.as_bytes(), b"v").unwrap();
    }
    assert_eq!(listing(&pack(&made)), "f 0 644 0:0 @0 0\n");
}

#[test]
fn v_pack_19_holes_are_zeros_in_the_archive() {
    let made = layer([file("sparse", "")]);
    let path = made.0.files().join("sparse");
    let opened = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let size = 10_000_000;
    disk::set_size(&opened, size).unwrap();
    let write = |text: &[u8], at| std::os::unix::fs::FileExt::write_all_at(&opened, text, at);
    write(b"start", 0).unwrap();
    write(b"middle", 5_000_000).unwrap();
    disk::set_modified(&opened, disk::Time::default()).unwrap();
    let archive = pack(&made);
    let content = &archive[512..512 + usize::try_from(size).unwrap()];
    assert!(content == fs::read(&path).unwrap());
}

#[test]
fn v_pack_20_archive_ends_with_two_blocks_and_no_more() {
    let made = layer([file("f", "12345")]);
    let archive = pack(&made);
    assert_eq!(archive.len(), 4 * 512);
    assert!(archive[2 * 512..].iter().all(|byte| *byte == 0));
}

#[test]
fn v_pack_25_stack_is_packed_as_it_shows() {
    let (low, _) = layer([
        directory("./").mode(0o700).time(9),
        directory("d").owner(1, 1),
        file("d/kept", "low").owner(2, 2),
        file("d/gone", ""),
        file("replaced", "low"),
        hard_link("replaced2", "replaced"),
        directory("o"),
        file("o/hidden", ""),
    ]);
    let (top, _) = layer([
        directory("d").owner(3, 3),
        file("d/.wh.gone", ""),
        file("replaced", "top"),
        directory("o"),
        file("o/.wh..wh..opq", ""),
        symlink("l", "d").owner(4, 4),
    ]);
    let root = RootAttributes {
        mode: 0o755,
        modified: disk::Time::default(),
        attributes: std::collections::BTreeMap::new(),
    };
    let (top_files, low_files) = (top.open(), low.open());
    let (top_owners, low_owners) = (owners(&top), owners(&low));
    let contents = [
        Content {
            files: top_files.as_fd(),
            owners: &top_owners,
        },
        Content {
            files: low_files.as_fd(),
            owners: &low_owners,
        },
    ];
    let mut archive = Vec::new();
    pack_tree(&contents, &root, &PackOptions::default(), &mut archive).unwrap();
    let expected = "
        ./ 5 755 0:0 @0 0
        d/ 5 755 3:3 @0 0
        d/kept 0 644 2:2 @0 3 \"low\"
        l 2 777 4:4 @0 0 -> d
        o/ 5 755 0:0 @0 0
        replaced 0 644 0:0 @0 3 \"top\"
        replaced2 0 644 0:0 @0 3 \"low\"";
    assert_eq!(listing(&archive), unindent(expected));
}

#[test]
fn v_pack_24_other_readers_take_every_archive_without_a_word() {
    for (id, entries, _, _) in vectors() {
        let archive = pack(&layer(entries));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("archive.tar");
        fs::write(&path, &archive).unwrap();
        let python = "import sys, tarfile; [m for m in tarfile.open(sys.argv[1])]";
        let readers: [&[&str]; 2] = [&["tar", "-tvf"], &["python3", "-c", python]];
        for reader in readers {
            let done = Command::new(reader[0])
                .args(&reader[1..])
                .arg(&path)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(
                done.status.success() && said.is_empty(),
                "{id}: {reader:?}: {said}"
            );
        }
    }
}

/// Files, directories and links of any attributes, each in a directory of its own kind.
fn any_entry() -> impl Strategy<Value = Entry> {
    let name = "[a-c]{1,2}(/[a-c\u{e9}]{1,120}){0,2}";
    (
        name,
        0..6u8,
        0..0o10000u64,
        (0..3_000_000u64, 0..3_000_000u64),
        -5_000_000_000i64..5_000_000_000,
        proptest::option::of(proptest::collection::vec(1u8..255, 0..50)),
    )
        .prop_map(|(name, kind, mode, (uid, gid), time, attribute)| {
            let made = match kind {
                0 => directory(&name),
                1 => symlink(&name, "where\u{e9}ver"),
                2 => entry('6', &name),
                3 => entry('3', &name).device(5, 1),
                _ => file(&name, &name),
            };
            let made = made
                .mode(mode)
                .pax("uid", uid.to_string())
                .pax("gid", gid.to_string())
                .pax("mtime", time.to_string());
            match attribute {
                Some(value) => made.pax("SCHILY.xattr.user.x", value),
                None => made,
            }
        })
}

/// A layer's objects, without what lies beside them, whose lines have no order.
fn objects(layer: &Layer) -> String {
    let lines = list(layer);
    let lines = lines.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("owners:")).collect()
}

/// What lies beside them.
fn beside(layer: &Layer) -> Vec<(Vec<u8>, Owner)> {
    let owners = owners(layer);
    let owners = owners
        .iter()
        .filter(|(_, owner)| **owner != Owner::default());
    owners
        .map(|(path, owner)| (path.to_vec(), owner.clone()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn v_pack_23_unpacking_is_the_inverse_of_packing(
        entries in proptest::collection::vec(any_entry(), 0..12),
    ) {
        let first = Layer::new();
        // What is no layer at all is not our matter here.
        if let Ok(unpacked) = first.unpack(&Archive::of(entries).finish()[..]) {
            let made = (first, unpacked.root);
            let archive = pack(&made);
            let second = Layer::new();
            let root = second.unpack(&archive[..]).unwrap().root;
            prop_assert_eq!(beside(&second), beside(&made.0));
            prop_assert_eq!(objects(&second), objects(&made.0));
            prop_assert_eq!(&root, &made.1);
            prop_assert!(pack(&(second, root)) == archive);
        }
    }
}

#[test]
fn v_pack_22_empty_layer_is_two_blocks() {
    let made = layer([]);
    assert_eq!(pack(&made), vec![0; 1024]);
    let root: PathBuf = made.0.files();
    assert!(root.as_os_str().as_bytes().ends_with(b"/fs"));
}
