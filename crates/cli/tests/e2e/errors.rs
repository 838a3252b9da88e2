//! The catalogues of errors: what the user is told first, what to do about it, and the exit status.

use ch_test_support::{Outcome, TestEnv};

use crate::with_base;

/// What a row expects of standard error.
struct Told {
    /// The line of the error, without `error: `.
    error: &'static str,
    /// That of its only cause.
    cause: Option<&'static str>,
    /// That of the hint.
    hint: Option<&'static str>,
}

const fn told(error: &'static str) -> Told {
    Told {
        error,
        cause: None,
        hint: None,
    }
}

const fn hinted(error: &'static str, hint: &'static str) -> Told {
    Told {
        error,
        cause: None,
        hint: Some(hint),
    }
}

const fn caused(error: &'static str, cause: &'static str) -> Told {
    Told {
        error,
        cause: Some(cause),
        hint: None,
    }
}

impl Told {
    /// Status 1 and these lines, each once and no others of their kind.
    #[track_caller]
    fn check(&self, row: &str, outcome: &Outcome) {
        let kinds = [
            ("error: ", Some(self.error)),
            ("caused by: ", self.cause),
            ("hint: ", self.hint),
        ];
        for (label, expected) in kinds {
            let lines = outcome.stderr.lines();
            let found: Vec<_> = lines.filter_map(|line| line.strip_prefix(label)).collect();
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(found, expected, "{row}: {label}{outcome}");
        }
        assert_eq!(outcome.code(), 1, "{row}{outcome}");
    }
}

