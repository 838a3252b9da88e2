//! Stages: what is built, in which order, and what goes from one to another.

use std::fs;
use std::num::NonZeroUsize;

use ch_builder::{Cache, Options};
use ch_container::{Mount, Source};
use ch_emulation::Mode;

use crate::Case;
use crate::fixture::{Fixture, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("what_is_copied_from_a_stage_is_all_that_comes", copied),
    ("copies_hit_while_what_they_copy_is_the_same", hits),
    (
        "copies_are_what_their_originals_are_believed_to_be",
        believed,
    ),
    ("no_link_of_a_stage_leads_out_of_it", inside),
    ("stages_and_images_are_found_by_name_and_number", found),
    ("stages_that_can_not_be_copied_from_are_refused", refused),
    ("vectors_of_stages", vectors),
    ("target_is_what_is_built", target),
    ("independent_stages_are_built_at_the_same_time", at_once),
    (
        "failure_ends_the_other_stages_and_is_the_only_error",
        failure,
    ),
    (
        "stage_that_waited_for_a_step_begins_nothing_after_a_failure",
        waited,
    ),
    ("step_of_two_stages_is_executed_once", once),
    ("dry_run_says_what_it_can_not_know_to_be_executed", dry_run),
];

/// Options with which two stages may be built at once, and commands see `directory` of the context as `/shared`.
fn sharing(fixture: &Fixture, directory: &str) -> Options {
    fs::create_dir_all(fixture.path(directory)).unwrap();
    Options {
        jobs: NonZeroUsize::new(2).unwrap(),
        binds: vec![Mount::new(Source::Bind(fixture.path(directory)), "/shared")],
        ..fixture.options()
    }
}

/// The lines that were told of instructions.
fn lines(outcome: &Outcome) -> Vec<&str> {
    let is_line = |line: &&str| {
        let number = line.get(..3).map(|number| number.trim().parse::<usize>());
        matches!(number, Some(Ok(_)))
    };
    outcome.transcript.lines().filter(is_line).collect()
}

fn copied(fixture: &Fixture) {
    fixture.write(".dockerignore", "made\n");
    let built = fixture
        .build(concat!(
            "FROM base AS builder\nRUN mkdir -p /out/d; echo made > /out/d/made; echo left > /left\n",
            "FROM base\nWORKDIR /w\nCOPY --from=builder /out/d/made ./\nCOPY --from=0 out /all/\nRUN cat made /all/d/made; ls /\n",
        ))
        .good();
    assert!(built.output.starts_with("made\nmade\n"), "{}", built.output);
    assert!(!built.output.contains("left"), "{}", built.output);
    let by = built.history();
    assert_eq!(by[1], "COPY /out/d/made ./ # buildkit");
}

fn hits(fixture: &Fixture) {
    fixture.write("wanted", "1");
    fixture.write("other", "1");
    let dockerfile = "FROM base AS builder\nCOPY wanted other /out/\nFROM base\nCOPY --from=builder /out/wanted /\nRUN cat /wanted\n";
    fixture.build(dockerfile).good();
    let again = fixture.build(dockerfile).good();
    assert!(lines(&again).contains(&"  4* COPY --from=builder /out/wanted /"));
    fixture.write("other", "2");
    let unrelated = fixture.build(dockerfile).good();
    let want = [
        "  1* FROM base AS builder",
        "  2. COPY wanted other /out/",
        "  3* FROM base",
        "  4* COPY --from=builder /out/wanted /",
        "  5* RUN cat /wanted",
    ];
    assert_eq!(lines(&unrelated), want);
    fixture.write("wanted", "2");
    let changed = fixture.build(dockerfile).good();
    assert_eq!(lines(&changed)[3], "  4. COPY --from=builder /out/wanted /");
    assert_eq!(changed.output, "2");
}

