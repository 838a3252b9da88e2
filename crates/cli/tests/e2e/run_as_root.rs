//! `ch-run --force`: a command that is told of owners, modes and itself as a `RUN` is.

use std::fs;

use ch_test_support::{TestEnv, small_root};

use crate::with_base;

/// An environment with an image `built` that has files of several owners, and a user `ann`.
fn with_owners() -> TestEnv {
    let env = with_base().with_default_emulation();
    let dockerfile = r"FROM base
RUN echo 'ann:x:7:70::/:/bin/sh' >> /etc/passwd; echo 'staff:x:50:ann' >> /etc/group
RUN touch /f /s && chown 5:6 /f && chmod 4750 /f && ln -s f /l && chown -h 8:9 /l && cp /bin/id /bin/suid && chown 7 /bin/suid && chmod 4755 /bin/suid
USER ann
CMD id
";
    env.write("context/Dockerfile", dockerfile);
    env.image(["build", "-t", "built", "context"]).success();
    env
}

/// What `script` prints in `built`.
fn inside(env: &TestEnv, options: &[&str], script: &str) -> String {
    let arguments = [options, &["built", "--", "sh", "-c", script]].concat();
    env.ch_run(arguments).success().stdout
}

#[test]
fn root_of_a_supervisor_is_root_as_in_a_build() {
    let env = with_owners();
    let root = |script: &str| inside(&env, &["-u0", "--force=supervisor", "-t"], script);
    let told = root("id; stat -c '%n %u:%g %a' /f /s /l /tmp; cat /etc/passwd");
    let expected = "uid=0(root) gid=0(root) groups=0(root)\n\
        /f 5:6 4750\n/s 0:0 644\n/l 8:9 777\n/tmp 0:0 1777\n\
        root:x:0:0:root:/root:/bin/sh\nann:x:7:70::/:/bin/sh\n";
    assert_eq!(told, expected);
    let told =
        root("cd /tmp && touch a && ln -s a b && chown -h 3:4 a b && stat -c '%n %u:%g' a b");
    assert_eq!(told, "a 3:4\nb 3:4\n");
    // What only seems to be done, or not at all.
    let script = "cd /tmp && touch a && chown 3:4 a && stat -c %u:%g a";
    let told = inside(&env, &["-u0", "-g0", "--force=seccomp", "-t"], script);
    assert_eq!(told, "0:0\n");
    for none in [&["-u0", "-t"][..], &["-u0", "-t", "--force=none"]] {
        let arguments = [none, &["built", "--", "sh", "-c", script]].concat();
        env.ch_run(arguments).exits(1);
    }
}

