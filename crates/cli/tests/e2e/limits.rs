//! Depths, sizes and numbers that are larger than usual, or smaller.

use ch_test_support::{TestEnv, small_root};

use crate::{empty, with_base};

/// As many levels as an archive may have, with what is around them; a recursion has no stack for them, and nobody
/// may open so many files unless he asks for it.
const DEEP: usize = 990;
/// What `mkdir` takes at once.
const PART: usize = 495;
/// `SIGXFSZ`, number 25, in a set of signals.
const XFSZ: u64 = 1 << 24;
/// `SIGCHLD`, number 17.
const CHLD: u64 = 1 << 16;

/// Makes directories in one another below `name`, and a file in the deepest.
fn plant_deep(env: &TestEnv, name: &str) {
    let part = ["d"; PART].join("/");
    let script = format!(
        "mkdir -p {name} && cd {name} && i=0 && while [ $i -lt {} ]; do \
         mkdir -p {part} && cd -P {part} || exit 1; i=$((i + 1)); done; echo leaf > leaf",
        DEEP / PART
    );
    env.run("sh", ["-c", &script]).success();
}

/// Deletes what the test made: the standard library would need more open files than tests have.
fn clear(env: &TestEnv) {
    let all = env.root().join("*");
    let script = format!("rm -rf {}", all.display());
    env.run("sh", ["-c", &script]).success();
}

#[test]
fn deep_trees_are_copied_and_imported() {
    let env = with_base();
    plant_deep(&env, "context/tree");
    let dockerfile = "FROM base\nCOPY tree /tree\nRUN rm -rf /tree/d/d\nCOPY tree /tree\n";
    env.write("context/Dockerfile", dockerfile);
    env.image(["build", "context"]).success();
    let depth =
        "cd /tree; n=0; while cd -P d 2>/dev/null; do n=$((n + 1)); done; echo $n; cat leaf";
    let expected = format!("{DEEP}\nleaf\n");
    let inside =
        |image: &str, script: &str| env.ch_run([image, "--", "sh", "-c", script]).success();
    inside("context", depth).prints(&expected);
    env.write("context/tree/changed", "");
    env.image(["build", "context"]).success();
    inside("context", depth).prints(&expected);
    plant_deep(&env, "base/tree");
    env.image(["import", "base", "imported"]).success();
    inside("imported", depth).prints(&expected);
    // A file takes the place of the whole tree.
    env.write(
        "context/Dockerfile",
        "FROM base\nCOPY tree /x/tree\nCOPY file /x\n",
    );
    env.write("context/file/tree", "");
    env.image(["build", "context"]).success();
    inside("context", "cat /x/tree").prints("");
    clear(&env);
}

#[test]
fn limits_of_the_user_are_those_of_his_commands() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\nRUN ulimit -S -n\n");
    let build = "ulimit -S -n 321; ch-image build context";
    let path = format!("{}:/usr/bin:/bin", env.root().join("bin").display());
    let command = [&format!("PATH={path}"), "sh", "-c", build];
    env.run("env", command).success().prints("321\n");
}

#[test]
fn a_file_that_may_not_grow_is_an_error() {
    let env = empty();
    env.write("tree/file", vec![b'x'; 1 << 20]);
    let import = "ulimit -f 100; ch-image import tree x";
    let path = format!("{}:/usr/bin:/bin", env.root().join("bin").display());
    let refused = env.run("env", [&format!("PATH={path}"), "sh", "-c", import]);
    refused.exits(1).complains("File too large");
    env.image(["list"]).success().prints("");
}

#[test]
fn too_few_open_files_are_the_reason_that_is_told() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\nRUN true\n");
    let path = format!("PATH={}:/usr/bin:/bin", env.root().join("bin").display());
    for (number, command) in [
        (20, "ch-image build context"),
        (32, "ch-image build context"),
        (20, "ch-run base -- true"),
    ] {
        let script = format!("ulimit -n {number}; {command}");
        let refused = env.run("env", [&path, "sh", "-c", &script]);
        let refused = refused
            .complains("Too many open files")
            .complains(&format!("hint: this process may have {number} files open"));
        assert!(!refused.stderr.contains("not found"), "{refused}");
    }
}

#[test]
fn a_file_that_may_not_grow_is_an_error_of_ch_run_too() {
    let env = with_base();
    let run = |command: &str| env.run("sh", ["-c", command]);
    run("ulimit -f 0; ../bin/ch-run base -- true")
        .exits(31)
        .complains("File too large\n");
    for (before, expected) in [("true", false), ("trap '' XFSZ", true)] {
        let status = run(&format!(
            "{before}; ../bin/ch-run base -- cat /proc/self/status"
        ));
        let ignored = is_ignored(&status.success().stdout, XFSZ);
        assert_eq!(ignored, expected, "{before}");
    }
}

/// Whether `/proc/PID/status` says that a signal is ignored.
fn is_ignored(status: &str, signal: u64) -> bool {
    let ignored = status.lines().find_map(|it| it.strip_prefix("SigIgn:\t"));
    u64::from_str_radix(ignored.unwrap(), 16).unwrap() & signal != 0
}

#[test]
fn who_ignores_his_children_gets_his_builds_and_commands() {
    let env = with_base().with_default_emulation();
    env.write("context/Dockerfile", "FROM base\nRUN echo done\n");
    let ignoring = |program: &str, arguments: &[&str]| {
        let all = [&["30", "env", "--ignore-signal=CHLD", program], arguments].concat();
        env.run("timeout", all)
    };
    ignoring("../bin/ch-image", &["build", "-t", "app", "context"])
        .success()
        .prints("done\n");
    for options in [&[][..], &["--force=supervisor"]] {
        let command = ["app", "--", "cat", "/proc/self/status"];
        let status = ignoring("../bin/ch-run", &[options, &command].concat());
        assert!(is_ignored(&status.success().stdout, CHLD), "{options:?}");
    }
}

#[test]
fn masks_of_modes_are_the_commands_of_ch_run_and_nobody_elses() {
    for mask in ["777", "222", "277"] {
        let env = empty();
        small_root(&env.path("root"));
        env.write(
            "context/Dockerfile",
            "FROM base\nCOPY file /new/\nRUN umask\n",
        );
        env.write("context/file", "content");
        let run = |command: &str| env.run("sh", ["-c", &format!("umask {mask}; {command}")]);
        run("../bin/ch-image import root base").success();
        run("../bin/ch-image build -t app context")
            .success()
            .prints("0022\n");
        run("../bin/ch-run app -- sh -c 'cat /new/file; umask'")
            .success()
            .prints(&format!("content0{mask}\n"));
    }
}

#[test]
fn a_root_closed_to_its_owner_is_committed() {
    let env = with_base();
    env.write(
        "context/Dockerfile",
        "FROM base\nRUN chmod 000 /\nRUN echo x > /file\n",
    );
    env.image(["build", "context"]).success();
    env.ch_run(["context", "--", "cat", "/file"])
        .success()
        .prints("x\n");
}
