//! Options of `ch-run` that Charliecloud's newest has, and ours; and every error of `ch-run` that the specification lists.

use std::fs;

use ch_test_support::{Outcome, TestEnv, listing, small_root};

use crate::run_vectors::Expected::{Fails, Prints, Warns};
use crate::run_vectors::{Row, check_rows, environment};
use crate::{empty, with_base};

/// An environment with an image whose directory lacks nothing, so that it is bound as it is.
fn with_whole_directory() -> TestEnv {
    let env = environment();
    for name in ["dev", "proc", "sys"] {
        fs::create_dir(env.path("base.d").join(name)).unwrap();
    }
    for name in ["etc/hosts", "etc/resolv.conf"] {
        env.write(format!("base.d/{name}"), "");
    }
    env.write("data/file", "of the host\n");
    env
}

/// For an image by name and as a directory.
const OPTIONS: &[Row] = &[
    (
        "--write-fake",
        "$RUN -W $I -- sh -c 'echo new >/etc/passwd.new; cat /etc/passwd.new; rm /bin/ls; test ! -e /bin/ls'",
        Prints("new\n"),
    ),
    (
        "--write-fake",
        "$RUN -W -b ./data:/deep/in/it $I -- cat /deep/in/it/file",
        Prints("of the host\n"),
    ),
    (
        "--write-fake",
        "$RUN -W1x $I -- true",
        Fails(
            31,
            "error: cannot mount tmpfs for overlay: Invalid argument\n",
        ),
    ),
    (
        "--write-fake",
        "$RUN --write-fake=9q $I -- true",
        Fails(
            31,
            "error: cannot mount tmpfs for overlay: Invalid argument\n",
        ),
    ),
    (
        "--write-fake",
        "strace -f -o calls -e inject=fsmount:error=EINVAL:when=2 $RUN -W $I -- true",
        Fails(31, "error: can't overlay: Invalid argument\n"),
    ),
    (
        "--home",
        "HOME=$PWD/data $RUN --home $I -- sh -c 'echo $HOME; cat ~/file; touch /x'",
        Prints("/home/tester\nof the host\n"),
    ),
    (
        "--home",
        "USER= HOME=$PWD/data $RUN --home $I -- sh -c 'test $HOME = /home/$(id -un) && cat ~/file'",
        Prints("of the host\n"),
    ),
    (
        "--home",
        "env -u HOME $RUN --home $I -- true",
        Fails(31, "error: --home failed: $HOME not set\n"),
    ),
    (
        "--home",
        "HOME=/none $RUN --home $I -- true",
        Fails(31, "error: can't bind: source not found: /none\n"),
    ),
    (
        "--home",
        "USER=.. $RUN --home $I -- true",
        Fails(31, "error: --home failed: not a user's name: ..\n"),
    ),
    (
        "--home",
        "HOME=$PWD/data $RUN -w --home $I -- touch /x",
        Warns(
            "",
            "warning: --home implies --write-fake: in spite of --write, changes of the image will be lost\n",
        ),
    ),
    ("--no-home", "$RUN --no-home $I -- true", Prints("")),
    (
        "--clean-env",
        "A=1 TERM=x $RUN --clean-env --set-env=B=2 $I -- env | sort",
        Prints("B=2\nCH_RUNNING=Weird Al Yankovic\nHOME=/root\nTERM=x\n"),
    ),
    (
        "--env-no-expand",
        "$RUN --set-env='A=$HOME' --env-no-expand --set-env='B=$A' $I -- sh -c 'echo \"$A $B\"'",
        Prints("$HOME $A\n"),
    ),
    (
        "--set-env0",
        "printf 'A=one\\ntwo\\n\\0B=$A\\0' >zero; $RUN --set-env0=zero $I -- sh -c 'echo \"$A,$B\"'",
        Prints("one\ntwo,one\ntwo\n"),
    ),
    (
        "--unset-env",
        "W_A=1 W_BB=2 W_7=3 $RUN --unset-env='W_+([[:upper:]])' $I -- sh -c 'echo $W_A$W_BB$W_7'",
        Prints("3\n"),
    ),
    (
        "$PATH",
        "env -u PATH $RUN $I -- sh -c 'echo run'",
        Warns("run\n", "warning: $PATH not set\n"),
    ),
    (
        "--bind",
        "$RUN -b ./data:/mnt/x:ro $I -- sh -c 'cat /mnt/x/file; echo >/mnt/x/new'",
        Fails(2, "Read-only file system"),
    ),
    (
        "--bind",
        "$RUN -b ./data:/mnt/x:rw $I -- sh -c 'echo new >/mnt/x/new' && cat data/new && rm data/new",
        Prints("new\n"),
    ),
    (
        "--bind",
        "mkdir -p 'colon/d:ro'; $RUN -b ./colon:/mnt -b ./data:/mnt/d:ro $I -- sh -c 'cat /mnt/d:ro/file; touch /mnt/d:ro/file'",
        Prints("of the host\n"),
    ),
    (
        "--ro-bind",
        "$RUN --ro-bind=./data:/mnt/x $I -- sh -c 'cat /mnt/x/file; echo >/mnt/x/new'",
        Fails(2, "Read-only file system"),
    ),
    (
        "--ro-bind",
        "$RUN --ro-bind=/dev:/mnt/x $I -- sh -c 'cat /mnt/x/null; echo >/mnt/x/shm/new'",
        Fails(2, "Read-only file system"),
    ),
    (
        "--ro-bind",
        "$RUN --ro-bind=data:/x:ro $I -- true",
        Fails(
            31,
            "error: --ro-bind: destination can't have a mode: data:/x:ro\n",
        ),
    ),
    (
        "--tmpfs",
        "$RUN --tmpfs=/scratch:1m $I -- sh -c 'echo x >/scratch/x && cat /scratch/x && cat /dev/zero >/scratch/y'",
        Fails(1, "No space left on device"),
    ),
    (
        "--tmpfs",
        "$RUN --tmpfs=/scratch --bind=./data:/scratch/data --bind=./data/file:/scratch/dir/file $I -- \
         cat /scratch/data/file /scratch/dir/file",
        Prints("of the host\nof the host\n"),
    ),
    (
        "--tmpfs",
        "$RUN --tmpfs=/bin $I -- true",
        Fails(49, "can't execve(2): true: No such file or directory"),
    ),
    (
        "--tmpfs",
        "$RUN --tmpfs=x $I -- true",
        Fails(31, "error: --tmpfs: destination must be absolute\n"),
    ),
    (
        "--tmpfs",
        "$RUN --tmpfs=/x:big $I -- true",
        Fails(31, "error: --tmpfs: not a size: big\n"),
    ),
    (
        "--private-tmp",
        "$RUN -t -b ./data:/tmp/data $I -- sh -c 'cat /tmp/data/file; stat -c %a /tmp'",
        Prints("of the host\n1777\n"),
    ),
    (
        "--user",
        "$RUN --user=root $I -- sh -c 'id -u; id -g; id -un'",
        Prints("0\n0\nroot\n"),
    ),
    (
        "--user",
        "$RUN --user=7:9 $I -- sh -c 'id -u; id -g'",
        Prints("7\n9\n"),
    ),
    (
        "--user",
        "$RUN --force=supervisor --user=7:9 $I -- sh -c 'id -u; id -g'",
        Prints("7\n9\n"),
    ),
    (
        "--user",
        "$RUN --user=nobody-of-us $I -- true",
        Fails(31, "error: no user nobody-of-us in the image\n"),
    ),
    (
        "--user",
        "$RUN --user= $I -- true",
        Fails(31, "error: --user: no user provided\n"),
    ),
    (
        "--user",
        "$RUN --user=root -u0 $I -- true",
        Fails(31, "error: --user incompatible with --uid and --gid\n"),
    ),
    (
        "--network",
        "$RUN --network=none $I -- wc -l /proc/net/dev",
        Prints("3 /proc/net/dev\n"),
    ),
    (
        "--network",
        "$RUN --network=host $I -- readlink /proc/self/ns/net | cmp - /dev/fd/3 3<<X && echo same\n$(readlink /proc/self/ns/net)\nX",
        Prints("same\n"),
    ),
    (
        "--network",
        "$RUN --network=bridge $I -- true",
        Fails(31, "error: --network: invalid argument: bridge\n"),
    ),
    (
        "--network",
        "strace -f -o calls -e inject=unshare:error=EPERM:when=2 $RUN --network=none $I -- true",
        Fails(
            31,
            "error: can't create a network namespace: Operation not permitted\n",
        ),
    ),
    (
        "--seccomp",
        "$RUN --seccomp -u0 -g0 $I -- sh -c 'chown 7:8 /etc/passwd && echo pretended'",
        Prints("pretended\n"),
    ),
    (
        "--seccomp",
        "strace -f -o calls -e inject=seccomp:error=EINVAL -e inject=prctl:error=EINVAL:when=2+ $RUN --seccomp $I -- true",
        Fails(
            31,
            "error: seccomp root emulation failed (is your architecture supported?)\n",
        ),
    ),
    (
        "--quiet",
        "$RUN -q $I -- echo out; $RUN -qq $I -- echo no; $RUN -qqq $I -- sh -c 'echo no >&2'",
        Prints("out\n"),
    ),
    (
        "--storage",
        "$RUN -s /none/here ./base.d -- echo run",
        Warns(
            "run\n",
            "warning: storage directory not found: /none/here\n",
        ),
    ),
    (
        "CH_RUN_SYSLOG",
        "CH_RUN_SYSLOG=1 strace -f -o calls $RUN $I -- true; grep -c /dev/log calls",
        Prints("1\n"),
    ),
    (
        "CH_RUN_SYSLOG",
        "strace -f -o calls $RUN $I -- true; grep -c /dev/log calls",
        Fails(1, ""),
    ),
    (
        "CH_RUN_SYSLOG",
        "CH_RUN_SYSLOG=on $RUN $I -- true",
        Fails(31, "error: $CH_RUN_SYSLOG: invalid value: on\n"),
    ),
];

