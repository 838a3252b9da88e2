//! What is around an archive: compression, ends, digests.

use std::io::{self, Cursor, Read, Write};

use ch_oci::Digest;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use super::archive::{Archive, file};
use super::{Error, Expected, Layer, Tree, check_one, full_text};
use crate::{Destination, KeepFree, Options, UnpackError, unpack};

fn plain() -> Vec<u8> {
    Archive::of([file("f", "x")]).finish()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A gzip member with these header fields, by hand.
fn gzip_with(flags: u8, os: u8) -> Vec<u8> {
    const NAME: u8 = 8;
    let mut member = vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, os];
    if flags & 4 != 0 {
        member.extend(b"\x04\0exta");
    }
    if flags & NAME != 0 {
        member.extend(b"name.tar\0");
    }
    if flags & 16 != 0 {
        member.extend(b"a comment\0");
    }
    if flags & 2 != 0 {
        let mut crc = flate2::Crc::new();
        crc.update(&member);
        member.extend(&crc.sum().to_le_bytes()[..2]);
    }
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(&plain()).unwrap();
    member.extend(deflate.finish().unwrap());
    let mut crc = flate2::Crc::new();
    crc.update(&plain());
    member.extend(crc.sum().to_le_bytes());
    member.extend((plain().len() as u32).to_le_bytes());
    member
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Each vector: its ID, the stream, and what must come of it.
fn vectors() -> Vec<(&'static str, Vec<u8>, Expected)> {
    const OK: &str = "f f 644 \"x\"";
    let members = |size| plain().chunks(size).flat_map(gzip).collect::<Vec<_>>();
    let changed = |at_from_end: usize| {
        let mut stream = gzip(&plain());
        let at = stream.len() - at_from_end;
        stream[at] ^= 1;
        stream
    };
    let skippable = || [&[0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let halves = plain();
    let (first, second) = halves.split_at(700);
    vec![
        ("V-tar-1", gzip(&plain()), Tree(OK)),
        ("V-tar-2", members(7), Tree(OK)),
        (
            "V-tar-2-empty",
            [gzip(b""), gzip(&plain()), gzip(b"")].concat(),
            Tree(OK),
        ),
        ("V-tar-3-extra", gzip_with(4, 0), Tree(OK)),
        ("V-tar-3-name", gzip_with(8, 255), Tree(OK)),
        ("V-tar-3-comment", gzip_with(16, 3), Tree(OK)),
        ("V-tar-3-crc", gzip_with(2, 11), Tree(OK)),
        ("V-tar-3-all", gzip_with(30, 7), Tree(OK)),
        (
            "V-tar-4-zeros",
            [gzip(&plain()), vec![0; 700_000]].concat(),
            Tree(OK),
        ),
        (
            "V-tar-4-others",
            [gzip(&plain()), b"more".to_vec()].concat(),
            Error("bytes after the end of the gzip data"),
        ),
        (
            "V-tar-4-late",
            [gzip(&plain()), vec![0; 700_000], b"x".to_vec()].concat(),
            Error("bytes after the end"),
        ),
        ("V-tar-5", zstd(&plain()), Tree(OK)),
        (
            "V-tar-5-frames",
            [zstd(first), skippable(), zstd(second)].concat(),
            Tree(OK),
        ),
        (
            "V-tar-5-skippable-first",
            [skippable(), zstd(&plain())].concat(),
            Tree(OK),
        ),
        (
            "V-tar-6-unknown",
            b"neither this nor that, but long enough to be looked at".repeat(20),
            Error("not a tar archive"),
        ),
        (
            "V-tar-6-xz",
            b"\xfd7zXZ\0\0\x04".to_vec(),
            Error("not yet supported: archives compressed with xz"),
        ),
        (
            "V-tar-7-crc",
            changed(8),
            Error("can't decompress gzip data"),
        ),
        (
            "V-tar-7-length",
            changed(2),
            Error("can't decompress gzip data"),
        ),
        (
            "V-tar-7-cut",
            gzip(&plain())[..60].to_vec(),
            Error("can't decompress gzip data"),
        ),
        (
            "V-tar-7-cut-trailer",
            gzip(&plain())[..gzip(&plain()).len() - 3].to_vec(),
            Error("can't decompress gzip data"),
        ),
        (
            "V-tar-7-cut-zstd",
            zstd(&plain())[..40].to_vec(),
            Error("can't decompress zstd data"),
        ),
        ("V-tar-10", vec![0; 1024], Tree("")),
        ("V-tar-10-gzip", gzip(&[0; 1024]), Tree("")),
        ("V-tar-11", Vec::new(), Tree("")),
    ]
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the run shows how many vectors there were"
)]
fn streams_of_every_compression_are_read_or_refused() {
    let vectors = vectors();
    for (id, stream, expected) in &vectors {
        check_one(id, stream, expected);
    }
    println!("layers.md 10.1: {} vectors", vectors.len());
}

#[test]
fn window_above_128_mib_is_an_error() {
    // A frame header that says 256 MiB, and nothing of that size behind it.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 18 << 3, 1, 0, 0];
    check_one(
        "V-tar-5-window",
        &frame,
        &Error("can't decompress zstd data"),
    );
}

#[test]
fn diff_id_covers_everything_to_the_last_byte() {
    let archive = [plain(), b"garbage after the end".to_vec(), vec![0; 300_000]].concat();
    for stream in [archive.clone(), gzip(&archive), zstd(&archive)] {
        let found = Layer::new().unpack(&stream[..]).unwrap();
        assert_eq!(found.diff_id, Digest::of(&archive), "V-tar-9");
        assert_eq!((found.entries, found.bytes), (1, 1));
    }
    assert_eq!(
        Layer::new().unpack(&b""[..]).unwrap().diff_id,
        Digest::of(b"")
    );
}

/// Gives all bytes, then fails, as a stream does whose digest is wrong.
fn wrong_at_the_end(bytes: Vec<u8>) -> impl Read + Send {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("digest mismatch"))
        }
    }
    Cursor::new(bytes).chain(Fails)
}

