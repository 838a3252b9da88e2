//! Who `USER` is, by the image's own `/etc/passwd` and `/etc/group`.

use std::fs;

use ch_emulation::credentials::Credentials;

/// A user or group that the image does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// `user` or `group`.
    pub(crate) kind: &'static str,
    /// Its name.
    pub(crate) name: String,
}

/// The credentials of `user` (`NAME|UID[:GROUP|GID]`, empty for root) in the image that is this process' root.
///
/// Without a group they have the user's primary and supplementary ones, with one only that.
pub(crate) fn credentials(user: &str) -> Result<Credentials, Unknown> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    of_files(user, &read("/etc/passwd"), &read("/etc/group"))
}

fn of_files(user: &str, passwd: &str, group: &str) -> Result<Credentials, Unknown> {
    let (user, wanted_group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (user, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let mut lines = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.find(|fields| fields.len() > 3 && (fields[0] == user || fields[2] == user));
    let known = found.as_ref().and_then(|fields| {
        let (uid, gid) = (fields[2].parse().ok()?, fields[3].parse().ok()?);
        Some((fields[0], uid, gid))
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
        all.extend(groups_of(name, group).filter(|gid| *gid != primary));
        return Ok(Credentials::of_user(uid, primary, all));
    };
    let gid = group_by_name(wanted, group).or_else(|| wanted.parse().ok());
    let gid = gid.ok_or_else(|| Unknown {
        kind: "group",
        name: wanted.to_owned(),
    })?;
    Ok(Credentials::of_user(uid, gid, vec![gid]))
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

fn group_by_name(wanted: &str, group: &str) -> Option<u32> {
    group_lines(group)
        .find(|(name, ..)| *name == wanted)
        .map(|(_, gid, _)| gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nann:x:7:70::/:/bin/sh\n5:x:9:9::/:\n";
    const GROUP: &str = "root:x:0:\nstaff:x:50:bob,ann\nann:x:70:ann\n80:x:81:\n";

    #[test]
    fn users_are_looked_up_in_the_image() {
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
            let found = of_files(text, PASSWD, GROUP).unwrap();
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
            assert_eq!(of_files(text, PASSWD, GROUP), Err(Unknown { kind, name }));
        }
        assert_eq!(of_files("root", "", "").unwrap(), Credentials::root());
    }
}
