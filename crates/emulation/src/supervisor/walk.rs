//! A path, step by step, as the caller would walk it: from its own root, and with `/proc/self` being itself.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use ch_linux::Errno;
use ch_linux::behalf::{self, Statx};
use ch_linux::file::OFlags;
use ch_ownership::Kind;

use super::caller::Caller;
use super::object::Object;
use super::path::base;

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;
/// `RESOLVE_NO_MAGICLINKS`.
pub(super) const NO_MAGIC_LINKS: u64 = 2;
/// The number of the directory at the top of a `proc` file system.
const TOP_OF_PROC: u64 = 1;

/// Opens (`O_PATH`) what `path`, relative to `directory`, is to the caller.
pub(super) fn to(
    caller: &Caller<'_>,
    directory: i32,
    path: &CStr,
    follow: bool,
) -> Result<Object, Errno> {
    let open = |path: &CStr| Object::new(behalf::open(path, OFlags::PATH)?);
    let root = open(&caller.in_proc("root"))?.status.identity();
    let bytes = path.to_bytes();
    let mut here = if bytes.starts_with(b"/") {
        open(&caller.in_proc("root"))?
    } else {
        open(&base(caller, directory))?
    };
    let as_directory = bytes.ends_with(b"/");
    let mut rest: VecDeque<CString> = components(bytes);
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name.to_bytes() == b".." {
            if here.status.identity() != root {
                here = here.at(c"..")?;
            }
            continue;
        }
        let found = here.at(&name)?;
        let is_last = rest.is_empty();
        let is_link = found.kind() == Kind::Symlink;
        if !is_link || is_last && !follow && !as_directory {
            here = found;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::LOOP);
        }
        if behalf::is_of_proc(&found.descriptor) {
            let own = match name.to_bytes() {
                b"self" => Some(format!("{}", caller.process())),
                b"thread-self" => Some(format!("{}/task/{}", caller.process(), caller.thread)),
                _ => None,
            };
            if let Some(own) = own {
                prepend(&mut rest, own.as_bytes());
                continue;
            }
            let flags = u64::from(OFlags::PATH.bits());
            let ordinary = behalf::open_how(&here.descriptor, &name, flags, 0, NO_MAGIC_LINKS);
            if matches!(ordinary, Err(Errno::LOOP)) {
                if is_ours(&here.descriptor)? {
                    return Err(Errno::ACCESS);
                }
                here = Object::new(behalf::open_at(&here.descriptor, &name, OFlags::PATH)?)?;
                continue;
            }
        }
        let text = behalf::link_target(&here.descriptor, &name)?;
        if text.to_bytes().starts_with(b"/") {
            here = open(&caller.in_proc("root"))?;
        }
        prepend(&mut rest, text.to_bytes());
    }
    if as_directory && here.kind() != Kind::Directory {
        return Err(Errno::NOTDIR);
    }
    Ok(here)
}

/// Whether a directory of `/proc` is of this process: what it has open, and its program, are nobody else's business.
fn is_ours(directory: &OwnedFd) -> Result<bool, Errno> {
    let open = |from: &OwnedFd, name| behalf::open_at(from, name, OFlags::PATH | OFlags::DIRECTORY);
    let mut here = open(directory, c".")?;
    loop {
        let above = open(&here, c"..")?;
        let (_, inode) = identity(&above)?;
        if inode == TOP_OF_PROC || !behalf::is_of_proc(&above) {
            break;
        }
        here = above;
    }
    let mut text = [0; 512];
    let status = behalf::read_at(&here, c"status", &mut text)?;
    let own = format!("\nTgid:\t{}\n", std::process::id());
    Ok(status
        .windows(own.len())
        .any(|window| window == own.as_bytes()))
}

fn components(path: &[u8]) -> VecDeque<CString> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
        .map(|name| CString::new(name).expect("a part of what holds no NUL"))
        .collect()
}

fn prepend(rest: &mut VecDeque<CString>, path: &[u8]) {
    let mut all = components(path);
    all.append(rest);
    *rest = all;
}

fn identity(object: &OwnedFd) -> Result<(u64, u64), Errno> {
    Ok(Statx::of(object, 0, behalf::BASIC_STATS)?.identity())
}
