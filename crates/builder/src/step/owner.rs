//! Who is to own what an instruction writes: `--chown`, and `USER` for `WORKDIR`.

use ch_container::Users;

use crate::context::imposed::Ids;
use crate::error::BuildError;

/// The owner that a text means in an image.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The numbers.
    pub(crate) ids: Ids,
    /// `user NAME` or `group NAME`: not known in the image, and taken for 0.
    pub(crate) unknown: Vec<String>,
}

/// Who `text` (`[USER][:[GROUP]]`, names or numbers) is. The image is asked for names only.
///
/// Without `:`, the group is the primary one of a name, and of a number the same number.
pub(crate) fn resolve(
    text: &str,
    users: impl FnOnce() -> Result<Users, BuildError>,
) -> Result<Resolved, BuildError> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let is_name = |part: &str| number(part).is_none();
    let users = if is_name(user) || group.is_some_and(is_name) {
        users()?
    } else {
        Users::default()
    };
    let mut unknown = Vec::new();
    let known = match number(user) {
        Some(number) => Some((number, number)),
        None => users.user(user),
    };
    if known.is_none() {
        unknown.push(format!("user {user}"));
    }
    let (uid, primary) = known.unwrap_or_default();
    let gid = group.map_or(Some(primary), |group| {
        number(group).or_else(|| users.group(group))
    });
    if gid.is_none() {
        unknown.push(format!("group {}", group.unwrap_or_default()));
    }
    let gid = gid.unwrap_or_default();
    Ok(Resolved {
        ids: Ids { uid, gid },
        unknown,
    })
}

/// The number that is written, root's if nothing is. The last one that fits means "nobody in particular" to the
/// kernel and belongs to no one.
fn number(part: &str) -> Option<u32> {
    if part.is_empty() {
        return Some(0);
    }
    let digits = part.bytes().all(|byte| byte.is_ascii_digit());
    let number = part.parse().ok().filter(|_| digits)?;
    (number != u32::MAX).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_numbers_or_known_names() {
        let passwd = b"root:x:0:0::/:\nann:x:7:70::/:\n7:x:8:80::/:\n";
        let users = || Ok(Users::new(passwd, b"staff:x:50:\nann:x:71:\n"));
        let table: &[(&str, (u32, u32), &[&str])] = &[
            ("1:2", (1, 2), &[]),
            ("5", (5, 5), &[]),
            ("7", (7, 7), &[]),
            ("007:08", (7, 8), &[]),
            ("5:", (5, 0), &[]),
            (":7", (0, 7), &[]),
            (":", (0, 0), &[]),
            ("ann", (7, 70), &[]),
            ("ann:", (7, 0), &[]),
            ("ann:staff", (7, 50), &[]),
            ("ann:ann", (7, 71), &[]),
            ("ann:3", (7, 3), &[]),
            ("3:staff", (3, 50), &[]),
            (":staff", (0, 50), &[]),
            ("bob", (0, 0), &["user bob"]),
            ("bob:staff", (0, 50), &["user bob"]),
            ("ann:none", (7, 0), &["group none"]),
            ("bob:none", (0, 0), &["user bob", "group none"]),
            ("-1", (0, 0), &["user -1"]),
            ("+1", (0, 0), &["user +1"]),
            ("4294967294", (u32::MAX - 1, u32::MAX - 1), &[]),
            ("4294967295", (0, 0), &["user 4294967295"]),
            ("ann:a:b", (7, 0), &["group a:b"]),
        ];
        for (text, (uid, gid), unknown) in table {
            let ids = Ids {
                uid: *uid,
                gid: *gid,
            };
            let unknown = unknown.iter().map(|name| (*name).to_owned()).collect();
            let got = resolve(text, users).unwrap();
            assert_eq!(got, Resolved { ids, unknown }, "{text}");
        }
        let numbers = resolve("3:4", || panic!("nobody is asked for numbers"));
        assert_eq!(numbers.unwrap().ids, Ids { uid: 3, gid: 4 });
    }
}
