//! Names under which the extended attributes of an image are kept on disk.
//!
//! | In the image | On disk |
//! |---|---|
//! | `user.overlay.X` | `user.overlay.overlay.X`, as the kernel does it: an image must not steer our mounts |
//! | `user.containers.override_stat`, `user.chimage.*` | nothing: they would forge what we remember |
//! | other `user.*` | itself |
//! | `security.selinux` | nothing: it belongs to a machine, not to an image |
//! | `security.capability` | `user.chimage.xattr.security.capability`, in the portable second form |
//! | everything else, also access lists | `user.chimage.xattr.` and the name |
//!
//! The way back ([`image_form`]) also takes what a step without a supervisor has set for real: a file
//! capability, an access list.

use std::borrow::Cow;

use ch_linux::namespace::Identity;

/// Prefix of all attributes that are ours.
const OURS: &[u8] = b"user.chimage.";
/// Prefix of kept attributes that an ordinary user may not set.
const KEPT: &[u8] = b"user.chimage.xattr.";
/// Prefix of what containers/storage and fuse-overlayfs keep for themselves.
const CONTAINERS: &[u8] = b"user.containers.";
/// Prefix of what steers overlayfs.
const OVERLAY: &[u8] = b"user.overlay.";

/// How an attribute of an image is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept<'a> {
    /// Under this name, with this value.
    As(Cow<'a, [u8]>, Cow<'a, [u8]>),
    /// Not at all, since it means nothing elsewhere.
    Dropped,
    /// Not at all, since it would be taken for our own.
    Forged,
}

/// How the attribute `name` of an image is kept on disk.
pub fn kept_form<'a>(name: &'a [u8], value: &'a [u8]) -> Kept<'a> {
    if let Some(rest) = name.strip_prefix(OVERLAY) {
        return Kept::As(
            Cow::Owned([OVERLAY, b"overlay.", rest].concat()),
            value.into(),
        );
    }
    if name == crate::OVERRIDE_STAT || name.starts_with(OURS) {
        return Kept::Forged;
    }
    if name.starts_with(b"user.") {
        return Kept::As(name.into(), value.into());
    }
    match name {
        b"security.selinux" => Kept::Dropped,
        b"security.capability" => Kept::As(prefixed(name), portable_capability(value)),
        _ => Kept::As(prefixed(name), value.into()),
    }
}

/// The attribute of an image that `name` on disk stands for, with its value; `None` for what belongs to this
/// machine or is our own book-keeping. `owner` is the account that real root of the image is on this machine.
pub fn image_form<'a>(
    name: &'a [u8],
    value: &'a [u8],
    owner: Identity,
) -> Option<(Cow<'a, [u8]>, Cow<'a, [u8]>)> {
    if let Some(kept) = name.strip_prefix(KEPT) {
        return Some((kept.into(), value.into()));
    }
    if let Some(rest) = name.strip_prefix(OVERLAY) {
        let escaped = rest.strip_prefix(b"overlay.")?;
        return Some((Cow::Owned([OVERLAY, escaped].concat()), value.into()));
    }
    if name.starts_with(OURS) || name.starts_with(CONTAINERS) {
        return None;
    }
    let value = match name {
        b"security.capability" => portable_capability(value),
        b"system.posix_acl_access" | b"system.posix_acl_default" => access_list(value, owner)?,
        _ if name.starts_with(b"user.") => value.into(),
        _ => return None,
    };
    Some((name.into(), value))
}

/// An access list with the ids that it has in the image (`linux/posix_acl_xattr.h`: a version of four bytes, then
/// entries of tag, permissions and id); `None` if it names someone of this machine whom no image knows, as one does
/// that was inherited from the directory in which the storage lies.
fn access_list(value: &[u8], owner: Identity) -> Option<Cow<'_, [u8]>> {
    const USER: u16 = 0x02;
    const GROUP: u16 = 0x08;
    let mut list = value.to_vec();
    let (entries, rest) = list.get_mut(4..)?.as_chunks_mut::<8>();
    if !rest.is_empty() {
        return None;
    }
    for entry in entries {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let root = match tag {
            USER => owner.uid,
            GROUP => owner.gid,
            _ => continue,
        };
        if id != root {
            return None;
        }
        entry[4..].fill(0);
    }
    Some(list.into())
}

/// Whether `name` on disk is one that an attribute of the image is kept under because an ordinary user may not set it.
pub fn is_kept(name: &[u8]) -> bool {
    name.starts_with(KEPT)
}