/// A process namespace.
const PROCESSES: &[Row] = &[
    ("--pid", "$RUN --pid $I -- sh -c 'exit 3'", Fails(3, "")),
    (
        "--pid",
        "$RUN --pid $I -- sh -c 'kill -9 $$'",
        Fails(137, ""),
    ),
    (
        "--pid",
        "$RUN --pid $I -- /none",
        Fails(
            49,
            "error: can't execve(2): /none: No such file or directory\n",
        ),
    ),
    (
        "--pid",
        "$RUN --pid $I -- sh -c 'echo $$; readlink /proc/self/exe; cd /proc; echo [0-9]*'",
        Prints("2\n/bin/readlink\n1 2\n"),
    ),
    (
        "--pid",
        "$RUN --pid -u0 -g0 $I -- sh -c 'readlink /proc/1/exe || cat /proc/1/comm'",
        Warns("ch-run: init\n", ""),
    ),
    (
        "--pid",
        "n=10$$; $RUN --pid $I -- sh -c \"sleep $n & echo started\"; grep -als \"[s]leep.$n\" /proc/[0-9]*/cmdline; true",
        Prints("started\n"),
    ),
    (
        "--pid",
        "$RUN --pid $I -- sh -c 'trap \"echo got it; exit 5\" TERM; echo ready; while :; do sleep 0.05; done' >out & \
         until grep -q ready out 2>/dev/null; do sleep 0.02; done; kill $!; wait $!; echo $?; cat out; rm out",
        Prints("5\nready\ngot it\n"),
    ),
    (
        "--pid",
        "$RUN --pid $I -- sh -c 'echo ready; exec sleep 1000' >out 2>err & \
         until grep -q ready out 2>/dev/null; do sleep 0.02; done; rm out; \
         read init rest </proc/$!/task/$!/children; kill -9 $init; wait $!; echo $?; cut -d' ' -f2- err",
        Prints(
            "31\nerror: the container's init was killed by SIGKILL\nhint: dmesg and the memory limits of the cgroup may say why\n",
        ),
    ),
    (
        "--pid",
        "$RUN --pid $I -- sh -c 'echo ready; exec sleep 1000' >out & \
         until grep -q ready out 2>/dev/null; do sleep 0.02; done; rm out; \
         read init rest </proc/$!/task/$!/children; kill -9 $!; while test -e /proc/$init; do sleep 0.02; done; echo gone",
        Prints("gone\n"),
    ),
    (
        "--pid",
        "$RUN --pid --force=supervisor -W -u0 $I -- sh -c 'chown 7:8 /bin/cat && stat -c %u:%g /bin/cat; id -u'",
        Prints("7:8\n0\n"),
    ),
    (
        "--pid",
        "strace -f -o calls -e inject=unshare:error=EPERM:when=2 $RUN --pid $I -- true",
        Fails(
            31,
            "error: can't create a PID namespace: Operation not permitted\n",
        ),
    ),
    (
        "--pid",
        "strace -f -o calls -e inject=fsopen:error=EPERM $RUN --pid --no-passwd ./base.d -- true",
        Fails(31, "error: can't mount /proc: Operation not permitted\n"),
    ),
];

