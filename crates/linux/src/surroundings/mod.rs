//! Why the kernel, or whoever configured it, refuses a user namespace, in words that help.
//!
//! `EPERM` has half a dozen causes, each with another cure. After a failure, and only then, the machine is
//! [looked at](Surroundings::look), and the first row of the [table](Surroundings::reason) that fits is
//! the answer. Looking and judging are apart, so that every row can be tested on any machine.

use std::fs;
use std::path::{Path, PathBuf};

use crate::limits;

#[cfg(test)]
mod tests;

const EPERM: i32 = libc::EPERM;
const ENOENT: i32 = libc::ENOENT;
const EAGAIN: i32 = libc::EAGAIN;
const EACCES: i32 = libc::EACCES;
const EINVAL: i32 = libc::EINVAL;
const ENOSPC: i32 = libc::ENOSPC;
const EUSERS: i32 = libc::EUSERS;

/// One message and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is wrong.
    pub message: String,
    /// What the user, or an administrator, can change, if anything.
    pub hint: Option<String>,
}

impl Diagnosis {
    /// Something that nobody can change.
    pub fn plain(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// Something that can be changed so.
    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}

/// What the machine says of itself, as far as it matters to user namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// A seccomp filter is in force.
    filtered: bool,
    /// This is a container of Docker, containerd or their like.
    in_container: bool,
    /// AppArmor restricts user namespaces of ordinary programs.
    apparmor_restricts: bool,
    /// `kernel.unprivileged_userns_clone` is there and 0.
    clone_forbidden: bool,
    /// `user.max_user_namespaces` or `user.max_mnt_namespaces` is 0.
    limit_is_zero: bool,
    /// No mount point of this process is `/`.
    in_chroot: bool,
    /// SELinux enforces.
    selinux_enforces: bool,
    /// Our own file may be executed but not read.
    executable_unreadable: bool,
    /// There is no `/proc`.
    no_proc: bool,
    /// The kernel was built without user namespaces.
    no_user_namespaces: bool,
    /// How many processes this user may have.
    most_processes: Option<u64>,
    /// Our own file.
    executable: PathBuf,
}

impl Surroundings {
    /// Looks around. `container_variable` says whether a variable tells that this is a container, which
    /// files alone do not always.
    pub fn look(container_variable: bool) -> Self {
        let mounts = read("/proc/self/mountinfo");
        let root = mounts
            .lines()
            .find(|line| line.split(' ').nth(4) == Some("/"));
        let root_is_overlay = root.is_some_and(|line| line.contains(" - overlay "));
        let groups = read("/proc/self/cgroup");
        let managers = ["docker", "kubepods", "containerd", "libpod", "crio"];
        let no_proc = !Path::new("/proc/self").exists();
        Self {
            filtered: read("/proc/self/status")
                .lines()
                .any(|line| line == "Seccomp:\t2"),
            in_container: container_variable
                || Path::new("/.dockerenv").exists()
                || Path::new("/run/.containerenv").exists()
                || root_is_overlay
                || managers.iter().any(|name| groups.contains(name)),
            apparmor_restricts: is(
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
                "1",
            ),
            clone_forbidden: is("/proc/sys/kernel/unprivileged_userns_clone", "0"),
            limit_is_zero: is("/proc/sys/user/max_user_namespaces", "0")
                || is("/proc/sys/user/max_mnt_namespaces", "0"),
            in_chroot: !mounts.is_empty() && root.is_none(),
            selinux_enforces: is("/sys/fs/selinux/enforce", "1"),
            executable_unreadable: !no_proc && fs::File::open("/proc/self/exe").is_err(),
            no_proc,
            no_user_namespaces: !no_proc && !Path::new("/proc/self/ns/user").exists(),
            most_processes: limits::processes(),
            executable: fs::read_link("/proc/self/exe").unwrap_or_default(),
        }
    }

