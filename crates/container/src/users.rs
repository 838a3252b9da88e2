//! Users and groups by the image's own `/etc/passwd` and `/etc/group`: for `USER`, and for whoever else is told a name.

use std::fs;

use ch_emulation::credentials::Credentials;

/// The users of an image.
pub const PASSWD: &str = "/etc/passwd";
/// The groups of an image.
pub const GROUP: &str = "/etc/group";

/// A user or group that the image does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// `user` or `group`.
    pub(crate) kind: &'static str,
    /// Its name.
    pub(crate) name: String,
}

/// The users and groups that an image knows.
#[derive(Clone, Debug, Default)]
pub struct Users {
    passwd: String,
    group: String,
}

/// The credentials of `user` (`NAME|UID[:GROUP|GID]`, empty for root) in the image that is this process' root.
///
/// Without a group they have the user's primary and supplementary ones, with one only that.
pub(crate) fn credentials(user: &str) -> Result<Credentials, Unknown> {
    let read = |path| fs::read(path).unwrap_or_default();
    Users::new(&read(PASSWD), &read(GROUP)).credentials(user)
}

impl Users {
    /// Those of [`PASSWD`] and [`GROUP`] with this content; lines that are malformed tell of nobody.
    pub fn new(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            passwd: String::from_utf8_lossy(passwd).into_owned(),
            group: String::from_utf8_lossy(group).into_owned(),
        }
    }

    /// Number and primary group of the user called `name`.
    pub fn user(&self, name: &str) -> Option<(u32, u32)> {
        let found = passwd_lines(&self.passwd).find(|user| user.name == name)?;
        Some((found.uid.parse().ok()?, found.gid.parse().ok()?))
    }

    /// Number of the group called `name`.
    pub fn group(&self, name: &str) -> Option<u32> {
        let mut lines = group_lines(&self.group);
        lines
            .find(|(known, ..)| *known == name)
            .map(|(_, gid, _)| gid)
    }

    fn credentials(&self, user: &str) -> Result<Credentials, Unknown> {
        let (user, wanted_group) = match user.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (user, None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let found = passwd_lines(&self.passwd).find(|line| line.name == user || line.uid == user);
        let known = found.and_then(|line| {
            let (uid, gid) = (line.uid.parse().ok()?, line.gid.parse().ok()?);
            Some((line.name, uid, gid))
        });
        let (name, uid, primary) = match (known, user.parse()) {
            (Some((name, uid, gid)), _) => (name, uid, gid),
            (None, Ok(uid)) => ("", uid, 0),
            (None, Err(_)) if user == "root" => ("root", 0, 0),
            (None, Err(_)) => {
                return Err(Unknown {
                    kind: "user",
                    name: user.to_owned(),
                });
            }
        };
        let Some(wanted) = wanted_group else {
            let mut all = vec![primary];
            all.extend(groups_of(name, &self.group).filter(|gid| *gid != primary));
            return Ok(Credentials::of_user(uid, primary, all));
        };
        let gid = self.group(wanted).or_else(|| wanted.parse().ok());
        let gid = gid.ok_or_else(|| Unknown {
            kind: "group",
            name: wanted.to_owned(),
        })?;
        Ok(Credentials::of_user(uid, gid, vec![gid]))
    }
}

/// What matters of a line of [`PASSWD`].
struct PasswdLine<'a> {
    name: &'a str,
    uid: &'a str,
    gid: &'a str,
}

fn passwd_lines(passwd: &str) -> impl Iterator<Item = PasswdLine<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?;
        let gid = fields.next()?;
        Some(PasswdLine { name, uid, gid })
    })
}

fn group_lines(group: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some((name, gid, fields.next().unwrap_or_default()))
    })
}

fn groups_of<'a>(user: &'a str, group: &'a str) -> impl Iterator<Item = u32> + 'a {
    let has = move |members: &str| !user.is_empty() && members.split(',').any(|one| one == user);
    group_lines(group)
        .filter(move |(_, _, members)| has(members))
        .map(|(_, gid, _)| gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0::/root:/bin/sh\nann:x:7:70::/:/bin/sh\n5:x:9:9::/:\n";
    const GROUPS: &str = "root:x:0:\nstaff:x:50:bob,ann\nann:x:70:ann\n80:x:81:\n";

    #[test]
    fn users_are_looked_up_in_the_image() {
        let users = Users::new(USERS.as_bytes(), GROUPS.as_bytes());
        let rows: [(&str, (u32, u32, &[u32])); 9] = [
            ("", (0, 0, &[0])),
            ("root", (0, 0, &[0])),
            ("ann", (7, 70, &[70, 50])),
            ("7", (7, 70, &[70, 50])),
            ("ann:staff", (7, 50, &[50])),
            ("ann:3", (7, 3, &[3])),
            ("1000", (1000, 0, &[0])),
            ("1000:80", (1000, 81, &[81])),
            (":staff", (0, 50, &[50])),
        ];
        for (text, (uid, gid, supplementary)) in rows {
            let found = users.credentials(text).unwrap();
            assert_eq!(
                (
                    found.users.real,
                    found.groups.real,
                    &found.supplementary[..]
                ),
                (uid, gid, supplementary),
                "{text}"
            );
        }
        for (text, kind, name) in [("bob", "user", "bob"), ("ann:none", "group", "none")] {
            let name = name.to_owned();
            assert_eq!(users.credentials(text), Err(Unknown { kind, name }));
        }
        let nobody = Users::default();
        assert_eq!(nobody.credentials("root").unwrap(), Credentials::root());
    }

    #[test]
    fn names_are_no_numbers() {
        let mut passwd = b"short:x:1\nword:x:one:1::/:\n\xff:x:3:3::/:\n".to_vec();
        passwd.extend(USERS.as_bytes());
        let users = Users::new(&passwd, GROUPS.as_bytes());
        for (name, user, group) in [
            ("root", Some((0, 0)), Some(0)),
            ("ann", Some((7, 70)), Some(70)),
            ("7", None, None),
            ("5", Some((9, 9)), None),
            ("staff", None, Some(50)),
            ("80", None, Some(81)),
            ("short", None, None),
            ("word", None, None),
            ("", None, None),
        ] {
            assert_eq!(
                (users.user(name), users.group(name)),
                (user, group),
                "{name:?}"
            );
        }
    }
}
