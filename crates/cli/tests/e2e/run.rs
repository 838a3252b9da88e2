//! `ch-run`.

use std::fs;

use ch_test_support::{TestEnv, small_root};

use crate::{empty, with_base};

/// An environment with a directory `image` to run, and no storage.
fn with_directory() -> TestEnv {
    let env = empty();
    small_root(&env.path("image"));
    env
}

#[test]
fn statuses_are_the_commands() {
    let env = with_base();
    for (command, status) in [("exit 3", 3), ("true", 0), ("kill -9 $$", 137)] {
        env.ch_run(["base", "--", "sh", "-c", command])
            .exits(status);
    }
    env.ch_run(["base", "--", "/nonexistent"]).exits(49);
    env.ch_run(["base", "--", "/etc/passwd"]).exits(49);
    env.ch_run(["nonexistent", "--", "true"]).exits(31);
    env.ch_run(["--nonexistent", "base", "--", "true"])
        .exits(64);
}

#[test]
fn caller_is_the_user_and_may_claim_others() {
    let env = with_base();
    let outside = env.run("id", ["-u"]).success();
    env.ch_run(["base", "--", "id", "-u"])
        .success()
        .prints(&outside.stdout);
    env.ch_run(["-u0", "-g0", "base", "--", "id", "-u"])
        .success()
        .prints("0\n");
    env.ch_run(["-u", "1234", "-g", "99", "base", "--", "id", "-u"])
        .success()
        .prints("1234\n");
    env.ch_run(["-u", "1234", "-g", "99", "base", "--", "id", "-g"])
        .success()
        .prints("99\n");
}

#[test]
fn image_is_read_only_unless_told_otherwise() {
    let env = with_directory();
    let refused = env.ch_run(["image", "--", "touch", "/new"]);
    assert_ne!(refused.code(), 0, "{refused}");
    assert!(
        refused.stderr.contains("Read-only file system"),
        "{refused}"
    );
    env.ch_run(["-w", "image", "--", "touch", "/new"]).success();
    assert!(env.path("image/new").exists());

    let env = with_base();
    env.ch_run(["-w", "base", "--", "true"])
        .exits(31)
        .complains("--write invalid when running by name");
}

#[test]
fn variables_come_from_files_that_end() {
    let env = with_directory();
    let fifo = |name: &str| env.run("mkfifo", [name]).success();
    fs::create_dir(env.path("image/ch")).unwrap();
    fifo("image/ch/environment");
    let with = |argument: &str| env.ch_run([argument, "image", "--", "true"]);
    with("--set-env")
        .exits(31)
        .complains("can't open: /ch/environment: not a regular file\n");
    with("--set-env=/dev/zero")
        .exits(31)
        .complains("can't open: /dev/zero: larger than 16 MiB\n");
    // The caller's own file may be a pipe, of a process substitution for instance.
    let script = "echo A=piped | ../bin/ch-run --set-env=/dev/stdin image -- sh -c 'echo $A'";
    env.run("sh", ["-c", script]).success().prints("piped\n");
    fifo("image/ch/config.json");
    with("--set-env=A=b")
        .exits(31)
        .complains("can't read /ch/config.json\n")
        .complains("not a regular file\n");
}

