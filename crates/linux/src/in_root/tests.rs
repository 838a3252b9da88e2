use super::*;
use crate::file;
use std::sync::atomic::{AtomicBool, Ordering};

/// `openat2(2)`, and what is done without it.
type Opener = fn(&OwnedFd, &Path, OFlags) -> Result<OwnedFd, SyscallError>;
const OPENERS: [(&str, Opener); 2] = [
    ("openat2", |r, p, f| open(r, p, f)),
    ("walk", |r, p, f| walk(r, p, f)),
];

/// A tree with links that try to leave it, below a directory that holds something to find.
fn tree() -> (tempfile::TempDir, OwnedFd) {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "outside").unwrap();
    let root = outside.path().join("root");
    std::fs::create_dir_all(root.join("usr/lib/deep")).unwrap();
    std::fs::create_dir(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/passwd"), "inside").unwrap();
    std::fs::write(root.join("usr/lib/deep/f"), "deep").unwrap();
    for (target, name) in [
        ("usr/lib", "lib"),
        ("/etc", "abs"),
        ("../../../../etc", "up"),
        ("../secret", "escape"),
        ("/secret", "abs-escape"),
        ("loop", "loop"),
        ("nowhere", "dangling"),
        ("/etc/passwd", "file"),
        ("deep/../../lib/deep", "usr/lib/around"),
        ("/", "top"),
    ] {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    }
    let fd = file::open_directory(&root).unwrap();
    (outside, fd)
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the run shows how many cases there were"
)]
fn both_ways_resolve_the_same_table() {
    let (_outside, root) = tree();
    let read = OFlags::RDONLY;
    let link = OFlags::PATH | OFlags::NOFOLLOW;
    // Path, flags, and what is found: content of a file, "dir", "link", or the kernel's answer.
    let cases = [
        ("etc/passwd", read, "inside"),
        ("/etc/passwd", read, "inside"),
        ("../../etc/passwd", read, "inside"),
        ("lib/deep/f", read, "deep"),
        ("lib/around/f", read, "deep"),
        ("abs/passwd", read, "inside"),
        ("up/passwd", read, "inside"),
        ("top/../top/etc/./passwd", read, "inside"),
        ("usr/lib/../../etc/passwd", read, "inside"),
        ("lib/../../etc/passwd", read, "inside"),
        ("file", read, "inside"),
        ("file", link, "link"),
        ("lib", link, "link"),
        ("lib/", link | OFlags::DIRECTORY, "dir"),
        ("", read, "dir"),
        ("/", read, "dir"),
        ("..", read, "dir"),
        ("escape", read, "NOENT"),
        ("abs-escape", read, "NOENT"),
        ("../secret", read, "NOENT"),
        ("dangling", read, "NOENT"),
        ("loop", read, "LOOP"),
        ("loop/x", read, "LOOP"),
        ("etc/passwd/x", read, "NOTDIR"),
        ("etc/passwd/", read, "NOTDIR"),
        ("etc", OFlags::RDONLY | OFlags::DIRECTORY, "dir"),
        ("file", OFlags::RDONLY | OFlags::DIRECTORY, "NOTDIR"),
    ];
    for (name, opener) in OPENERS {
        for (path, flags, expected) in cases {
            let found = match opener(&root, Path::new(path), flags) {
                Ok(fd) => describe(fd),
                Err(error) => match error.errno().unwrap() {
                    Errno::NOENT => "NOENT".to_owned(),
                    Errno::LOOP => "LOOP".to_owned(),
                    Errno::NOTDIR => "NOTDIR".to_owned(),
                    other => other.to_string(),
                },
            };
            assert_eq!(found, expected, "{name}: {path:?}");
        }
    }
    println!(
        "in-root paths: {} cases, {} ways",
        cases.len(),
        OPENERS.len()
    );
}

fn describe(fd: OwnedFd) -> String {
    match file::status(&fd).unwrap().kind {
        file::Kind::Directory => "dir".to_owned(),
        file::Kind::Symlink => "link".to_owned(),
        _ => std::io::read_to_string(std::fs::File::from(fd)).unwrap(),
    }
}

#[test]
fn a_path_longer_than_the_kernel_takes_is_walked() {
    let (_outside, root) = tree();
    let path = "./".repeat(3000) + &"usr/lib/../../".repeat(9) + "lib/deep/f";
    assert!(path.len() > LONGEST);
    assert_eq!(
        describe(open(&root, Path::new(&path), OFlags::RDONLY).unwrap()),
        "deep"
    );
}

#[test]
fn swapping_directories_and_links_meanwhile_never_leads_out() {
    let (outside, root) = tree();
    let top = outside.path().join("root");
    std::fs::create_dir(outside.path().join("etc")).unwrap();
    std::fs::write(outside.path().join("etc/passwd"), "outside").unwrap();
    std::fs::create_dir(top.join("swap")).unwrap();
    std::fs::write(top.join("swap/passwd"), "inside").unwrap();
    std::os::unix::fs::symlink("../etc", top.join("bad")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for (from, to) in [
                    ("swap", "kept"),
                    ("bad", "swap"),
                    ("swap", "bad"),
                    ("kept", "swap"),
                ] {
                    std::fs::rename(top.join(from), top.join(to)).unwrap();
                }
            }
        });
        let mut seen = 0;
        for _ in 0..2000 {
            for (name, opener) in OPENERS {
                if let Ok(fd) = opener(&root, Path::new("swap/passwd"), OFlags::RDONLY) {
                    assert_eq!(describe(fd), "inside", "{name}");
                    seen += 1;
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(seen > 0, "the race was never won");
    });
}