#[test]
fn owners_that_a_directory_keeps_beside_its_files_are_told() {
    let env = with_base().with_default_emulation();
    let directory = env.path("directory");
    fs::create_dir_all(directory.join("ch")).unwrap();
    small_root(&directory);
    std::os::unix::fs::symlink("f", directory.join("l")).unwrap();
    let config =
        r#"{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}"#;
    fs::write(directory.join("ch/config.json"), config).unwrap();
    fs::write(directory.join("ch/owners"), "l\t8:9:0777:symlink\n").unwrap();
    let path = directory.to_str().unwrap();
    let stat = [
        "-u0",
        "--force=supervisor",
        path,
        "--",
        "stat",
        "-c",
        "%u:%g",
        "/l",
    ];
    env.ch_run(stat).success().prints("8:9\n");

    // A link leads to what may be anything of the host's.
    fs::rename(directory.join("ch"), env.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(env.path("elsewhere"), directory.join("ch")).unwrap();
    fs::write(env.path("elsewhere/config.json"), "{").unwrap();
    env.ch_run(stat).success().prints("0:0\n");
}

#[test]
fn users_are_those_of_the_image() {
    let env = with_owners();
    let as_user = |user: &[&str], script: &str| {
        let options = [user, &["--force=supervisor", "-t"]].concat();
        inside(&env, &options, script)
    };
    let told = as_user(&["-u7"], "id; suid -u; touch /tmp/x; stat -c %u:%g /tmp/x");
    let expected = "uid=7(ann) gid=70 groups=70,50(staff)\n7\n7:70\n";
    assert_eq!(told, expected);
    assert_eq!(
        as_user(&["-u9", "-g8"], "id -u; id -G; suid -u"),
        "9\n8\n7\n"
    );
    let own = env.run("id", ["-u"]).success().stdout;
    assert_eq!(as_user(&[], "id -u"), own);
    // Without a command the image says who it is.
    env.ch_run(["--force=supervisor", "built"])
        .success()
        .prints("uid=7(ann) gid=70 groups=70,50(staff)\n");
}

#[test]
fn the_command_keeps_its_process() {
    let env = with_owners();
    let run = |script: &str| inside(&env, &["-u0", "--force=supervisor", "-t"], script);
    // No child that it did not make.
    let script = "wait; read -r children < /proc/$$/task/$$/children; echo :$children";
    assert_eq!(run(script), ":\n");
    let arguments = ["--force=supervisor", "built", "--", "sh", "-c"];
    env.ch_run([&arguments[..], &["exit 3"]].concat()).exits(3);
    env.ch_run([&arguments[..], &["kill -9 $$"]].concat())
        .exits(137);
    env.ch_run(["--force=supervisor", "built", "--", "nonexistent"])
        .exits(49)
        .complains("can't execve(2): nonexistent: No such file or directory");
    let child = env.start(
        "ch-run",
        ["--force=supervisor", "built", "--", "sleep", "60"],
    );
    let name = || fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap();
    while name() != "sleep\n" {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    env.run("kill", [&child.id().to_string()]).success();
    let mut child = child;
    assert!(!child.wait().unwrap().success());
}

#[test]
fn who_outlives_the_command_is_answered_until_the_end() {
    let env = with_owners();
    fs::create_dir(env.path("out")).unwrap();
    let bind = format!("{}:/mnt", env.path("out").display());
    let options = ["-u0", "--force=supervisor", "-t", "-b", &bind];
    let script = "(sleep 1; touch /tmp/x; chown 3:4 /tmp/x; stat -c %u:%g /tmp/x > /mnt/told; mv /mnt/told /mnt/done) >/dev/null 2>&1 & echo ended";
    assert_eq!(inside(&env, &options, script), "ended\n");
    let done = env.path("out/done");
    while !done.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(fs::read_to_string(done).unwrap(), "3:4\n");
}

#[test]
fn files_of_the_host_are_the_users_as_without_a_supervisor() {
    let script = "cd /mnt; stat -c '%n %u:%g %a' . mine
        for operator in -O -w -r; do test $operator mine && echo is $operator; done
        chmod 400 mine; touch new; mkdir -m 500 dir; ln -s mine link; umask 0; sh -c ': > open'
        chown $(id -u):$(id -g) mine new && chown -h $(id -u) link && echo owned
        chown 33:44 new 2>/dev/null || echo refused
        stat -c '%n %u:%g %a' *";
    // Also where a host's directory is on the file system of the image.
    let env = with_owners();
    small_root(&env.path("directory"));
    fs::create_dir(env.path("directory/mnt")).unwrap();
    let bind = format!("{}:/mnt", env.path("out").display());
    for image in ["built", "./directory"] {
        for user in [&[][..], &["-u0", "-g0"], &["-u7", "-g8"]] {
            let [without, with] = ["--force=none", "--force=supervisor"].map(|mode| {
                fs::create_dir(env.path("out")).unwrap();
                env.write("out/mine", "");
                let command = [mode, "-b", &bind, image, "--", "sh", "-c", script];
                let told = env.ch_run([user, &command].concat()).success().stdout;
                let on_host = env.run(
                    "stat",
                    ["-c", "%n %u %a", "out/dir", "out/mine", "out/open"],
                );
                for name in ["mine", "new", "dir", "open"] {
                    assert_unmarked(&env.path("out").join(name));
                }
                env.run("rm", ["-rf", "out"]).success();
                (told, on_host.success().stdout)
            });
            assert_eq!(with, without, "{image} {user:?}");
            assert!(
                without.0.contains("is -O\nis -w\nis -r\nowned\nrefused"),
                "{without:?}"
            );
        }
    }
}

fn assert_unmarked(path: &std::path::Path) {
    let file = fs::File::open(path).unwrap();
    let names = ch_linux::xattr::names(&file).unwrap();
    let is_ours = |name: &Vec<u8>| name.starts_with(b"user.");
    assert!(!names.iter().any(is_ours), "{path:?}");
}

#[test]
fn a_build_leaves_no_marks_on_files_of_the_host() {
    let env = with_base().with_default_emulation();
    env.write("out/mine", "");
    let dockerfile = "FROM base\nUSER 7:8\nRUN touch /out/a && chmod 4750 /out/a && stat -c %u:%g:%a /out/a\n\
        USER 0\nRUN touch /out/b /b && chmod 400 /out/b && chown 3:4 /b && ! chown 3:4 /out/b 2>/dev/null && stat -c %u:%g /out/b /b\n";
    env.write("context/Dockerfile", dockerfile);
    let bind = format!("{}:/out", env.path("out").display());
    env.image(["build", "-b", &bind, "context"])
        .success()
        .prints("7:8:4750\n0:0\n3:4\n");
    for name in ["a", "b", "mine"] {
        assert_unmarked(&env.path("out").join(name));
    }
    env.run("stat", ["-c", "%a", "out/a", "out/b"])
        .success()
        .prints("4750\n400\n");
}

#[test]
fn what_the_command_closes_is_closed() {
    let env = with_owners();
    // The reader ends when nobody can write any more, before the command does.
    let script = "../bin/ch-run -u0 --force=supervisor built -- \
        sh -c 'exec 7>&-; sleep 2; echo ended >&2' 7>&1 >/dev/null | { cat; echo closed >&2; }";
    let outcome = env.run("sh", ["-c", script]).success();
    assert_eq!(outcome.stderr, "closed\nended\n");
}

#[test]
fn modes_are_those_of_the_builder() {
    let env = with_base().with_default_emulation();
    env.ch_run(["--force=sudo", "base", "--", "true"])
        .exits(31)
        .complains("error: unknown root emulation mode: sudo\n")
        .complains("hint: there are supervisor, seccomp, fakeroot, none\n");
    env.ch_run(["--force=fakeroot", "base", "--", "true"])
        .exits(31)
        .complains("error: not yet supported: --force=fakeroot\n")
        .complains("hint: use --force=supervisor\n");
    env.ch_run(["-v", "--force=none", "--seccomp", "base", "--", "true"])
        .success()
        .complains("root emulation: seccomp\n");
}

#[test]
fn home_is_that_of_the_images_user() {
    let env = with_base().with_default_emulation();
    let dockerfile = "FROM base\n\
        RUN echo 'joe:x:1234:1234::/home/joe:/bin/sh' >>/etc/passwd && mkdir -p /home/joe\n\
        USER joe\nCMD [\"/bin/sh\", \"-c\", \"echo $HOME\"]\n";
    env.write("context/Dockerfile", dockerfile);
    env.image(["build", "-t", "own", "context"]).success();
    env.ch_run(["--force=supervisor", "own"])
        .success()
        .prints("/home/joe\n");
    let root = [
        "--force=supervisor",
        "-u",
        "0",
        "own",
        "--",
        "sh",
        "-c",
        "echo $HOME",
    ];
    env.ch_run(root).success().prints("/root\n");
}
