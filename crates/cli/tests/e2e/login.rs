//! `ch-image login` and `logout`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ch_test_support::{Access, Outcome, Registry, TestEnv, Transport};

use crate::credentials::put_helper;
use crate::pull::{put_small, text};
use crate::using;

/// A registry that wants a password, with `small:1`, and an environment that can keep one.
fn guarded() -> (Registry, TestEnv) {
    let registry = Registry::start_with(&Transport::Plain, &Access::Password);
    let mut env = using(&registry);
    put_small(&registry, &env);
    env.set("XDG_RUNTIME_DIR", text(&env.path("runtime")));
    let search = std::env::var("PATH").unwrap();
    env.set("PATH", format!("{}:{search}", text(&env.path("bin"))));
    (registry, env)
}

fn log_in(env: &TestEnv, password: &str, more: &[&str]) -> Outcome {
    env.write("password", format!("{password}\n"));
    let script = r#"exec ../bin/ch-image login -u tester --password-stdin "$@" < password"#;
    let arguments = ["-c", script, "sh"].into_iter().chain(more.iter().copied());
    env.run("sh", arguments)
}

#[test]
fn who_logged_in_may_pull_until_he_logs_out() {
    let (registry, env) = guarded();
    let (host, good) = (registry.host(), Registry::CREDENTIALS.1);
    let refused = log_in(&env, "wrong", &[]).exits(1).prints("");
    refused.complains(&format!("error: credentials refused by {host}\n"));
    let file = env.path("runtime/containers/auth.json");
    assert!(!file.exists(), "what is wrong is not kept");

    env.write(
        "runtime/containers/auth.json",
        r#"{"auths":{"other.example":{"auth":"eDp4"}}}"#,
    );
    log_in(&env, good, &[])
        .success()
        .prints("Login Succeeded!\n");
    let kept = fs::read_to_string(&file).unwrap();
    assert!(
        kept.contains("other.example") && kept.contains("eDp4"),
        "{kept}"
    );
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    env.image(["pull", "small:1"]).success();

    let removed = format!("Removed login credentials for {}\n", "127.0.0.1");
    env.image(["logout", &host]).success().prints(&removed);
    let kept = fs::read_to_string(&file).unwrap();
    assert!(
        kept.contains("other.example") && !kept.contains(&host),
        "{kept}"
    );
    env.image(["pull", "small:1"])
        .exits(1)
        .complains("unauthorized or not in registry");
    let again = env.image(["logout", &host]).exits(1).prints("");
    again.complains("error: not logged in: 127.0.0.1\n");
    let all = env.image(["logout", "--all"]).success();
    all.prints("Removed login credentials for other.example\n");
}

#[test]
fn a_file_of_ones_own_and_its_helper_are_used() {
    let (registry, env) = guarded();
    let (host, good) = (registry.host(), Registry::CREDENTIALS.1);
    log_in(&env, good, &["--authfile", "new.json", &host]).success();
    let kept = fs::read_to_string(env.path("new.json")).unwrap();
    assert!(kept.contains(&host), "{kept}");
    env.image(["pull", "--authfile", "new.json", "small:1"])
        .success();

    put_helper(&env, "keep", "");
    env.write("helped.json", r#"{"credsStore":"keep"}"#);
    log_in(&env, good, &["--authfile", "helped.json"]).success();
    let asked = fs::read_to_string(env.path("asked-keep")).unwrap();
    let stored = format!(r#"{{"ServerURL":"{host}","Username":"tester","Secret":"{good}"}}"#);
    assert!(asked.starts_with(&format!("store\n{stored}\n")), "{asked}");
    let kept = fs::read_to_string(env.path("helped.json")).unwrap();
    assert_eq!(kept, r#"{"credsStore":"keep"}"#);
    put_helper(&env, "keep", "echo is locked; exit 1");
    let refused = log_in(&env, good, &["--authfile", "helped.json"]).exits(1);
    refused.complains("error: credential helper keep: is locked\n");
}

#[test]
fn who_types_nothing_is_not_logged_in() {
    let (registry, env) = guarded();
    let refused = env.image(["login", &registry.host()]).exits(1);
    refused.complains("error: can't ask for credentials: no terminal\n");
    let refused = env.image(["login", "a/b"]).exits(1);
    refused.complains("error: not a registry: a/b\n");
}
