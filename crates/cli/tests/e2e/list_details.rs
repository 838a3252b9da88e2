//! `list IMAGE_REF`: everything about one image, here and in its registry.

use ch_test_support::Registry;

use crate::{put_debian, using};

/// Standard output with the state ID and the time replaced.
fn steady(text: &str) -> String {
    let line = |line: &str| {
        let line = match line.split_once(", modified: ") {
            Some((before, time)) if time.len() == "Mon Nov 23 17:25:05 2026".len() => {
                format!("{before}, modified: TIME")
            }
            _ => line.to_owned(),
        };
        match line.split_once("(state ID ") {
            Some((before, id)) if id.len() == "5B2A)".len() => format!("{before}(state ID ID)"),
            _ => line,
        }
    };
    text.lines().map(|it| line(it) + "\n").collect()
}

/// What is run after the rows before, and what is printed; `HOST` stands for the registry, `ARCH` for this machine's architecture.
struct Row {
    id: &'static str,
    before: &'static [&'static str],
    command: &'static [&'static str],
    expected: &'static str,
}

const PULL: &[&str] = &["pull", "debian:bookworm"];

const ROWS: &[Row] = &[
    Row {
        id: "6.1 neither here nor there",
        before: &["list"],
        command: &["list", "nichts"],
        expected: "details of image:    nichts\n\
            in local storage:    no\n\
            in build cache:      no\n\
            full remote ref:     HOST/nichts:latest\n\
            available remotely:  no (or you are not authorized)\n\
            remote arch-aware:   n/a\n\
            host architecture:   ARCH\n\
            archs available:     n/a\n",
    },
    Row {
        id: "6.1 there",
        before: &["list"],
        command: &["list", "debian:bookworm"],
        expected: "details of image:    debian:bookworm\n\
            in local storage:    no\n\
            in build cache:      no\n\
            full remote ref:     HOST/debian:bookworm\n\
            available remotely:  yes\n\
            remote arch-aware:   no\n\
            host architecture:   ARCH\n\
            archs available:     unknown\n",
    },
    Row {
        id: "6.1 here and there",
        before: PULL,
        command: &["list", "debian:bookworm"],
        expected: "details of image:    debian:bookworm\n\
            in local storage:    yes (ARCH), modified: TIME\n\
            in build cache:      yes (state ID ID)\n\
            full remote ref:     HOST/debian:bookworm\n\
            available remotely:  yes\n\
            remote arch-aware:   no\n\
            host architecture:   ARCH\n\
            archs available:     unknown\n",
    },
    Row {
        id: "6.1 local",
        before: &["list"],
        command: &["list", "--local", "debian:bookworm"],
        expected: "details of image:    debian:bookworm\n\
            in local storage:    yes (ARCH), modified: TIME\n\
            in build cache:      yes (state ID ID)\n",
    },
    Row {
        id: "6.1 offline",
        before: &["list"],
        command: &["--offline", "list", "debian:bookworm"],
        expected: "details of image:    debian:bookworm\n\
            in local storage:    yes (ARCH), modified: TIME\n\
            in build cache:      yes (state ID ID)\n",
    },
    Row {
        id: "6.1 incomplete",
        before: &["pull", "--last-layer", "0", "debian:bookworm", "part"],
        command: &["list", "--local", "part"],
        expected: "details of image:    part\n\
            in local storage:    yes (ARCH), incomplete, modified: TIME\n\
            in build cache:      yes (state ID ID)\n",
    },
    Row {
        id: "V-cmd-41",
        before: &["pull", "debian:bookworm", "debian:12"],
        command: &["list", "--local", "docker.io/library/debian:12"],
        expected: "details of image:    debian:12\n\
            in local storage:    yes (ARCH), modified: TIME\n\
            in build cache:      yes (state ID ID)\n",
    },
];

#[test]
fn vectors_of_the_details_of_an_image() {
    let registry = Registry::start();
    let env = using(&registry);
    put_debian(&registry, &env);
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64/v8",
        other => other,
    };
    for row in ROWS {
        env.image(row.before).success();
        let found = env.image(row.command).success();
        let host = format!("127.0.0.1:{}", registry.port());
        let expected = row.expected.replace("HOST", &host);
        let expected = expected.replace("ARCH", architecture);
        assert_eq!(steady(&found.stdout), expected, "{}: {found}", row.id);
    }
    let found = env.image(["list", "-l"]).success();
    let names: Vec<&str> = found.stdout.lines().map(|line| &line[..18]).collect();
    let expected = [
        "debian:12       | ",
        "debian:bookworm | ",
        "part            | ",
    ];
    assert_eq!(names, expected, "6.1 long: {found}");
    println!("commands.md §6.1: {} vectors", ROWS.len());
}
