//! Why a user namespace could not be made, in words that help.
//!
//! The kernel says `EPERM` for half a dozen reasons. After a failure, and only then, the surroundings
//! are [looked at](Surroundings::look), and the first row of the table that holds is the answer.

use std::fs;
use std::path::PathBuf;

use ch_linux::{limits, process};

use crate::error::SetUpError;

/// What is wrong and what can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is wrong.
    pub message: String,
    /// What can be done, if something can.
    pub hint: Option<String>,
}

/// What the answer depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Path of this program, as it was started.
    pub executable: PathBuf,
    /// Whether a variable or file says that this is a container.
    pub in_container: bool,
    has_seccomp_filter: bool,
    apparmor_restricts: bool,
    userns_clone: Option<bool>,
    most_namespaces: Option<u64>,
    has_root_mount: bool,
    selinux_enforces: bool,
    is_readable: bool,
    most_processes: Option<u64>,
    has_proc: bool,
    has_user_namespaces: bool,
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EAGAIN: i32 = 11;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const EUSERS: i32 = 87;

impl Surroundings {
    /// Looks at this machine. `container_variable` says whether `KUBERNETES_SERVICE_HOST` or `container`
    /// is set.
    pub fn look(executable: PathBuf, container_variable: bool) -> Self {
        let text = |path: &str| {
            fs::read_to_string(path)
                .ok()
                .map(|text| text.trim().to_owned())
        };
        let number = |path: &str| text(path)?.parse::<u64>().ok();
        let status = text("/proc/self/status").unwrap_or_default();
        let mounts = text("/proc/self/mountinfo").unwrap_or_default();
        let limits =
            ["user", "mnt"].map(|kind| number(&format!("/proc/sys/user/max_{kind}_namespaces")));
        Self {
            in_container: container_variable || fs::exists("/.dockerenv").unwrap_or(false),
            has_seccomp_filter: status.lines().any(|line| {
                line.strip_prefix("Seccomp:")
                    .is_some_and(|rest| rest.trim() == "2")
            }),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
                == Some(1),
            userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone").map(|it| it != 0),
            most_namespaces: limits.into_iter().flatten().min(),
            has_root_mount: mounts
                .lines()
                .any(|line| line.split(' ').nth(4) == Some("/")),
            selinux_enforces: number("/sys/fs/selinux/enforce") == Some(1),
            is_readable: fs::File::open(&executable).is_ok(),
            most_processes: limits::processes(),
            has_proc: fs::exists("/proc/self/status").unwrap_or(false),
            has_user_namespaces: fs::exists("/proc/self/ns/user").unwrap_or(false),
            executable,
        }
    }

    /// The reason of `error`, if it is about namespaces and its reason is known.
    pub fn diagnose(&self, error: &SetUpError) -> Option<Diagnosis> {
        let (SetUpError::UserNamespace { cause } | SetUpError::MountNamespace { cause }) = error
        else {
            return None;
        };
        self.reason(cause.errno)
    }

    /// The same by what the kernel said, for failures of other processes of ours.
    pub fn reason(&self, errno: i32) -> Option<Diagnosis> {
        let refused = matches!(errno, EPERM | EACCES);
        let exhausted = matches!(errno, ENOSPC | EUSERS);
        let program = self.executable.display();
        let answer = |message: &str, hint: Option<String>| {
            Some(Diagnosis {
                message: message.to_owned(),
                hint,
            })
        };
        if refused && self.has_seccomp_filter && self.in_container {
            return answer(
                "can't create a user namespace: this container's seccomp profile forbids it",
                Some(SECCOMP_HINT.to_owned()),
            );
        }
        if refused && self.apparmor_restricts {
            let hint = format!(
                "an administrator can put this into /etc/apparmor.d/ch-image: \
                 abi <abi/4.0>, profile ch-image {program} flags=(unconfined) {{ userns, }} \
                 or set sysctl kernel.apparmor_restrict_unprivileged_userns=0"
            );
            return answer(
                "AppArmor forbids user namespaces for this program",
                Some(hint),
            );
        }
        if refused && self.userns_clone == Some(false) {
            let hint = "an administrator can set sysctl kernel.unprivileged_userns_clone=1";
            return answer("this system forbids user namespaces", Some(hint.to_owned()));
        }
        if exhausted && self.most_namespaces == Some(0) {
            let hint = "an administrator can set sysctl user.max_user_namespaces=15000";
            return answer(
                "the limit of user namespaces is zero",
                Some(hint.to_owned()),
            );
        }
        if exhausted {
            return answer("user namespaces are nested too deep", None);
        }
        self.rarer_reason(errno)
    }

