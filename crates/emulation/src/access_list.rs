//! POSIX access lists, as programs pass them (`<linux/posix_acl_xattr.h>`), and what they have to do with modes
//! (`fs/posix_acl.c`). Pure.

use ch_linux::Errno;

/// `POSIX_ACL_XATTR_VERSION`.
const VERSION: u32 = 2;
const USER_OBJECT: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJECT: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const ALL: u32 = 0o777;

/// A valid list: owner, group and others are in it, and a mask if anybody is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessList(Vec<Entry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tag: u16,
    allowed: u16,
    id: u32,
}

impl Entry {
    /// Keeps what `mode`, shifted, allows.
    fn limit(&mut self, mode: u32) {
        self.allowed &= (mode & 7) as u16;
    }
}

impl AccessList {
    /// Reads an attribute's value; `None` for one without entries, which stands for no list.
    pub(crate) fn parse(value: &[u8]) -> Result<Option<Self>, Errno> {
        let (version, entries) = value.split_first_chunk().ok_or(Errno::INVAL)?;
        if u32::from_le_bytes(*version) != VERSION {
            return Err(Errno::OPNOTSUPP);
        }
        if entries.len() % 8 != 0 {
            return Err(Errno::INVAL);
        }
        let entry = |bytes: &[u8]| Entry {
            tag: u16::from_le_bytes([bytes[0], bytes[1]]),
            allowed: u16::from_le_bytes([bytes[2], bytes[3]]),
            id: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        };
        let list = Self(entries.chunks_exact(8).map(entry).collect());
        if list.0.is_empty() {
            return Ok(None);
        }
        list.is_valid().then_some(Some(list)).ok_or(Errno::INVAL)
    }

    /// Whether all that must be is there, once and in order.
    fn is_valid(&self) -> bool {
        let is_fine = |entry: &Entry| {
            let is_named = matches!(entry.tag, USER | GROUP);
            entry.allowed <= 7 && !(is_named && entry.id == u32::MAX)
        };
        let is_ordered = self.0.windows(2).all(|pair| {
            let repeats = pair[0].tag == pair[1].tag && matches!(pair[0].tag, USER | GROUP);
            pair[0].tag < pair[1].tag || repeats
        });
        let known = USER_OBJECT | USER | GROUP_OBJECT | GROUP | MASK | OTHER;
        let tags = self.0.iter().fold(0, |tags, entry| tags | entry.tag);
        let single = self.0.iter().all(|entry| entry.tag.is_power_of_two());
        let needed = USER_OBJECT | GROUP_OBJECT | OTHER;
        let needed = if tags & (USER | GROUP) != 0 {
            needed | MASK
        } else {
            needed
        };
        single
            && tags & !known == 0
            && tags & needed == needed
            && is_ordered
            && self.0.iter().all(is_fine)
    }

    /// The attribute's value.
    pub(crate) fn value(&self) -> Vec<u8> {
        let mut value = VERSION.to_le_bytes().to_vec();
        for entry in &self.0 {
            value.extend(entry.tag.to_le_bytes());
            value.extend(entry.allowed.to_le_bytes());
            value.extend(entry.id.to_le_bytes());
        }
        value
    }

    /// The mode that goes with it: what each class may at most.
    pub(crate) fn mode(&self) -> u32 {
        let allowed = |tag| {
            let found = self.0.iter().find(|entry| entry.tag == tag);
            found.map(|entry| u32::from(entry.allowed))
        };
        let group = allowed(MASK).or_else(|| allowed(GROUP_OBJECT));
        allowed(USER_OBJECT).unwrap_or(0) << 6
            | group.unwrap_or(0) << 3
            | allowed(OTHER).unwrap_or(0)
    }

    /// Whether it says nothing that the mode does not.
    pub(crate) fn is_mode(&self) -> bool {
        self.0.len() == 3
    }

    /// The entry that is the group's part of a mode.
    fn group_class(&self) -> u16 {
        if self.0.iter().any(|entry| entry.tag == MASK) {
            MASK
        } else {
            GROUP_OBJECT
        }
    }