fn believed(fixture: &Fixture) {
    let options = Options {
        emulation: Mode::Supervisor,
        ..fixture.options()
    };
    let dockerfile = concat!(
        "FROM base AS a\nRUN mkdir /o; cd /o; echo x > f; chown 5:6 f; chmod 4750 f; mkdir d; chown 7 d; ln -s f l; ",
        "chown -h 8:9 l; mkfifo p; chown 1:2 p; mknod c c 1 3; ln f g\n",
        "FROM base\nCOPY --from=a /o /o\nCOPY --from=a --chown=3:4 /o/f /o/l /named/\nCOPY --from=a /o/f /top/f\n",
        "RUN cd /o; stat -c '%n %u:%g %a %F %h' c d f g l p /named/f /named/l /top /top/f; cat g\n",
    );
    let built = fixture.build_with(dockerfile, &options).good();
    let want = "c 0:0 644 character special file 1\nd 7:0 755 directory 2\nf 5:6 4750 regular file 2\n\
                g 5:6 4750 regular file 2\nl 8:9 777 symbolic link 1\np 1:2 644 fifo 1\n\
                /named/f 3:4 4750 regular file 1\n/named/l 3:4 4750 regular file 1\n\
                /top 0:0 755 directory 2\n/top/f 5:6 4750 regular file 1\nx\n";
    assert_eq!(built.output, want);
    // Only the owner is another one.
    let other = dockerfile.replace("chown 5:6 f", "chown 5:7 f");
    let built = fixture.build_with(&other, &options).good();
    let marks: Vec<_> = lines(&built).iter().map(|line| &line[3..4]).collect();
    assert_eq!(marks.concat(), "*.*....", "{}", built.transcript);
}

fn inside(fixture: &Fixture) {
    fixture.write("secret", "secret");
    let outside = fixture.path("secret");
    let outside = outside.display();
    let dockerfile = format!(
        "FROM base AS a\nRUN ln -s {outside} /out; ln -s ../../../../etc/passwd /up; ln -s /etc /dir\n\
         FROM base\nCOPY --from=a /up /copied\nCOPY --from=a /dir/../dir/group /group\nRUN cat /copied /group\nCOPY --from=a /out /x\n",
    );
    let built = fixture.build(&dockerfile);
    assert!(
        built.bad().starts_with("source not found: /out\n"),
        "{}",
        built.bad()
    );
    assert_eq!(built.output, "root:x:0:0:root:/root:/bin/sh\nroot:x:0:\n");
}

fn found(fixture: &Fixture) {
    fixture.build("FROM base\nRUN echo image > /file\n").good();
    let build = |from: &str| {
        let dockerfile = format!(
            "ARG GLOBAL=Two\nFROM base AS one\nRUN echo one > /file\nFROM base AS two\nRUN echo two > /file\n\
             FROM base\nARG GLOBAL\nARG N=1\nARG IN=$GLOBAL\nENV E=one\nCOPY --from={from} /file /\nRUN cat /file\n",
        );
        let options = Options {
            names: vec!["other".parse().unwrap()],
            cache: Cache::Rebuild,
            ..fixture.options()
        };
        fixture.build_with(&dockerfile, &options)
    };
    for (from, want) in [
        ("one", "one\n"),
        ("TWO", "two\n"),
        ("0", "one\n"),
        ("1", "two\n"),
        ("built", "image\n"),
        ("$GLOBAL", "two\n"),
        ("${IN}", "two\n"),
        ("$N", "two\n"),
    ] {
        let built = build(from).good();
        assert_eq!(built.output.lines().last(), want.lines().next(), "{from}");
    }
    let error = build("$E").bad();
    let want = "variable expansion is not supported for --from, define a new stage with FROM";
    assert!(error.starts_with(want), "{error}");
    assert!(
        build("scratch")
            .bad()
            .starts_with("source not found: /file\n")
    );
    let outcome = build("no/such:1");
    assert!(
        outcome.bad().starts_with("can't get image: no/such:1\n"),
        "{}",
        outcome.bad()
    );
    assert!(
        outcome.bad().contains("COPY --from=no/such:1"),
        "{}",
        outcome.bad()
    );
    assert_eq!(outcome.output, "", "it is missed before the first step");
}

