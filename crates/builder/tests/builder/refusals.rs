//! What is refused, and when.

use ch_builder::{BuildArgument, Options};
use ch_emulation::Mode;

use crate::Case;
use crate::fixture::{Fixture, argument};

pub(crate) const CASES: &[Case] = &[
    (
        "what_is_not_executed_is_refused_before_anything_is_done",
        unsupported,
    ),
    ("what_the_pull_advises_is_passed_on", not_pulled),
    ("words_without_meaning_are_refused", meaningless),
    ("sources_that_are_not_there_are_named", sources),
    ("unused_build_arguments_are_refused", arguments),
    (
        "build_arguments_that_change_nothing_yet_are_refused",
        later_arguments,
    ),
    (
        "automatic_arguments_of_from_can_be_given",
        automatic_arguments,
    ),
    (
        "operands_without_meaning_are_told_before_the_first_step",
        operands,
    ),
    ("advice_is_given_where_it_helps", advice),
];

fn later_arguments(fixture: &Fixture) {
    let refused = |name: &str, value: &str| {
        let mut options = fixture.options();
        options.build_arguments = vec![argument(name, value)];
        fixture.build_with("FROM no/such/image\n", &options).bad()
    };
    for name in ["BUILDKIT_MULTI_PLATFORM", "BUILDKIT_OTHER"] {
        let want = format!("not yet supported: --build-arg {name}");
        assert_eq!(refused(name, "1"), want);
    }
    assert_eq!(
        refused("SOURCE_DATE_EPOCH", "today"),
        "invalid SOURCE_DATE_EPOCH: today"
    );
    for name in ["BUILDKIT_SYNTAX", "BUILDKIT_INLINE_CACHE"] {
        assert!(refused(name, "1").starts_with("can't get base image"));
    }
}

fn automatic_arguments(fixture: &Fixture) {
    let mut options = fixture.options();
    options.build_arguments = vec![argument("TARGETARCH", "foo")];
    let error = fixture
        .build_with("FROM base:$TARGETARCH-$TARGETOS\n", &options)
        .bad();
    let want = "can't get base image: base:foo-linux\n";
    assert!(error.starts_with(want), "{error}");
}

fn unsupported(fixture: &Fixture) {
    let table = [
        ("ADD x /", "ADD"),
        ("COPY --link x /", "COPY --link"),
        ("RUN --mount=type=cache,target=/x true", "RUN --mount"),
        (
            "RUN <<EOF\n#!/bin/sh\nEOF",
            "RUN of a here-document that starts with #!",
        ),
    ];
    let error = fixture
        .build("# ch-image dialect=charliecloud\nFROM no/such/image\n")
        .bad();
    let want = "not yet supported: dialect=charliecloud\n";
    assert!(error.starts_with(want), "{error}");
    assert!(error.contains("# ch-image dialect"), "{error}");
    for (line, what) in table {
        let outcome = fixture.build(&format!("FROM no/such/image\nRUN true\n{line}\n"));
        let error = outcome.bad();
        assert!(
            error.starts_with(&format!("not yet supported: {what}")),
            "{error}"
        );
        assert_eq!(outcome.transcript, "", "{line}");
    }
}

fn not_pulled(fixture: &Fixture) {
    let outcome = fixture.build("FROM no/such\nRUN true\n");
    assert_eq!(outcome.transcript, "  1. FROM no/such\n");
    let error = outcome.result.unwrap_err();
    assert_eq!(error.message(), "can't get base image: no/such");
    assert_eq!(
        error.hint(),
        Some("consider --arch=yolo"),
        "that of the pull"
    );
}

fn meaningless(fixture: &Fixture) {
    let table = [
        ("ARG os\nFROM $os\n", "base name ($os) should not be blank"),
        ("FROM Base\n", "image ref syntax, char 1: Base"),
        (
            "FROM no/such/image\n",
            "can't get base image: no/such/image",
        ),
        ("FROM base\nENV A=${B?gone}\n", "ENV: "),
        ("FROM base\nEXPOSE 99999\n", "invalid containerPort: 99999"),
        ("FROM base\nEXPOSE 80/x\n", "invalid proto: x"),
        (
            "FROM base\nVOLUME /a $X\n",
            "VOLUME specified can not be an empty string",
        ),
        ("FROM base\nSTOPSIGNAL FOO\n", "invalid signal: FOO"),
        (
            "FROM --platform=linux/s390x base\n",
            "not yet supported: FROM --platform=linux/s390x",
        ),
    ];
    for (dockerfile, want) in table {
        let error = fixture.build(dockerfile).bad();
        assert!(error.starts_with(want), "{dockerfile}: {error}");
    }
}

