//! Triggers: what an image does in whatever is built on it.

use ch_builder::Options;
use ch_oci::ImageConfig;

use crate::Case;
use crate::fixture::{Fixture, argument, platform, reference};

pub(crate) const CASES: &[Case] = &[
    ("triggers_of_a_stage_run_first_and_once", of_a_stage),
    (
        "triggers_of_an_image_run_in_what_is_built_on_it",
        of_an_image,
    ),
    ("triggers_need_stages_too", needs),
    ("triggers_without_meaning_are_told_at_the_from", meaningless),
    ("arguments_of_triggers_can_be_given", arguments),
];

fn of_a_stage(fixture: &Fixture) {
    let dockerfile = concat!(
        "FROM base AS a\nONBUILD RUN echo t >> /f\nONBUILD ENV E=e\nRUN echo a >> /f\n",
        "FROM a AS b\nRUN echo y >> /f\nFROM b\nRUN cat /f; echo $E\n",
    );
    let built = fixture.build(dockerfile).good();
    let want = [
        "  1* FROM base AS a",
        "  2  ONBUILD RUN echo t >> /f",
        "  3  ONBUILD ENV E=e",
        "  4. RUN echo a >> /f",
        "  5  FROM a AS b",
        "  5. ONBUILD RUN echo t >> /f",
        "  5  ONBUILD ENV E=e",
        "  6. RUN echo y >> /f",
        "  7  FROM b",
        "  8. RUN cat /f; echo $E",
        "a",
        "t",
        "y",
        "e",
        "grown in 10 instructions: built",
    ];
    assert_eq!(built.transcript.lines().collect::<Vec<_>>(), want, "V-O8");
    assert_eq!(built.config().config.on_build, None, "V-O8");
    let by = built.history();
    assert_eq!(by[1], "RUN /bin/sh -c echo t >> /f # buildkit");
    assert_eq!(by.len(), 5, "ONBUILD itself is not in the history: {by:?}");
}

fn of_an_image(fixture: &Fixture) {
    let options = Options {
        names: vec![reference("triggers")],
        ..fixture.options()
    };
    fixture.write("f", "file\n");
    let dockerfile =
        "FROM base\nONBUILD COPY f /f\nONBUILD RUN <<EOF\ncat /f\nEOF\nRUN test ! -e /f\n";
    let built = fixture.build_with(dockerfile, &options).good();
    let triggers = built.config().config.on_build.unwrap();
    assert_eq!(triggers, ["COPY f /f", "RUN <<EOF\ncat /f\nEOF"]);
    let built = fixture.build("FROM triggers\nRUN echo own\n").good();
    assert_eq!(built.output, "file\nown\n");
    assert_eq!(built.config().config.on_build, None);
    let again = fixture.build("FROM triggers\nRUN echo own\n").good();
    let want = "  1* FROM triggers\n  1* ONBUILD COPY f /f\n  1* ONBUILD RUN <<EOF\n  2* RUN echo own\ngrown in 4 instructions: built\n";
    assert_eq!(again.transcript, want);
}

/// Stores an image `triggers` with this trigger.
fn put(fixture: &Fixture, trigger: &str) {
    let layer = fixture.build("FROM base\n").good().layers().remove(0);
    let mut config = ImageConfig::new(&platform());
    config.config.on_build = Some(vec![trigger.to_owned()]);
    fixture.put_image("triggers", &config, layer);
}

fn needs(fixture: &Fixture) {
    put(fixture, "COPY --from=builder /x /");
    let dockerfile =
        "FROM base AS builder\nRUN echo x > /x\nFROM no/such\nFROM triggers\nRUN cat /x\n";
    let built = fixture.build(dockerfile).good();
    assert_eq!(built.output, "x\n", "{}", built.transcript);
}

fn meaningless(fixture: &Fixture) {
    for (trigger, want) in [
        (
            "RNU x",
            "ONBUILD: can't parse the trigger \"RNU x\": unknown instruction: RNU",
        ),
        (
            "COPY --from=later /x /",
            "COPY --from: stage later does not exist yet",
        ),
        ("ADD x /", "not yet supported: ADD"),
        ("RUN exit 3", "build failed: RUN command exited with 3"),
    ] {
        put(fixture, trigger);
        let outcome =
            fixture.build("FROM triggers\nRUN echo never\nFROM base AS later\nFROM triggers\n");
        let outcome = match trigger.starts_with("COPY") {
            true => {
                let options = Options {
                    target: Some("0".to_owned()),
                    ..fixture.options()
                };
                let dockerfile = "FROM triggers\nRUN echo never\nFROM base AS later\n";
                fixture.build_with(dockerfile, &options)
            }
            false => outcome,
        };
        let error = outcome.bad();
        assert!(error.starts_with(want), "{error}");
        assert!(error.contains("> FROM triggers\n"), "{error}");
        assert_eq!(outcome.output, "");
    }
}

fn arguments(fixture: &Fixture) {
    let options = Options {
        build_arguments: vec![argument("A", "given")],
        ..fixture.options()
    };
    let dockerfile = "FROM base AS a\nONBUILD ARG A=default\nFROM a\nRUN echo $A\n";
    let built = fixture.build_with(dockerfile, &options).good();
    assert_eq!(built.output, "given\n");
}
