//! Users and groups by the image's own `/etc/passwd` and `/etc/group`: for `USER`, and for whoever else is told a name.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use ch_emulation::credentials::Credentials;
use ch_linux::file;
use ch_linux::namespace::Identity;

use crate::error::SetUpError;

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

impl From<Unknown> for SetUpError {
    fn from(Unknown { kind, name }: Unknown) -> Self {
        let kind = kind.to_owned();
        Self::NoUser { kind, name }
    }
}

/// The users and groups that an image knows.
#[derive(Clone, Debug, Default)]
pub struct Users {
    passwd: Vec<u8>,
    group: Vec<u8>,
}

impl Users {
    /// Most bytes of [`PASSWD`] or [`GROUP`] that are read.
    pub const LARGEST: u64 = 1 << 20;

    /// Those of [`PASSWD`] and [`GROUP`] with this content; lines that are malformed tell of nobody.
    pub fn new(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            passwd: passwd.to_owned(),
            group: group.to_owned(),
        }
    }

    /// Those of the image that is this process' root. What is no regular file there, or too large, tells of nobody.
    pub(crate) fn of_root() -> Self {
        let read = |path| file::read_regular(Path::new(path), Self::LARGEST).unwrap_or_default();
        Self {
            passwd: read(PASSWD),
            group: read(GROUP),
        }
    }

    /// Number and primary group of the user called `name`.
    pub fn user(&self, name: &str) -> Option<(u32, u32)> {
        let found = passwd_lines(&self.passwd).find(|user| user.name == name.as_bytes())?;
        Some((number(found.uid)?, number(found.gid)?))
    }

    /// Number of the group called `name`.
    pub fn group(&self, name: &str) -> Option<u32> {
        let mut lines = group_lines(&self.group);
        lines
            .find(|(known, ..)| *known == name.as_bytes())
            .map(|(_, gid, _)| gid)
    }

    /// Home directory of `user` (`NAME|UID[:GROUP]`, empty for root).
    pub(crate) fn home(&self, user: &str) -> OsString {
        let name = user.split(':').next().unwrap_or_default();
        let name = if name.is_empty() { "0" } else { name };
        let found = passwd_lines(&self.passwd)
            .filter(|line| line.is(name))
            .find_map(|line| line.home);
        let unknown = if matches!(name, "0" | "root") {
            "/root"
        } else {
            "/"
        };
        match found {
            Some(home) if !home.is_empty() => OsString::from_vec(home.to_owned()),
            _ => unknown.into(),
        }
    }

    /// User and group of `user` (`NAME|UID[:GROUP|GID]`, empty for root).
    pub fn identity(&self, user: &str) -> Result<Identity, SetUpError> {
        let found = self.credentials(user)?;
        Ok(Identity {
            uid: found.users.real,
            gid: found.groups.real,
        })
    }

    /// The credentials of `user` (`NAME|UID[:GROUP|GID]`, empty for root).
    ///
    /// Without a group they have the user's primary and supplementary ones, with one only that.
    pub(crate) fn credentials(&self, user: &str) -> Result<Credentials, Unknown> {
        let (user, wanted_group) = match user.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (user, None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let found = passwd_lines(&self.passwd).find(|line| line.is(user));
        let known = found.and_then(|line| Some((line.name, number(line.uid)?, number(line.gid)?)));
        let (name, uid, primary) = match (known, user.parse()) {
            (Some(known), _) => known,
            (None, Ok(uid)) => (&b""[..], uid, 0),
            (None, Err(_)) if user == "root" => (&b"root"[..], 0, 0),
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

/// What matters of a line of [`PASSWD`]. Names and directories are bytes; the kernel asks no more of them.
struct PasswdLine<'a> {
    name: &'a [u8],
    uid: &'a [u8],
    gid: &'a [u8],
    home: Option<&'a [u8]>,
}

impl PasswdLine<'_> {
    /// Whether `user`, a name or number, is this one.
    fn is(&self, user: &str) -> bool {
        self.name == user.as_bytes() || self.uid == user.as_bytes()
    }
}

fn passwd_lines(passwd: &[u8]) -> impl Iterator<Item = PasswdLine<'_>> {
    lines(passwd).filter_map(|mut fields| {
        let name = fields.next()?;
        let uid = fields.nth(1)?;
        let gid = fields.next()?;
        let home = fields.nth(1);
        Some(PasswdLine {
            name,
            uid,
            gid,
            home,
        })
    })
}

fn group_lines(group: &[u8]) -> impl Iterator<Item = (&[u8], u32, &[u8])> {
    lines(group).filter_map(|mut fields| {
        let name = fields.next()?;
        let gid = number(fields.nth(1)?)?;
        Some((name, gid, fields.next().unwrap_or_default()))
    })
}

/// The fields of each line.
fn lines(text: &[u8]) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
    text.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .map(|line| line.split(|byte| *byte == b':'))
}

fn number(field: &[u8]) -> Option<u32> {
    str::from_utf8(field).ok()?.parse().ok()
}

fn groups_of<'a>(user: &'a [u8], group: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
    let has = move |members: &[u8]| {
        let mut members = members.split(|byte| *byte == b',');
        !user.is_empty() && members.any(|one| one == user)
    };
    group_lines(group)
        .filter(move |(_, _, members)| has(members))
        .map(|(_, gid, _)| gid)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

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
    fn home_is_that_of_the_user_in_the_image() {
        let passwd = b"odd\nlatin:x:8:8:Andr\xe9:/home/\xe9:/bin/sh\nroot:x:0:0:root:/:/bin/sh\n\
                       ann:x:1000:1000::/home/ann:/bin/sh\nempty:x:7:7:::\n";
        let users = Users::new(passwd, b"");
        let rows: [(&str, &[u8]); 9] = [
            ("", b"/"),
            ("0", b"/"),
            ("root:root", b"/"),
            ("ann", b"/home/ann"),
            ("1000:0", b"/home/ann"),
            ("latin", b"/home/\xe9"),
            ("bob", b"/"),
            ("4711", b"/"),
            ("empty", b"/"),
        ];
        for (user, expected) in rows {
            assert_eq!(users.home(user).as_bytes(), expected, "USER {user}");
        }
        let nobody = Users::default();
        assert_eq!(nobody.home(""), "/root", "an image without passwd");
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