/// Sections 2.2 to 2.8 and 7, as far as other tables do not have them.
const ERRORS: &[Row] = &[
    ("§2.8", "$RUN", Fails(1, "Usage: ch-run [OPTION...] IMAGE")),
    ("§2.8", "$RUN -w 2>&1", Fails(31, "")),
    (
        "§2.8",
        "$RUN $I 2>err; echo $?; cut -d' ' -f2- err",
        Prints(
            "Usage: ch-run [OPTION...] IMAGE [--] [COMMAND [ARG...]]\n31\nerror: IMAGE and/or COMMAND not specified\n",
        ),
    ),
    (
        "§2.8",
        "$RUN --nonsense $I",
        Fails(64, "error: unrecognized option '--nonsense'\n"),
    ),
    (
        "§2.4",
        "$RUN $I -b",
        Fails(64, "error: option requires an argument -- 'b'\n"),
    ),
    (
        "§2.2",
        "$RUN --feature=nonsense",
        Fails(31, "error: unknown feature: nonsense\n"),
    ),
    (
        "§2.2",
        "$RUN --uid=-1 $I -- true",
        Fails(31, "error: --uid: must be non-negative\n"),
    ),
    (
        "§2.2",
        "$RUN --uid=1x $I -- true",
        Fails(31, "error: --uid: extra characters after digits\n"),
    ),
    (
        "§2.2",
        "$RUN --gid=x $I -- true",
        Fails(31, "error: --gid: no digits found\n"),
    ),
    (
        "§2.2",
        "$RUN --gid=9999999999 $I -- true",
        Fails(31, "error: --gid: out of range\n"),
    ),
    (
        "§2.2",
        "$RUN -qv $I -- true",
        Fails(31, "error: --quiet incompatible with --verbose\n"),
    ),
    (
        "§2.2",
        "$RUN -qqqq $I -- true",
        Fails(31, "error: --quiet can be specified at most thrice\n"),
    ),
    (
        "§2.2",
        "$RUN -vvvv $I -- true",
        Fails(31, "error: --verbose can be specified at most thrice\n"),
    ),
    (
        "§2.2",
        "$RUN --ch-ssh $I -- true",
        Fails(31, "error: --ch-ssh is no longer supported\n"),
    ),
    (
        "§2.2",
        "$RUN -w base -- true",
        Fails(31, "error: --write invalid when running by name\n"),
    ),
    (
        "§2.2",
        "$RUN --unsafe -w base -- true",
        Fails(31, "error: not yet supported: --unsafe --write by name\n"),
    ),
    (
        "§2.2",
        "$RUN -m '' $I -- true",
        Fails(31, "error: mount point can't be empty string\n"),
    ),
    (
        "§2.2",
        "$RUN -m /none $I -- true",
        Fails(
            31,
            "error: can't stat mount point: /none: No such file or directory\n",
        ),
    ),
    (
        "§2.2",
        "$RUN -m data/file $I -- true",
        Fails(31, "error: not a directory: data/file\n"),
    ),
    (
        "§2.2",
        "$RUN -m data ./base.d -- true",
        Warns(
            "",
            "warning: --mount invalid with directory image, ignoring\n",
        ),
    ),
    ("§2.2", "$RUN -m data base -- true 2>&1", Prints("")),
    (
        "§2.2",
        "strace -o calls -e inject=fsopen:error=EPERM $RUN -t --no-passwd ./base.d -- true",
        Fails(31, "error: can't mount tmpfs at /tmp\n"),
    ),
    (
        "§2.3",
        "$RUN none/such -- true",
        Fails(
            31,
            "error: can't stat: none/such: No such file or directory\n",
        ),
    ),
    (
        "§2.3",
        "$RUN none/such -- true",
        Fails(31, "hint: ch-image pull none/such\n"),
    ),
    (
        "§2.3",
        "$RUN ./data/file -- true",
        Fails(31, "error: unknown image type: ./data/file\n"),
    ),
    (
        "§2.3",
        "tar -cf data/a.tar -C data file && ch-image export --format=oci base data/oci.tar && $RUN data/oci.tar -- true",
        Fails(31, "error: can't run data/oci.tar: it is an OCI archive\n"),
    ),
    (
        "§2.3",
        "$RUN $CH_IMAGE_STORAGE/layers/*/fs -- true",
        Fails(
            31,
            "error: can't run directory images from storage (hint: run by name)\n",
        ),
    ),
    (
        "§2.3",
        "$RUN --unsafe $CH_IMAGE_STORAGE/layers/*/fs -- echo run",
        Prints("run\n"),
    ),
    (
        "§2.3",
        "cp -a base.d odd.d; rm -r odd.d/sys; touch odd.d/sys; $RUN ./odd.d -- true; echo $?; $RUN -W ./odd.d -- true",
        Fails(31, "error: can't bind /sys to /sys: Not a directory\n"),
    ),
    (
        "§2.4",
        "$RUN -b '' $I -- true",
        Fails(31, "error: --bind: no source provided\n"),
    ),
    (
        "§2.4",
        "$RUN -b /etc: $I -- true",
        Fails(31, "error: --bind: no destination provided\n"),
    ),
    (
        "§2.4",
        "$RUN -b /etc:/ $I -- true",
        Fails(31, "error: --bind: destination can't be /\n"),
    ),
    (
        "§2.4",
        "$RUN -b /etc:x $I -- true",
        Fails(31, "error: --bind: destination must be absolute\n"),
    ),
    (
        "§2.4",
        "$RUN -b /none:/x $I -- true",
        Fails(31, "error: can't bind: source not found: /none\n"),
    ),
    (
        "§2.4",
        "mkdir -p shallow; $RUN -b ./shallow:/mnt -b /etc:/mnt/x $I -- true; echo $?; ls shallow",
        Warns(
            "31\n",
            "error: can't mkdir: /mnt/x under existing bind-mount /mnt\n",
        ),
    ),
    (
        "§2.4",
        "strace -o calls -e inject=mkdirat:error=EROFS $RUN -w -b /etc:/missing ./base.d -- true",
        Fails(31, "error: can't mkdir: /missing: Read-only file system\n"),
    ),
    (
        "§2.4",
        "mkdir -p base.d/mnt/0 base.d/mnt/1; $RUN -b /etc -b ./data:/opt ./base.d -- sh -c 'test -e /mnt/0/passwd && ls /mnt/1'",
        Prints(""),
    ),
    (
        "§2.5",
        "$RUN --set-env=/none $I -- true",
        Fails(31, "error: can't open: /none: No such file or directory\n"),
    ),
    (
        "§2.5",
        "$RUN --set-env ./base.d -- true",
        Fails(
            31,
            "error: can't open: /ch/environment: No such file or directory\n",
        ),
    ),
    (
        "§2.5",
        "printf 'A=1\\n\\nB\\n' >lines; $RUN --set-env=lines $I -- true",
        Fails(31, "error: can't parse variable: no delimiter: lines:3\n"),
    ),
    (
        "§2.5",
        "printf '=1\\n' >lines; $RUN --set-env=lines $I -- true",
        Fails(31, "error: can't parse variable: empty name: lines:1\n"),
    ),
    (
        "§2.5",
        "$RUN --set-env==x $I -- true",
        Fails(31, "error: can't parse variable: empty name: =x\n"),
    ),
    (
        "§2.5",
        "$RUN --unset-env= $I -- true",
        Fails(31, "error: --unset-env: GLOB must have non-zero length\n"),
    ),
    (
        "7-1",
        "strace -o calls -e inject=unshare:error=ENOMEM $RUN $I -- true",
        Fails(
            31,
            "error: can't create a user namespace: Cannot allocate memory\n",
        ),
    ),
    (
        "7-2",
        "strace -o calls -e inject=fsmount:error=EINVAL:when=2 $RUN base -- true",
        Fails(
            31,
            "error: can't mount the image: overlay: Invalid argument\n",
        ),
    ),
    (
        "7-3",
        "strace -o calls -e inject=mount_setattr:error=EPERM $RUN $I -- true",
        Fails(
            31,
            "error: can't re-mount image read-only (is it on NFS?)\n",
        ),
    ),
    (
        "7-6",
        "$RUN -W / -- true",
        Fails(
            31,
            "error: can't overlay /: other filesystems are mounted below it\n",
        ),
    ),
    (
        "7-6",
        "$RUN -W / -- true",
        Fails(31, "hint: the first is /"),
    ),
    (
        "7-8",
        "strace -o calls -e inject=move_mount:error=ENOSPC:when=2 $RUN --no-passwd ./base.d -- true",
        Fails(
            31,
            "error: can't mount /dev: too many mounts (fs.mount-max)\n",
        ),
    ),
];