fn refused(fixture: &Fixture) {
    for (from, want) in [
        ("last", "stage last is the current stage"),
        ("1", "stage 1 is the current stage"),
        ("late", "stage late does not exist yet"),
        ("2", "stage 2 does not exist yet"),
        ("5", "stage 5 does not exist"),
        ("-1", "invalid negative stage index -1"),
    ] {
        let dockerfile = format!(
            "FROM base AS a\nFROM base AS last\nCOPY --from={from} /x /\nFROM base AS late\n"
        );
        let source = ch_dockerfile::Source::new("Dockerfile", dockerfile);
        let refused = ch_dockerfile::parse(&source).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("COPY --from: {want}")) || refused.contains(want),
            "{refused}"
        );
        let dockerfile = format!(
            "FROM base AS a\nFROM base AS last\nARG X={from}\nRUN echo expensive\nCOPY --from=$X /x /\nFROM base AS late\n"
        );
        let options = Options {
            target: Some("last".to_owned()),
            ..fixture.options()
        };
        let outcome = fixture.build_with(&dockerfile, &options);
        let error = outcome.bad();
        assert!(
            error.starts_with("COPY --from: ") && error.contains(want),
            "{error}"
        );
        assert_eq!(outcome.transcript, "");
    }
}

/// (vector, Dockerfile, what commands print, or how the error starts)
const VECTORS: &[(&str, &str, Result<&str, &str>)] = &[
    (
        "V-S1",
        "FROM base AS Build\nRUN echo 1 > /f\nFROM build\nRUN cat /f\n",
        Ok("1\n"),
    ),
    (
        "V-S2",
        "FROM base AS a\nFROM base AS a\nRUN echo x > /f\nFROM a\nRUN cat /f\n",
        Ok("x\n"),
    ),
    (
        "V-S3",
        "FROM base AS scratch\nFROM scratch\nRUN echo x\n",
        Ok("x\n"),
    ),
    ("V-S4", "FROM scratch\nCOPY a /\n", Ok("")),
    (
        "V-S6",
        "FROM img:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
        Err("can't get base image: img:1@sha256:0123"),
    ),
    (
        "V-S7",
        "FROM --platform=foo/bar/baz/qux base\n",
        Err("failed to parse platform foo/bar/baz/qux"),
    ),
    (
        "V-O8",
        "FROM base AS a\nONBUILD RUN echo t\nFROM a\nRUN echo y\n",
        Ok("t\ny\n"),
    ),
];

fn vectors(fixture: &Fixture) {
    fixture.write("a", "a");
    for (vector, dockerfile, want) in VECTORS {
        let outcome = fixture.build(dockerfile);
        match want {
            Ok(output) => assert_eq!(outcome.good().output, *output, "{vector}"),
            Err(start) => assert!(
                outcome.bad().starts_with(start),
                "{vector}: {}",
                outcome.bad()
            ),
        }
    }
    let source = ch_dockerfile::Source::new("Dockerfile", "RUN x\nFROM img\n");
    assert!(ch_dockerfile::parse(&source).is_err(), "V-S5");
    println!(
        "dockerfile.md §4, §8: {} vectors of stages",
        VECTORS.len() + 1
    );
}

fn target(fixture: &Fixture) {
    let dockerfile = "ARG TARGETSTAGE\nFROM base AS one\nARG TARGETSTAGE\nRUN echo one $TARGETSTAGE\nFROM base AS Two\n\
                      ARG TARGETSTAGE\nRUN echo two $TARGETSTAGE\nFROM no/such\nRUN false\n";
    let build = |target: &str| {
        let options = Options {
            target: Some(target.to_owned()),
            ..fixture.options()
        };
        fixture.build_with(dockerfile, &options)
    };
    for (target, want) in [
        ("one", "one one\n"),
        ("0", "one one\n"),
        ("TWO", "two two\n"),
        ("1", "two two\n"),
    ] {
        let options = Options {
            cache: Cache::Rebuild,
            target: Some(target.to_owned()),
            ..fixture.options()
        };
        let built = fixture.build_with(dockerfile, &options).good();
        assert_eq!(built.output, want, "{target}");
    }
    let built = build("two").good();
    let want = [
        "  1  ARG TARGETSTAGE",
        "  5* FROM base AS Two",
        "  6  ARG TARGETSTAGE",
        "  7* RUN echo two $TARGETSTAGE",
    ];
    assert_eq!(lines(&built), want, "numbers are those of the whole file");
    assert!(
        built
            .transcript
            .ends_with("grown in 4 instructions: built\n")
    );
    assert_eq!(
        build("tow").bad(),
        "target stage \"tow\" could not be found (did you mean two?)"
    );
    assert_eq!(build("3").bad(), "target stage \"3\" could not be found");
}