fn sources(fixture: &Fixture) {
    fixture.write("f", "f");
    let table = [
        ("COPY no /x", "source not found: no"),
        ("COPY ../no /x", "can't COPY from outside context: ../no"),
        (
            "COPY f /etc/passwd/",
            "can't COPY: not a directory: /etc/passwd",
        ),
        (
            "COPY https://example.invalid/x /",
            "source can't be a URL for COPY",
        ),
    ];
    for (line, want) in table {
        let error = fixture.build(&format!("FROM base\n{line}\n")).bad();
        assert!(error.starts_with(want), "{line}: {error}");
    }
    let options = Options {
        context: None,
        ..fixture.options()
    };
    let error = fixture.build_with("FROM base\nCOPY f /\n", &options).bad();
    assert!(
        error.starts_with("no context because \"-\" given"),
        "{error}"
    );
}

fn arguments(fixture: &Fixture) {
    let mut options = fixture.options();
    options.build_arguments = ["USED", "ODD", "EVEN", "http_proxy"]
        .map(|name| BuildArgument {
            name: name.to_owned(),
            value: String::new(),
        })
        .to_vec();
    let error = fixture.build_with("FROM base\nARG USED\n", &options).bad();
    assert!(
        error.starts_with("--build-arg: not consumed: ODD EVEN"),
        "{error}"
    );
}

fn advice(fixture: &Fixture) {
    let debian = "FROM base AS debian\nRUN echo 12 > /etc/debian_version\n";
    let hint = |last: &str, options: &Options| {
        let outcome = fixture.build_with(&format!("{debian}{last}\n"), options);
        outcome.result.unwrap_err().hint().map(str::to_owned)
    };
    let fails = "FROM debian\nRUN dpkg -i x || exit 3";
    let none = Options {
        emulation: Mode::None,
        ..fixture.options()
    };
    let advice = Some("--force may fix it".to_owned());
    assert_eq!(hint(fails, &none), advice);
    // Not of the family; and not known to be of it when `--force` would look.
    assert_eq!(
        hint("FROM debian\nRUN dnf install x || exit 3", &none),
        None
    );
    assert_eq!(hint("RUN dpkg -i x || exit 3", &none), None);
    let silent = Options {
        advise_force: false,
        ..none
    };
    assert_eq!(hint(fails, &silent), None);
    assert_eq!(hint(fails, &fixture.options()), None);
}

fn operands(fixture: &Fixture) {
    for (line, want) in [
        ("STOPSIGNAL FOO", "invalid signal: FOO"),
        ("EXPOSE 80 \"x\"", "invalid containerPort: x"),
        (
            "COPY --chmod=999 x /",
            "invalid chmod parameter: '999'. it should be octal string and between 0 and 07777\n",
        ),
        (
            "COPY --chmod=\"a+q\" x /",
            "invalid chmod parameter: 'a+q'\n",
        ),
    ] {
        let outcome = fixture.build(&format!("FROM base\nRUN echo expensive\n{line}\n"));
        assert!(outcome.bad().starts_with(want), "{}", outcome.bad());
        assert_eq!(outcome.transcript, "", "{line}");
    }
    fixture.write("x", "x");
    let outcome = fixture.build("FROM base\nARG M=8\nCOPY --chmod=$M x /\n");
    assert!(
        outcome
            .bad()
            .starts_with("invalid chmod parameter: '8'. it")
    );
    assert!(outcome.transcript.contains("ARG M=8"));
    let outcome = fixture.build("FROM base\nENV S=FOO\nSTOPSIGNAL $S\n");
    assert!(outcome.bad().starts_with("invalid signal: FOO"));
    assert!(outcome.transcript.contains("ENV S=FOO"));
}
