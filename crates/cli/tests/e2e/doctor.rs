//! `doctor`: what is found here, and what is said where something is missing.

use std::fs;

use ch_test_support::TestEnv;

use crate::{empty, with_base};

/// Names in the directory of the test, sorted.
fn names(env: &TestEnv) -> Vec<String> {
    let entries = fs::read_dir(env.root()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_machine_that_can_build_is_well_and_nothing_is_made() {
    let env = empty();
    let before = names(&env);
    let found = env.image(["doctor"]).success();
    for subject in [
        "user namespaces",
        "process namespaces",
        "root emulation",
        "hashing",
        "storage",
        "file system",
        "attributes",
        "files",
        "overlay",
        "optional programs",
    ] {
        let line = found
            .stdout
            .lines()
            .find(|line| line[6..].starts_with(subject));
        let line = line.unwrap_or_else(|| panic!("{subject}: {found}"));
        assert!(["ok    ", "slow  "].contains(&&line[..6]), "{line}");
    }
    assert!(found.stdout.contains("(does not exist yet)"), "{found}");
    env.image(["doctor", "--registry=x"])
        .exits(1)
        .complains("error: not yet supported: --registry\n");
    let document = env.image(["doctor", "--json"]).success().stdout;
    let start = "{\n  \"schema\": \"ch-image/doctor/1\",\n  \"checks\": [\n    {\n      \"id\": \"user-namespaces\",\n      \"status\": \"ok\",";
    assert!(document.starts_with(start), "{document}");
    let end = "\n  \"engine\": \"overlay\",\n  \"emulation\": \"supervisor\"\n}\n";
    assert!(document.ends_with(end), "{document}");
    assert_eq!(names(&env), before);
    assert!(!env.storage().exists());
}

#[test]
fn a_storage_directory_that_is_there_stays_as_it_is() {
    let env = with_base();
    fs::write(env.storage().join("stranger"), "").unwrap();
    let listed = |name: &str| {
        let entries = fs::read_dir(env.storage().join(name)).unwrap();
        let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = [listed(""), listed("layers")];
    let found = env.image(["doctor"]).success();
    let stranger = "slow  foreign files: not of this program: stranger\n      fix: ";
    assert!(found.stdout.contains(stranger), "{found}");
    assert_eq!([listed(""), listed("layers")], before);
    assert_eq!(env.image(["list"]).success().stdout, "base\n");
}

#[test]
fn what_keeps_builds_from_working_is_named_with_its_cure() {
    let env = empty();
    fs::create_dir(env.path("mine")).unwrap();
    fs::write(env.path("mine/thesis"), "").unwrap();
    let found = env.image(["-s", "mine", "doctor"]).exits(1);
    let expected = "FAIL  storage: storage directory seems invalid: ";
    assert!(found.stdout.contains(expected), "{found}");
    let cure = "\n      fix: name a directory that does not exist yet\n";
    assert!(found.stdout.contains(cure), "{found}");

    // In a namespace of its own even a user may set the limit.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" doctor";
    let program = env.command("ch-image", ["doctor"]);
    let program = program.get_program().to_owned();
    let mut command = env.command("unshare", ["--user", "--map-root-user", "sh", "-c", script]);
    let output = command.arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let cure = "sysctl user.max_user_namespaces=15000\n";
    assert!(text.starts_with("FAIL  user namespaces: "), "{text}");
    assert!(text.contains(cure), "{text}");
    assert_eq!(output.status.code(), Some(1));
}
