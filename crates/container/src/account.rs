//! The users and groups that a container of `ch-run` shows: root, nobody, and who runs it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long another program may take to look a user up.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks whether it has finished.
const GLANCE: Duration = Duration::from_millis(5);

/// A name and number, with the comment of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Name of the user or group.
    pub name: String,
    /// Its number inside the container.
    pub id: u32,
    /// The user's real name; empty for a group.
    pub comment: String,
}

/// Who runs the container, inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// The user.
    pub user: Account,
    /// The user's group.
    pub group: Account,
}

/// What is known about the caller before anything is looked up.
#[derive(Clone, Copy, Debug)]
pub struct AccountSources<'a> {
    /// The caller's number.
    pub caller: u32,
    /// `$USER`.
    pub user_variable: Option<&'a str>,
}

impl Accounts {
    /// Finds names for the numbers `uid` and `gid` on the host; made-up names where it has none.
    pub fn look_up(uid: u32, gid: u32, sources: AccountSources<'_>) -> Self {
        let user = look_up("passwd", uid, 4);
        let by_variable = sources
            .user_variable
            .filter(|name| uid == sources.caller && !name.is_empty());
        let user = match (user, by_variable) {
            (Some(found), _) => found,
            (None, Some(name)) => (name.to_owned(), String::new()),
            (None, None) => ("charlie".to_owned(), "Charlie".to_owned()),
        };
        let group = look_up("group", gid, 3).map_or_else(|| "charliegroup".to_owned(), |it| it.0);
        Self {
            user: Account {
                name: user.0,
                id: uid,
                comment: user.1,
            },
            group: Account {
                name: group,
                id: gid,
                comment: String::new(),
            },
        }
    }

    /// Content of `/etc/passwd`.
    pub(crate) fn passwd(&self) -> String {
        let Account { name, id, comment } = &self.user;
        let mut text = String::new();
        if *id != 0 {
            text.push_str("root:x:0:0:root:/root:/bin/sh\n");
        }
        if *id != NOBODY {
            text.push_str("nobody:x:65534:65534:nobody:/:/bin/false\n");
        }
        text.push_str(&format!(
            "{name}:x:{id}:{}:{comment}:/:/bin/sh\n",
            self.group.id
        ));
        text
    }

    /// Content of `/etc/group`.
    pub(crate) fn group(&self) -> String {
        let Account { name, id, .. } = &self.group;
        let mut text = String::new();
        if *id != 0 {
            text.push_str("root:x:0:\n");
        }
        if *id != NOBODY {
            text.push_str("nogroup:x:65534:\n");
        }
        text.push_str(&format!("{name}:x:{id}:\n"));
        text
    }
}

/// Number of the user, and of the group, that stands for everyone not mapped.
const NOBODY: u32 = 65534;

/// Name and comment by number: from the file, else from where the machine keeps its users.
fn look_up(database: &str, id: u32, comment_at: usize) -> Option<(String, String)> {
    let file = fs::read_to_string(format!("/etc/{database}")).unwrap_or_default();
    find(&file, id, comment_at).or_else(|| {
        let services = fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
        let answer = has_other_services(&services, database).then(|| ask(database, id));
        find(&answer.flatten()?, id, comment_at)
    })
}

fn find(file: &str, id: u32, comment_at: usize) -> Option<(String, String)> {
    file.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let matches = fields.len() > 3 && fields[2].parse() == Ok(id);
        let comment = if comment_at > 3 {
            fields.get(comment_at)
        } else {
            None
        };
        matches.then(|| {
            (
                fields[0].to_owned(),
                comment.copied().unwrap_or_default().to_owned(),
            )
        })
    })
}

/// Whether users are kept elsewhere too.
fn has_other_services(configuration: &str, database: &str) -> bool {
    configuration.lines().any(|line| {
        let services = line
            .trim_start()
            .strip_prefix(database)
            .map(str::trim_start);
        let services = services.and_then(|rest| rest.strip_prefix(':'));
        services.is_some_and(|list| {
            let list = list.split('#').next().unwrap_or_default();
            list.split_whitespace()
                .any(|service| service != "files" && !service.starts_with('['))
        })
    })
}

/// Asks `getent(1)`: the modules of the machine's C library can't be loaded into a static executable.
fn ask(database: &str, id: u32) -> Option<String> {
    let mut child = Command::new("getent")
        .args([database, &id.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() > deadline {
            // It is reaped by the line below, if it can be killed.
            child.kill().ok()?;
            child.wait().ok()?;
            return None;
        }
        std::thread::sleep(GLANCE);
    }
    let output = child.wait_with_output().ok()?;
    String::from_utf8(output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(uid: u32, gid: u32) -> Accounts {
        Accounts {
            user: Account {
                name: "ann".to_owned(),
                id: uid,
                comment: "Ann".to_owned(),
            },
            group: Account {
                name: "crew".to_owned(),
                id: gid,
                comment: String::new(),
            },
        }
    }

    #[test]
    fn root_and_nobody_are_there_once() {
        let root = "root:x:0:0:root:/root:/bin/sh\n";
        let nobody = "nobody:x:65534:65534:nobody:/:/bin/false\n";
        let rows = [
            (1000, format!("{root}{nobody}ann:x:1000:7:Ann:/:/bin/sh\n")),
            (0, format!("{nobody}ann:x:0:7:Ann:/:/bin/sh\n")),
            (65534, format!("{root}ann:x:65534:7:Ann:/:/bin/sh\n")),
        ];
        for (uid, expected) in rows {
            assert_eq!(accounts(uid, 7).passwd(), expected);
        }
        assert_eq!(
            accounts(1, 7).group(),
            "root:x:0:\nnogroup:x:65534:\ncrew:x:7:\n"
        );
        assert_eq!(accounts(1, 0).group(), "nogroup:x:65534:\ncrew:x:0:\n");
    }

    #[test]
    fn names_come_from_the_host_or_are_made_up() {
        let sources = AccountSources {
            caller: 4_000_000,
            user_variable: Some("ann"),
        };
        assert_eq!(Accounts::look_up(0, 0, sources).user.name, "root");
        assert_eq!(
            Accounts::look_up(4_000_000, 4_000_000, sources).user.name,
            "ann"
        );
        let unknown = Accounts::look_up(4_000_001, 4_000_001, sources);
        assert_eq!(
            (&*unknown.user.name, &*unknown.user.comment),
            ("charlie", "Charlie")
        );
        assert_eq!(unknown.group.name, "charliegroup");
    }

    #[test]
    fn another_program_is_asked_only_if_users_are_kept_elsewhere() {
        let rows = [
            ("passwd: files\n", false),
            ("passwd:         files systemd\n", true),
            ("passwd: files [NOTFOUND=return] # sss\n", false),
            ("group: files sss\n", false),
            ("", false),
        ];
        for (configuration, expected) in rows {
            assert_eq!(
                has_other_services(configuration, "passwd"),
                expected,
                "{configuration}"
            );
        }
    }
}