    fn rarer_reason(&self, errno: i32) -> Option<Diagnosis> {
        let refused = matches!(errno, EPERM | EACCES);
        let program = self.executable.display();
        let answer = |message: String, hint: Option<String>| Some(Diagnosis { message, hint });
        if refused && self.has_proc && !self.has_root_mount {
            return answer(
                "can't create a user namespace inside a chroot".to_owned(),
                None,
            );
        }
        if refused && self.selinux_enforces {
            let hint = "the audit log names the rule".to_owned();
            return answer(
                "SELinux forbids user namespaces for this program".to_owned(),
                Some(hint),
            );
        }
        if errno == EACCES && !self.is_readable {
            return answer(
                format!("{program} must be readable"),
                Some(format!("chmod a+r {program}")),
            );
        }
        if errno == EAGAIN {
            let hint = self
                .most_processes
                .map(|most| format!("the limit is {most} (ulimit -u)"));
            return answer("too many processes for this user".to_owned(), hint);
        }
        if matches!(errno, ENOENT | EINVAL) && !self.has_proc {
            return answer("no /proc is mounted".to_owned(), None);
        }
        if errno == EINVAL && !self.has_user_namespaces {
            return answer("this kernel has no user namespaces".to_owned(), None);
        }
        None
    }
}

const SECCOMP_HINT: &str = "start the container with --security-opt seccomp=unconfined, in Kubernetes \
                            with seccompProfile: Unconfined, or with a profile that allows unshare, \
                            mount, pivot_root and clone";

/// Whether this program was installed with privileges that it must not have.
pub fn is_privileged_executable() -> bool {
    process::is_privileged_executable()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Surroundings {
        Surroundings {
            executable: "/bin/ch-run".into(),
            has_root_mount: true,
            is_readable: true,
            has_proc: true,
            has_user_namespaces: true,
            most_namespaces: Some(15000),
            ..Surroundings::default()
        }
    }

    type Row = (i32, Surroundings, &'static str);

    fn rows() -> Vec<Row> {
        vec![
            (
                EPERM,
                Surroundings {
                    has_seccomp_filter: true,
                    in_container: true,
                    ..usual()
                },
                "can't create a user namespace: this container's seccomp profile forbids it",
            ),
            (
                EACCES,
                Surroundings {
                    apparmor_restricts: true,
                    ..usual()
                },
                "AppArmor forbids user namespaces for this program",
            ),
            (
                EPERM,
                Surroundings {
                    userns_clone: Some(false),
                    ..usual()
                },
                "this system forbids user namespaces",
            ),
            (
                ENOSPC,
                Surroundings {
                    most_namespaces: Some(0),
                    ..usual()
                },
                "the limit of user namespaces is zero",
            ),
            (ENOSPC, usual(), "user namespaces are nested too deep"),
            (
                EPERM,
                Surroundings {
                    has_root_mount: false,
                    ..usual()
                },
                "can't create a user namespace inside a chroot",
            ),
            (
                EACCES,
                Surroundings {
                    selinux_enforces: true,
                    ..usual()
                },
                "SELinux forbids user namespaces for this program",
            ),
            (
                EACCES,
                Surroundings {
                    is_readable: false,
                    ..usual()
                },
                "/bin/ch-run must be readable",
            ),
            (EAGAIN, usual(), "too many processes for this user"),
            (
                ENOENT,
                Surroundings {
                    has_proc: false,
                    ..usual()
                },
                "no /proc is mounted",
            ),
            (
                EINVAL,
                Surroundings {
                    has_user_namespaces: false,
                    ..usual()
                },
                "this kernel has no user namespaces",
            ),
        ]
    }

    #[test]
    fn each_situation_has_its_message() {
        for (errno, surroundings, message) in rows() {
            let found = surroundings
                .reason(errno)
                .map(|diagnosis| diagnosis.message);
            assert_eq!(found.as_deref(), Some(message));
        }
        assert_eq!(usual().reason(EPERM), None);
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let found = Surroundings::look("/proc/self/exe".into(), true);
        assert!(found.has_proc && found.has_user_namespaces && found.is_readable);
        assert!(found.in_container);
    }
}
