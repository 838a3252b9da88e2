//! What to tell a user whose kernel refuses.
//!
//! `EPERM` has a dozen causes, each with another cure. After a failure, and only then, the surroundings
//! are looked at; the first row that fits is reported. Gathering and judging are apart, so that every row
//! can be tested on any machine.

use std::path::{Path, PathBuf};

use ch_linux::SyscallError;

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EAGAIN: i32 = 11;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const EUSERS: i32 = 87;

/// What helps where the file system of the storage directory does not.
const ELSEWHERE: &str =
    "put the storage directory on a local disk or a tmpfs: -s DIR or $CH_IMAGE_STORAGE";

/// One message and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is wrong.
    pub message: String,
    /// What the user, or an administrator, can change.
    pub hint: Option<String>,
}

impl Diagnosis {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
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
    pub filtered: bool,
    /// This is a container of Docker, containerd or their like.
    pub in_container: bool,
    /// AppArmor restricts user namespaces of ordinary programs.
    pub apparmor_restricts: bool,
    /// `kernel.unprivileged_userns_clone` is there and 0.
    pub clone_forbidden: bool,
    /// `user.max_user_namespaces` or `user.max_mnt_namespaces` is 0.
    pub limit_is_zero: bool,
    /// No mount point of this process is `/`.
    pub in_chroot: bool,
    /// SELinux enforces.
    pub selinux_enforces: bool,
    /// Our own file may be executed but not read.
    pub executable_unreadable: bool,
    /// There is no `/proc`.
    pub no_proc: bool,
    /// The kernel was built without user namespaces.
    pub no_user_namespaces: bool,
    /// Our own file.
    pub executable: PathBuf,
}

impl Surroundings {
    /// Looks around.
    pub fn gather() -> Self {
        let mounts = read("/proc/self/mountinfo");
        let root = mounts
            .lines()
            .find(|line| line.split(' ').nth(4) == Some("/"));
        let root_is_overlay = root.is_some_and(|line| line.contains(" - overlay "));
        let groups = read("/proc/self/cgroup");
        let managers = ["docker", "kubepods", "containerd", "libpod", "crio"];
        Self {
            filtered: read("/proc/self/status")
                .lines()
                .any(|line| line == "Seccomp:\t2"),
            in_container: Path::new("/.dockerenv").exists()
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
            executable_unreadable: std::fs::File::open("/proc/self/exe").is_err(),
            no_proc: !Path::new("/proc/self").exists(),
            no_user_namespaces: !Path::new("/proc/self/ns/user").exists(),
            executable: std::fs::read_link("/proc/self/exe").unwrap_or_default(),
        }
    }

    /// Why making a user namespace failed: `call` as an error shows it, and what the kernel said.
    pub fn diagnose(&self, call: &str, errno: Option<i32>) -> Diagnosis {
        let denied = matches!(errno, Some(EPERM | EACCES));
        let unshared = !call.starts_with("unshare");
        let full = matches!(errno, Some(ENOSPC | EUSERS));
        let name = self.executable.file_name().unwrap_or("ch-image".as_ref());
        let name = name.to_string_lossy();
        let rows = [
            (
                self.no_proc,
                Diagnosis::new("no /proc is mounted", "mount it: mount -t proc proc /proc"),
            ),
            (
                errno == Some(EPERM) && !unshared && self.filtered && self.in_container,
                by_seccomp(),
            ),
            (
                denied && unshared && self.apparmor_restricts,
                self.by_apparmor(),
            ),
            (
                errno == Some(EPERM) && self.clone_forbidden,
                forbidden(
                    "by its configuration",
                    "sysctl kernel.unprivileged_userns_clone=1",
                ),
            ),
            (
                full && self.limit_is_zero,
                forbidden(
                    "by its configuration",
                    "sysctl user.max_user_namespaces=15000",
                ),
            ),
            (
                full,
                Diagnosis {
                    message: "user namespaces are nested too deep".into(),
                    hint: None,
                },
            ),
            (
                errno == Some(EPERM) && self.in_chroot,
                Diagnosis {
                    message: "can't create a user namespace inside a chroot".into(),
                    hint: None,
                },
            ),
            (
                denied && self.selinux_enforces,
                forbidden("by SELinux", "look into the audit log"),
            ),
            (
                denied && unshared && self.executable_unreadable,
                Diagnosis::new(
                    format!("{name} must be readable"),
                    format!("chmod a+r {}", self.executable.display()),
                ),
            ),
            (
                errno == Some(EAGAIN),
                Diagnosis {
                    message: "too many processes for this user".into(),
                    hint: None,
                },
            ),
            (
                matches!(errno, Some(EINVAL | ENOENT)) && self.no_user_namespaces,
                Diagnosis {
                    message: "this kernel has no user namespaces".into(),
                    hint: None,
                },
            ),
        ];
        let fitting = rows
            .into_iter()
            .find_map(|(fits, diagnosis)| fits.then_some(diagnosis));
        fitting.unwrap_or_else(|| Diagnosis {
            message: "can't create a user namespace".into(),
            hint: None,
        })
    }

    fn by_apparmor(&self) -> Diagnosis {
        let path = self.executable.display();
        Diagnosis::new(
            "AppArmor forbids user namespaces for this program",
            format!(
                "an administrator can allow it in /etc/apparmor.d/ch-image: abi <abi/4.0>, \
                 profile ch-image {path} flags=(unconfined) {{ userns, }} (likewise for its other \
                 names), or by sysctl kernel.apparmor_restrict_unprivileged_userns=0"
            ),
        )
    }
}

