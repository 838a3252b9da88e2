//! The executable needs nothing of the machine.

use std::fs;
use std::process::{Command, Stdio};

use ch_test_support::{Access, Registry, Transport, run_tool};

use crate::{EXECUTABLE, put_debian, using};

#[test]
fn no_dynamic_linker_is_named() {
    let headers = run_tool("readelf", &["--program-headers", "--wide", EXECUTABLE]);
    assert!(
        headers.contains("LOAD"),
        "readelf lists the segments:\n{headers}"
    );
    assert!(
        !headers.contains("INTERP"),
        "the executable is dynamic:\n{headers}"
    );
}

/// Enters a root of its own and runs a command there; `/proc`, `/dev/null` and name resolution are bound in.
const ENTER: &str = r#"
set -eu
root=$1; shift
mount --rbind /proc "$root/proc"
mount --bind /dev/null "$root/dev/null"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
mount --bind /etc/hosts "$root/etc/hosts"
exec chroot "$root" "$@"
"#;

#[test]
fn an_almost_empty_root_is_enough() {
    let registry = Registry::start_with(&Transport::Tls, &Access::Anonymous);
    let env = using(&registry);
    put_debian(&registry, &env);
    let root = env.path("root");
    for directory in ["proc", "dev", "etc"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for file in ["dev/null", "etc/resolv.conf", "etc/hosts"] {
        fs::write(root.join(file), "").unwrap();
    }
    fs::copy(EXECUTABLE, root.join("ch-image")).unwrap();
    fs::copy(registry.authority(), root.join("ca.pem")).unwrap();
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args([
            "--user",
            "--map-root-user",
            "--mount",
            "/bin/sh",
            "-c",
            ENTER,
            "sh",
        ]);
        command
            .arg(&root)
            .arg("/ch-image")
            .args(arguments)
            .stdin(Stdio::null());
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("SSL_CERT_FILE", "/ca.pem");
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {}\n{error}",
            output.status
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(inside(&["--version"]).trim_end(), env!("CARGO_PKG_VERSION"));
    let reference = format!("localhost:{}/debian:bookworm", registry.port());
    inside(&["--storage", "/storage", "pull", &reference]);
    assert_eq!(
        inside(&["--storage", "/storage", "list"]),
        format!("{reference}\n")
    );
}

#[test]
fn no_module_of_the_name_service_is_opened() {
    let env = crate::empty();
    let trace = env.path("trace");
    let mut arguments = vec![
        "-f",
        "-e",
        "trace=openat,open",
        "-o",
        trace.to_str().unwrap(),
    ];
    arguments.extend([EXECUTABLE, "pull", "localhost:1/nothing:here"]);
    let outcome = env.run("strace", arguments).exits(1);
    let trace = fs::read_to_string(trace).unwrap();
    assert!(
        trace.contains("/etc/hosts"),
        "the name was looked up:\n{trace}{outcome}"
    );
    assert!(!trace.contains("libnss_"), "{trace}");
}
