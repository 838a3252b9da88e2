//! What is deleted and comes back, other names, and what is freed: `delete`, `undelete`, `list -u`, `tag`.

use std::fs;

use ch_test_support::TestEnv;

use crate::{empty, with_base};

/// Rows of §6.1, 6.2, 6.7: what is run in an environment with the image `base`, and what comes of it.
struct Row {
    id: &'static str,
    /// Commands that prepare it.
    before: &'static [&'static [&'static str]],
    command: &'static [&'static str],
    status: i32,
    output: &'static str,
    /// All of standard error.
    log: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        id: "V-cmd-42",
        before: &[&["tag", "base", "foo"], &["tag", "foo", "foo:latest"]],
        command: &["list"],
        status: 0,
        output: "base\nfoo:latest\n",
        log: "",
    },
    Row {
        id: "V-cmd-43",
        before: &[&["tag", "base", "foo"]],
        command: &["delete", "foo:latest"],
        status: 0,
        output: "",
        log: "deleting image: foo\n",
    },
    Row {
        id: "6.1 undeletable",
        before: &[&["tag", "base", "a/b:1"], &["delete", "a/b:1", "base"]],
        command: &["list", "-u"],
        status: 0,
        output: "a/b:1\nbase\n",
        log: "",
    },
    Row {
        id: "6.1 undeleteable",
        before: &[],
        command: &["list", "--undeleteable"],
        status: 0,
        output: "",
        log: "",
    },
    Row {
        id: "6.2 stages",
        before: &[
            &[
                "tag",
                "base",
                "foo",
                "foo_stage0",
                "foo_stage12",
                "foo_stagex",
            ],
            &["delete", "fo?"],
        ],
        command: &["list"],
        status: 0,
        output: "base\nfoo_stagex\n",
        log: "",
    },
    Row {
        id: "6.2 star spans slashes",
        before: &[&["tag", "base", "ex.com/a/b:1"], &["delete", "ex*1"]],
        command: &["list"],
        status: 0,
        output: "base\n",
        log: "",
    },
    Row {
        id: "6.2 others are deleted",
        before: &[],
        command: &["delete", "no[pq]e", "base", "nichts"],
        status: 1,
        output: "",
        log: "error: no matching image, can't delete: no[pq]e\n\
              deleting image: base\n\
              error: no matching image, can't delete: nichts\n\
              error: unable to delete 2 invalid image(s)\n",
    },
    Row {
        id: "6.2 undelete",
        before: &[&["delete", "base"]],
        command: &["undelete", "docker.io/library/base:latest"],
        status: 0,
        output: "",
        log: "",
    },
    Row {
        id: "6.2 undelete exists",
        before: &[],
        command: &["undelete", "base"],
        status: 1,
        output: "",
        log: "error: image exists; will not overwrite\n",
    },
    Row {
        id: "6.2 undelete unknown",
        before: &[],
        command: &["undelete", "nichts"],
        status: 1,
        output: "",
        log: "error: image not in cache\n",
    },
    Row {
        id: "6.2 undelete without cache",
        before: &[&["delete", "base"]],
        command: &["undelete", "--no-cache", "base"],
        status: 1,
        output: "",
        log: "error: only available when cache is enabled\n",
    },
    Row {
        id: "6.2 purge",
        before: &[&["delete", "--purge", "base"]],
        command: &["undelete", "base"],
        status: 1,
        output: "",
        log: "error: image not in cache\n",
    },
    Row {
        id: "6.2 replaced is gone",
        before: &[&["import", "base", "base"]],
        command: &["list", "--undeletable"],
        status: 0,
        output: "",
        log: "",
    },
    Row {
        id: "6.7 tag unknown",
        before: &[],
        command: &["tag", "nichts", "x"],
        status: 1,
        output: "",
        log: "error: no such image: nichts\nhint: ch-image pull nichts\n",
    },
    Row {
        id: "6.7 tag move",
        before: &[&["tag", "--move", "base", "one", "two"]],
        command: &["list"],
        status: 0,
        output: "one\ntwo\n",
        log: "",
    },
    Row {
        id: "6.7 tag move to itself",
        before: &[&["tag", "--move", "base", "base:latest"]],
        command: &["list"],
        status: 0,
        output: "base:latest\n",
        log: "",
    },
    Row {
        id: "6.7 move is no deletion",
        before: &[&["tag", "--move", "base", "one"]],
        command: &["list", "-u"],
        status: 0,
        output: "",
        log: "",
    },
];

#[test]
fn vectors_of_images_that_come_and_go() {
    for row in ROWS {
        let env = with_base();
        for command in row.before {
            env.image(*command).success();
        }
        let found = env.image(row.command).exits(row.status).prints(row.output);
        assert_eq!(found.stderr, row.log, "{}: {found}", row.id);
    }
    println!("commands.md §6.1, 6.2, 6.7: {} vectors", ROWS.len());
}

#[test]
fn commands_that_find_nothing_create_nothing() {
    let env = empty();
    let rows: &[(&[&str], i32)] = &[
        (&["list", "-u"], 0),
        (&["list", "--json"], 0),
        (&["delete", "x"], 1),
        (&["delete", "--purge", "x"], 1),
        (&["undelete", "x"], 1),
        (&["tag", "x", "y"], 1),
        (&["inspect", "x"], 1),
        (&["history", "x"], 1),
        (&["build-cache"], 0),
        (&["build-cache", "--gc", "--tree", "--verify"], 0),
        (&["build-cache", "--reset"], 0),
        (&["prune"], 0),
        (&["prune", "--dry-run", "--json"], 0),
    ];
    for (command, status) in rows {
        env.image(*command).exits(*status);
        assert!(!env.storage().exists(), "{command:?}");
    }
    println!("commands that create nothing: {}", rows.len());
}

#[test]
fn image_that_came_back_runs() {
    let env = with_base();
    env.image(["delete", "base"]).success();
    env.image(["build-cache", "--reset"]).success();
    env.image(["undelete", "base"]).success();
    env.ch_run(["base", "--", "echo", "it runs"])
        .success()
        .prints("it runs\n");
}

/// Names of what lies in `layers/`.
fn layers(env: &TestEnv) -> usize {
    fs::read_dir(env.storage().join("layers")).unwrap().count()
}

#[test]
fn purge_frees_what_only_that_image_needs() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\nRUN echo hello > /hello\n");
    env.image(["build", "-t", "built", "context"]).success();
    assert_eq!(layers(&env), 2);
    env.image(["tag", "built", "other"]).success();
    env.image(["delete", "--purge", "built"])
        .success()
        .complains("deleting image: built\n");
    assert_eq!(layers(&env), 2, "the other one needs them");
    env.ch_run(["other", "--", "cat", "/hello"])
        .success()
        .prints("hello\n");
    env.image(["delete", "--purge", "other"]).success();
    assert_eq!(layers(&env), 1);
    env.ch_run(["base", "--", "true"]).success();
}
