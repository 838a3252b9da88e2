use super::*;
use crate::namespace;

/// Where the surroundings differ from an ordinary machine's, what failed there, and what is said; nothing,
/// if no row fits.
type Row = (fn(&mut Surroundings), &'static str, i32, &'static str);

const UNSHARE: &str = "unshare(CLONE_NEWNS|CLONE_NEWUSER)";
const MAP: &str = r#"write(/proc/self/uid_map, "0 1000 1")"#;
const MOUNT: &str = r#"mount("/")"#;

const SECCOMP: &str = "can't create a user namespace: this container's seccomp profile forbids it";
const APPARMOR: &str = "AppArmor forbids user namespaces for this program";
const LIMIT: &str = "can't create a user namespace: this system's limit is zero";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (|_| (), UNSHARE, EPERM, ""),
    (|_| (), MAP, EACCES, ""),
    (|s| (s.filtered, s.in_container) = (true, true), UNSHARE, EPERM, SECCOMP),
    (|s| s.filtered = true, UNSHARE, EPERM, ""),
    (|s| s.in_container = true, UNSHARE, EPERM, ""),
    (|s| s.apparmor_restricts = true, MAP, EPERM, APPARMOR),
    (|s| s.apparmor_restricts = true, MOUNT, EACCES, APPARMOR),
    (|s| s.apparmor_restricts = true, UNSHARE, EACCES, APPARMOR),
    (|s| s.apparmor_restricts = true, UNSHARE, EPERM, ""),
    (|s| s.clone_forbidden = true, UNSHARE, EPERM,
     "can't create a user namespace: this system forbids it by its configuration"),
    (|s| s.limit_is_zero = true, UNSHARE, ENOSPC, LIMIT),
    (|s| s.limit_is_zero = true, UNSHARE, EUSERS, LIMIT),
    (|_| (), UNSHARE, ENOSPC, "user namespaces are nested too deep"),
    (|s| s.in_chroot = true, UNSHARE, EPERM, "can't create a user namespace inside a chroot"),
    (|s| s.selinux_enforces = true, UNSHARE, EACCES,
     "SELinux forbids user namespaces for this program"),
    (|s| s.executable_unreadable = true, MAP, EACCES, "ch-run must be readable"),
    (|_| (), UNSHARE, EAGAIN, "too many processes for this user"),
    (|s| s.no_proc = true, MAP, ENOENT, "no /proc is mounted"),
    (|s| s.no_user_namespaces = true, UNSHARE, EINVAL, "this kernel has no user namespaces"),
    // Several hold: the first row of the table is the answer.
    (|s| (s.filtered, s.in_container, s.clone_forbidden) = (true, true, true), UNSHARE, EPERM, SECCOMP),
    (|s| (s.apparmor_restricts, s.selinux_enforces) = (true, true), MAP, EACCES, APPARMOR),
];

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the number of rows belongs to the result"
)]
fn first_fitting_row_is_reported() {
    for (index, (change, call, errno, expected)) in ROWS.iter().enumerate() {
        let mut surroundings = Surroundings {
            executable: "/bin/ch-run".into(),
            ..Surroundings::default()
        };
        change(&mut surroundings);
        let reason = surroundings.reason(call, *errno);
        let message = reason.map(|reason| reason.message);
        assert_eq!(
            message.as_deref().unwrap_or_default(),
            *expected,
            "row {index}"
        );
    }
    println!("runtime.md §1.9: {} rows", ROWS.len());
}

#[test]
fn hints_name_what_is_to_be_changed() {
    let surroundings = Surroundings {
        executable: "/opt/bin/ch-run".into(),
        apparmor_restricts: true,
        executable_unreadable: true,
        most_processes: Some(7),
        ..Surroundings::default()
    };
    let hint = |errno| surroundings.reason(MAP, errno).unwrap().hint.unwrap();
    assert!(hint(EPERM).contains("profile ch-image /opt/bin/ch-run flags=(unconfined)"));
    assert_eq!(hint(EAGAIN), "the limit is 7 (ulimit -u)");
    assert_eq!(
        surroundings.by_own_mode().hint.unwrap(),
        "chmod a+r /opt/bin/ch-run"
    );
}

#[test]
fn rows_are_fed_what_is_really_said() {
    // Refused to a process with several threads, which tests have.
    let kinds = namespace::Kinds::USER.and(namespace::Kinds::MOUNT);
    let refused = namespace::unshare(kinds).unwrap_err();
    assert_eq!(refused.to_string(), UNSHARE);
}

#[test]
fn this_machine_is_looked_at() {
    let found = Surroundings::look(true);
    assert!(found.in_container, "the variable says so");
    assert!(!found.no_proc && !found.no_user_namespaces && !found.executable_unreadable);
    assert_eq!(found.executable, std::env::current_exe().unwrap());
}
