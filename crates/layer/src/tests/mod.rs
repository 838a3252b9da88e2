//! The vectors of archives becoming layers, each an archive made by hand and what must come of it.

#![expect(clippy::too_many_lines, reason = "tables of vectors")]

mod archive;
mod attributes;
mod headers;
mod listing;
mod names;
mod objects;
mod packing;
mod reference;
mod robustness;
mod settling;
mod streams;

use std::io::Read;
use std::os::fd::AsFd;

use archive::Archive;
use listing::list;

use crate::{Destination, Options, UnpackError, Unpacked, unpack};

/// A place for a layer: `fs` and, beside it, perhaps `owners`.
struct Layer {
    directory: tempfile::TempDir,
}

impl Layer {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("fs")).unwrap();
        Self { directory }
    }

    fn files(&self) -> std::path::PathBuf {
        self.directory.path().join("fs")
    }

    fn open(&self) -> std::os::fd::OwnedFd {
        ch_linux::file::open_directory(&self.files()).unwrap()
    }

    fn unpack(&self, stream: impl Read + Send) -> Result<Unpacked, UnpackError> {
        let beside = ch_linux::file::open_directory(self.directory.path()).unwrap();
        let files = self.open();
        let destination = Destination {
            files: files.as_fd(),
            beside: beside.as_fd(),
        };
        unpack(stream, destination, &Options::default())
    }
}

/// What must come of an archive.
enum Expected {
    /// These lines of [`list`].
    Tree(&'static str),
    /// An error whose text has this in it.
    Error(&'static str),
}
use Expected::{Error, Tree};

/// One vector: its ID, its archive, and what must come of it.
type Vector = (&'static str, Archive, Expected);

/// Runs a table of vectors and says how many there were.
#[expect(
    clippy::print_stdout,
    reason = "the run shows how many vectors there were"
)]
fn check(section: &str, vectors: Vec<Vector>) {
    let count = vectors.len();
    for (id, archive, expected) in vectors {
        check_one(id, &archive.finish(), &expected);
    }
    println!("layers.md {section}: {count} vectors");
}

fn check_one(id: &str, stream: &[u8], expected: &Expected) {
    let layer = Layer::new();
    match (layer.unpack(stream), expected) {
        (Ok(_), Tree(tree)) => assert_eq!(list(&layer), unindent(tree), "{id}"),
        (Err(error), Error(text)) => {
            let said = full_text(&error);
            assert!(said.contains(text), "{id}: {said}");
        }
        (Ok(_), Error(text)) => panic!("{id}: no error {text:?} but\n{}", list(&layer)),
        (Err(error), Tree(_)) => panic!("{id}: {}", full_text(&error)),
    }
    // Whatever happened, nothing is beside the layer but its owners.
    for entry in std::fs::read_dir(layer.directory.path()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(name == "fs" || name == "owners", "{id}: {name:?}");
    }
}

/// An error and all its causes.
fn full_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

fn unindent(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.to_owned() + "\n")
        .collect()
}
