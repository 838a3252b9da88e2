//! The same archive unpacked by GNU tar, and the tree of GNU tar packed by us.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use super::{Layer, list};
use crate::pack_plain;

fn run(program: &str, arguments: &[&std::ffi::OsStr]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

/// A tree without anything that only root can make.
fn tree(root: &Path) {
    let long = root.join("n".repeat(120)).join("m".repeat(120));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("f"), "deep").unwrap();
    fs::write(root.join("latin-\u{e9}"), "x").unwrap();
    fs::hard_link(root.join("latin-\u{e9}"), root.join("second")).unwrap();
    symlink("../../outside/".repeat(12), root.join("link")).unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    for at in 0..30u64 {
        std::os::unix::fs::FileExt::write_all_at(&sparse, &[1; 4096], at * 100_000).unwrap();
    }
    sparse.set_len(4 << 20).unwrap();
    fs::write(root.join("large"), vec![7; 700_000]).unwrap();
    fs::create_dir(root.join("closed")).unwrap();
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o1700)).unwrap();
}

#[test]
fn archives_of_gnu_tar_become_the_tree_that_gnu_tar_makes() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    tree(&root);
    let archive = directory.path().join("archive.tar");
    /// A block for the list of extents, which a file has only once it is written back; in units of 512 bytes.
    const EXTENTS: u64 = 8;
    let formats: [&[&str]; 7] = [
        &["--format=gnu"],
        &["--format=gnu", "--sparse"],
        &["--format=pax"],
        &["--format=pax", "--sparse", "--sparse-version=0.0"],
        &["--format=pax", "--sparse", "--sparse-version=0.1"],
        &["--format=pax", "--sparse", "--sparse-version=1.0"],
        &["--format=pax", "-z"],
    ];
    for options in formats {
        let mut arguments: Vec<&std::ffi::OsStr> = options.iter().map(AsRef::as_ref).collect();
        let rest = [
            "--owner=0".as_ref(),
            "--group=0".as_ref(),
            "-cf".as_ref(),
            archive.as_ref(),
            "-C".as_ref(),
            root.as_ref(),
            ".".as_ref(),
        ];
        arguments.extend::<[&std::ffi::OsStr; 7]>(rest);
        run("tar", &arguments);
        let (ours, theirs) = (Layer::new(), Layer::new());
        ours.unpack(fs::File::open(&archive).unwrap()).unwrap();
        run(
            "tar",
            &[
                "-xpf".as_ref(),
                archive.as_ref(),
                "-C".as_ref(),
                theirs.files().as_ref(),
            ],
        );
        assert_eq!(list(&ours), list(&theirs), "{options:?}");
        let blocks = |layer: &Layer| {
            ch_linux::file::status_at(layer.open(), "sparse")
                .unwrap()
                .blocks
        };
        let original = fs::metadata(root.join("sparse")).unwrap();
        let original = std::os::unix::fs::MetadataExt::blocks(&original);
        assert!(blocks(&ours).abs_diff(original) <= EXTENTS, "{options:?}");
        assert!(blocks(&theirs) + EXTENTS >= blocks(&ours));
    }
}

#[test]
fn packed_tree_comes_out_the_same_from_us_and_from_gnu_tar() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    tree(&root);
    let mut archive = Vec::new();
    let opened = ch_linux::file::open_directory(&root).unwrap();
    pack_plain(opened.as_fd(), &mut archive).unwrap();
    let (ours, theirs) = (Layer::new(), Layer::new());
    ours.unpack(&archive[..]).unwrap();
    let file = directory.path().join("archive.tar");
    fs::write(&file, &archive).unwrap();
    run(
        "tar",
        &[
            "-xpf".as_ref(),
            file.as_ref(),
            "-C".as_ref(),
            theirs.files().as_ref(),
        ],
    );
    assert_eq!(list(&ours), list(&theirs));
    let mut again = Vec::new();
    pack_plain(ours.open().as_fd(), &mut again).unwrap();
    assert!(again == archive, "packing is not the inverse of unpacking");
}
