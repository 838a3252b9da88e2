//! Listings of trees, for comparing what two programs made.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What one name of a tree leads to; two trees are the same when their listings are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Type as in `ls -l`: `-`, `d`, `l`, `p`, `s`, `c` or `b`.
    pub kind: char,
    /// Permission bits, 12 of them.
    pub mode: u32,
    /// Modification time in nanoseconds since 1970; links' own.
    pub mtime: i128,
    /// Target of a symbolic link, SHA-256 of a file's content, device number of a device.
    pub content: String,
    /// First name, in byte order, of the file that this name is a hard link of; its own for most.
    pub first_name: PathBuf,
}

/// Makes a tree below `root` of `PATH` (a file that holds its path), `PATH/`, `PATH -> TARGET` and `PATH = OTHER`, a hard
/// link, each with an optional octal mode in front.
///
/// # Panics
///
/// When something can't be made.
pub fn plant(root: &Path, items: &[&str]) {
    for item in items {
        let (mode, item) = match item.split_once(' ') {
            Some((mode, rest)) if mode.bytes().all(|b| b.is_ascii_digit()) => (Some(mode), rest),
            _ => (None, *item),
        };
        if let Some((path, target)) = item.split_once(" -> ") {
            symlink(target, root.join(path)).expect("the link can be made");
            continue;
        }
        if let Some((path, other)) = item.split_once(" = ") {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a path has a parent"))
                .expect("the tree can be made");
            fs::hard_link(root.join(other), path).expect("the tree can be made");
            continue;
        }
        let path = root.join(item);
        if item.ends_with('/') {
            fs::create_dir_all(&path).expect("the tree can be made");
        } else {
            fs::create_dir_all(path.parent().expect("a path has a parent"))
                .expect("the tree can be made");
            fs::write(&path, item).expect("the tree can be made");
        }
        if let Some(mode) = mode {
            let mode = u32::from_str_radix(mode, 8).expect("a mode is octal");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))
                .expect("the tree can be made");
        }
    }
}

/// Lists everything below `root`, by path relative to it; `root` itself is the empty path.
///
/// # Panics
///
/// When something can't be read.
pub fn listing(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut names = Vec::new();
    collect(root, Path::new(""), &mut names);
    names.sort();
    let mut first_names = HashMap::new();
    let entry = |name: PathBuf| {
        let path = root.join(&name);
        let metadata = fs::symlink_metadata(&path).expect("the tree does not change meanwhile");
        let mut first_name = name.clone();
        if !metadata.is_dir() {
            let inode = (metadata.dev(), metadata.ino());
            first_name = first_names.entry(inode).or_insert(first_name).clone();
        }
        let (kind, content) = content(&path, &metadata);
        let mode = metadata.mode() & 0o7777;
        let mtime =
            i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        (
            name,
            Entry {
                kind,
                mode,
                mtime,
                content,
                first_name,
            },
        )
    };
    names.into_iter().map(entry).collect()
}

fn collect(root: &Path, name: &Path, names: &mut Vec<PathBuf>) {
    names.push(name.to_owned());
    let path = root.join(name);
    if fs::symlink_metadata(&path)
        .expect("the tree does not change meanwhile")
        .is_dir()
    {
        let directory =
            fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for entry in directory {
            let entry = entry.expect("the directory can be read");
            collect(root, &name.join(entry.file_name()), names);
        }
    }
}

fn content(path: &Path, metadata: &fs::Metadata) -> (char, String) {
    let kind = metadata.file_type();
    if kind.is_dir() {
        ('d', String::new())
    } else if kind.is_symlink() {
        let target = fs::read_link(path).expect("the tree does not change meanwhile");
        ('l', target.display().to_string())
    } else if kind.is_file() {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let digest = Sha256::digest(bytes);
        (
            '-',
            digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        )
    } else if kind.is_fifo() {
        ('p', String::new())
    } else if kind.is_socket() {
        ('s', String::new())
    } else {
        let letter = if kind.is_block_device() { 'b' } else { 'c' };
        (letter, metadata.rdev().to_string())
    }
}
