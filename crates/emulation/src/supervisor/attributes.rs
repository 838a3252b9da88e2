//! Extended attributes that only root may set: kept under names of ours, and shown under their own.

use std::ffi::{CStr, CString};

use ch_linux::Errno;
use ch_ownership::{Kept, Kind, kept_form};

use super::caller::Caller;
use super::object::Object;
use super::{DONE, Replied, Reply, Supervisor, inherit};
use crate::access_list::AccessList;
use crate::calls::{Attribute, AttributeArguments, Pointer, Target};
use crate::credentials::{Capability, Credentials, FileCapabilities};

/// How a file's capabilities are kept.
pub(super) const CAPABILITY: &CStr = c"user.chimage.xattr.security.capability";
/// Prefix of all attributes of ours.
const OURS: &[u8] = b"user.chimage.";
/// Prefix of those that are kept for a container.
const KEPT: &[u8] = b"user.chimage.xattr.";
/// Prefix of the two access lists.
const LISTS: &[u8] = b"system.posix_acl_";
const DEFAULT_LIST: &CStr = c"system.posix_acl_default";
const OVERRIDE: &[u8] = b"user.containers.override_stat";
/// Largest structure that the kernel takes.
const PAGE: usize = 4096;
/// Largest value (`XATTR_SIZE_MAX`).
const LARGEST: usize = 65_536;
/// `XATTR_CREATE`, `XATTR_REPLACE`.
const FLAGS: u32 = 3;

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
        || bytes.starts_with(LISTS);
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
        let owner = owner(&caller.text(attribute.name)?);
        if matches!(owner, Owner::Kernel) {
            return Ok(Reply::Continue);
        }
        let Some(object) = self.object_of_image(caller, target) else {
            return Ok(Reply::Continue);
        };
        let Owner::Kept(kept) = owner else {
            return Err(Errno::NODATA);
        };
        let mut value = vec![0; LARGEST];
        let Ok(length) = object.attribute(&kept, &mut value) else {
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
        let Some(object) = self.object_of_image(caller, target) else {
            return Ok(Reply::Continue);
        };
        let mut names = vec![0; LARGEST];
        let Ok(length) = object.attributes(&mut names) else {
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
        let owner = owner(&name);
        if matches!(owner, Owner::Kernel) {
            return Ok(Reply::Continue);
        }
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
        if self.is_host(&object) {
            return Ok(Reply::Continue);
        }
        let Owner::Kept(kept) = owner else {
            return Err(Errno::PERM);
        };
        if !object.carries_attributes() {
            // The kernel would first complain of users that it does not know.
            if object.kind() == Kind::Symlink && name.to_bytes().starts_with(LISTS) {
                return Err(Errno::OPNOTSUPP);
            }
            return Ok(Reply::Continue);
        }
        self.check(caller, &name, &value, &object)?;
        if name.to_bytes().starts_with(LISTS) {
            let list = AccessList::parse(&value)?;
            let is_default = name.as_c_str() == DEFAULT_LIST;
            return self.set_list(caller, &object, list.as_ref(), is_default);
        }
        let Kept::As(_, value) = kept_form(name.to_bytes(), &value) else {
            return Ok(Reply::Continue);
        };
        object.set_attribute(&kept, &value, attribute.flags)?;
        DONE
    }

    pub(super) fn attribute_at(
        &self,
        caller: &Caller<'_>,
        target: &Target,
        arguments: &AttributeArguments,
    ) -> Replied {
        // What is malformed the kernel refuses.
        let Some(attribute) = spelled_out(caller, arguments) else {
            return Ok(Reply::Continue);
        };
        if arguments.set {
            self.set_attribute(caller, target, &attribute)
        } else if attribute.flags != 0 {
            Ok(Reply::Continue)
        } else {
            self.get_attribute(caller, target, &attribute)
        }
    }

    pub(super) fn remove_attribute(
        &self,
        caller: &Caller<'_>,
        target: &Target,
        name: Pointer,
    ) -> Replied {
        let name = caller.text(name)?;
        let owner = owner(&name);
        if matches!(owner, Owner::Kernel) {
            return Ok(Reply::Continue);
        }
        let object = self.object(caller, target)?;
        if self.is_host(&object) {
            return Ok(Reply::Continue);
        }
        let Owner::Kept(kept) = owner else {
            return Err(Errno::NODATA);
        };
        if !object.carries_attributes() {
            return Ok(Reply::Continue);
        }
        self.check(caller, &name, &[], &object)?;
        match object.remove_attribute(&kept) {
            done if name.to_bytes().starts_with(LISTS) => removed(done),
            Ok(()) => DONE,
            // A real one, of a mode without us; others can't be real.
            Err(Errno::NODATA) if name.as_c_str() == c"security.capability" => Ok(Reply::Continue),
            Err(other) => Err(other),
        }
    }

    /// What `target` names, unless the kernel knows better of it: it is not there, or the host's.
    fn object_of_image(&self, caller: &Caller<'_>, target: &Target) -> Option<Object> {
        let object = self.object(caller, target).ok()?;
        (!self.is_host(&object)).then_some(object)
    }

    /// Sets an access list, which says the mode, too, or a directory's default one; one without entries is none.
    fn set_list(
        &self,
        caller: &Caller<'_>,
        object: &Object,
        list: Option<&AccessList>,
        is_default: bool,
    ) -> Replied {
        let kept = if is_default {
            if object.kind() != Kind::Directory {
                return list.map_or(DONE, |_| Err(Errno::ACCESS));
            }
            inherit::DEFAULT
        } else {
            inherit::ACCESS
        };
        let Some(list) = list else {
            return removed(object.remove_attribute(kept));
        };
        if is_default {
            object.set_attribute(kept, &list.value(), 0)?;
            return DONE;
        }
        let before = self.believed(object);
        let mode = before.mode & !0o777 | list.mode();
        let after = self.credentials(caller).change_mode(&before, mode)?;
        let earlier = inherit::access_list(object);
        inherit::set_access_list(object, list)?;
        if after != before
            && let Err(errno) = self.believe(object, &after)
        {
            // All of it or nothing.
            let _ = match earlier {
                Some(earlier) => inherit::set_access_list(object, &earlier),
                None => object.remove_attribute(kept),
            };
            return Err(errno);
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

/// What a `struct xattr_args` says: value, its size and flags. `None` if it is malformed or of a later kernel.
fn spelled_out(caller: &Caller<'_>, arguments: &AttributeArguments) -> Option<Attribute> {
    let size = usize::try_from(arguments.size).ok()?;
    if !(16..=PAGE).contains(&size) {
        return None;
    }
    let mut structure = vec![0; size];
    caller.read(arguments.structure, &mut structure).ok()?;
    let (value, rest) = structure.split_first_chunk()?;
    let (size, rest) = rest.split_first_chunk()?;
    let (flags, rest) = rest.split_first_chunk()?;
    let attribute = Attribute {
        name: arguments.name,
        value: Pointer(u64::from_ne_bytes(*value)),
        size: u32::from_ne_bytes(*size).into(),
        flags: u32::from_ne_bytes(*flags),
    };
    rest.iter().all(|byte| *byte == 0).then_some(attribute)
}

/// Access lists may be removed where there are none.
fn removed(done: Result<(), Errno>) -> Replied {
    match done {
        Ok(()) | Err(Errno::NODATA) => DONE,
        Err(other) => Err(other),
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
