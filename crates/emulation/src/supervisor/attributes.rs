//! Extended attributes that only root may set: kept under names of ours, and shown under their own.

use std::ffi::{CStr, CString};

use ch_linux::{Errno, behalf};
use ch_ownership::{Kept, Override, kept_form};

use super::caller::Caller;
use super::object::Object;
use super::{DONE, Replied, Reply, Supervisor};
use crate::calls::{Attribute, Pointer, Target};
use crate::credentials::{Capability, Credentials, FileCapabilities};

/// How a file's capabilities are kept.
pub(super) const CAPABILITY: &CStr = c"user.chimage.xattr.security.capability";
/// Prefix of all attributes of ours.
const OURS: &[u8] = b"user.chimage.";
/// Prefix of those that are kept for a container.
const KEPT: &[u8] = b"user.chimage.xattr.";
const ACCESS_LIST: &CStr = c"system.posix_acl_access";
const OVERRIDE: &[u8] = b"user.containers.override_stat";
/// Largest value (`XATTR_SIZE_MAX`).
const LARGEST: usize = 65_536;
/// `XATTR_CREATE`, `XATTR_REPLACE`.
const FLAGS: u32 = 3;

/// An access list, as `<linux/posix_acl_xattr.h>` lays it out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AccessList {
    /// The mode that goes with it: what all of a class may at most.
    pub(super) mode: u32,
    /// It says nothing that the mode does not.
    pub(super) is_mode: bool,
}

impl AccessList {
    /// Reads a value of version 2: tag, permissions and identifier of each entry.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        const USER: u16 = 0x01;
        const GROUP: u16 = 0x04;
        const MASK: u16 = 0x10;
        const OTHER: u16 = 0x20;
        let (version, entries) = value.split_first_chunk()?;
        if u32::from_le_bytes(*version) != 2 || entries.len() % 8 != 0 || entries.is_empty() {
            return None;
        }
        let (mut mode, mut mask, mut count) = (0, None, 0);
        for entry in entries.chunks_exact(8) {
            let tag = u16::from_le_bytes([entry[0], entry[1]]);
            let allowed = u32::from(u16::from_le_bytes([entry[2], entry[3]])) & 7;
            count += 1;
            match tag {
                USER => mode |= allowed << 6,
                GROUP => mode |= allowed << 3,
                OTHER => mode |= allowed,
                MASK => mask = Some(allowed),
                // Somebody in particular.
                0x02 | 0x08 => {}
                _ => return None,
            }
        }
        if let Some(mask) = mask {
            mode = mode & !0o070 | mask << 3;
        }
        Some(Self {
            mode,
            is_mode: count == 3 && mask.is_none(),
        })
    }
}

/// Whose an attribute is.
enum Owner {
    /// The kernel's, or the program's own.
    Kernel,
    /// Ours: not there, for programs.
    Ours,
    /// Kept under this name.
    Kept(CString),
}

fn owner(name: &CStr) -> Owner {
    let bytes = name.to_bytes();
    if bytes == OVERRIDE || bytes.starts_with(OURS) {
        return Owner::Ours;
    }
    let kept = bytes.starts_with(b"trusted.")
        || bytes.starts_with(b"security.") && bytes != b"security.selinux"
        || bytes.starts_with(b"system.posix_acl_");
    if !kept {
        return Owner::Kernel;
    }
    let name = [KEPT, bytes].concat();
    Owner::Kept(CString::new(name).expect("joined of what holds no NUL"))
}

impl Supervisor {
    pub(super) fn get_attribute(
        &self,
        caller: &Caller<'_>,
        target: &Target,
        attribute: &Attribute,
    ) -> Replied {
        let kept = match owner(&caller.text(attribute.name)?) {
            Owner::Kernel => return Ok(Reply::Continue),
            Owner::Ours => return Err(Errno::NODATA),
            Owner::Kept(kept) => kept,
        };
        let Ok(object) = self.object(caller, target) else {
            return Ok(Reply::Continue);
        };
        let mut value = vec![0; LARGEST];
        let Ok(length) = behalf::attribute(&object.path(), true, &kept, &mut value) else {
            return Ok(Reply::Continue);
        };
        give(caller, &value[..length], attribute.value, attribute.size)
    }

    pub(super) fn list_attributes(
        &self,
        caller: &Caller<'_>,
        target: &Target,
        to: Pointer,
        size: u64,
    ) -> Replied {
        let Ok(object) = self.object(caller, target) else {
            return Ok(Reply::Continue);
        };
        let mut names = vec![0; LARGEST];
        let Ok(length) = behalf::attributes(&object.path(), true, &mut names) else {
            return Ok(Reply::Continue);
        };
        let all = names[..length].split_inclusive(|byte| *byte == 0);
        let is_ours =
            |name: &[u8]| name.starts_with(OURS) || name.strip_suffix(b"\0") == Some(OVERRIDE);
        if !all.clone().any(is_ours) {
            return Ok(Reply::Continue);
        }
        let shown: Vec<u8> = all
            .filter_map(|name| match name.strip_prefix(KEPT) {
                Some(kept) => Some(kept),
                None => (!is_ours(name)).then_some(name),
            })
            .flatten()
            .copied()
            .collect();
        give(caller, &shown, to, size)
    }