/// A command that waits, not for ever, until `name` is in the shared directory.
fn awaiting(name: &str) -> String {
    format!(
        "n=0; while ! test -e /shared/{name}; do sleep 0.05; n=$((n+1)); test $n -lt 600 || exit 9; done"
    )
}

fn at_once(fixture: &Fixture) {
    let options = sharing(fixture, "shared");
    let dockerfile = format!(
        "FROM base AS a\nRUN touch /shared/a; {}\nFROM base AS b\nRUN touch /shared/b; {}; echo b > /b\n\
         FROM a\nCOPY --from=b /b /\nRUN cat /b\n",
        awaiting("b"),
        awaiting("a"),
    );
    let built = fixture.build_with(&dockerfile, &options).good();
    assert!(built.output.ends_with("b\n"));
    assert_eq!(lines(&built).len(), 7);
    let serial = Options {
        jobs: NonZeroUsize::MIN,
        cache: Cache::Disabled,
        ..options
    };
    let built = fixture.build_with(&dockerfile, &serial).good();
    let numbers: Vec<_> = lines(&built)
        .iter()
        .map(|line| line[..3].trim().to_owned())
        .collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6", "7"]);
}

fn failure(fixture: &Fixture) {
    let options = sharing(fixture, "shared");
    let dockerfile = format!(
        "FROM base AS a\nRUN touch /shared/a; sleep 600\nRUN touch /shared/never\nFROM base AS b\nRUN {}; exit 3\n\
         FROM a\nCOPY --from=b /b /\n",
        awaiting("a"),
    );
    let outcome = fixture.build_with(&dockerfile, &options);
    let error = outcome.bad();
    assert!(
        error.starts_with("build failed: RUN command exited with 3\n"),
        "{error}"
    );
    assert!(error.contains("5 > RUN"), "{error}");
    assert!(!fixture.path("shared/never").exists());
    // The wish concerned that build only.
    fixture.build("FROM base\nRUN echo more\n").good();
}

fn waited(fixture: &Fixture) {
    let options = Options {
        jobs: NonZeroUsize::new(3).unwrap(),
        ..sharing(fixture, "shared")
    };
    let step = "RUN touch /shared/a; sleep 600";
    let dockerfile = format!(
        "FROM base AS a\n{step}\nFROM base AS b\n{step}\nFROM base AS c\nRUN {}; sleep 1; exit 3\n\
         FROM a\nCOPY --from=b /b /\nCOPY --from=c /c /\n",
        awaiting("a"),
    );
    let outcome = fixture.build_with(&dockerfile, &options);
    let error = outcome.bad();
    assert!(
        error.starts_with("build failed: RUN command exited with 3\n"),
        "{error}"
    );
    let begun = lines(&outcome).into_iter();
    assert_eq!(begun.filter(|line| line.ends_with(step)).count(), 1);
}

fn once(fixture: &Fixture) {
    let options = sharing(fixture, "shared");
    let dockerfile = "FROM base AS a\nRUN echo x >> /shared/count; sleep 1; touch /done\nFROM base AS b\n\
                      RUN echo x >> /shared/count; sleep 1; touch /done\nFROM a\nCOPY --from=b /done /b\n";
    fixture.build_with(dockerfile, &options).good();
    assert_eq!(
        fs::read_to_string(fixture.path("shared/count")).unwrap(),
        "x\n"
    );
}

fn dry_run(fixture: &Fixture) {
    let options = Options {
        dry_run: true,
        ..fixture.options()
    };
    let dockerfile = "FROM base AS a\nRUN echo x > /x\nFROM base\nCOPY --from=a /x /\nCOPY --from=no/such /y /\n";
    let planned = fixture.build_with(dockerfile, &options).good();
    let want = [
        "  1* FROM base AS a",
        "  2. RUN echo x > /x",
        "  3* FROM base",
        "  4. COPY --from=a /x /",
        "  5. COPY --from=no/such /y /",
    ];
    assert_eq!(lines(&planned), want);
    let dockerfile = dockerfile.lines().take(4).collect::<Vec<_>>().join("\n");
    fixture.build(&dockerfile).good();
    let planned = fixture.build_with(&dockerfile, &options).good();
    assert_eq!(lines(&planned)[3], "  4* COPY --from=a /x /");
}
