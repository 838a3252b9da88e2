//! The vectors of `ch-run` that need a whole process, and of what `RUN` leaves behind.

use std::fs;
use std::time::{Duration, Instant};

use ch_test_support::{Outcome, TestEnv, listing, small_root};

use crate::{empty, with_base};

/// What a row expects of a program's end.
pub(super) enum Expected {
    /// Status 0 and this standard output.
    Prints(&'static str),
    /// This status and, on standard error, this text.
    Fails(i32, &'static str),
    /// Status 0, this standard output and, on standard error, this text.
    Warns(&'static str, &'static str),
}

use Expected::{Fails, Prints, Warns};

/// An ID, a script of the host, in which `$RUN` is `ch-run` and `$I` the image, and what it leads to.
pub(super) type Row = (&'static str, &'static str, Expected);

impl Expected {
    fn check(&self, id: &str, script: &str, outcome: &Outcome) {
        let fits = match self {
            Prints(text) => outcome.code() == 0 && outcome.stdout == *text,
            Fails(status, text) => outcome.code() == *status && outcome.stderr.contains(text),
            Warns(output, text) => {
                outcome.code() == 0 && outcome.stdout == *output && outcome.stderr.contains(text)
            }
        };
        assert!(fits, "{id}: {script}{outcome}");
    }
}

/// Runs every script for `image`.
pub(super) fn check_rows(env: &mut TestEnv, image: &str, rows: &[Row]) {
    env.set("I", image);
    for (id, script, expected) in rows {
        let outcome = env.run("sh", ["-c", script]);
        expected.check(id, &format!("{image}: {script}"), &outcome);
    }
}

/// Each is run for the image as a directory and by its name.
const TABLE: &[Row] = &[
    (
        "V-run-1",
        "printf '%s\\n' 'A=bar=baz' \"B='bar'\" 'C=$SET:$SET2' 'D=foo:$UNSET:bar' 'E=::$UNSET' 'F=a$SET' '' 'G= x # y' >lines; \
         SET=foo SET2=boo $RUN --set-env=lines $I -- sh -c 'echo \"$A|$B|$C|$D|$E|$F|$G\"'",
        Prints("bar=baz|bar|foo:boo|foo:bar|:|a$SET| x # y\n"),
    ),
    (
        "V-run-2",
        "HOME=/home/u $RUN --set-env=A='$HOME:x' --set-env=B='$A' $I -- sh -c 'echo $A $B'",
        Prints("/root:x /root:x\n"),
    ),
    (
        "V-run-3",
        "$RUN --unset-env='*' $I -- env",
        Prints("CH_RUNNING=Weird Al Yankovic\n"),
    ),
    (
        "V-run-4",
        "W_A=1 W_B=2 X_W_=3 $RUN --unset-env='!(W_*)' $I -- env | sort",
        Prints("CH_RUNNING=Weird Al Yankovic\nW_A=1\nW_B=2\n"),
    ),
    (
        "V-run-5",
        "for path in /usr/bin /bin:/x /x:/bin/y; do env PATH=$path $RUN $I -- /bin/sh -c 'echo $PATH'; done",
        Prints("/usr/bin:/bin\n/bin:/x\n/x:/bin/y\n"),
    ),
    (
        "V-run-6",
        "$RUN --set-env=PATH=/nowhere $I -- true",
        Fails(49, "can't execve(2): true: No such file or directory"),
    ),
    ("V-run-9", "$RUN $I -- sh -c 'exit 3'", Fails(3, "")),
    ("V-run-9", "$RUN $I -- sh -c 'kill -9 $$'", Fails(137, "")),
    (
        "V-run-9",
        "$RUN $I -- /etc/passwd",
        Fails(49, "Permission denied"),
    ),
    ("V-run-9", "$RUN $I -- /nonexistent", Fails(49, "")),
    (
        "V-run-9",
        "$RUN $I -- /bin/plain a b",
        Prints("plain: a b\n"),
    ),
    (
        "V-run-10",
        "$RUN $I -- sh -c 'echo $$' >inside & outside=$!; wait; test $outside = $(cat inside) && echo same",
        Prints("same\n"),
    ),
    (
        "V-run-10",
        "$RUN $I -- sleep 9 & \
         until tr '\\0' ' ' </proc/$!/cmdline | grep -q '^sleep 9'; do sleep 0.02; done; kill $!; echo sleeps",
        Prints("sleeps\n"),
    ),
    (
        "V-run-10",
        "echo seven >seven; exec 7<seven; $RUN $I -- sh -c 'cat <&7'",
        Prints("seven\n"),
    ),
    (
        "V-run-10",
        "nohup $RUN $I -- sh -c 'kill -HUP $$; echo alive' 2>/dev/null",
        Prints("alive\n"),
    ),
    (
        "V-run-10",
        "env --default-signal=HUP $RUN $I -- sh -c 'kill -HUP $$'",
        Fails(129, ""),
    ),
    (
        "commands.md §7.5",
        "ulimit -Sn 512; $RUN $I -- echo hi",
        Prints("hi\n"),
    ),
    (
        "V-run-11",
        "test \"$($RUN $I -- id -u)\" = \"$(id -u)\" && echo same",
        Prints("same\n"),
    ),
    (
        "V-run-11",
        "$RUN $I -- sh -c 'while read key value; do test $key = CapEff: && echo $value; done </proc/self/status; true'",
        Prints("0000000000000000\n"),
    ),
    ("V-run-11", "$RUN -u0 -g0 $I -- id -u", Prints("0\n")),
    ("V-run-11", "$RUN -u0 -g0 $I -- id -g", Prints("0\n")),
    (
        "V-run-11",
        "$RUN -u0 -g0 $I -- sh -c 'while read key value; do case $key in CapEff:) e=$value;; CapBnd:) b=$value;; \
         esac; done </proc/self/status; test $e = $b && echo full'",
        Prints("full\n"),
    ),
    (
        "V-run-11",
        "$RUN $I -- touch /x",
        Fails(1, "Read-only file system"),
    ),
    (
        "V-run-12",
        "$RUN -W $I -- sh -c 'touch /x && rm -r /usr/bin && mkdir /usr/bin && ls /usr/bin && echo done'",
        Prints("done\n"),
    ),
    (
        "V-run-12",
        "$RUN -w -W1m $I -- sh -c 'touch /x && cat /dev/zero >/y'",
        Fails(1, "No space left on device"),
    ),
    (
        "V-run-13",
        "$RUN -b /etc/passwd:/new/file $I -- cat /new/file | cmp - /etc/passwd && echo same",
        Prints("same\n"),
    ),
    (
        "V-run-13",
        "$RUN -b /etc:/proc/x $I -- true",
        Fails(
            31,
            "error: can't mkdir: /proc/x under existing bind-mount /proc\n",
        ),
    ),
    (
        "V-run-13",
        "$RUN -b /etc:/.. $I -- true",
        Fails(31, "--bind: destination can't be /"),
    ),
    (
        "V-run-14",
        "mkdir -p link.d && cp -a base.d/. link.d && ln -sf ../run/none link.d/etc/resolv.conf && \
         $RUN ./link.d -- cat /etc/resolv.conf | cmp - /etc/resolv.conf && readlink link.d/etc/resolv.conf",
        Prints("../run/none\n"),
    ),
    // The first is a tmpfs; the second and mount(2) are ways to an overlay, which this kernel seems not to have.
    (
        "runtime.md §2.3",
        "strace -o calls -e inject=fsopen:error=ENODEV:when=2 -e inject=mount:error=ENODEV \
         $RUN ./base.d -- true",
        Fails(31, "error: can't bind: destination not found: /dev\n"),
    ),
    (
        "V-run-15",
        "$RUN $I ls /etc/passwd",
        Prints("/etc/passwd\n"),
    ),
    ("V-run-15", "$RUN -- $I true", Prints("")),
    ("V-run-15", "$RUN $I -- echo -- x", Prints("-- x\n")),
    (
        "V-run-16",
        "strace -f -o calls $RUN $I -- true; grep -E '^[0-9 ]*(clone|clone3|fork|vfork)\\(' calls",
        Fails(1, ""),
    ),
    // The storage directory has locks and leases, so here there is none.
    (
        "V-run-16",
        "CH_IMAGE_STORAGE=$PWD/none strace -f -y -o calls $RUN ./base.d -- true; grep execve calls >&2; \
         grep -E '(O_CREAT|mkdir|mknod|symlink).*(AT_FDCWD|'$TMPDIR')' calls",
        Fails(1, "execve"),
    ),
];

/// What an image is configured for.
const CONFIGURED: &[Row] = &[
    ("V-run-17", "$RUN $I", Prints("e c\n")),
    ("V-run-17", "$RUN --as-configured $I -- x", Prints("e x\n")),
    ("V-run-17", "$RUN $I -- echo y", Prints("y\n")),
    ("V-run-18", "A=2 $RUN $I -- sh -c 'echo $A'", Prints("2\n")),
    (
        "V-run-18",
        "A=2 $RUN --set-env $I -- sh -c 'echo $A'",
        Prints("1\n"),
    ),
    (
        "V-run-18",
        "A=2 $RUN --entrypoint= --as-configured $I -- sh -c 'echo $A'",
        Prints("1\n"),
    ),
    (
        "runtime.md §3",
        "$RUN --entrypoint=/bin/echo $I -- z",
        Prints("z\n"),
    ),
    (
        "runtime.md §3",
        "$RUN --entrypoint=/bin/echo $I",
        Prints("c\n"),
    ),
    (
        "runtime.md §3",
        "$RUN --entrypoint $I",
        Fails(49, "can't execve(2): c: No such file or directory"),
    ),
    (
        "runtime.md §3",
        "$RUN --as-configured --entrypoint= $I -- pwd",
        Warns(
            "/\n",
            "warning: can't cd to /gone: No such file or directory; using /\n",
        ),
    ),
    (
        "runtime.md §3",
        "$RUN --cd=/bin --as-configured --entrypoint= $I -- pwd",
        Prints("/bin\n"),
    ),
    (
        "runtime.md §3",
        "TERM=x http_proxy=p B=b $RUN --as-configured --entrypoint= $I -- sh -c 'echo $TERM $http_proxy $B $PATH'",
        Warns(
            "x p /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
            "",
        ),
    ),
];

#[test]
fn vectors_of_configured_images_hold_for_every_form() {
    let mut env = environment();
    let lines = "FROM base\nENV A=1\nWORKDIR /gone\nENTRYPOINT [\"echo\", \"e\"]\nCMD [\"c\"]\n\
                 RUN cd / && rmdir /gone\n";
    env.write("context/Dockerfile", lines);
    env.image(["build", "-t", "configured", "context"])
        .success();
    env.image(["export", "--format=dir", "configured", "configured.d"])
        .success();
    for image in ["configured", "./configured.d"] {
        check_rows(&mut env, image, CONFIGURED);
    }
    // What Charliecloud writes has no entrypoint and no command.
    fs::remove_file(env.path("configured.d/ch/config.json")).unwrap();
    let shown = "$RUN --as-configured $I -- sh -c 'echo $A'";
    let rows = [
        ("runtime.md §3", shown, Prints("1\n")),
        (
            "runtime.md §3",
            "$RUN $I",
            Fails(31, "error: IMAGE and/or COMMAND not specified\n"),
        ),
    ];
    check_rows(&mut env, "./configured.d", &rows);
    println!("runtime.md §3: {} rows", CONFIGURED.len() + rows.len());
}

/// An environment with the image `base`, and its directory.
pub(super) fn environment() -> TestEnv {
    let mut env = empty();
    small_root(&env.path("base.d"));
    env.write("base.d/bin/plain", "echo plain: \"$@\"\n");
    env.run("chmod", ["755", "base.d/bin/plain"]).success();
    env.image(["import", "base.d", "base"]).success();
    env.set("RUN", env.root().join("bin/ch-run").display().to_string());
    env
}

#[test]
fn vectors_hold_for_directories_and_names() {
    let mut env = environment();
    let before = listing(&env.path("base.d"));
    for image in ["./base.d", "base"] {
        check_rows(&mut env, image, TABLE);
    }
    assert_eq!(
        listing(&env.path("base.d")),
        before,
        "the image is unchanged"
    );
    let ids = TABLE.iter().map(|(id, ..)| id);
    let mut ids: Vec<_> = ids.filter(|id| id.starts_with("V-")).collect();
    ids.dedup();
    println!(
        "runtime.md §2.8: {} vectors in {} rows",
        ids.len(),
        TABLE.len()
    );
}

#[test]
fn v_cm_11_process_left_over_by_a_step_is_gone_before_the_step_is_kept() {
    let env = with_base();
    let seconds = 1_000_000 + std::process::id();
    let run = format!("RUN sleep {seconds} & echo $! >/left\n");
    env.write("left/Dockerfile", format!("FROM base\n{run}"));
    let start = Instant::now();
    env.image(["build", "left"]).success();
    assert!(start.elapsed() < Duration::from_secs(60));
    let wanted = seconds.to_string();
    let left = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|word| word == wanted.as_bytes())
    });
    assert_eq!(left.count(), 0, "sleep {seconds} is still there");
    let written = ["left", "--", "test", "-s", "/left"];
    env.ch_run(written).success();
    println!("layers.md §4.3: V-cm-11");
}
