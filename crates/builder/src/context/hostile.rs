//! A context and an image whose owner works against us: links everywhere, and names that change while we look.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ch_linux::file::{open_directory, try_exchange_at};
use tempfile::TempDir;

use super::contents::Contents;
use super::destination::Destination;
use super::imposed::Imposed;
use super::original::Originals;
use super::resolve::Root;
use super::write::Target;
use super::{scan, write};

/// Copies that are tried while names are swapped, and how many at most until one comes to an end.
const ROUNDS: usize = 150;
const MOST: usize = 20_000;

const SECRET: &str = "nobody may see this";

/// Context, image, and what is outside of both.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        for name in ["context/d/e/deep", "image/x/e/deep", "outside/e/deep"] {
            fs::create_dir_all(place.at(name)).unwrap();
        }
        for name in ["f", "e/f", "e/deep/f"] {
            fs::write(place.at("outside").join(name), SECRET).unwrap();
            fs::write(place.at("context/d").join(name), "public").unwrap();
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// One copy of all sources; that it fails is all right.
    fn copy(&self, image: &Path, sources: &[&str], destination: &str) -> bool {
        let copy = || {
            let root = Root::open(&self.at("context"), None).ok()?;
            let sources: Vec<_> = sources.iter().map(|it| (*it).to_owned()).collect();
            let operands = root.resolve(&sources).ok()?;
            let mut contents = Contents::load(None, &self.at("context"));
            let seen = scan::look(&operands, Originals::Host, &mut contents, 2).ok()?;
            let image = fs::File::open(image).unwrap();
            let target = Target {
                root: image.as_fd(),
                beside: &|_| Ok(None),
            };
            let destination = Destination::new("/", destination);
            let imposed = Imposed::default();
            write::copy(target, &operands, &seen, &destination, &imposed, None).ok()
        };
        copy().is_some()
    }

    /// What is outside has not changed.
    fn check_outside(&self) {
        let names = |name: &str| {
            let mut names: Vec<_> = fs::read_dir(self.at(name))
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names("outside"), ["e", "f"]);
        assert_eq!(names("outside/e"), ["deep", "f"]);
        assert_eq!(names("outside/e/deep"), ["f"]);
        for name in ["f", "e/f", "e/deep/f"] {
            let content = fs::read_to_string(self.at("outside").join(name)).unwrap();
            assert_eq!(content, SECRET, "{name}");
        }
    }
}

/// Lets `name` in `parent` and a link to `target` change places until `work` is done.
fn swapping(parent: &Path, name: &str, target: &Path, work: impl FnOnce()) {
    let other = format!("{name}.link");
    symlink(target, parent.join(&other)).unwrap();
    let directory = open_directory(parent).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                match try_exchange_at(&directory, name, &directory, &other) {
                    Ok(exchanged) => assert!(exchanged),
                    // The copy is just putting something else there.
                    Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
                }
            }
        });
        work();
        done.store(true, Ordering::Relaxed);
    });
}

/// No file below `root` holds the secret; links are not followed.
fn check_inside(root: &Path) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap();
        if kind.is_dir() {
            check_inside(&path);
        } else if kind.is_file() {
            let content = fs::read_to_string(&path).unwrap();
            assert_ne!(content, SECRET, "{}", path.display());
        }
    }
}

#[test]
fn links_of_a_context_do_not_lead_out() {
    let place = Place::new();
    let outside = place.at("outside");
    for (name, target) in [
        ("up", PathBuf::from("../outside")),
        ("far-up", PathBuf::from("../../../../../../../etc")),
        ("absolute", outside.clone()),
        ("d/up", PathBuf::from("../../outside")),
        ("file", outside.join("f")),
        ("proc", PathBuf::from("/proc/self/root/etc")),
    ] {
        symlink(&target, place.at("context").join(name)).unwrap();
    }
    for source in [
        "up",
        "up/f",
        "up/e",
        "far-up/passwd",
        "absolute",
        "absolute/f",
        "absolute/*",
        "d/up/e/f",
        "d/up/*",
        "file",
        "f*le",
        "proc/passwd",
        "d/../up/f",
        "d",
        ".",
    ] {
        let image = tempfile::tempdir().unwrap();
        let good = place.copy(image.path(), &[source], "/x/");
        assert_eq!(
            good,
            ["d", "."].contains(&source) || source.contains('*'),
            "{source}"
        );
        check_inside(image.path());
    }
    place.check_outside();
}

#[test]
fn what_becomes_a_link_while_it_is_read_does_not_lead_out() {
    for (parent, name) in [
        ("context/d", "f"),
        ("context/d", "e"),
        ("context/d/e", "deep"),
        ("context/d/e/deep", "f"),
        ("context", "d"),
    ] {
        let place = Place::new();
        let path = place.at(parent);
        let below = Path::new(parent).strip_prefix("context").unwrap();
        let below = below.strip_prefix("d").unwrap_or(below);
        let target = match name {
            "d" => place.at("outside"),
            name => place.at("outside").join(below).join(name),
        };
        assert!(target.exists());
        let mut good = 0;
        swapping(&path, name, &target, || {
            for round in 0..MOST {
                let image = place.at(&format!("image-{round}"));
                fs::create_dir(&image).unwrap();
                let sources: &[&str] = match round % 3 {
                    0 => &["d"],
                    1 => &["d/*"],
                    _ => &["d/f", "d/e/f", "d/e/deep/f"],
                };
                good += usize::from(place.copy(&image, sources, "/x/"));
                check_inside(&image);
                if round >= ROUNDS && good > 0 {
                    break;
                }
            }
        });
        place.check_outside();
        assert!(good > 0, "{parent}/{name}: no copy came to an end");
    }
}

#[test]
fn what_becomes_a_link_while_it_is_written_does_not_lead_out() {
    for (parent, name, target) in [
        ("image", "x", "outside"),
        ("image/x", "e", "outside/e"),
        ("image/x/e", "deep", "outside/e/deep"),
        ("image/x", "f", "outside/f"),
    ] {
        let place = Place::new();
        fs::write(place.at("image/x/f"), "old").unwrap();
        let mut good = 0;
        swapping(&place.at(parent), name, &place.at(target), || {
            for round in 0..MOST {
                let (sources, destination): (&[&str], _) = match round % 4 {
                    0 => (&["d"], "/x"),
                    1 => (&["d/e"], "/x/e"),
                    2 => (&["d/f", "d/e/f"], "/x/e/deep/"),
                    _ => (&["d/f"], "/x/f"),
                };
                good += usize::from(place.copy(&place.at("image"), sources, destination));
                if round >= ROUNDS && good > 0 {
                    break;
                }
            }
        });
        place.check_outside();
        assert!(good > 0, "{parent}/{name}: no copy came to an end");
    }
}
