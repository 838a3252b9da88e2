//! What was seen, as part of a key: the same whatever threads have seen it.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::os::unix::ffi::OsStrExt as _;
use std::slice;

use ch_linux::file::Status;
use ch_ownership::{Kind, Override};

use super::seen::{Directory, Entry, Object, Seen};
use crate::key::KeyHash;

/// Adds an operand.
pub(super) fn add(seen: &Seen, key: &mut KeyHash) {
    let mut writer = KeyWriter {
        key,
        line: Line::default(),
        links: HashMap::new(),
        count: 0,
    };
    let mut levels: Vec<slice::Iter<'_, Entry>> = Vec::new();
    if let Some(inside) = writer.object(b"", &seen.top, seen) {
        levels.push(inside.entries.iter());
    }
    // No recursion: contexts may be deeper than a thread's stack.
    while let Some(level) = levels.last_mut() {
        let Some(entry) = level.next() else {
            writer.key.field("end", "");
            levels.pop();
            continue;
        };
        if let Some(inside) = writer.object(entry.name.as_bytes(), &entry.object, seen) {
            levels.push(inside.entries.iter());
        }
    }
}

struct KeyWriter<'k> {
    key: &'k mut KeyHash,
    line: Line,
    /// Number, within the operand, of the first name of a file with several.
    links: HashMap<(u64, u64), u64>,
    count: u64,
}

impl KeyWriter<'_> {
    /// Adds an object; what it is comes back if it is a directory, whose entries follow.
    fn object<'s>(
        &mut self,
        name: &[u8],
        object: &Object,
        seen: &'s Seen,
    ) -> Option<&'s Directory> {
        self.count += 1;
        self.line.add(name);
        let mut inside = None;
        match object {
            Object::Directory(number) => {
                let directory = &seen.directories[*number];
                self.head(&directory.believed);
                for (name, value) in &directory.attributes {
                    self.line.add(name);
                    self.line.add(value);
                }
                inside = Some(directory);
            }
            Object::File(file) => {
                self.head(&file.believed);
                self.line.add(&file.holding);
                self.link(&file.status);
            }
            Object::Symlink {
                target, believed, ..
            } => {
                self.line.add(b"link");
                self.owner(believed);
                self.line.add(target.as_os_str().as_bytes());
            }
            Object::Special { status, believed } => {
                self.head(believed);
                self.link(status);
            }
        }
        self.key.field("object", self.line.take());
        inside
    }

    fn head(&mut self, believed: &Override) {
        let kind: &[u8] = match believed.kind {
            Kind::Directory => b"directory",
            Kind::Pipe => b"pipe",
            Kind::Character(_) => b"character",
            Kind::Block(_) => b"block",
            Kind::File | Kind::Symlink | Kind::Socket => b"file",
        };
        self.line.add(kind);
        self.line.add(&believed.mode.to_le_bytes());
        if let Kind::Character(device) | Kind::Block(device) = believed.kind {
            self.line.add(&device.major.to_le_bytes());
            self.line.add(&device.minor.to_le_bytes());
        }
        self.owner(believed);
    }

    /// Adds the owner, unless it is root.
    fn owner(&mut self, believed: &Override) {
        if (believed.uid, believed.gid) != (0, 0) {
            self.line.add(b"owner");
            self.line.add(&believed.uid.to_le_bytes());
            self.line.add(&believed.gid.to_le_bytes());
        }
    }

    /// Adds that a file has another name, since the copy will have it too.
    fn link(&mut self, status: &Status) {
        if status.links < 2 {
            return;
        }
        match self.links.entry((status.filesystem, status.inode)) {
            Place::Occupied(first) => self.line.add(&first.get().to_le_bytes()),
            Place::Vacant(place) => drop(place.insert(self.count)),
        }
    }
}

/// Values of one object, each with its length; hashed at once, which is faster.
#[derive(Default)]
struct Line(Vec<u8>);

impl Line {
    fn add(&mut self, value: &[u8]) {
        self.0.extend((value.len() as u64).to_le_bytes());
        self.0.extend(value);
    }

    fn take(&mut self) -> impl AsRef<[u8]> {
        let line = self.0.clone();
        self.0.clear();
        line
    }
}
