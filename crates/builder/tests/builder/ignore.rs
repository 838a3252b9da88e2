//! Ignore files: what of a context gets into an image, and what is said of the rest.

use ch_builder::{IgnoreFile, Options};

use crate::Case;
use crate::fixture::Fixture;

pub(crate) const CASES: &[Case] = &[
    ("hidden_files_are_not_copied", copied),
    ("a_named_source_that_is_hidden_is_told_with_its_line", named),
    ("hidden_files_change_nothing", unnoticed),
    ("links_lead_to_nothing_hidden", links),
    ("the_file_can_be_chosen", chosen),
    (
        "a_line_that_means_nothing_is_told_before_any_step",
        malformed,
    ),
];

/// The paths below the copied context, without those that begin with a dot.
fn seen(fixture: &Fixture) -> String {
    let command = "for p in /c/* /c/*/* /c/*/*/* /c/*/*/*/*; do [ ! -e $p ] || echo $p; done";
    let listed = fixture.inside(command);
    let mut paths: Vec<_> = listed.lines().collect();
    paths.sort_unstable();
    paths.join(" ")
}

fn fill(fixture: &Fixture) {
    for path in ["a.log", "keep", "d/a.log", "d/b", "d/e/f", "x/y/z"] {
        fixture.write(path, path);
    }
}

fn copied(fixture: &Fixture) {
    fill(fixture);
    for (text, expected) in [
        (
            "*.log\nx\n",
            "/c/d /c/d/a.log /c/d/b /c/d/e /c/d/e/f /c/keep",
        ),
        // A directory that is hidden is there for what is seen in it, and only then.
        (
            "d\n!d/e/f\nx\n!x/no\n*.log\n",
            "/c/d /c/d/e /c/d/e/f /c/keep",
        ),
        ("*\n!keep\n", "/c/keep"),
        ("**/*.log\nx\nd/e\n", "/c/d /c/d/b /c/keep"),
    ] {
        fixture.write(
            ".dockerignore",
            &format!("{text}Dockerfile\n.dockerignore\n"),
        );
        fixture.build("FROM base\nCOPY . /c\n").good();
        assert_eq!(seen(fixture), expected, "{text:?}");
    }
    fixture.write(".dockerignore", "*.log\n");
    fixture.build("FROM base\nCOPY *.log keep d /c/\n").good();
    assert_eq!(seen(fixture), "/c/a.log /c/b /c/e /c/e/f /c/keep");
}

fn named(fixture: &Fixture) {
    fill(fixture);
    fixture.write(".dockerignore", "# no\n*.log\nd\nx\n!x/no\n");
    for (source, line) in [("a.log", 2), ("d", 3), ("d/b", 3), ("x", 4)] {
        let outcome = fixture.build(&format!("FROM base\nCOPY {source} /c/\n"));
        let error = outcome.result.unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("source not found: {source}\n")),
            "{text}"
        );
        let cause = std::error::Error::source(&error).unwrap().to_string();
        let expected = format!(
            "excluded by {}:{line}",
            fixture.path(".dockerignore").display()
        );
        assert_eq!(cause, expected, "{source}");
    }
    // A pattern matches what there is to see.
    fixture.build("FROM base\nCOPY keep a.* /c/\n").good();
    assert_eq!(seen(fixture), "/c/keep");
}

fn unnoticed(fixture: &Fixture) {
    fill(fixture);
    fixture.write(".dockerignore", "*.log\nx\n");
    let dockerfile = "FROM base\nCOPY . /c\n";
    fixture.build(dockerfile).good();
    fixture.write("a.log", "changed");
    fixture.write("x/y/new", "new");
    let again = fixture.build(dockerfile).good();
    assert!(
        again.transcript.contains("  2* COPY . /c\n"),
        "{}",
        again.transcript
    );
    fixture.write(".dockerignore", "*.log\nx/y/z\n");
    let again = fixture.build(dockerfile).good();
    assert!(
        again.transcript.contains("  2. COPY . /c\n"),
        "{}",
        again.transcript
    );
    assert!(
        seen(fixture).ends_with("/c/x /c/x/y /c/x/y/new"),
        "{}",
        seen(fixture)
    );
}

fn links(fixture: &Fixture) {
    fill(fixture);
    std::os::unix::fs::symlink("d", fixture.path("link")).unwrap();
    fixture.write(".dockerignore", "d/e\n");
    fixture.build("FROM base\nCOPY link /c\n").good();
    assert_eq!(seen(fixture), "/c/a.log /c/b");
    fixture.write(".dockerignore", "d\n");
    let error = fixture.build("FROM base\nCOPY link /c\n").bad();
    assert!(error.starts_with("source not found: link\n"), "{error}");
}

fn chosen(fixture: &Fixture) {
    fill(fixture);
    fixture.write(".dockerignore", "*\n");
    fixture.write("other", "*\n!keep\n");
    let with = |ignore_file: IgnoreFile| {
        let options = Options {
            ignore_file,
            ..fixture.options()
        };
        fixture.build_with("FROM base\nCOPY . /c\n", &options)
    };
    with(IgnoreFile::At(fixture.path("other"))).good();
    assert_eq!(seen(fixture), "/c/keep");
    with(IgnoreFile::Nothing).good();
    assert!(seen(fixture).contains("/c/d/e/f"), "{}", seen(fixture));
    let error = with(IgnoreFile::At(fixture.path("no"))).bad();
    assert!(error.starts_with("can't read "), "{error}");
}

fn malformed(fixture: &Fixture) {
    fixture.write("f", "f");
    fixture.write(".dockerignore", "a\n[b\n");
    let outcome = fixture.build("FROM base\nRUN echo expensive\nCOPY f /c/\n");
    let error = outcome.bad();
    let file = fixture.path(".dockerignore");
    let expected = format!("can't parse: {}:2\n", file.display());
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(outcome.transcript, "");
    // Who copies nothing need not understand it.
    fixture.build("FROM base\nRUN true\n").good();
}