fn by_seccomp() -> Diagnosis {
    Diagnosis::new(
        "can't create a user namespace: this container's seccomp profile forbids it",
        "start the container with --security-opt seccomp=unconfined, in Kubernetes with \
         seccompProfile: Unconfined, or with a profile that allows unshare, mount, pivot_root, clone",
    )
}

fn forbidden(by: &str, hint: &str) -> Diagnosis {
    Diagnosis::new(
        format!("can't create a user namespace: this system forbids it {by}"),
        hint,
    )
}

/// Why an overlay on `storage` can't be mounted.
pub(crate) fn of_overlay(storage: &Path, call: &str, errno: Option<i32>) -> Diagnosis {
    let storage = storage.display();
    if call.contains("not supported as upperdir") {
        return Diagnosis::new(
            format!(
                "not yet supported: storage directory {storage} on a file system that can't hold changes"
            ),
            ELSEWHERE,
        );
    }
    if errno == Some(EPERM) || call.contains("\"userxattr\"") {
        return Diagnosis::new(
            "not yet supported: a kernel that refuses overlay mounts to ordinary users",
            "Linux 5.11 and later allow them",
        );
    }
    if call.starts_with("fsopen") {
        return Diagnosis::new(
            "not yet supported: a kernel without overlayfs",
            "an administrator can load it: modprobe overlay",
        );
    }
    if errno == Some(ENOSPC) {
        return Diagnosis {
            message: format!("can't mount layers of {storage}: disk full"),
            hint: None,
        };
    }
    Diagnosis {
        message: format!("can't mount layers of {storage}"),
        hint: None,
    }
}

/// Why an overlay on `storage` was mounted but does not work.
pub(crate) fn of_changes(storage: &Path, error: Option<&SyscallError>) -> Diagnosis {
    let storage = storage.display();
    tracing::debug!("overlay on {storage} does not work: {error:?}");
    Diagnosis::new(
        format!(
            "not yet supported: storage directory {storage} on a file system that can't hold \
             removals and user attributes"
        ),
        ELSEWHERE,
    )
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn is(path: &str, value: &str) -> bool {
    read(path).trim() == value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the surroundings differ from an ordinary machine's, and what failed there.
    type Row = (fn(&mut Surroundings), &'static str, i32, &'static str);

    #[test]
    #[expect(
        clippy::print_stdout,
        reason = "the number of rows belongs to the result"
    )]
    fn first_fitting_row_is_reported() {
        let unshare = "unshare(NEWUSER | NEWNS)";
        let map = "write(/proc/self/uid_map, \"0 1000 1\")";
        let rows: &[Row] = &[
            (
                |s| (s.filtered, s.in_container) = (true, true),
                unshare,
                EPERM,
                "seccomp profile",
            ),
            (
                |s| s.filtered = true,
                unshare,
                EPERM,
                "can't create a user namespace",
            ),
            (
                |s| s.apparmor_restricts = true,
                map,
                EPERM,
                "AppArmor forbids",
            ),
            (
                |s| s.apparmor_restricts = true,
                "mount(\"/\")",
                EACCES,
                "AppArmor forbids",
            ),
            (
                |s| s.apparmor_restricts = true,
                unshare,
                EPERM,
                "can't create a user namespace",
            ),
            (
                |s| s.clone_forbidden = true,
                unshare,
                EPERM,
                "by its configuration",
            ),
            (
                |s| s.limit_is_zero = true,
                unshare,
                ENOSPC,
                "by its configuration",
            ),
            (
                |s| s.limit_is_zero = true,
                unshare,
                EUSERS,
                "by its configuration",
            ),
            (|_| (), unshare, ENOSPC, "nested too deep"),
            (|s| s.in_chroot = true, unshare, EPERM, "inside a chroot"),
            (|s| s.selinux_enforces = true, unshare, EACCES, "SELinux"),
            (
                |s| s.executable_unreadable = true,
                map,
                EACCES,
                "must be readable",
            ),
            (|_| (), unshare, EAGAIN, "too many processes"),
            (
                |s| s.no_user_namespaces = true,
                unshare,
                EINVAL,
                "no user namespaces",
            ),
            (|s| s.no_proc = true, map, ENOENT, "no /proc is mounted"),
        ];
        for (index, (change, call, errno, expected)) in rows.iter().enumerate() {
            let mut surroundings = Surroundings::default();
            change(&mut surroundings);
            let message = surroundings.diagnose(call, Some(*errno)).message;
            assert!(message.contains(expected), "row {index}: {message}");
        }
        println!("runtime.md §1.9: {} rows", rows.len());
    }

    #[test]
    fn this_machine_is_looked_at_without_panic() {
        let surroundings = Surroundings::gather();
        assert!(!surroundings.no_proc && !surroundings.no_user_namespaces);
        assert_eq!(surroundings.executable, std::env::current_exe().unwrap());
    }

    #[test]
    fn refused_overlays_say_what_is_missing() {
        for (call, errno, expected) in [
            (
                "fsconfig(\"overlay\"; filesystem on x not supported as upperdir)",
                EINVAL,
                "hold changes",
            ),
            (
                "fsconfig(\"overlay\", FSCONFIG_CMD_CREATE)",
                EPERM,
                "refuses overlay mounts",
            ),
            ("fsopen(\"overlay\")", 19, "without overlayfs"),
            ("fsconfig(\"overlay\")", EINVAL, "can't mount layers of /s"),
        ] {
            let diagnosis = of_overlay(Path::new("/s"), call, Some(errno));
            assert!(
                diagnosis.message.contains(expected),
                "{call}: {}",
                diagnosis.message
            );
        }
    }
}
