use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::*;

const ALL: [Compression; 5] = [
    Compression::None,
    Compression::Gzip(6),
    Compression::Gzip(0),
    Compression::Gzip(1),
    Compression::Zstd(3),
];

/// Bytes that compress a little, the same in every run.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"etaoin shrdlu\n/usr/lib"[(state >> 24) as usize % 22]
    };
    (0..length).map(next).collect()
}

fn made(threads: usize, compression: Compression, pieces: &[&[u8]]) -> (Vec<u8>, Compressed) {
    let mut output = Vec::new();
    let threads = NonZero::new(threads).unwrap();
    let ((), compressed) = compress_on::<_, io::Error>(threads, compression, &mut output, |to| {
        pieces.iter().try_for_each(|piece| to.write_all(piece))
    })
    .unwrap();
    (output, compressed)
}

#[test]
fn v_pack_26_bytes_depend_neither_on_threads_nor_on_pieces() {
    for length in [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20] {
        let input = sample(length);
        for compression in ALL {
            let (first, compressed) = made(1, compression, &[&input]);
            let pieces: Vec<&[u8]> = input.chunks(10_007).collect();
            for threads in [2, 16] {
                let (other, _) = made(threads, compression, &pieces);
                assert!(first == other, "{compression:?} {length} {threads}");
            }
            assert_eq!(compressed.diff_id, Digest::of(&input));
            assert_eq!(compressed.digest, Digest::of(&first));
            assert_eq!(compressed.size, first.len() as u64);
        }
    }
}

/// What a program makes of `input`; it must end well.
fn through(program: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut output = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut output)
            .unwrap();
    });
    assert!(child.wait().unwrap().success(), "{program:?}");
    output
}

#[test]
fn v_pack_27_other_readers_find_the_archive() {
    let input = sample((3 << 20) + 17);
    let python = [
        "python3",
        "-c",
        "import gzip, sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))",
    ];
    for level in [0, 1, 6, 9] {
        let (gzip, _) = made(2, Compression::Gzip(level), &[&input]);
        through(&["gzip", "-t"], &gzip);
        assert!(through(&["gzip", "-dc"], &gzip) == input, "gzip {level}");
        assert!(through(&python, &gzip) == input, "python {level}");
    }
    let (zstd, _) = made(2, Compression::Zstd(3), &[&input]);
    assert!(zstd::decode_all(&zstd[..]).unwrap() == input);
}

#[test]
fn header_says_nothing_of_this_machine() {
    let (gzip, _) = made(1, Compression::default(), &[b"x"]);
    assert_eq!(gzip[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn full_output_is_the_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let input = sample(20 << 20);
    for compression in ALL {
        let result = compress::<_, io::Error>(compression, Full, |to| to.write_all(&input));
        let kind = result.unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::StorageFull, "{compression:?}");
    }
}

#[test]
fn failed_filler_is_the_error() {
    for compression in ALL {
        let result = compress::<(), io::Error>(compression, io::sink(), |to| {
            to.write_all(&sample(3 << 20))?;
            Err(io::Error::other("unreadable"))
        });
        assert_eq!(result.unwrap_err().to_string(), "unreadable");
    }
}

#[test]
fn compressions_have_names_and_levels() {
    assert_eq!(
        Compression::named("gzip", None),
        Ok(Compression::Gzip(6)),
        "the default"
    );
    assert_eq!(
        Compression::named("zstd", Some(19)),
        Ok(Compression::Zstd(19))
    );
    for (name, level, text) in [
        (
            "lz4",
            None,
            "unknown compression: \"lz4\"; there are gzip, zstd and uncompressed",
        ),
        (
            "gzip",
            Some(10),
            "compression level 10 is not one of gzip's, 0 to 9",
        ),
        (
            "uncompressed",
            Some(3),
            "compression uncompressed has no levels",
        ),
        (
            "zstd",
            Some(0),
            "compression level 0 is not one of zstd's, 1 to 19",
        ),
    ] {
        let error = Compression::named(name, level).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}
