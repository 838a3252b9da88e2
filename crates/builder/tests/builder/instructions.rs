//! What each instruction does.

use ch_builder::BuildArgument;

use crate::Case;
use crate::fixture::Fixture;

pub(crate) const CASES: &[Case] = &[
    ("shell_and_exec_form_reach_the_command", forms),
    (
        "variables_reach_the_command_and_env_alone_the_image",
        variables,
    ),
    ("working_directory_is_made_and_used", working_directory),
    ("configuration_is_what_the_vectors_say", configuration),
    (
        "stages_build_on_each_other_and_unneeded_ones_are_skipped",
        stages,
    ),
    ("scratch_starts_with_nothing", scratch),
    ("files_of_a_step_are_in_the_image", files),
    ("names_that_mean_removals_are_warned_of", removal_names),
    ("apt_is_told_to_stay_root", force_command),
];

fn forms(fixture: &Fixture) {
    let outcome = fixture
        .build(concat!(
            "FROM base\nENV WHAT=exec\nRUN echo  a   b; echo $0\nRUN [\"echo\", \"$WHAT\", \"$HOME\"]\n",
            "RUN [\"sh\", \"-c\", \"echo $WHAT\"]\nSHELL [\"/bin/sh\", \"-e\", \"-c\"]\nRUN echo shell\n",
            "RUN <<EOF\necho one\necho two\nEOF\nRUN cat <<A && cat <<B\n1\nA\n2\nB\n",
        ))
        .good();
    assert_eq!(
        outcome.transcript,
        concat!(
            "  1* FROM base\n  2  ENV WHAT=exec\n  3. RUN echo  a   b; echo $0\na b\n/bin/sh\n",
            "  4. RUN [\"echo\", \"$WHAT\", \"$HOME\"]\nexec $HOME\n",
            "  5. RUN [\"sh\", \"-c\", \"echo $WHAT\"]\nexec\n",
            "  6  SHELL [\"/bin/sh\", \"-e\", \"-c\"]\n  7. RUN echo shell\nshell\n",
            "  8. RUN <<EOF\none\ntwo\n  9. RUN cat <<A && cat <<B\n1\n2\n",
            "grown in 9 instructions: built\n",
        )
    );
}

fn variables(fixture: &Fixture) {
    let mut options = fixture.options();
    options.build_arguments = vec![
        BuildArgument {
            name: "A".to_owned(),
            value: "9".to_owned(),
        },
        BuildArgument {
            name: "G".to_owned(),
            value: "from outside".to_owned(),
        },
    ];
    options.host_environment = vec![
        ("http_proxy".to_owned(), "http://p".to_owned()),
        ("SECRET".to_owned(), "s".to_owned()),
    ];
    let outcome = fixture
        .build_with(
            concat!(
                "ARG G=default\nARG H=global\nFROM base\nARG G\nARG A=1\nENV A=2\nARG A=3\n",
                "RUN echo $A $G \"<$H>\" $http_proxy \"<$SECRET>\" $TAR_OPTIONS\nENV B=$A a=b l=\nARG U\n",
                "ENV Z=${U-unset} W=${U:-empty}\nRUN [\"env\"]\n",
            ),
            &options,
        )
        .good();
    assert!(
        outcome
            .transcript
            .contains("\n9 from outside <> http://p <> --no-same-owner\n"),
        "V-A1, V-A2, V-A8"
    );
    for line in [
        "A=9",
        "B=9",
        "HOME=/root",
        "Z=unset",
        "W=empty",
        "http_proxy=http://p",
    ] {
        assert!(
            outcome.transcript.lines().any(|said| said == line),
            "{line}\n{}",
            outcome.transcript
        );
    }
    let environment = outcome.config().config.env.unwrap();
    let rest = &environment[1..];
    assert!(environment[0].starts_with("PATH=/usr/local/sbin:"));
    assert_eq!(
        rest,
        ["A=2", "B=9", "a=b", "l=", "Z=unset", "W=empty"],
        "V-A8, V-A6"
    );
    let history: Vec<_> = outcome
        .config()
        .history
        .into_iter()
        .map(|entry| entry.created_by.unwrap())
        .collect();
    assert_eq!(history[0], "ARG G=from outside");
    assert!(
        history[4].starts_with("RUN |2 G=from outside A=9 /bin/sh -c echo $A"),
        "{history:?}"
    );
    assert!(history[4].ends_with(" # buildkit"));
}