#[test]
fn directory_that_is_no_image_is_refused_and_left_alone() {
    let env = empty();
    env.write("tools/Dockerfile", "FROM base\n");
    for options in [&["-w"][..], &[]] {
        let refused = env.ch_run([options, &["tools", "--", "true"]].concat());
        refused
            .exits(31)
            .complains("]: error: not an image: tools: directory has no bin, dev, usr\n")
            .complains("]: hint: nor is there an image of that name in storage (ch-image list)\n");
    }
    // A path is no name.
    let refused = env.ch_run(["./tools", "--", "true"]).exits(31);
    assert!(!refused.stderr.contains("hint"), "{refused}");
    let left: Vec<_> = fs::read_dir(env.path("tools")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn advice_on_a_missing_shell_is_for_who_gets_it() {
    let env = with_base();
    fs::create_dir_all(env.path("bare/usr")).unwrap();
    env.image(["import", "bare", "bare"]).success();
    let refused = env.ch_run(["bare", "--", "/bin/sh"]).exits(49);
    refused.complains("]: hint: the image has no /bin/sh\n");
    env.write("context/Dockerfile", "FROM bare\nRUN true\n");
    let refused = env.image(["build", "context"]).exits(1);
    refused.complains("hint: the image has no /bin/sh; use RUN [...]\n");
}

#[test]
fn options_of_other_programs_are_explained() {
    let env = with_base();
    for (arguments, status, hint) in [
        (&["--bidn=/etc", "base"][..], 64, "did you mean --bind?"),
        (&["-e", "A=b", "base"], 64, "use --set-env=NAME=VALUE"),
        (&["-h"], 64, "use -? or --help"),
        (
            &["-it", "base"],
            64,
            "standard input and the terminal are the command's anyway: leave it out",
        ),
        (
            &["--rm", "base"],
            64,
            "nothing is left over that could be removed: leave it out",
        ),
        (&["--volume=/a:/b", "base"], 64, "use --bind=SRC[:DST]"),
        (
            &["--set-env", "A=b", "base", "true"],
            31,
            "the value must be joined: --set-env=A=b",
        ),
        (
            &["-v", "/etc:/mnt", "base", "true"],
            31,
            "-v means --verbose; use --bind=/etc:/mnt",
        ),
    ] {
        let refused = env.ch_run(arguments).exits(status);
        refused.complains(&format!("]: hint: {hint}\n"));
    }
}

#[test]
fn binds_lead_to_the_host() {
    let env = with_directory();
    env.write("host/file", "of the host");
    let bind = format!("{}:/mnt/here", env.path("host").display());
    env.ch_run(["-b", &bind, "image", "--", "cat", "/mnt/here/file"])
        .success()
        .prints("of the host");
    assert!(
        !env.path("image/mnt").exists(),
        "the image has a new directory"
    );
    let missing = format!("{}:/mnt/here", env.path("missing").display());
    let refused = env
        .ch_run(["-b", &missing, "image", "--", "true"])
        .exits(31);
    refused.complains("can't bind: source not found: ");
}

#[test]
fn directory_to_start_in_is_chosen() {
    let env = with_directory();
    env.ch_run(["image", "--", "pwd"]).success().prints("/\n");
    env.ch_run(["-c", "/bin", "image", "--", "pwd"])
        .success()
        .prints("/bin\n");
    let refused = env
        .ch_run(["-c", "/nowhere", "image", "--", "pwd"])
        .exits(31);
    refused.complains("can't cd to /nowhere: No such file or directory");
}

#[test]
fn environment_is_passed_set_and_unset() {
    let mut env = with_directory();
    env.set("PASSED", "yes");
    let show = ["image", "--", "sh", "-c", "echo $PASSED $ADDED"];
    let with = |options: &[&str]| env.ch_run([options, &show].concat()).success().stdout;
    assert_eq!(with(&[]), "yes\n");
    assert_eq!(with(&["--set-env=ADDED=more"]), "yes more\n");
    assert_eq!(
        with(&["--unset-env=PAS*", "--set-env=ADDED=more"]),
        "more\n"
    );
    env.write("variables", "ADDED=from a file\n");
    assert_eq!(with(&["--set-env=variables"]), "yes from a file\n");
}

#[test]
fn temporary_directory_can_be_private() {
    let env = with_directory();
    fs::create_dir_all(env.path("image/tmp")).unwrap();
    let list = "ls -A /tmp; touch /tmp/mine";
    env.ch_run(["-t", "image", "--", "sh", "-c", list])
        .success()
        .prints("");
    let name = format!("ch-image-test-{}", std::process::id());
    assert!(!std::path::Path::new("/tmp").join(name).exists());
}

#[test]
fn password_file_names_the_caller_unless_told_otherwise() {
    let env = with_directory();
    let own = fs::read_to_string(env.path("image/etc/passwd")).unwrap();
    env.ch_run(["--no-passwd", "image", "--", "cat", "/etc/passwd"])
        .success()
        .prints(&own);
    let made = env.ch_run(["image", "--", "cat", "/etc/passwd"]).success();
    let named = env.run("id", ["-un"]);
    let name = if named.code() == 0 {
        named.stdout.trim()
    } else {
        // $USER of the test, since the machine has no name for its account.
        "tester"
    };
    let ours = format!(
        "{name}:x:{}:",
        env.run("id", ["-u"]).success().stdout.trim()
    );
    assert!(
        made.stdout.lines().any(|line| line.starts_with(&ours)),
        "no {ours:?} in {made}"
    );
    assert_eq!(
        fs::read_to_string(env.path("image/etc/passwd")).unwrap(),
        own
    );
}

#[test]
fn verbose_tells_what_is_run_and_how() {
    let env = with_base();
    env.write("data/file", "");
    let (data, storage) = (env.path("data"), env.storage());
    let bind = format!("{}:/mnt/data", data.display());
    let arguments = ["-u0", "-g7", "-c", "/bin", "-b", &bind, "base", "-v"];
    let command = ["--", "sh", "-c", "echo out"];
    let found = env.ch_run(arguments.iter().chain(&command)).success();
    let found = found.prints("out\n");
    let told: Vec<&str> = found
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("ch-run[")?.split_once("]: "))
        .map(|(_, line)| line)
        .collect();
    let expected = [
        format!("image: base, 1 layer(s) in {}", storage.display()),
        "user: 0:7".to_owned(),
        "directory: /bin".to_owned(),
        format!("bind: {} to /tmp", env.root().display()),
        format!("bind: {} to /mnt/data", data.display()),
        "command: sh -c \"echo out\"".to_owned(),
        "root: overlay, read-only".to_owned(),
    ];
    assert_eq!(told, expected, "{found}");

    let env = with_directory();
    let found = env.ch_run(["-v", "-w", "image", "--", "true"]).success();
    let directory = fs::canonicalize(env.path("image")).unwrap();
    found
        .complains(&format!("]: image: directory {}\n", directory.display()))
        .complains("]: root: bind mount, writable\n");
    let silent = env.ch_run(["-w", "image", "--", "true"]).success();
    assert_eq!(silent.stderr, "");
}

#[test]
fn bind_of_a_file_on_a_directory_and_the_reverse_is_explained() {
    let env = with_base();
    env.write("data/file", "");
    let (data, file) = (env.path("data"), env.path("data/file"));
    let (data, file) = (data.display(), file.display());
    for (bind, error, hint) in [
        (
            format!("{file}:/etc"),
            format!("can't bind {file} to /etc: Not a directory"),
            format!(
                "{file} is a file, but /etc in the image is a directory; to put the file into \
                 it, give /etc/file as the destination"
            ),
        ),
        (
            format!("{data}:/etc/passwd"),
            format!("can't bind {data} to /etc/passwd: Not a directory"),
            format!(
                "{data} is a directory, but /etc/passwd in the image is a file; give a directory \
                 as the destination"
            ),
        ),
    ] {
        let refused = env.ch_run(["-b", &bind, "base", "--", "true"]).exits(31);
        refused
            .complains(&format!("]: error: {error}\n"))
            .complains(&format!("]: hint: {hint}\n"));
        env.write("context/Dockerfile", "FROM base\nRUN true\n");
        let refused = env.image(["build", "-b", &bind, "context"]).exits(1);
        refused
            .complains(&error)
            .complains(&format!("hint: {hint}\n"));
    }
}