#[test]
fn options_do_what_they_say_for_directories_and_names() {
    let mut env = with_whole_directory();
    let before = listing(&env.path("base.d"));
    for image in ["./base.d", "base"] {
        check_rows(&mut env, image, OPTIONS);
        check_rows(&mut env, image, PROCESSES);
    }
    assert_eq!(
        listing(&env.path("base.d")),
        before,
        "the image is unchanged"
    );
    println!(
        "ch-run: {} rows of options",
        OPTIONS.len() + PROCESSES.len()
    );
}

#[test]
fn errors_have_their_texts_and_statuses() {
    let mut env = with_whole_directory();
    let path = format!("{}:/usr/bin:/bin", env.root().join("bin").display());
    env.set("PATH", path);
    check_rows(&mut env, "./base.d", ERRORS);
    println!("runtime.md §2, §7: {} errors of ch-run", ERRORS.len());
}

#[test]
fn features_are_probed() {
    let env = empty();
    let can_open_fuse = env.run("sh", ["-c", ": <>/dev/fuse"]).code() == 0;
    let fuse = if can_open_fuse { 0 } else { 87 };
    let rows = [
        ("extglob", 0),
        ("seccomp", 0),
        ("squash", 87),
        ("overlayfs", 0),
        ("tmpfs-xattrs", 0),
        ("supervisor", 0),
        ("pid-namespace", 0),
        ("name-images", 0),
        ("fuse", fuse),
    ];
    for (feature, status) in rows {
        let found = env.ch_run(["--feature", feature]).exits(status);
        assert_eq!((&*found.stdout, &*found.stderr), ("", ""), "{feature}");
    }
    for (feature, call) in [
        ("seccomp", "seccomp"),
        ("overlayfs", "fsopen"),
        ("overlayfs", "unshare"),
        ("tmpfs-xattrs", "fsetxattr"),
        ("pid-namespace", "unshare"),
        ("pid-namespace", "fsopen"),
        ("name-images", "fsopen"),
    ] {
        let inject = format!("inject={call}:error=ENOSYS");
        let arguments = [
            "-f",
            "-o",
            "calls",
            "-e",
            &inject,
            "../bin/ch-run",
            "--feature",
            feature,
        ];
        let found = env.run("strace", arguments).exits(87);
        assert_eq!(found.stderr, "", "{feature} without {call}");
    }
    println!("ch-run: {} features", rows.len());
}