    /// Why making a user namespace failed: `call` as an error shows it, and what the kernel said. `None`
    /// if nothing here explains it.
    pub fn reason(&self, call: &str, errno: i32) -> Option<Diagnosis> {
        let denied = matches!(errno, EPERM | EACCES);
        let at_first = call.starts_with("unshare");
        let full = matches!(errno, ENOSPC | EUSERS);
        let unknown = matches!(errno, ENOENT | EINVAL);
        // AppArmor either forbids the call, or allows it and then everything that makes it useful.
        let by_apparmor = self.apparmor_restricts && denied && (!at_first || errno == EACCES);
        let rows: [(bool, fn(&Self) -> Diagnosis); 11] = [
            (
                self.filtered && self.in_container && at_first && errno == EPERM,
                Self::by_seccomp,
            ),
            (by_apparmor, Self::by_apparmor),
            (self.clone_forbidden && errno == EPERM, Self::by_switch),
            (self.limit_is_zero && full, Self::by_limit),
            (full, |_| {
                Diagnosis::plain("user namespaces are nested too deep")
            }),
            (self.in_chroot && errno == EPERM, |_| {
                Diagnosis::plain("can't create a user namespace inside a chroot")
            }),
            (self.selinux_enforces && denied, |_| {
                Diagnosis::with_hint(
                    "SELinux forbids user namespaces for this program",
                    "the audit log names the rule",
                )
            }),
            (
                self.executable_unreadable && !at_first && errno == EACCES,
                Self::by_own_mode,
            ),
            (errno == EAGAIN, Self::by_process_limit),
            (self.no_proc && unknown, |_| {
                Diagnosis::with_hint("no /proc is mounted", "mount it: mount -t proc proc /proc")
            }),
            (self.no_user_namespaces && unknown, |_| {
                Diagnosis::plain("this kernel has no user namespaces")
            }),
        ];
        rows.iter()
            .find_map(|(fits, diagnosis)| fits.then(|| diagnosis(self)))
    }

    fn by_seccomp(&self) -> Diagnosis {
        Diagnosis::with_hint(
            "can't create a user namespace: this container's seccomp profile forbids it",
            "start the container with --security-opt seccomp=unconfined, in Kubernetes with \
             seccompProfile: Unconfined, or with a profile that allows unshare, mount, pivot_root and clone",
        )
    }

    fn by_apparmor(&self) -> Diagnosis {
        let path = self.executable.display();
        Diagnosis::with_hint(
            "AppArmor forbids user namespaces for this program",
            format!(
                "an administrator can allow it in /etc/apparmor.d/ch-image: abi <abi/4.0>, \
                 profile ch-image {path} flags=(unconfined) {{ userns, }} (likewise for its other \
                 names), or by sysctl kernel.apparmor_restrict_unprivileged_userns=0"
            ),
        )
    }

    fn by_switch(&self) -> Diagnosis {
        Diagnosis::with_hint(
            "can't create a user namespace: this system forbids it by its configuration",
            "an administrator can set sysctl kernel.unprivileged_userns_clone=1",
        )
    }

    fn by_limit(&self) -> Diagnosis {
        Diagnosis::with_hint(
            "can't create a user namespace: this system's limit is zero",
            "an administrator can set sysctl user.max_user_namespaces=15000",
        )
    }

    fn by_own_mode(&self) -> Diagnosis {
        let path = self.executable.display();
        let name = self.executable.file_name().unwrap_or("ch-image".as_ref());
        Diagnosis::with_hint(
            format!("{} must be readable", name.to_string_lossy()),
            format!("chmod a+r {path}"),
        )
    }

    fn by_process_limit(&self) -> Diagnosis {
        Diagnosis {
            message: "too many processes for this user".to_owned(),
            hint: self
                .most_processes
                .map(|most| format!("the limit is {most} (ulimit -u)")),
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn is(path: &str, value: &str) -> bool {
    read(path).trim() == value
}
