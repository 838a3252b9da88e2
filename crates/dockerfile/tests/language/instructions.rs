//! What the instructions say, as far as no image is needed to know it.

use ch_dockerfile::ast::{Command, Escape};
use ch_dockerfile::substitute;

use crate::{describe, read};

/// Each after `FROM img`.
const GOOD: &[(&str, &str, &[&str])] = &[
    ("V-A4", "ARG a=1 b=$a", &["ARG a=1 | b=$a"]),
    (
        "V-A6",
        "ARG X\nENV Z=${X-unset} W=${X:-empty}",
        &["ARG X", "ENV Z=${X-unset} | W=${X:-empty}"],
    ),
    ("V-A7", "ARG X=", &["ARG X="]),
    (
        "V-A9",
        "ARG x='$u' y=\"$u\" z=\\$u",
        &["ARG x='$u' | y=\"$u\" | z=\\$u"],
    ),
    (
        "V-E1",
        r#"ENV a=b c="d e" f='g h' i=j\ k l="#,
        &[r#"ENV a=b | c="d e" | f='g h' | i=j\ k | l="#],
    ),
    (
        "V-E2",
        r#"ENV a b "c"  d"#,
        &[r#"ENV a=b "c"  d"#, "LegacyKeyValueFormat:2"],
    ),
    ("V-E4", "ENV a==b c=d=e", &["ENV a==b | c=d=e"]),
    ("V-E5", r#"ENV "a b"=c"#, &[r#"ENV "a b"=c"#]),
    (
        "V-O3",
        r#"ENTRYPOINT ["a","$B"]"#,
        &[r#"ENTRYPOINT ["a", "$B"]"#],
    ),
    ("V-O6", "WORKDIR /a b", &[r#"WORKDIR "/a b""#]),
    (
        "V-O10",
        "HEALTHCHECK --interval=5s --timeout=1m30s --retries=3 CMD curl $x",
        &[r#"HEALTHCHECK "curl $x" Some(5000000000) Some(90000000000) Some(3)"#],
    ),
    (
        "§8 none",
        "healthcheck none",
        &["HEALTHCHECK NONE None None None"],
    ),
    (
        "§8 half",
        "HEALTHCHECK --interval=1.5h CMD [\"x\"]",
        &[r#"HEALTHCHECK ["x"] Some(5400000000000) None None"#],
    ),
    ("§1.5 dashes", "CMD -- --verbose", &[r#"CMD "--verbose""#]),
    (
        "§1.5 boolean",
        "COPY --link=FALSE --parents a b",
        &[r#"COPY parents "a" -> "b""#],
    ),
    (
        "§1.5 unpack",
        "ADD --unpack=false a b",
        &[r#"ADD unpack=false "a" -> "b""#],
    ),
    (
        "§6.5 empty from",
        "COPY --from= a b",
        &[r#"COPY "a" -> "b""#],
    ),
    (
        "§1.6 escapes",
        r#"CMD ["\u00e9\ud83d\ude00\n\/"]"#,
        &[r#"CMD ["é😀\n/"]"#],
    ),
    (
        "§1.6 half a pair",
        r#"CMD ["\ud83d"]"#,
        &["CMD [\"\u{fffd}\"]"],
    ),
    (
        "§1.6 unknown escape",
        r#"CMD ["\x"]"#,
        &[r#"CMD "[\"\\x\"]""#, "JSONLookalike:2"],
    ),
    (
        "V-C59",
        "COPY <<A <<B /d/\n1\nA\n2\nB",
        &[r#"COPY <<A "1\n" <<B "2\n" -> "/d/""#],
    ),
    (
        "V-C60",
        "COPY <<-EOF /x\n\t\ta\n\t b\n\tEOF",
        &[r#"COPY <<EOF tabs "\t\ta\n\t b\n" -> "/x""#],
    ),
    (
        "§6.5 blank",
        "COPY a << \"E F\" b /d/\nx\nE F",
        &[r#"COPY "a" <<E F literal "x\n" "b" -> "/d/""#],
    ),
    ("§5 empty", "RUN", &[r#"RUN """#, "EmptyRun:2"]),
    (
        "§7",
        "NSYNC -a --delete src=a /dst",
        &[r#"RSYNC ["-a", "--delete", "src=a", "/dst"]"#],
    ),
    (
        "§8 maintainer",
        "MAINTAINER a b",
        &[r#"MAINTAINER "a b""#, "MaintainerDeprecated:2"],
    ),
    (
        "§8 shell",
        "SHELL [\"/bin/bash\", \"-c\"]",
        &[r#"SHELL ["/bin/bash", "-c"]"#],
    ),
    (
        "§8 onbuild",
        "ONBUILD   copy --link a b",
        &[r#"ONBUILD "copy --link a b""#],
    ),
    (
        "V-S1",
        "FROM img AS Build\nFROM build\nRUN x",
        &[
            "FROM img AS Build",
            "FROM build",
            r#"RUN "x""#,
            "StageNameCasing:2",
        ],
    ),
    (
        "V-S2",
        "FROM img AS a\nFROM img AS a",
        &["FROM img AS a", "FROM img AS a", "DuplicateStageName:3"],
    ),
    (
        "V-S3",
        "FROM img AS scratch\nFROM scratch",
        &["FROM img AS scratch", "FROM scratch", "ReservedStageName:2"],
    ),
];

/// Each after `FROM img AS first`: part of the error.
const BAD: &[(&str, &str, &str)] = &[
    (
        "§1.5",
        "RUN --netwrk=x y",
        "unknown flag: --netwrk (did you mean --network?)",
    ),
    (
        "§1.5",
        "COPY --chown a b",
        "missing a value on flag: --chown",
    ),
    (
        "§1.5",
        "COPY --from=x --from=y a b",
        "duplicate flag specified: --from",
    ),
    (
        "§1.5",
        "COPY --link=maybe a b",
        "expecting boolean value for flag --link, not: maybe",
    ),
    ("§1.5", "CMD --verbose", "unknown flag: --verbose"),
    (
        "§15",
        "COPY --foo=x a b",
        "COPY: invalid option --foo: unknown flag: --foo (did you mean --from?)",
    ),
    (
        "§15",
        "COPY --chown=1 --chown=1 a b",
        "COPY: repeated option --chown",
    ),
    (
        "V-E7",
        "ENV a=b c",
        "Syntax error - can't find = in \"c\". Must be of the form: name=value",
    ),
    (
        "§2.4",
        "ENV R=${none?oops here}",
        "can't find = in \"here}\"",
    ),
    ("§3.3", "ENV a", "ENV must have two arguments"),
    ("§3.3", "ENV =x", "ENV names can not be blank"),
    ("§3.1", "ARG", "ARG requires at least one argument"),
    ("§3.1", "ARG =x", "ARG names can not be blank"),
    (
        "§4.1",
        "FROM a b",
        "FROM requires either one or three arguments",
    ),
    (
        "§4.1",
        "FROM a IS b",
        "FROM requires either one or three arguments",
    ),
    (
        "§4.1",
        "FROM a AS 1x",
        "invalid name for build stage: \"1x\", name can't start with a number or contain symbols",
    ),
    (
        "§4.2",
        "COPY --from=first a b",
        "stage first is the current stage",
    ),
    (
        "§4.2",
        "COPY --from=0 a b",
        "circular dependency detected on stage: 0",
    ),
    (
        "§4.2",
        "COPY --from=late a b\nFROM img AS late",
        "COPY --from: stage late does not exist yet",
    ),
    (
        "§4.2",
        "COPY --from=5 a b",
        "COPY --from: stage 5 does not exist",
    ),
    (
        "§4.2",
        "COPY --from=-1 a b",
        "invalid negative stage index -1",
    ),
    (
        "V-M10",
        "RUN --mount=from=late x\nFROM img AS late",
        "stage late does not exist yet",
    ),
    (
        "V-M10",
        "RUN --mount=type=foo x",
        "unsupported mount type \"foo\"",
    ),
    (
        "V-M10",
        "RUN --mount=foo=bar x",
        "unexpected key 'foo' in 'foo=bar' (did you mean from?)",
    ),
    (
        "V-M10",
        "RUN --mount=from=$X x",
        "'from' doesn't support variable expansion, define alias stage instead",
    ),
    ("§5.1", "RUN []", "RUN requires at least one argument"),
    (
        "§5.3",
        "RUN --network=bad x",
        "invalid network mode \"bad\"",
    ),
    (
        "§5.3",
        "RUN --security=bad x",
        "security \"bad\" is not valid",
    ),
    (
        "§6",
        "COPY a",
        "COPY requires at least two arguments, but only one was provided.",
    ),
    (
        "§6",
        "COPY a <<E\nE",
        "COPY cannot accept a heredoc as destination",
    ),
    (
        "§8",
        "SHELL x",
        "SHELL requires the arguments to be in JSON form",
    ),
    ("§8", "EXPOSE", "EXPOSE requires at least one argument"),
    (
        "§8",
        "VOLUME [\"\"]",
        "VOLUME specified can not be an empty string",
    ),
    (
        "§8",
        "HEALTHCHECK FOO x",
        "Unknown type \"FOO\" in HEALTHCHECK (try CMD)",
    ),
    (
        "§8",
        "HEALTHCHECK CMD",
        "Missing command after HEALTHCHECK CMD",
    ),
    (
        "§8",
        "HEALTHCHECK NONE x",
        "HEALTHCHECK NONE takes no arguments",
    ),
    (
        "§8",
        "HEALTHCHECK --interval=5 CMD x",
        "missing unit in duration \"5\"",
    ),
    (
        "§8",
        "HEALTHCHECK --interval=5us CMD x",
        "Interval \"interval\" cannot be less than 1ms",
    ),
    (
        "§8",
        "HEALTHCHECK --retries=-1 CMD x",
        "not a number from 0 on: -1",
    ),
    (
        "§8",
        "ONBUILD ONBUILD RUN x",
        "Chaining ONBUILD via ONBUILD ONBUILD isn't allowed",
    ),
    (
        "§8",
        "ONBUILD FROM x",
        "FROM isn't allowed as an ONBUILD trigger",
    ),
    (
        "§8",
        "ONBUILD MAINTAINER x",
        "MAINTAINER isn't allowed as an ONBUILD trigger",
    ),
    ("§8", "ONBUILD FOO x", "unknown instruction: FOO"),
    ("§2.2", "WORKDIR \"/a", "looking for matching double-quote"),
    (
        "§2.2",
        "COPY <<E /x\n${a:-x\nE",
        "syntax error: missing '}'",
    ),
];

/// Each after `FROM img`: what the shell gets.
const SHELL: &[(&str, &str, &str)] = &[
    ("V-R1", "RUN  x   y", r#""x   y""#),
    ("V-R2", "RUN a | b", r#""a | b""#),
    ("V-R3", "RUN <<EOF\na\nb\nEOF", r#""a\nb\n""#),
    ("V-R4", "RUN <<\"EOF\"\necho $X\nEOF", r#""echo $X\n""#),
    (
        "V-R5",
        "RUN <<EOF python3\nprint(1)\nEOF",
        r#""<<EOF python3\nprint(1)\nEOF""#,
    ),
    (
        "V-R6",
        "RUN <<EOF\n#!/usr/bin/python3\nprint(1)\nEOF",
        r##"script EOF "#!/usr/bin/python3\nprint(1)\n""##,
    ),
    (
        "V-R7",
        "RUN <<-EOF\n\t#!/bin/x\n\ty\n\tEOF",
        r##"script EOF "#!/bin/x\ny\n""##,
    ),
    (
        "V-R8",
        "RUN <<A <<B\n1\nA\n2\nB",
        r#""<<A <<B\n1\nA\n2\nB""#,
    ),
];

#[test]
fn good_instructions() {
    for (id, text, expected) in GOOD {
        let file =
            read(format!("FROM img\n{text}")).unwrap_or_else(|errors| panic!("{id}: {errors}"));
        assert_eq!(&describe::file(&file), expected, "{id}");
    }
    println!("dockerfile.md §3-8 (syntax): {} vectors", GOOD.len());
}

#[test]
fn bad_instructions() {
    for (id, text, expected) in BAD {
        let errors = read(format!("FROM img AS first\n{text}"))
            .expect_err(text)
            .to_string();
        assert!(errors.contains(expected), "{id} {text}: {errors}");
    }
    println!("dockerfile.md §3-8 (errors): {} vectors", BAD.len());
}

#[test]
fn shells_get_text_and_bodies() {
    for (id, text, expected) in SHELL {
        let file = read(format!("FROM img\n{text}")).unwrap();
        let Command::Run(run) = &file.stages[0].instructions[0].command else {
            panic!("{id}: a RUN");
        };
        assert_eq!(describe::shell_input(run), *expected, "{id}");
    }
    println!("dockerfile.md §5.1: {} vectors", SHELL.len());
}

#[test]
fn words_of_env_mean_what_they_say() {
    let table = [
        (
            "V-E1",
            r#"ENV a=b c="d e" f='g h' i=j\ k l="#,
            "b|d e|g h|j k|",
        ),
        ("V-E2", r#"ENV a b "c"  d"#, "b c  d"),
        ("V-E3", r#"ENV a='x"y' b="x'y""#, r#"x"y|x'y"#),
        ("V-E4", "ENV a==b c=d=e", "=b|d=e"),
        ("V-E6", r#"ENV a="1\n2" b=1\n2"#, r"1\n2|1n2"),
        ("V-E9", r#"ENV a=$sp b="$sp""#, "p q|p q"),
        (
            "V-O9",
            r#"LABEL "k $a"="v $a" l='v $a' m="\$a \"q\"""#,
            r#"v 1|v $a|$a "q""#,
        ),
    ];
    let lookup = |name: &str| match name {
        "sp" => Some("p q".to_owned()),
        "a" => Some("1".to_owned()),
        _ => None,
    };
    for (id, text, expected) in table {
        let file = read(format!("FROM img\n{text}")).unwrap();
        let (Command::Env(pairs) | Command::Label(pairs)) = &file.stages[0].instructions[0].command
        else {
            panic!("{id}: an ENV or LABEL");
        };
        let values = pairs
            .iter()
            .map(|pair| substitute::word(&pair.value.text, Escape::Backslash, &lookup).unwrap());
        let values: Vec<String> = values.map(|expanded| expanded.text).collect();
        assert_eq!(values.join("|"), expected, "{id}");
    }
    println!("dockerfile.md §3.3 (values): {} vectors", table.len());
}

#[test]
fn globals_and_stages_are_told_apart() {
    let text = "ARG os=x v\nFROM --platform=linux/arm64 --arg=os=alpine:3 --arg=foo=bar $os AS Base\nRUN y\n";
    let file = read(text).unwrap();
    assert_eq!(file.globals[0].definitions.len(), 2);
    let from = &file.stages[0].from;
    assert_eq!(from.platform.as_ref().unwrap().text, "linux/arm64");
    let arguments: Vec<_> = from
        .arguments
        .iter()
        .map(|argument| argument.text.as_str())
        .collect();
    assert_eq!(arguments, ["os=alpine:3", "foo=bar"], "V-A10");
    assert_eq!(
        (from.image.text.as_str(), file.stages[0].name()),
        ("$os", Some("base"))
    );
    assert_eq!(file.stages[0].instructions[0].header.to_string(), "RUN y");
}

#[test]
fn stages_are_found_by_name() {
    let file = read("FROM img AS a\nFROM img AS A\nFROM a AS b\n").unwrap();
    assert_eq!(file.stage_named("A", 2), Some(1), "V-S2");
    assert_eq!(file.stage_named("a", 1), Some(0));
    assert_eq!(file.stage_named("b", 2), None);
}