/// Standard error without the prefix, which has a number in it.
fn messages(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.stderr.lines();
    lines
        .map(|line| line.split_once("]: ").map_or(line, |(_, text)| text))
        .collect()
}

#[test]
fn messages_are_printed_for_tests_of_them() {
    let env = empty();
    let found = env.ch_run(["--test=log"]).success();
    let warned = [
        "warning: warning",
        "warning: reprinting first 1 warning(s)",
        "warning: warning",
    ];
    let info = ["info"]
        .iter()
        .chain(&warned[..])
        .copied()
        .collect::<Vec<_>>();
    assert_eq!(messages(&found), info);
    let found = env.ch_run(["-vvv", "--test", "log"]).success();
    let all = [&["trace", "debug", "verbose"][..], &info].concat();
    assert_eq!(messages(&found), all);
    assert_eq!(
        messages(&env.ch_run(["-qq", "--test=log"]).success()),
        [""; 0]
    );
    let found = env.ch_run(["-q", "--test=log-fail"]).exits(31);
    let error = "error: the program failed inexplicably (\"log-fail\" specified)";
    assert_eq!(messages(&found), [&warned[..], &[error]].concat());
    let found = env.ch_run(["--warnings=2"]).success();
    let two = ["warning: this is warning 1!", "warning: this is warning 2!"];
    let heading = ["warning: reprinting first 2 warning(s)"];
    assert_eq!(messages(&found), [&two[..], &heading, &two].concat());
    for (argument, error) in [
        ("--test=x", "error: --test: invalid argument: x"),
        ("--warnings=x", "error: --warnings: no digits found"),
    ] {
        assert_eq!(messages(&env.ch_run([argument]).exits(31))[0], error);
    }
}

