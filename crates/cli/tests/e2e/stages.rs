//! `ch-image build` of several stages.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ch_test_support::TestEnv;

use crate::{empty, with_base};

/// A command that waits, not for ever, until `name` is in `/shared`.
fn awaiting(name: &str) -> String {
    format!(
        "n=0; while ! test -e /shared/{name}; do sleep 0.05; n=$((n+1)); test $n -lt 600 || exit 9; done"
    )
}

/// The option by which commands see a directory of the environment as `/shared`.
fn shared(env: &TestEnv) -> String {
    env.write("shared/.keep", "");
    format!("{}:/shared", env.path("shared").display())
}

#[test]
fn image_has_what_is_copied_and_nothing_else_of_other_stages() {
    let env = with_base();
    env.write(
        "context/Dockerfile",
        concat!(
            "FROM base AS builder\nCOPY source /src/\nRUN mkdir /out; cat /src/source > /out/program; echo x > /out/more\n",
            "FROM no/such/image AS unneeded\nRUN false\n",
            "FROM base\nCOPY --from=builder --chmod=755 /out/program /bin/\nCOPY <<EOF /etc/motd\nhello\nEOF\n",
        ),
    );
    env.write("context/source", "#!/bin/sh\necho built\n");
    let transcript = env.transcript("ch-image", ["build", "context"]);
    insta::assert_snapshot!(transcript, @r"
    inferred image name: context
      1* FROM base AS builder
      2. COPY source /src/
      3. RUN mkdir /out; cat /src/source > /out/program; echo x > /out/more
      6* FROM base
      7. COPY --from=builder --chmod=755 /out/program /bin/
      8. COPY <<EOF /etc/motd
    grown in 6 instructions: context
    [exit status: 0]
    ");
    let script = "program; cat /etc/motd; ls -d /src /out 2>/dev/null";
    env.ch_run(["context", "--", "sh", "-c", script])
        .prints("built\nhello\n");
    // What changes is not what is copied.
    env.write("context/source", "#!/bin/sh\necho built\n#\n");
    let changed = "FROM base AS builder\nCOPY source /src/\nRUN mkdir /out; echo '#!/bin/sh' > /out/program; \
                   echo echo built >> /out/program\nFROM base\nCOPY --from=builder --chmod=755 /out/program /bin/\n";
    env.write("context/Dockerfile", changed);
    let again = env.image(["build", "context"]).success();
    again
        .complains("  3. RUN")
        .complains("  5* COPY --from=builder");
    env.image(["build", "context"])
        .success()
        .complains("  3* RUN");
}

#[test]
fn target_is_the_stage_that_is_built() {
    let env = with_base();
    let dockerfile = "FROM base AS one\nRUN echo first\nFROM base AS two\nRUN echo second\n";
    env.write("context/Dockerfile", dockerfile);
    let build = |target: &str| env.image(["build", "--target", target, "context"]);
    build("one").success().prints("first\n");
    build("1").success().prints("second\n");
    let refused = build("tow").exits(1);
    refused.complains("error: target stage \"tow\" could not be found (did you mean two?)\n");
}

#[test]
fn stages_that_can_not_be_used_are_named_before_anything_is_made() {
    let env = empty();
    for (from, want) in [
        (
            "me",
            "COPY --from: circular dependency detected on stage: me: stage me is the current stage",
        ),
        ("late", "COPY --from: stage late does not exist yet"),
        ("7", "COPY --from: stage 7 does not exist"),
        ("-1", "COPY --from: invalid negative stage index -1"),
    ] {
        let dockerfile = format!("FROM base AS me\nCOPY --from={from} /x /\nFROM base AS late\n");
        env.write("context/Dockerfile", dockerfile);
        env.image(["build", "context"]).exits(1).complains(want);
    }
    assert!(!env.storage().exists());
}

#[test]
fn lines_of_stages_that_run_at_once_stay_whole_and_say_whose_they_are() {
    let env = with_base();
    let bind = shared(&env);
    let dockerfile = format!(
        "FROM base AS a\nRUN echo a1; touch /shared/a; {}; /bin/echo -n a; sleep 0.1; echo 2\n\
         FROM base AS b\nRUN {}; /bin/echo -n b; touch /shared/b; sleep 0.1; echo 1; /bin/echo -n b2\n\
         FROM a\nCOPY --from=b /etc/passwd /x\n",
        awaiting("b"),
        awaiting("a"),
    );
    env.write("context/Dockerfile", dockerfile);
    let built = env
        .image(["build", "--jobs=2", "-b", &bind, "context"])
        .success();
    let mut lines: Vec<_> = built.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a1", "a2", "b1", "b2"], "{built}");
    assert!(built.stderr.contains("> RUN "), "{built}");
    let number = |line: &str| {
        line.get(..3)
            .and_then(|text| text.trim().parse::<usize>().ok())
    };
    let mut begun: Vec<_> = built
        .stderr
        .lines()
        .filter(|line| !line.contains("> RUN "))
        .filter_map(number)
        .collect();
    begun.sort_unstable();
    assert_eq!(begun, [1, 2, 3, 4, 5, 6], "{built}");
}

#[test]
fn lines_stand_below_the_instruction_that_wrote_them() {
    let env = with_base();
    let stage = |name: &str| {
        let steps = (0..8).map(|step| {
            format!("RUN for i in 1 2 3 4 5; do echo {name}{step}; done >&2 # {name}{step}\n")
        });
        format!("FROM base AS {name}\n{}", steps.collect::<String>())
    };
    let (a, b) = (stage("a"), stage("b"));
    let dockerfile = format!("{a}{b}FROM a\nCOPY --from=b /etc/passwd /x\n");
    env.write("context/Dockerfile", dockerfile);
    let built = env.image(["build", "--jobs=2", "context"]).success();
    let (mut above, mut count) = ("", 0);
    for line in built.stderr.lines() {
        if let Some((_, step)) = line.split_once(" # ") {
            above = step;
        } else if line.len() == 2 {
            assert_eq!(line, above, "{built}");
            count += 1;
        }
    }
    assert_eq!(count, 2 * 8 * 5, "{built}");
}

#[test]
fn failure_of_one_stage_is_the_only_error() {
    let env = with_base();
    let bind = shared(&env);
    let dockerfile = format!(
        "FROM base AS a\nRUN touch /shared/a; sleep 600\nFROM base AS b\nRUN {}; exit 3\nFROM a\nCOPY --from=b /x /\n",
        awaiting("a"),
    );
    env.write("context/Dockerfile", dockerfile);
    let failed = env
        .image(["build", "--jobs=2", "-b", &bind, "context"])
        .exits(1);
    let failed = failed.complains("error: build failed: RUN command exited with 3\n");
    assert_eq!(failed.stderr.matches("error: ").count(), 1, "{failed}");
    env.image(["list"]).success().prints("base\n");
}

#[test]
fn interrupt_ends_all_stages() {
    let env = with_base();
    let bind = shared(&env);
    let marker = format!("{}.9", 200_000 + std::process::id());
    let dockerfile = format!(
        "FROM base AS a\nRUN touch /shared/a; sleep {marker}\nFROM base AS b\nRUN touch /shared/b; sleep {marker}\n\
         FROM a\nCOPY --from=b /x /\n",
    );
    env.write("context/Dockerfile", dockerfile);
    let mut command = env.command("ch-image", ["build", "--jobs=2", "-b", &bind, "context"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_there = |name: &str| Path::exists(&env.path("shared").join(name));
    let end = Instant::now() + Duration::from_secs(60);
    while !(is_there("a") && is_there("b")) {
        assert!(Instant::now() < end, "both stages begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    env.run("kill", ["-INT", &pid]).success();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(2), "{status}");
    let running = |pid: fs::DirEntry| fs::read(pid.path().join("cmdline")).unwrap_or_default();
    let mut commands = fs::read_dir("/proc")
        .unwrap()
        .map(|entry| running(entry.unwrap()));
    let marker = marker.into_bytes();
    assert!(!commands.any(|line| line.windows(marker.len()).any(|part| part == marker)));
}

#[test]
fn triggers_of_an_image_are_done_in_what_is_built_on_it() {
    let env = with_base();
    env.write(
        "onbuild/Dockerfile",
        "FROM base\nONBUILD COPY app /app\nONBUILD RUN cat /app\n",
    );
    env.image(["build", "onbuild"]).success().prints("");
    env.write("context/Dockerfile", "FROM onbuild\nRUN echo own\n");
    env.write("context/app", "application\n");
    let transcript = env.transcript("ch-image", ["build", "context"]);
    insta::assert_snapshot!(transcript, @r"
    inferred image name: context
      1* FROM onbuild
      1. ONBUILD COPY app /app
      1. ONBUILD RUN cat /app
    application
      2. RUN echo own
    own
    grown in 4 instructions: context
    [exit status: 0]
    ");
}