fn prefixed(name: &[u8]) -> Cow<'static, [u8]> {
    Cow::Owned([KEPT, name].concat())
}

/// A file capability without the user namespace it was set in: the third form, 24 bytes with the
/// namespace's root at the end, becomes the second, 20 bytes.
fn portable_capability(value: &[u8]) -> Cow<'_, [u8]> {
    match value {
        [a, b, c, 3, rest @ ..] if value.len() == 24 => {
            let mut second = vec![*a, *b, *c, 2];
            second.extend_from_slice(&rest[..16]);
            second.into()
        }
        _ => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_disk() {
        for (name, kept) in [
            ("user.mine", Some("user.mine")),
            ("user.overlay.opaque", Some("user.overlay.overlay.opaque")),
            (
                "user.overlay.overlay.opaque",
                Some("user.overlay.overlay.overlay.opaque"),
            ),
            ("user.overlayer", Some("user.overlayer")),
            (
                "trusted.overlay.opaque",
                Some("user.chimage.xattr.trusted.overlay.opaque"),
            ),
            ("security.ima", Some("user.chimage.xattr.security.ima")),
            (
                "system.posix_acl_access",
                Some("user.chimage.xattr.system.posix_acl_access"),
            ),
            ("security.selinux", None),
        ] {
            let expected = match kept {
                Some(kept) => Kept::As(kept.as_bytes().into(), b"v".into()),
                None => Kept::Dropped,
            };
            assert_eq!(kept_form(name.as_bytes(), b"v"), expected, "{name}");
        }
        for name in [
            "user.containers.override_stat",
            "user.chimage.xattr.security.capability",
        ] {
            assert_eq!(kept_form(name.as_bytes(), b"v"), Kept::Forged, "{name}");
        }
    }

    const OWNER: Identity = Identity {
        uid: 1000,
        gid: 100,
    };

    /// An access list of these entries, and the owner's, which every list has.
    fn list(entries: &[(u16, u32)]) -> Vec<u8> {
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, id) in [(1, u32::MAX)].iter().chain(entries) {
            list.extend(tag.to_le_bytes());
            list.extend(6u16.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        list
    }

    #[test]
    fn what_is_kept_comes_back() {
        for name in [
            "user.mine",
            "user.overlay.opaque",
            "trusted.overlay.opaque",
            "security.ima",
            "system.posix_acl_access",
        ] {
            let Kept::As(kept, value) = kept_form(name.as_bytes(), b"v") else {
                panic!("{name} is not kept");
            };
            let back = image_form(&kept, &value, OWNER);
            assert_eq!(back, Some((name.as_bytes().into(), b"v".into())), "{name}");
        }
    }

    #[test]
    fn what_belongs_to_the_machine_stays() {
        for name in [
            "user.containers.override_stat",
            "user.containers.override_xattr",
            "user.chimage.note",
            "user.overlay.opaque",
            "user.overlay.origin",
            "security.selinux",
            "security.evm",
            "system.nfs4_acl",
            "btrfs.compression",
            "lustre.lov",
        ] {
            assert_eq!(image_form(name.as_bytes(), b"v", OWNER), None, "{name}");
        }
    }

    #[test]
    fn access_lists_have_the_ids_of_the_image() {
        let name = b"system.posix_acl_access";
        let set = list(&[(0x02, 1000), (0x08, 100), (0x10, u32::MAX)]);
        let wanted = list(&[(0x02, 0), (0x08, 0), (0x10, u32::MAX)]);
        let form = image_form(name, &set, OWNER).map(|(_, value)| value.into_owned());
        assert_eq!(form, Some(wanted));
        for foreign in [list(&[(0x02, 1001)]), list(&[(0x08, 1000)]), vec![2, 0]] {
            assert_eq!(image_form(name, &foreign, OWNER), None);
        }
    }

    #[test]
    fn capability_loses_its_namespace() {
        let second = [&[1, 0, 0, 2][..], &[7; 16]].concat();
        let third = [&[1, 0, 0, 3][..], &[7; 16], &[0xe8, 3, 0, 0]].concat();
        for value in [&second, &third] {
            let Kept::As(name, kept) = kept_form(b"security.capability", value) else {
                panic!("not kept");
            };
            assert_eq!(&*name, b"user.chimage.xattr.security.capability");
            assert!(is_kept(&name));
            assert_eq!(kept, second);
        }
    }
}
