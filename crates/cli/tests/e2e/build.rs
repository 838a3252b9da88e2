//! `ch-image build`: instructions, cache, messages.

use std::fs;
use std::time::Duration;

use ch_test_support::TestEnv;

use crate::{empty, with_base};

/// Number of layers in storage.
fn layers(env: &TestEnv) -> usize {
    fs::read_dir(env.storage().join("layers")).unwrap().count()
}

#[test]
fn unchanged_build_hits_and_a_changed_source_rebuilds_what_follows_it() {
    let env = with_base();
    env.write(
        "context/Dockerfile",
        "FROM base\nCOPY greeting /\nRUN cat /greeting\n",
    );
    env.write("context/greeting", "hello\n");
    let transcript = env.transcript("ch-image", ["build", "context"]);
    insta::assert_snapshot!(transcript, @r"
    inferred image name: context
      1* FROM base
      2. COPY greeting /
      3. RUN cat /greeting
    hello
    grown in 3 instructions: context
    [exit status: 0]
    ");
    let transcript = env.transcript("ch-image", ["build", "context"]);
    insta::assert_snapshot!(transcript, @r"
    inferred image name: context
      1* FROM base
      2* COPY greeting /
      3* RUN cat /greeting
    grown in 3 instructions: context
    [exit status: 0]
    ");
    env.write("context/greeting", "goodbye\n");
    env.image(["build", "context"])
        .success()
        .prints("goodbye\n")
        .complains("  2. COPY");
    env.write("context/greeting", "hello\n");
    env.image(["build", "context"])
        .success()
        .prints("")
        .complains("  3* RUN");
    env.image(["build", "--no-cache", "context"])
        .success()
        .prints("hello\n");
    env.image(["build", "--rebuild", "context"])
        .success()
        .prints("hello\n");
}

#[test]
fn step_warns_when_it_is_executed_and_a_dry_run_says_what_it_is() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\nUSER 1\nRUN true\nRUN :\n");
    let warning = "warning: USER: commands of RUN stay root under --force=seccomp\n";
    let dry = "dry run: nothing was executed or stored\n";
    let build = |options: &[&str]| {
        let arguments = [&["build", "--force=seccomp", "context"], options].concat();
        env.image(arguments).success().stderr
    };
    let told = build(&["-n"]);
    assert!(told.contains(warning) && told.contains(dry), "{told}");
    // And once more at the end.
    let told = build(&[]);
    assert_eq!(told.matches(warning).count(), 2, "{told}");
    let told = build(&[]);
    assert!(!told.contains("warning") && !told.contains(dry), "{told}");
}

#[test]
fn what_changes_no_file_makes_no_layer() {
    let env = with_base();
    let before = layers(&env);
    let dockerfile = "FROM base\nENV A=1\nLABEL l=m\nCMD [\"true\"]\nEXPOSE 80\nRUN true\n";
    env.write("context/Dockerfile", dockerfile);
    env.image(["build", "context"])
        .success()
        .complains("grown in 6 instructions: context\n");
    assert_eq!(layers(&env), before);
}

#[test]
fn instructions_reach_the_command() {
    let env = with_base();
    env.write(
        "context/Dockerfile",
        r#"ARG BASE=base
FROM $BASE AS first
ARG VERSION=1
ENV NAME="a b" OTHER=${VERSION}x
WORKDIR /made/by
WORKDIR workdir
RUN pwd; echo "$NAME $OTHER $VERSION"
RUN ["echo", "exec form"]
SHELL ["/bin/sh", "-e", "-c"]
RUN false; echo never || true
FROM first
"#,
    );
    let failed = env.image(["build", "-t", "x", "context"]).exits(1);
    let failed = failed.prints("/made/by/workdir\na b 1x 1\nexec form\n");
    failed.complains("build failed: RUN command exited with 1");
    env.image(["list"]).success().prints("base\n");

    env.write(
        "context/Dockerfile",
        "FROM base AS first\nRUN echo one > /file\nFROM first\nARG V\nRUN echo $V >> /file\n",
    );
    let build = ["build", "-t", "x", "--build-arg", "V=two", "context"];
    env.image(build).success();
    env.ch_run(["x", "--", "cat", "/file"])
        .success()
        .prints("one\ntwo\n");
}

#[test]
fn copied_trees_have_their_modes() {
    let env = with_base();
    env.write("context/tree/a/file", "1");
    env.write("context/tree/script", "#!/bin/sh\necho ran\n");
    std::os::unix::fs::symlink("a/file", env.path("context/tree/link")).unwrap();
    env.run("chmod", ["750", "context/tree/script", "context/tree/a"])
        .success();
    env.write(
        "context/Dockerfile",
        "FROM base\nCOPY tree /t/\nCOPY tree/script tree/a/file /both/\n",
    );
    env.image(["build", "context"]).success();
    let inside = |command: &str| {
        env.ch_run(["context", "--", "sh", "-c", command])
            .success()
            .stdout
    };
    assert_eq!(inside("stat -c %a /t /t/a /t/script"), "755\n750\n750\n");
    assert_eq!(
        inside("readlink /t/link; /t/script; ls /both"),
        "a/file\nran\nfile\nscript\n"
    );
}

#[test]
fn nothing_is_written_through_links_of_the_image() {
    let env = with_base();
    env.write("outside/file", "precious");
    let target = env.path("outside");
    env.write(
        "context/Dockerfile",
        format!(
            "FROM base\nRUN ln -s {} /out\nCOPY file /out/\n",
            target.display()
        ),
    );
    env.write("context/file", "changed");
    env.image(["build", "context"]).code();
    assert_eq!(fs::read(env.path("outside/file")).unwrap(), b"precious");
}

#[test]
fn nothing_is_left_running_and_processes_are_its_own() {
    let env = with_base();
    let marker = format!("{}.7", 100_000 + std::process::id());
    let command = format!("sleep {marker} & echo /proc/[0-9]*");
    env.write("context/Dockerfile", format!("FROM base\nRUN {command}\n"));
    let built = env.image(["build", "context"]).success();
    let processes = built.stdout.split_whitespace().count();
    assert!(processes <= 4, "processes of others are seen{built}");
    let all = env.run("sh", ["-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
    assert!(
        !all.stdout.contains(&marker),
        "something of the build still runs"
    );
}

#[test]
fn the_program_itself_is_out_of_reach_of_its_commands() {
    let env = with_base();
    for mode in ["supervisor", "seccomp", "none"] {
        let dockerfile = "FROM base\nRUN for f in exe root cwd fd/0; do \
            chmod 700 /proc/1/$f 2>/dev/null && echo changed $f; cat /proc/1/$f >/dev/null 2>&1 && echo read $f; \
            done; ln -s /proc/1/exe /link; chmod 700 /link 2>/dev/null && echo changed by a link; \
            cd /proc/1 && chmod 700 exe 2>/dev/null && echo changed from within; \
            ls /proc/1/fd 2>/dev/null || echo closed\n";
        env.write("context/Dockerfile", dockerfile);
        let force = format!("--force={mode}");
        env.image(["build", &force, "context"])
            .success()
            .prints("closed\n");
    }
}

#[test]
fn two_builds_of_the_same_step_execute_it_once() {
    let env = with_base();
    let count = env.path("count");
    env.write("count/executions", "");
    let bind = format!("{}:/count", count.display());
    let dockerfile = "FROM base\nRUN echo x >> /count/executions && sleep 1 && touch /done\n";
    env.write("context/Dockerfile", dockerfile);
    let build = |name: &str| {
        let mut command = env.command("ch-image", ["build", "-b", &bind, "-t", name, "context"]);
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let children = [build("one"), build("two")];
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(fs::read_to_string(count.join("executions")).unwrap(), "x\n");
    env.image(["list"]).success().prints("base\none\ntwo\n");
}

#[test]
fn syntax_errors_come_all_at_once_and_before_anything_is_made() {
    let env = empty();
    env.write("context/Dockerfile", "FROM base\nRNU make\nCOPY a\n");
    let refused = env.image(["build", "context"]).exits(1);
    let refused = refused.complains("Dockerfile:2,1: unknown instruction: RNU (did you mean RUN?)");
    refused.complains("COPY requires at least two arguments");
    assert!(!env.storage().exists());
}

#[test]
fn what_is_not_there_yet_says_so_before_anything_is_pulled() {
    let env = empty();
    let lines = [
        "ADD https://example.invalid/x /",
        "RUN --mount=type=cache,target=/x true",
        "COPY --link x /",
    ];
    for line in lines {
        env.write(
            "context/Dockerfile",
            format!("FROM localhost:1/nothing\n{line}\n"),
        );
        env.write("context/x", "");
        env.image(["build", "context"])
            .exits(1)
            .complains("not yet supported");
    }
    for (source, local) in [("x", true), ("https://example.invalid/x", false)] {
        env.write("context/Dockerfile", format!("FROM a\nADD {source} /\n"));
        let refused = env.image(["build", "context"]).exits(1);
        let hinted = refused.stderr.contains("hint: use COPY for local files");
        assert_eq!(hinted, local, "{refused}");
    }
}

#[test]
fn parse_only_and_dry_run_change_nothing() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\nRUN touch /x\n");
    env.image(["build", "--parse-only", "context"])
        .success()
        .prints("");
    env.image(["build", "--dry-run", "context"]).success();
    env.image(["list"]).success().prints("base\n");
    let nowhere = empty();
    nowhere.write("context/Dockerfile", "FROM base\nCOPY x /x\nRUN true\n");
    nowhere.write("context/x", "");
    let told = nowhere.image(["build", "--dry-run", "context"]).success();
    told.complains("  1. FROM base\n  2. COPY x /x\n  3. RUN true\n");
    assert!(!nowhere.storage().exists());
    env.write("context/Dockerfile", "FROM\n");
    env.image(["build", "--parse-only", "context"])
        .exits(1)
        .complains("can't parse");
}

#[test]
fn steps_run_where_a_namespace_of_another_process_may_not_be_joined() {
    let env = with_base();
    let program = env.root().join("bin/ch-image").display().to_string();
    let script = "RUN id -u; echo x >/new; chown 0:0 /new; chmod 600 /bin/true; rm /bin/false\n";
    env.write("context/Dockerfile", format!("FROM base\n{script}"));
    let refused = ["-f", "-o", "calls", "-e", "inject=setns:error=EPERM"];
    let words = [&refused[..], &[&program, "build", "context"]].concat();
    env.run("strace", words).success().prints("0\n");
    let calls = std::fs::read_to_string(env.path("calls")).unwrap();
    assert!(calls.contains("setns("), "it was tried");
    let script = "cat /new; stat -c %a /bin/true; test -e /bin/false || echo gone";
    env.ch_run(["context", "--", "sh", "-c", script])
        .success()
        .prints("x\n600\ngone\n");
}

#[test]
fn failing_step_keeps_the_old_image() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\nRUN echo good > /state\n");
    env.image(["build", "context"]).success();
    env.write(
        "context/Dockerfile",
        "FROM base\nRUN echo bad > /state\nRUN exit 7\n",
    );
    let failed = env.image(["build", "context"]).exits(1);
    failed.complains("build failed: RUN command exited with 7");
    env.ch_run(["context", "--", "cat", "/state"])
        .success()
        .prints("good\n");
}

#[test]
fn standard_input_is_empty_and_output_is_streamed() {
    let env = with_base();
    env.write(
        "context/Dockerfile",
        "FROM base\nRUN cat; echo first; sleep 30\n",
    );
    let mut command = env.command("ch-image", ["build", "context"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0; 6];
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut output = child.stdout.take().unwrap();
    std::thread::spawn(move || {
        std::io::Read::read_exact(&mut output, &mut first).unwrap();
        sender.send(first).unwrap();
    });
    let first = receiver
        .recv_timeout(Duration::from_secs(20))
        .expect("output comes at once");
    assert_eq!(&first, b"first\n");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn source_date_is_the_time_of_the_image() {
    let mut env = with_base();
    env.write(
        "context/Dockerfile",
        "FROM base\nRUN echo content > /file\n",
    );
    env.set("SOURCE_DATE_EPOCH", "1000000");
    env.image(["build", "context"]).success();
    let config =
        r#"sed -n 's/.*"config": "\(.*\)".*/\1/p' ../storage/images/context*.json | base64 -d"#;
    let config = env.run("sh", ["-c", config]).success();
    let history = r#"{"created":"1970-01-12T13:46:40Z","created_by":"RUN "#;
    assert!(config.stdout.contains(history), "{config}");
    env.set("SOURCE_DATE_EPOCH", "yesterday");
    let refused = env.image(["build", "context"]).exits(1);
    refused.complains("$SOURCE_DATE_EPOCH: not a number of seconds since 1970: yesterday");
}

#[test]
fn commands_that_ask_no_registry_need_neither_certificates_nor_proxy() {
    let mut env = with_base();
    // Who reads it fails.
    env.set("SSL_CERT_FILE", "/nonexistent/authorities.pem");
    env.set("https_proxy", "odd://proxy");
    env.write("context/Dockerfile", "FROM base\nLABEL a=b\n");
    env.image(["build", "context"]).success();
    env.image(["build", "context"]).success();
    env.image(["list"]).success().prints("base\ncontext\n");
    env.image(["list", "--local", "base"]).success();
    env.image(["pull", "localhost:1/x"])
        .exits(1)
        .complains("/nonexistent/authorities.pem");
    env.image(["pull", "registry.test/x"])
        .exits(1)
        .complains("error: $https_proxy: not the address of a proxy");
}