#[test]
fn error_of_the_input_goes_before_what_it_did_to_the_archive() {
    let long = Archive::of([file("f", vec![7; 3 << 20])]).finish();
    let mut spoiled = long.clone();
    spoiled[3] ^= 1;
    for stream in [
        long.clone(),
        spoiled,
        gzip(&long)[..500].to_vec(),
        b"no archive".repeat(99),
    ] {
        let error = Layer::new().unpack(wrong_at_the_end(stream)).unwrap_err();
        assert!(
            matches!(error, UnpackError::Read(_)),
            "V-tar-8: {}",
            full_text(&error)
        );
        assert!(full_text(&error).contains("digest mismatch"), "V-tar-8");
    }
}

#[test]
fn zeros_of_a_bomb_are_holes_and_room_is_kept() {
    use std::os::fd::AsFd;
    let layer = Layer::new();
    let archive = Archive::of([file("f", vec![0; 20 << 20])]).finish();
    layer.unpack(&gzip(&archive)[..]).unwrap();
    let status = ch_linux::file::status_at(layer.open(), "f").unwrap();
    assert_eq!((status.size, status.blocks), (20 << 20, 0), "V-tar-12");

    let layer = Layer::new();
    let files = layer.open();
    let destination = Destination {
        files: files.as_fd(),
        beside: files.as_fd(),
    };
    let options = Options {
        keep_free: KeepFree::Bytes(u64::MAX),
    };
    // Holes take no room, whatever the size of the member says.
    let archive = Archive::of([file("holes", vec![0; 65 << 20])]).finish();
    unpack(&archive[..], destination, &options).unwrap();
    // Within one member it is noticed as well.
    let archive = Archive::of([file("full", vec![1; 80 << 20])]).finish();
    let error = unpack(&archive[..], destination, &options).unwrap_err();
    assert!(error.is_no_space(), "V-tar-12: {error}");
    let written = ch_linux::file::status_at(&files, "full").unwrap().size;
    assert!(((64 << 20)..(66 << 20)).contains(&written), "{written}");
}
