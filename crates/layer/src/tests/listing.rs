//! A layer directory as text, one line per object in the order of the paths:
//!
//! `PATH KIND MODE [OVERRIDE] ["CONTENT"|-> TARGET] [@TIME] [=FIRST NAME] [ATTRIBUTES]`
//!
//! Modes are those on disk. Times are shown where they are not 0; content of more than 40 bytes as its
//! length. Lines of the owners file follow, with `owners:` before them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

use ch_linux::file::{self, Kind, OFlags};
use ch_linux::xattr;

use super::Layer;

pub(super) fn list(layer: &Layer) -> String {
    let mut text = String::new();
    let mut seen = HashMap::new();
    walk(&layer.open(), b"", &mut seen, &mut text);
    if let Ok(owners) = std::fs::read_to_string(layer.directory.path().join("owners")) {
        for line in owners.lines() {
            writeln!(text, "owners: {}", line.replace('\t', " ")).unwrap();
        }
    }
    text
}

fn walk(
    directory: &std::os::fd::OwnedFd,
    path: &[u8],
    seen: &mut HashMap<u64, String>,
    text: &mut String,
) {
    let mut entries = file::entries(directory).unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in entries {
        let path = crate::unpack::join(path, entry.name.as_bytes());
        let name = path.escape_ascii().to_string();
        let status = file::status_at(directory, &entry.name).unwrap();
        write!(text, "{name} ").unwrap();
        match status.kind {
            Kind::Directory => write!(text, "d {:o}", status.mode),
            Kind::Symlink => {
                let target = file::read_link_at(directory, &entry.name).unwrap();
                write!(
                    text,
                    "l -> {}",
                    target.as_os_str().as_bytes().escape_ascii()
                )
            }
            Kind::Fifo => write!(text, "p {:o}", status.mode),
            Kind::File => write!(text, "f {:o}", status.mode),
            Kind::Character if status.is_whiteout() => write!(text, "whiteout"),
            other => panic!("{name}: {other:?}"),
        }
        .unwrap();
        let open = |flags| file::open_at(directory, &entry.name, OFlags::RDONLY | flags).unwrap();
        let fd = match status.kind {
            Kind::Directory => Some(open(OFlags::DIRECTORY)),
            Kind::File => Some(open(OFlags::empty())),
            _ => None,
        };
        if let Some(fd) = &fd {
            describe(fd, status.kind, status.size, text);
        }
        if status.modified != file::Time::default() && !status.is_whiteout() {
            write!(text, " @{}", status.modified.seconds).unwrap();
            if status.modified.nanoseconds > 0 {
                write!(text, ".{:09}", status.modified.nanoseconds).unwrap();
            }
        }
        if status.links > 1 && status.kind != Kind::Directory && !status.is_whiteout() {
            match seen.get(&status.inode) {
                Some(first) => write!(text, " ={first}").unwrap(),
                None => drop(seen.insert(status.inode, name)),
            }
        }
        text.push('\n');
        if let (Kind::Directory, Some(fd)) = (status.kind, fd) {
            walk(&fd, &path, seen, text);
        }
    }
}

fn describe(fd: &std::os::fd::OwnedFd, kind: Kind, size: u64, text: &mut String) {
    if let Some(value) = xattr::get(fd, ch_ownership::OVERRIDE_STAT).unwrap() {
        write!(text, " {}", String::from_utf8(value).unwrap()).unwrap();
    }
    if kind == Kind::File && size > 40 {
        write!(text, " {size} bytes").unwrap();
    } else if kind == Kind::File && size > 0 {
        let content =
            std::io::read_to_string(std::fs::File::from(fd.try_clone().unwrap())).unwrap();
        write!(text, " {content:?}").unwrap();
    }
    for name in xattr::names(fd).unwrap() {
        if name == ch_ownership::OVERRIDE_STAT || !name.starts_with(b"user.") {
            continue;
        }
        let value = xattr::get(fd, &name).unwrap().unwrap();
        write!(text, " {}={}", name.escape_ascii(), value.escape_ascii()).unwrap();
    }
}