fn working_directory(fixture: &Fixture) {
    let outcome = fixture
        .build("FROM base\nWORKDIR /made/by\nWORKDIR workdir\nRUN pwd; stat -c %a . ..\nWORKDIR /\nRUN pwd\n")
        .good();
    assert!(
        outcome.transcript.contains("/made/by/workdir\n755\n755\n"),
        "{}",
        outcome.transcript
    );
    assert!(outcome.transcript.contains("  5  WORKDIR /\n"));
    assert_eq!(outcome.config().config.working_dir.as_deref(), Some("/"));
    let error = fixture.build("FROM base\nWORKDIR /etc/passwd\n").bad();
    assert!(
        error.starts_with("WORKDIR: not a directory: /etc/passwd"),
        "{error}"
    );
}

fn configuration(fixture: &Fixture) {
    let outcome = fixture
        .build(concat!(
            "FROM base\nENV P=\"1 2\" a=1\nCMD echo $HOME\nENTRYPOINT [\"a\",\"$B\"]\n",
            "EXPOSE 80 443/TCP 1000-1002/udp 127.0.0.1:90:91\nEXPOSE $P\nVOLUME /v \"/w\"\n",
            "LABEL \"k $a\"=\"v $a\" l='v $a'\nSTOPSIGNAL SIGRTMIN+3\nUSER 1:\nMAINTAINER me & you\n",
        ))
        .good();
    let config = outcome.config();
    assert_eq!(
        config.config.cmd.unwrap(),
        ["/bin/sh", "-c", "echo $HOME"],
        "V-O3"
    );
    assert_eq!(config.config.entrypoint.unwrap(), ["a", "$B"], "V-O3");
    let exposed = config.config.exposed_ports.unwrap();
    let ports: Vec<_> = exposed.iter().map(|(port, _)| port.to_owned()).collect();
    let want = [
        "80/tcp", "443/tcp", "1000/udp", "1001/udp", "1002/udp", "91/tcp", "1/tcp", "2/tcp",
    ];
    assert_eq!(ports, want, "V-O4");
    let labels = config.config.labels.unwrap();
    assert_eq!(labels.get("k 1").map(String::as_str), Some("v 1"), "V-O9");
    assert_eq!(labels.get("l").map(String::as_str), Some("v $a"), "V-O9");
    assert_eq!(config.config.stop_signal.as_deref(), Some("SIGRTMIN+3"));
    assert_eq!(config.config.user.as_deref(), Some("1"));
    assert_eq!(config.author.as_deref(), Some("me & you"));
    assert_eq!(config.history.len(), 10);
    assert!(config.history.iter().all(|entry| entry.empty_layer));
    assert_eq!(
        config.history[1].created_by.as_deref(),
        Some(r#"CMD ["/bin/sh" "-c" "echo $HOME"]"#)
    );

    let health = |line: &str| {
        let config = fixture
            .build(&format!("FROM base\n{line}\n"))
            .good()
            .config();
        let said = config.history[0].created_by.clone().unwrap();
        let member = config.config.rest.get("Healthcheck");
        (member.unwrap().to_string(), said)
    };
    let line = "HEALTHCHECK --interval=5s --timeout=1m30s --retries=3 CMD curl $x";
    let (member, said) = health(line);
    let expected = r#"{"Test":["CMD-SHELL","curl $x"],"Interval":5000000000,"Timeout":90000000000,"Retries":3}"#;
    assert_eq!(member, expected, "V-O10");
    let expected = "HEALTHCHECK {Test:[CMD-SHELL curl $x] Interval:5s Timeout:1m30s StartPeriod:0s StartInterval:0s Retries:3}";
    assert_eq!(said, expected, "V-O10");
    let (member, _) = health("HEALTHCHECK CMD [\"a\", \"b c\"]");
    assert_eq!(member, r#"{"Test":["CMD","a","b c"]}"#);
    let (member, _) = health("HEALTHCHECK NONE");
    assert_eq!(member, r#"{"Test":["NONE"]}"#);

    let outcome = fixture.build("FROM built\nENTRYPOINT [\"b\"]\n").good();
    assert_eq!(outcome.config().config.cmd, None, "V-O1");
    let outcome = fixture
        .build("FROM base\nCMD [\"c\"]\nENTRYPOINT [\"a\"]\n")
        .good();
    assert_eq!(outcome.config().config.cmd.unwrap(), ["c"], "V-O2");
}

fn stages(fixture: &Fixture) {
    let outcome = fixture
        .build(concat!(
            "FROM base AS One\nARG X=1\nRUN echo one > /file\nFROM no/such/image AS unneeded\nRUN false\n",
            "FROM one\nRUN echo two $X >> /file; cat /file\n",
        ))
        .good();
    let told: Vec<_> = outcome.transcript.lines().collect();
    let want = [
        "  1* FROM base AS One",
        "  2  ARG X=1",
        "  3. RUN echo one > /file",
        "  6  FROM one",
        "  7. RUN echo two $X >> /file; cat /file",
        "one",
        "two 1",
        "grown in 5 instructions: built",
    ];
    assert_eq!(told, want);
    assert_eq!(outcome.layers().len(), 3);
}

fn scratch(fixture: &Fixture) {
    fixture.write("file", "x");
    let outcome = fixture.build("FROM scratch\nCOPY file /\n").good();
    let config = outcome.config();
    assert_eq!(outcome.layers().len(), 1, "V-S4");
    assert_eq!(config.config.working_dir.as_deref(), Some("/"), "V-S4");
    assert_eq!(config.config.cmd, None, "V-S4");
    assert_eq!(config.config.env.unwrap().len(), 1, "V-S4");
    assert_eq!(config.architecture.as_deref(), Some("amd64"), "V-S4");
}

fn files(fixture: &Fixture) {
    let built = fixture.build("FROM base\nRUN true\n").good();
    assert_eq!(
        built.layers().len(),
        1,
        "a step that changes nothing makes no layer"
    );
    let built = fixture
        .build("FROM base\nRUN mkdir /d && echo x > /d/f && rm /bin/ls\n")
        .good();
    assert_eq!(built.layers().len(), 2);
    assert_eq!(
        built.config().history.last().map(|entry| entry.empty_layer),
        Some(false)
    );
    assert_eq!(
        fixture.inside("cat /d/f; test -e /bin/ls || echo gone"),
        "x\ngone\n"
    );
}

fn removal_names(fixture: &Fixture) {
    let built = fixture.build("FROM base\nRUN touch /.wh.foo\n").good();
    let want = "  2. RUN touch /.wh.foo\n\
                /.wh.foo: its name means a removal, so it can't be pushed\ngrown";
    assert!(
        built.transcript.contains(want),
        "V-pack-13: {}",
        built.transcript
    );
}

fn force_command(fixture: &Fixture) {
    let script = "#!/bin/sh\necho \"$@\"\n";
    fixture.write("apt-get", script);
    std::fs::set_permissions(
        fixture.path("apt-get"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let dockerfile = "FROM base\nCOPY apt-get /bin/\nRUN true && apt-get update\n";
    let built = fixture.build(dockerfile).good();
    let want = "  3. RUN true && apt-get update\n-o APT::Sandbox::User=root update\n\
                --force=seccomp: modified 1 RUN instructions\n";
    assert!(built.transcript.contains(want), "{}", built.transcript);
    let by = built.config().history.pop().unwrap().created_by.unwrap();
    assert_eq!(by, "RUN /bin/sh -c true && apt-get update # buildkit");
    let options = ch_builder::Options {
        emulation: ch_emulation::Mode::None,
        ..fixture.options()
    };
    let built = fixture.build_with(dockerfile, &options).good();
    assert!(
        built
            .transcript
            .contains("  3. RUN true && apt-get update\nupdate\ngrown"),
        "{}",
        built.transcript
    );
}