    /// What `chmod(2)` makes of it.
    pub(crate) fn with_mode(&self, mode: u32) -> Self {
        let mut list = self.clone();
        let group = self.group_class();
        for entry in &mut list.0 {
            let shift = match entry.tag {
                USER_OBJECT => 6,
                OTHER => 0,
                tag if tag == group => 3,
                _ => continue,
            };
            entry.allowed = (mode >> shift & 7) as u16;
        }
        list
    }

    /// As a directory's default list: the list of an object that is made in it, and the object's mode, if `mode` is
    /// wanted (without the mask of the process, which does not count then).
    pub(crate) fn inherited(&self, mode: u32) -> (Self, u32) {
        let mut list = self.clone();
        let group = self.group_class();
        for entry in &mut list.0 {
            match entry.tag {
                USER_OBJECT => entry.limit(mode >> 6),
                OTHER => entry.limit(mode),
                tag if tag == group => entry.limit(mode >> 3),
                _ => {}
            }
        }
        let mode = mode & !ALL | list.mode();
        (list, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(entries: &[(u16, u16)]) -> Vec<u8> {
        let mut value = VERSION.to_le_bytes().to_vec();
        for (tag, allowed) in entries {
            value.extend(tag.to_le_bytes());
            value.extend(allowed.to_le_bytes());
            let id = if matches!(*tag, USER | GROUP) {
                5
            } else {
                u32::MAX
            };
            value.extend(id.to_le_bytes());
        }
        value
    }

    fn list(entries: &[(u16, u16)]) -> AccessList {
        let list = AccessList::parse(&value(entries)).expect("a valid list");
        list.expect("it has entries")
    }

    const PLAIN: [(u16, u16); 3] = [(1, 6), (4, 4), (0x20, 0)];
    const NAMED: [(u16, u16); 5] = [(1, 7), (2, 7), (4, 4), (0x10, 6), (0x20, 1)];

    #[test]
    fn lists_say_modes() {
        let (plain, named) = (list(&PLAIN), list(&NAMED));
        assert_eq!((plain.mode(), plain.is_mode()), (0o640, true));
        assert_eq!((named.mode(), named.is_mode()), (0o761, false));
        assert_eq!(named.value(), value(&NAMED));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let refused = |entries: &[(u16, u16)]| AccessList::parse(&value(entries));
        for entries in [
            &[(1, 7)][..],
            &[(1, 6), (0x20, 0), (4, 4)],
            &[(1, 6), (1, 6), (4, 4), (0x20, 0)],
            &[(1, 6), (2, 6), (4, 4), (0x20, 0)],
            &[(1, 8), (4, 4), (0x20, 0)],
            &[(3, 6), (4, 4), (0x20, 0)],
            &[(1, 6), (4, 4), (0x20, 0), (0x40, 0)],
        ] {
            assert_eq!(refused(entries), Err(Errno::INVAL), "{entries:?}");
        }
        assert_eq!(refused(&[]), Ok(None));
        assert_eq!(AccessList::parse(b"\x02\0\0"), Err(Errno::INVAL));
        assert_eq!(AccessList::parse(b"\x01\0\0\0"), Err(Errno::OPNOTSUPP));
        let nobody = [&value(&[(1, 6)])[..], &[2, 0, 6, 0, 255, 255, 255, 255]].concat();
        assert_eq!(AccessList::parse(&nobody), Err(Errno::INVAL));
    }

    #[test]
    fn modes_change_owner_mask_and_others() {
        let expected = [(1, 6), (2, 7), (4, 4), (0x10, 5), (0x20, 0)];
        assert_eq!(list(&NAMED).with_mode(0o650), list(&expected));
        let expected = [(1, 6), (4, 5), (0x20, 0)];
        assert_eq!(list(&PLAIN).with_mode(0o4650), list(&expected));
    }

    #[test]
    fn what_is_made_gets_what_both_allow() {
        let expected = [(1, 6), (2, 7), (4, 4), (0x10, 4), (0x20, 0)];
        assert_eq!(list(&NAMED).inherited(0o2646), (list(&expected), 0o2640));
        let expected = [(1, 6), (4, 4), (0x20, 0)];
        assert_eq!(list(&PLAIN).inherited(0o777), (list(&expected), 0o640));
    }
}
