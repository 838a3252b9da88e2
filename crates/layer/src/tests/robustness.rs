//! Sizes, races and garbage.

use std::fs;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::archive::{Archive, directory, entry, file, hard_link, symlink};
use super::{Layer, list};

#[test]
fn names_beyond_what_one_inode_may_have_are_copies() {
    let links = 66_000;
    let names = (0..links).map(|number| hard_link(format!("d{}/{number}", number / 1000), "f"));
    let archive = Archive::of(std::iter::once(file("f", "x")).chain(names)).finish();
    let layer = Layer::new();
    let found = layer.unpack(&archive[..]).unwrap();
    assert_eq!(found.entries, links + 1);
    let last = layer
        .files()
        .join(format!("d{}/{}", (links - 1) / 1000, links - 1));
    assert_eq!(fs::read_to_string(last).unwrap(), "x", "V-tar-97");
    let status = ch_linux::file::status_at(layer.open(), "f").unwrap();
    // ext4 stops at 65,000; others have room for all.
    assert_eq!(
        found.warnings.is_empty(),
        status.links == links + 1,
        "V-tar-97"
    );
}

#[test]
fn many_directories_are_not_kept_open() {
    let entries = (0..3000).map(|number| file(format!("{}/{}/f", number % 300, number), ""));
    let found = Layer::new()
        .unpack(&Archive::of(entries).finish()[..])
        .unwrap();
    assert_eq!(
        (found.entries, found.implied.len()),
        (3000, 3300),
        "V-tar-95"
    );
}

#[test]
fn swapping_directories_for_links_meanwhile_never_leads_out() {
    let layer = Layer::new();
    let outside = layer.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let files = layer.files();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::rename(files.join("d"), files.join("aside"));
                let _ = std::os::unix::fs::symlink("../outside", files.join("d"));
                let _ = fs::remove_file(files.join("d"));
                let _ = fs::rename(files.join("aside"), files.join("d"));
            }
        });
        for _ in 0..40 {
            let entries = (0..100).flat_map(|number| {
                [
                    directory("d").time(7),
                    file(format!("d/{number}"), "x"),
                    file(format!("d/s{number}/f"), ""),
                ]
            });
            // What is pulled away may make it fail; it must only not write elsewhere.
            let _ = layer.unpack(&Archive::of(entries).finish()[..]);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "V-tar-99");
    let status = ch_linux::file::status(ch_linux::file::open_directory(&outside).unwrap()).unwrap();
    assert_ne!(status.modified.seconds, 7, "V-tar-99");
}

/// An archive with a little of everything, to be spoiled.
fn everything() -> Vec<u8> {
    Archive::of([
        directory("./").mode(0o700),
        file("a/b", "content")
            .pax("SCHILY.xattr.user.x", "y")
            .pax("mtime", "1.5"),
        symlink("l", "../.."),
        file("l/x", "through"),
        hard_link("h", "a/b"),
        hard_link("i", "later"),
        file("later", vec![3; 1500]),
        entry('3', "c").device(5, 1),
        entry('6', "p"),
        file("a/.wh.gone", ""),
        file("a/.wh..wh..opq", ""),
        entry('L', "././@LongLink").content("n".repeat(150)),
        file("short", ""),
        file("GNUSparseFile/s", "abc")
            .pax("GNU.sparse.map", "4,3")
            .pax("GNU.sparse.size", "12"),
    ])
    .finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// V-tar-100: whatever the bytes, nothing but the layer changes, and it ends.
    #[test]
    fn spoiled_archives_stay_inside(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8), sums: bool) {
        let mut archive = everything();
        for (at, byte) in changes {
            let at = at % archive.len();
            archive[at] = byte;
        }
        if sums {
            repair_sums(&mut archive);
        }
        let layer = Layer::new();
        fs::write(layer.directory.path().join("owners.bystander"), "x").unwrap();
        let _ = layer.unpack(&archive[..]);
        let beside: Vec<_> = fs::read_dir(layer.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        prop_assert!(beside.iter().all(|name| ["fs", "owners", "owners.bystander"].iter().any(|known| name == known)), "{beside:?}");
    }
}

/// Makes every block that was a header one again, so that what is in it is read.
fn repair_sums(archive: &mut [u8]) {
    for block in archive.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].copy_from_slice(b"        ");
            let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

#[test]
fn pieces_of_any_size_make_the_same_layer() {
    struct Small(std::io::Cursor<Vec<u8>>);
    impl Read for Small {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = buffer.len().min(13);
            self.0.read(&mut buffer[..length])
        }
    }
    let (whole, pieces) = (Layer::new(), Layer::new());
    whole.unpack(&everything()[..]).unwrap();
    pieces
        .unpack(Small(std::io::Cursor::new(everything())))
        .unwrap();
    assert_eq!(list(&whole), list(&pieces));
}
