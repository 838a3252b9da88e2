//! What a directory hands on to what is made in it, and the kernel does not know of: its group, if it has the
//! set-group-ID bit, and its default access list.

use std::ffi::{CStr, CString};

use ch_linux::{Errno, behalf};
use ch_ownership::{Kind, Override};

use super::Supervisor;
use super::caller::{Caller, joined};
use super::object::{Object, carried};
use super::path::{base, is_special, parent_and_name};
use crate::access_list::AccessList;
use crate::calls::Destination;

/// How access lists are kept.
pub(super) const ACCESS: &CStr = c"user.chimage.xattr.system.posix_acl_access";
pub(super) const DEFAULT: &CStr = c"user.chimage.xattr.system.posix_acl_default";
/// More than the names of a directory's attributes need.
const NAMES: usize = 4096;
/// Larger than any list of a hundred entries.
const LARGEST: usize = 1024;
const SET_GROUP: u32 = 0o2000;

impl Supervisor {
    /// Whether the directory of `place` may hand on something. One question for most; in doubt it may.
    pub(super) fn hands_on(&self, caller: &Caller<'_>, place: &Destination) -> bool {
        let text = caller.text(place.path);
        text.is_ok_and(|text| self.hands_on_at(caller, place.directory, text.to_bytes()))
    }

    /// The same of the directory of `path`, which starts at `directory`.
    pub(super) fn hands_on_at(&self, caller: &Caller<'_>, directory: i32, path: &[u8]) -> bool {
        let Some((parent, _)) = parent_and_name(path) else {
            return false;
        };
        let Ok(parent) = CString::new(parent) else {
            return false;
        };
        if self.is_apart() || is_special(parent.to_bytes(), true) {
            return true;
        }
        let parent = if parent.to_bytes().starts_with(b"/") {
            parent
        } else {
            joined(&base(caller, directory), &parent)
        };
        directory_hands_on(&parent)
    }
}

/// Whether the directory at this path of ours hands on something.
pub(super) fn directory_hands_on(path: &CStr) -> bool {
    let mut names = [0; NAMES];
    let names = match behalf::attributes(path, true, &mut names) {
        Ok(length) => &names[..length],
        Err(errno) => return errno == Errno::RANGE,
    };
    let has = |name: &CStr| {
        let mut all = names.split_inclusive(|byte| *byte == 0);
        all.any(|one| one == name.to_bytes_with_nul())
    };
    let has_group = || carried(path, true).is_ok_and(|of| of.mode & SET_GROUP != 0);
    has(DEFAULT) || has(super::object::OVERRIDE) && has_group()
}

/// The access list of an object, if it has one.
pub(super) fn access_list(object: &Object) -> Option<AccessList> {
    list(object, ACCESS)
}

/// The default list of a directory, if it has one.
pub(super) fn default_list(directory: &Object) -> Option<AccessList> {
    list(directory, DEFAULT)
}

fn list(object: &Object, name: &CStr) -> Option<AccessList> {
    let mut value = [0; LARGEST];
    let length = match object.attribute(name, &mut value) {
        Err(Errno::RANGE) => return long_list(object, name),
        other => other.ok()?,
    };
    AccessList::parse(&value[..length]).ok()?
}

fn long_list(object: &Object, name: &CStr) -> Option<AccessList> {
    let mut value = vec![0; 65_536];
    let length = object.attribute(name, &mut value).ok()?;
    AccessList::parse(&value[..length]).ok()?
}

/// Gives a new object, of which its mode is believed already, the lists that come from a default list.
pub(super) fn hand_on(
    default: &AccessList,
    object: &Object,
    mode: u32,
    kind: Kind,
) -> Result<(), Errno> {
    if !object.carries_attributes() {
        return Ok(());
    }
    let (access, _) = default.inherited(mode);
    set_access_list(object, &access)?;
    if kind == Kind::Directory {
        object.set_attribute(DEFAULT, &default.value(), 0)?;
    }
    Ok(())
}

/// Keeps an access list, unless the mode says it all.
pub(super) fn set_access_list(object: &Object, list: &AccessList) -> Result<(), Errno> {
    if !list.is_mode() {
        return object.set_attribute(ACCESS, &list.value(), 0);
    }
    match object.remove_attribute(ACCESS) {
        Err(Errno::NODATA) => Ok(()),
        other => other,
    }
}

/// Has an object's access list say what its new mode says.
pub(super) fn follow_mode(object: &Object, believed: &Override) -> Result<(), Errno> {
    if !object.carries_attributes() {
        return Ok(());
    }
    match access_list(object) {
        Some(list) if list.mode() != believed.mode & 0o777 => {
            set_access_list(object, &list.with_mode(believed.mode))
        }
        _ => Ok(()),
    }
}
