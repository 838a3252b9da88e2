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

use std::borrow::Cow;

/// Prefix of all attributes that are ours.
const OURS: &[u8] = b"user.chimage.";
/// Prefix of kept attributes that an ordinary user may not set.
const KEPT: &[u8] = b"user.chimage.xattr.";
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

    #[test]
    fn capability_loses_its_namespace() {
        let second = [&[1, 0, 0, 2][..], &[7; 16]].concat();
        let third = [&[1, 0, 0, 3][..], &[7; 16], &[0xe8, 3, 0, 0]].concat();
        for value in [&second, &third] {
            let Kept::As(name, kept) = kept_form(b"security.capability", value) else {
                panic!("not kept");
            };
            assert_eq!(&*name, b"user.chimage.xattr.security.capability");
            assert_eq!(kept, second);
        }
    }
}