#[test]
fn what_is_bound_read_only_in_a_build_cannot_be_written() {
    let env = with_base();
    env.write("data/file", "of the host\n");
    env.write(
        "context/Dockerfile",
        "FROM base\nRUN cat /data/file && echo >/data/new\n",
    );
    let bind = format!("{}:/data:ro", env.path("data").display());
    let refused = env.image(["build", "-b", &bind, "context"]).exits(1);
    refused
        .complains("Read-only file system")
        .prints("of the host\n");
    let bind = format!("{}:/data:rw", env.path("data").display());
    env.image(["build", "-b", &bind, "context"]).success();
    assert!(env.path("data/new").exists());
}

#[test]
fn users_of_an_image_are_its_own_wherever_its_links_lead() {
    let env = empty();
    small_root(&env.path("image"));
    env.write("image/etc/users", "ann:x:1234:99::/:/bin/sh\n");
    fs::remove_file(env.path("image/etc/passwd")).unwrap();
    std::os::unix::fs::symlink("/etc/users", env.path("image/etc/passwd")).unwrap();
    env.image(["import", "image", "image"]).success();
    for image in ["./image", "image"] {
        let command = ["--user=ann", image, "--", "sh", "-c", "id -u; id -g"];
        env.ch_run(command).success().prints("1234\n99\n");
    }
}
