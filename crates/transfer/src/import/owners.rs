//! Owners and attributes that a directory image keeps in `ch/owners`, since its files cannot.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use ch_linux::file::{self, Kind, OFlags};
use ch_linux::tree::Directory;
use ch_linux::{SyscallError, in_root, xattr};
use ch_ownership::{Kept, OWNERS_FILE, Owner, Owners, Place, kept_form};
use ch_storage::LayerDraft;

use super::config;

/// Largest owners file that is read: a line or two for each of a million files.
const LARGEST: u64 = 256 << 20;

/// Gives the objects of the layer what is said of them, and takes the file out. One that makes no
/// sense is a file of the image like any other, and so is one without our config beside it.
pub(super) fn restore(layer: &LayerDraft) -> Result<(), SyscallError> {
    let Some(directory) = ours(&layer.files)? else {
        return Ok(());
    };
    let Some(text) = config::own_text(&directory, OWNERS_FILE, LARGEST)? else {
        return Ok(());
    };
    let Ok(owners) = Owners::read(&text[..]) else {
        return Ok(());
    };
    let mut left = String::new();
    for (path, owner) in owners.iter() {
        let clean = Path::new(std::ffi::OsStr::from_bytes(path));
        let rest = restore_one(&layer.files, clean, owner)?;
        if rest != Owner::default() {
            left += &ch_ownership::line(path, &rest);
        }
    }
    if !left.is_empty() {
        append(&layer.directory, left.as_bytes())?;
    }
    let before = file::status(&directory)?.modified;
    directory.remove_file(OWNERS_FILE)?;
    file::set_modified(&directory, before)
}

/// The directory `ch`, if it was made by us.
fn ours(files: &Directory) -> Result<Option<Directory>, SyscallError> {
    let found = files.try_attributes_of("ch")?;
    if found.is_none_or(|found| found.kind != ch_linux::tree::Kind::Directory) {
        return Ok(None);
    }
    let directory = files.directory("ch")?;
    let has_config = directory.try_attributes_of("config.json")?.is_some();
    Ok(has_config.then_some(directory))
}

/// Gives one object what it can carry; what is left belongs into the layer's owners file.
fn restore_one(files: &Directory, path: &Path, owner: &Owner) -> Result<Owner, SyscallError> {
    let mut left = owner.clone();
    let is_clean = path
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    // The user may have removed it since.
    let found = is_clean.then(|| in_root::open(files, path, OFlags::PATH | OFlags::NOFOLLOW));
    let Some(Ok(found)) = found else {
        return Ok(Owner::default());
    };
    if !matches!(file::status(&found)?.kind, Kind::File | Kind::Directory) {
        return Ok(left);
    }
    let object = in_root::open(files, path, OFlags::RDONLY | OFlags::NOFOLLOW)?;
    left.attributes.clear();
    for (name, value) in &owner.attributes {
        if let Kept::As(kept, kept_value) = kept_form(name, value) {
            match xattr::set(&object, &kept, &kept_value) {
                Ok(()) => {}
                Err(error) if xattr::is_refusal(&error) => {
                    left.attributes.insert(name.clone(), value.clone());
                }
                Err(error) => return Err(error),
            }
        }
    }
    if let Some(believed) = &owner.believed
        && ch_ownership::remember(object.as_fd(), believed)? == Place::Object
    {
        left.believed = None;
    }
    Ok(left)
}

/// Adds lines to the layer's owners file.
fn append(directory: &Directory, lines: &[u8]) -> Result<(), SyscallError> {
    let mut content = directory.try_read(OWNERS_FILE)?.unwrap_or_default();
    content.extend_from_slice(lines);
    if directory.try_attributes_of(OWNERS_FILE)?.is_some() {
        directory.remove_file(OWNERS_FILE)?;
    }
    directory.write(OWNERS_FILE, 0o644, &content)
}