/// A Dockerfile, options, and what comes of it.
type BuildRow = (&'static str, &'static [&'static str], Told);

/// Of dockerfile.md §15.
const BUILDS: &[BuildRow] = &[
    ("", &[], told("no instructions found: context/Dockerfile")),
    (
        "# syntax\n\n",
        &[],
        told("no instructions found: context/Dockerfile"),
    ),
    (
        "FROM base\n\nCOPY . /src\nRNU make\n",
        &[],
        told("can't parse: context/Dockerfile:4,1: unknown instruction: RNU (did you mean RUN?)"),
    ),
    (
        "RUN true\nFROM base\n",
        &[],
        told("can't parse: context/Dockerfile:1,1: first instruction must be ARG or FROM"),
    ),
    (
        "FROM base\nCOPY --foo a /\n",
        &[],
        told(
            "can't parse: context/Dockerfile:2,6: COPY: invalid option --foo: unknown flag: --foo (did you mean \
             --from?)",
        ),
    ),
    (
        "FROM base\nCOPY --chown=1 --chown=2 a /\n",
        &[],
        told(
            "can't parse: context/Dockerfile:2,16: COPY: repeated option --chown: duplicate flag specified: --chown",
        ),
    ),
    (
        "FROM base\nARG A\n",
        &["--build-arg=FOO=1", "--build-arg=A=1", "--build-arg=BAR=2"],
        told("--build-arg: not consumed: FOO BAR"),
    ),
    (
        "FROM base\nARG K\n",
        &["--build-arg=K"],
        told("--build-arg: K: no value and not in environment"),
    ),
    (
        "FROM base\nRUN exit 7\n",
        &[],
        told("build failed: RUN command exited with 7"),
    ),
    (
        "FROM base\nCOPY none /\n",
        &[],
        caused("source not found: none", "no sources found"),
    ),
    (
        "FROM base\nCOPY ../../none /\n",
        &[],
        caused(
            "can't COPY from outside context: ../../none",
            "source not found: none: it is outside the context",
        ),
    ),
    (
        "FROM base\nCOPY outside /\n",
        &[],
        caused(
            "can't COPY from outside context: outside",
            "outside is a symbolic link that leads outside the context",
        ),
    ),
    (
        "FROM base\nCOPY file /bin/true/x/\n",
        &[],
        told("can't COPY: not a directory: /bin/true"),
    ),
    (
        "FROM base AS a\nCOPY --from=a /x /\n",
        &[],
        told(
            "can't parse: context/Dockerfile:2,6: COPY --from: circular dependency detected on stage: a: stage a is \
             the current stage",
        ),
    ),
    (
        "FROM base\nCOPY --from=1 /x /\nFROM base\n",
        &[],
        told("can't parse: context/Dockerfile:2,6: COPY --from: stage 1 does not exist yet"),
    ),
    (
        "FROM base\nCOPY --from=7 /x /\n",
        &[],
        told("can't parse: context/Dockerfile:2,6: COPY --from: stage 7 does not exist"),
    ),
    (
        "FROM base\nCOPY --from=-1 /x /\n",
        &[],
        told("can't parse: context/Dockerfile:2,6: COPY --from: invalid negative stage index -1"),
    ),
    (
        "FROM $os\n",
        &[],
        hinted(
            "base name ($os) should not be blank",
            "image reference contains an undefined variable: $os",
        ),
    ),
    (
        "FROM base:$version\n",
        &[],
        hinted(
            "image ref syntax, at end: base:",
            "image reference contains an undefined variable: $version",
        ),
    ),
    (
        "FROM a:b:c\n",
        &[],
        hinted(
            "image ref syntax, char 4: a:b:c",
            "a tag has up to 128 letters, digits, \"_\", \".\" and \"-\", and begins with none of the last two; did \
             you mean \"a:bc\"?",
        ),
    ),
    (
        "FROM base\n",
        &["-f", "none"],
        told("can't read Dockerfile: none: No such file or directory"),
    ),
    (
        "FROM base\n",
        &["--target=none"],
        told("target stage \"none\" could not be found"),
    ),
];

#[test]
fn every_error_of_a_build_has_the_text_of_the_catalogue() {
    let env = with_base();
    env.write("context/file", "");
    std::os::unix::fs::symlink("/etc/passwd", env.path("context/outside")).unwrap();
    for (dockerfile, options, told) in BUILDS {
        env.write("context/Dockerfile", dockerfile);
        let outcome = env.image([&["build", "-t", "built", "context"], *options].concat());
        told.check(&format!("{dockerfile:?} {options:?}"), &outcome);
        assert_eq!(outcome.stdout, "", "{outcome}");
    }
    env.image(["list"]).success().prints("base\n");
    println!("dockerfile.md §15: {} errors", BUILDS.len());
}

#[test]
fn errors_show_where_in_the_dockerfile_they_are() {
    let env = with_base();
    env.write(
        "context/Dockerfile",
        "FROM base\n\nCOPY . /src\nRNU make\nFOO\n",
    );
    let refused = env.image(["build", "--parse-only", "context"]).exits(1);
    let excerpt = "\n\n    3 | COPY . /src\n    4 > RNU make\n      | ^^^\n";
    // All of them, not only the first.
    refused
        .complains(excerpt)
        .complains("can't parse: context/Dockerfile:5,1: unknown instruction: FOO");
    env.write("context/Dockerfile", "FROM base\n");
    let good = env.image(["build", "--parse-only", "context"]).success();
    assert_eq!((&*good.stdout, &*good.stderr), ("", ""));
}

/// A script, in which `$I` is `ch-image`, and what comes of it.
type Row = (&'static str, Told);

/// Of commands.md §8.
const COMMANDS: &[Row] = &[
    (
        "$I history bsae",
        hinted("no such image: bsae", "did you mean base?"),
    ),
    (
        "$I export none x.tar",
        hinted("no such image: none", "ch-image pull none"),
    ),
    (
        "$I push none localhost:1/x",
        hinted("can't push: no image none", "ch-image pull none"),
    ),
    (
        "$I pull --arch= x",
        hinted(
            "invalid architecture: ",
            "host, yolo, or one of: 386 amd64 arm/v5 arm/v6 arm/v7 arm64/v8 loong64 mips64le ppc64le riscv64 s390x",
        ),
    ),
    (
        "$I pull --platform=linux/ x",
        hinted("invalid platform: linux/", "linux/ARCH[/VARIANT]"),
    ),
    (
        "$I --offline pull localhost:1/x",
        hinted(
            "offline: can't GET https://localhost:1/v2/x/manifests/latest",
            "--offline or CH_IMAGE_OFFLINE is set",
        ),
    ),
    (
        "CH_IMAGE_OFFLINE=yes $I pull localhost:1/x",
        hinted(
            "offline: can't GET https://localhost:1/v2/x/manifests/latest",
            "--offline or CH_IMAGE_OFFLINE is set",
        ),
    ),
    (
        "$I list >/dev/full",
        told("can't write output: No space left on device"),
    ),
    (
        "$I list >&-",
        told("can't write output: standard output is closed"),
    ),
    (
        "mkdir -p full/x; $I export --format=dir base full",
        told("can't flatten: full exists but does not appear to be an image"),
    ),
    (
        "tar cf whole.tar base/bin/cat; head -c 3000 whole.tar >part.tar; $I import part.tar x",
        caused(
            "can't import part.tar",
            "member \"base/bin/cat\", offset 0: the archive ends inside content",
        ),
    ),
];

#[test]
fn every_error_of_a_command_has_the_text_of_the_catalogue() {
    let mut env = with_base();
    let program = env.root().join("bin/ch-image").display().to_string();
    env.set("I", program);
    for (script, told) in COMMANDS {
        told.check(script, &env.run("sh", ["-c", script]));
    }
    println!("commands.md §8: {} errors", COMMANDS.len());
}

/// The only file below `images/` of the storage directory.
fn record(env: &TestEnv) -> std::path::PathBuf {
    let found = std::fs::read_dir(env.storage().join("images")).unwrap();
    let mut files = found.map(|entry| entry.unwrap().path());
    let is_record = |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "json");
    files.find(is_record).expect("there is an image")
}

#[test]
fn damage_of_the_storage_directory_is_told_with_what_to_do() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\n");
    let hint = "pull or build again: base";
    let layers = std::fs::read_dir(env.storage().join("layers")).unwrap();
    let layer = layers.last().unwrap().unwrap().path();
    let name = layer.file_name().unwrap().to_str().unwrap().to_owned();
    let aside = env.path("aside");
    std::fs::rename(&layer, &aside).unwrap();
    let cause = format!("caused by: storage: layer {name} is missing, needed by base\n");
    let built = env.image(["build", "context"]).exits(1);
    let built = built.complains("error: can't get base image: base\n");
    built.complains(&format!("{cause}hint: {hint}\n"));
    std::fs::rename(&aside, &layer).unwrap();

    std::fs::write(record(&env), "{\n").unwrap();
    let refused = env.image(["history", "base"]);
    Told {
        error: "storage: can't parse images/base.json:2",
        cause: Some("line 2: not what was written there"),
        hint: Some("pull or build again: base; or remove it: ch-image delete base"),
    }
    .check("damaged record", &refused);
}