    pub(super) fn set_attribute(
        &self,
        caller: &Caller<'_>,
        target: &Target,
        attribute: &Attribute,
    ) -> Replied {
        let name = caller.text(attribute.name)?;
        let kept = match owner(&name) {
            Owner::Kernel => return Ok(Reply::Continue),
            Owner::Ours => return Err(Errno::PERM),
            Owner::Kept(kept) => kept,
        };
        let size = usize::try_from(attribute.size).unwrap_or(usize::MAX);
        if size > LARGEST {
            return Err(Errno::TOOBIG);
        }
        if attribute.flags & !FLAGS != 0 {
            return Err(Errno::INVAL);
        }
        let mut value = vec![0; size];
        caller.read(attribute.value, &mut value)?;
        let object = self.object(caller, target)?;
        if !object.carries_attributes() {
            return Ok(Reply::Continue);
        }
        self.check(caller, &name, &value, &object)?;
        if name.as_c_str() == ACCESS_LIST {
            let list = AccessList::parse(&value).ok_or(Errno::INVAL)?;
            return self.set_access_list(&object, &list, &kept, &value);
        }
        let Kept::As(_, value) = kept_form(name.to_bytes(), &value) else {
            return Ok(Reply::Continue);
        };
        behalf::set_attribute(&object.path(), &kept, &value, attribute.flags)?;
        DONE
    }

    pub(super) fn remove_attribute(
        &self,
        caller: &Caller<'_>,
        target: &Target,
        name: Pointer,
    ) -> Replied {
        let name = caller.text(name)?;
        let kept = match owner(&name) {
            Owner::Kernel => return Ok(Reply::Continue),
            Owner::Ours => return Err(Errno::NODATA),
            Owner::Kept(kept) => kept,
        };
        let object = self.object(caller, target)?;
        if !object.carries_attributes() {
            return Ok(Reply::Continue);
        }
        self.check(caller, &name, &[], &object)?;
        match behalf::remove_attribute(&object.path(), &kept) {
            Ok(()) => DONE,
            // A real one, of a mode without us; others can't be real.
            Err(Errno::NODATA) if name.as_c_str() == c"security.capability" => Ok(Reply::Continue),
            Err(other) => Err(other),
        }
    }

    /// An access list says the mode, too; one that says nothing else is none.
    fn set_access_list(
        &self,
        object: &Object,
        list: &AccessList,
        kept: &CStr,
        value: &[u8],
    ) -> Replied {
        let before = self.believed(object);
        let mode = before.mode & !0o777 | list.mode;
        if mode != before.mode {
            self.believe(object, &Override { mode, ..before })?;
        }
        let path = object.path();
        if list.is_mode {
            match behalf::remove_attribute(&path, kept) {
                Err(Errno::NODATA) => {}
                other => other?,
            }
        } else {
            behalf::set_attribute(&path, kept, value, 0)?;
        }
        DONE
    }

    /// Whether the caller may set the attribute, and it makes sense; nothing removes it.
    fn check(
        &self,
        caller: &Caller<'_>,
        name: &CStr,
        value: &[u8],
        object: &Object,
    ) -> Result<(), Errno> {
        let credentials = self.credentials(caller);
        let bytes = name.to_bytes();
        if bytes == b"security.capability" {
            let valid = value.is_empty() || FileCapabilities::parse(value).is_some();
            if !valid {
                return Err(Errno::INVAL);
            }
            return need(&credentials, Capability::Setfcap);
        }
        if bytes.starts_with(b"system.") {
            let owns = credentials.owns(&self.believed(object));
            return owns.then_some(()).ok_or(Errno::PERM);
        }
        need(&credentials, Capability::SysAdmin)
    }
}

fn need(credentials: &Credentials, capability: Capability) -> Result<(), Errno> {
    credentials.can(capability).then_some(()).ok_or(Errno::PERM)
}

/// Gives `bytes`, or only their number where there is no room.
fn give(caller: &Caller<'_>, bytes: &[u8], to: Pointer, size: u64) -> Replied {
    let length = bytes.len() as u64;
    if size != 0 {
        if length > size {
            return Err(Errno::RANGE);
        }
        caller.write(to, bytes)?;
    }
    Ok(Reply::Value(length.cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_lists_say_modes() {
        let list = |entries: &[(u16, u16)]| {
            let mut value = 2u32.to_le_bytes().to_vec();
            for (tag, allowed) in entries {
                value.extend(tag.to_le_bytes());
                value.extend(allowed.to_le_bytes());
                value.extend(u32::MAX.to_le_bytes());
            }
            AccessList::parse(&value).map(|list| (list.mode, list.is_mode))
        };
        let plain = [(1, 6), (4, 4), (0x20, 0)];
        assert_eq!(list(&plain), Some((0o640, true)));
        let named = [(1, 7), (2, 7), (4, 4), (0x10, 6), (0x20, 1)];
        assert_eq!(list(&named), Some((0o761, false)));
        assert_eq!(list(&[(3, 7)]), None);
        assert_eq!(list(&[]), None);
        assert_eq!(AccessList::parse(b"\x02\0\0"), None);
    }
}
