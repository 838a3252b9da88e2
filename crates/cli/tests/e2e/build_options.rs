//! Options of `ch-image build` that change what becomes of a build, not what its instructions mean.

use std::fs;
use std::path::Path;

use ch_test_support::{Outcome, Registry, TestEnv};
use serde_json::Value;

use crate::with_base;

/// An environment with `base` and a context of this Dockerfile.
fn with_context(dockerfile: &str) -> TestEnv {
    let env = with_base();
    env.write("context/Dockerfile", dockerfile);
    env
}

/// Builds `context` with `options`.
fn build(env: &TestEnv, options: &[&str]) -> Outcome {
    env.image([&["build", "context"], options].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The configuration of the image `name`.
fn config(env: &TestEnv, name: &str) -> Value {
    let found = env.image(["inspect", "--config", name]).success();
    serde_json::from_str(&found.stdout).unwrap()
}

/// The marks of the instructions, in the order of their numbers.
fn marks(outcome: &Outcome) -> String {
    let mark = |line: &str| {
        let (number, rest) = line.trim_start().split_at_checked(1)?;
        number.parse::<u8>().ok()?;
        rest.chars().next()
    };
    outcome.stderr.lines().filter_map(mark).collect()
}

#[test]
fn labels_of_the_command_line_win_and_miss_nothing() {
    let env = with_context("FROM base\nLABEL a=file b=file\nRUN true\n");
    build(&env, &[]).success();
    let labels = ["--label", "a=line", "--label", "c", "--label=d=x=y"];
    let built = build(&env, &labels).success();
    assert_eq!(marks(&built), "* *", "{built}");
    let expected = serde_json::json!({"a": "line", "b": "file", "c": "", "d": "x=y"});
    assert_eq!(config(&env, "context")["config"]["Labels"], expected);
    build(&env, &["--label", "=x"])
        .exits(1)
        .complains("error: --label: not of the form KEY=VALUE: =x\n");
}

#[test]
fn id_is_written_when_there_is_one() {
    let env = with_context("FROM base\nRUN echo out; echo err >&2; test ! -e /tmp/fail\n");
    let file = env.path("id");
    build(&env, &["--iidfile", "id", "--dry-run"]).success();
    build(&env, &["--iidfile", "none/id"])
        .exits(1)
        .complains("error: can't write: none/id: No such file or directory\n");
    assert!(!file.exists());
    // Standard output of commands gives way to the id.
    let quiet = build(&env, &["-q", "--no-cache", "--iidfile", "id"]).success();
    let id = fs::read_to_string(&file).unwrap();
    assert!(id.starts_with("sha256:") && id.len() == 71, "{id}");
    assert_eq!(quiet.stdout, format!("{id}\n"));
    assert_eq!(quiet.stderr, "out\nerr\n");
    let listed = env.image(["list", "--json", "--local", "context"]);
    assert!(listed.stdout.contains(&id), "{listed}");
    env.write("context/Dockerfile", "FROM base\nRUN false\n");
    build(&env, &["--iidfile", "other"]).exits(1);
    assert!(!env.path("other").exists());
}

#[test]
fn metadata_are_those_that_the_image_has_elsewhere() {
    let env = with_context("FROM base\nRUN echo 1 >/file\nCMD [\"true\"]\n");
    let names = ["-t", "one", "-t", "two:2"];
    let stored = ["--metadata-file", "stored.json"];
    build(&env, &[&names[..], &stored].concat()).success();
    let output = ["-o", "type=oci,tar=false,dest=layout"];
    let exported = ["--annotation", "a=b", "--metadata-file", "exported.json"];
    build(&env, &[&names[..], &output, &exported].concat()).success();

    let index = json(&env.path("layout/index.json"));
    let metadata = json(&env.path("exported.json"));
    let entry = &index["manifests"][0];
    assert_eq!(metadata["containerimage.digest"], entry["digest"]);
    assert_eq!(metadata["containerimage.descriptor"]["size"], entry["size"]);
    let digest = entry["digest"].as_str().unwrap().replace(':', "/");
    let manifest = json(&env.path("layout/blobs").join(digest));
    let expected = &manifest["config"]["digest"];
    assert_eq!(metadata["containerimage.config.digest"], *expected);
    assert_eq!(manifest["annotations"], serde_json::json!({"a": "b"}));

    // Without annotations it is another manifest, of the same configuration.
    let stored = json(&env.path("stored.json"));
    assert_ne!(stored["containerimage.digest"], entry["digest"]);
    assert_eq!(stored["containerimage.config.digest"], *expected);
    assert_eq!(stored["image.name"], "one,two:2");
    let stats = [("instructions", 3), ("cached", 1), ("executed", 1)];
    for (name, count) in stats {
        assert_eq!(stored["ch-image.stats"][name], count, "{name}");
    }
}

#[test]
fn annotations_need_a_manifest() {
    let env = with_context("FROM base\n");
    let rows: &[(&[&str], &str)] = &[
        (
            &["--annotation", "a=b"],
            "not yet supported: --annotation of an image that is only stored",
        ),
        (
            &["--annotation", "index:a=b", "-o", "type=oci,dest=x"],
            "not yet supported: --annotation index:",
        ),
        (
            &["--annotation", "a", "-o", "type=oci,dest=x"],
            "--annotation: not of the form KEY=VALUE: a",
        ),
    ];
    for (options, message) in rows {
        let refused = build(&env, options).exits(1);
        refused.complains(&format!("error: {message}\n"));
    }
    let one_wins = "type=oci,tar=false,dest=layout,annotation.a=one";
    build(&env, &["--annotation=a=all", "-o", one_wins]).success();
    let index = json(&env.path("layout/index.json"));
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let manifest = json(&env.path("layout/blobs").join(digest.replace(':', "/")));
    assert_eq!(manifest["annotations"]["a"], "one");
}

#[test]
fn build_arguments_come_from_files_too() {
    let mut env = with_context("FROM base\nARG A\nARG B\nARG C\nRUN echo $A $B $C\n");
    env.set("C", "environment");
    env.write("one", "# comment\n\nA=one\nB=one\n  C\n");
    env.write("two", "A=two words\n");
    let files = ["--build-arg-file=one", "--build-arg-file=two"];
    build(&env, &files)
        .success()
        .prints("two words one environment\n");
    build(&env, &[&["--build-arg", "B=line"], &files[..]].concat())
        .success()
        .prints("two words line environment\n");
    build(&env, &["--build-arg-file=none"])
        .exits(1)
        .complains("error: can't read build arguments: none: No such file or directory\n");
}

#[test]
fn unused_build_arguments_are_what_the_user_wants() {
    let env = with_context("FROM base\n");
    let unused = |how: &[&str]| {
        build(
            &env,
            &[&["--build-arg=A=1", "--build-arg=B=2"], how].concat(),
        )
    };
    let text = ": --build-arg: not consumed: A B\n";
    for how in [&[][..], &["--build-arg-unused=error"]] {
        unused(how).exits(1).complains(&format!("error{text}"));
    }
    let warned = unused(&["--build-arg-unused", "warn"]).success();
    warned.complains(&format!("warning{text}"));
    let ignored = unused(&["--build-arg-unused=ignore"]).success();
    assert!(!ignored.stderr.contains("consumed"), "{ignored}");
    unused(&["--build-arg-unused=what"]).exits(2);
}

#[test]
fn filtered_stages_are_executed_again_with_those_upon_them() {
    let env = with_context(
        "FROM base AS one\nRUN echo 1\nFROM base AS two\nRUN echo 2\n\
         FROM one AS three\nRUN echo 3\nCOPY --from=two /etc/passwd /p\n",
    );
    let build = |options: &[&str]| build(&env, &[&["--jobs=1"], options].concat());
    build(&[]).success().prints("1\n2\n3\n");
    build(&[]).success().prints("");
    build(&["--no-cache-filter=three"]).success().prints("3\n");
    build(&["--no-cache-filter", "two"]).success().prints("2\n");
    build(&["--no-cache-filter=ONE"]).success().prints("1\n3\n");
    build(&["--no-cache-filter=two,three"])
        .success()
        .prints("2\n3\n");
    // What was executed again is what is found next time.
    build(&[]).success().prints("");
    let refused = build(&["--no-cache-filter=tree"]).exits(1);
    refused.complains("--no-cache-filter: stage tree does not exist (did you mean three?)\n");
}

#[test]
fn images_are_pulled_when_the_user_wants_it() {
    let registry = Registry::start();
    let mut env = with_base();
    env.set("CH_REGY_DEFAULT_HOST", "127.0.0.1");
    env.set("CH_REGY_DEFAULT_PORT", registry.port().to_string());
    let there = format!("{}/there:1", registry.host());
    let publish = |content: &str| {
        let dockerfile = format!("FROM base\nRUN echo {content} >/content\n");
        env.write("source/Dockerfile", dockerfile);
        env.image(["build", "source"]).success();
        env.image(["push", "source", &there]).success();
    };
    env.write("context/Dockerfile", "FROM there:1\nRUN cat /content\n");
    publish("old");
    let never = build(&env, &["--pull=never"]).exits(1);
    let never = never.complains("error: no such image: there:1\n");
    never.complains("hint: ch-image pull there:1\n");
    build(&env, &[]).success().prints("old\n");
    publish("new");
    for kept in ["--pull=missing", "--pull=false", "--pull=never"] {
        build(&env, &[kept]).success().prints("");
    }
    build(&env, &["--pull", "--dry-run"])
        .success()
        .complains("2* RUN");
    build(&env, &["--pull"]).success().prints("new\n");
    // It is asked for, and is the one that is there.
    build(&env, &["--pull=newer"]).success().prints("");
    drop(registry);
    let failed = build(&env, &["--pull=true"]).exits(1);
    failed.complains("error: can't get base image: there:1");
    let used = build(&env, &["--pull=newer"]).success();
    used.complains("warning: the image that is there is used: can't get base image: there:1");
    build(&env, &["--pull=sometimes"]).exits(2);
}

#[test]
fn time_of_the_image_is_an_option() {
    let mut env = with_context("FROM base\nARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH\n");
    env.set("SOURCE_DATE_EPOCH", "1");
    for option in ["--source-date-epoch=1000000", "--timestamp=1000000"] {
        build(&env, &["--no-cache", option])
            .success()
            .prints("1000000\n");
        let config = config(&env, "context");
        assert_eq!(config["created"], "1970-01-12T13:46:40Z");
    }
    let refused = build(&env, &["--timestamp=now"]).exits(2);
    refused.complains("argument --source-date-epoch: invalid int value: 'now'\n");
}

#[test]
fn variables_of_the_host_stay_outside_on_demand() {
    let mut env = with_context("FROM base\nRUN echo \"<$http_proxy>\"\n");
    env.set("http_proxy", "http://proxy.test");
    let build = |options: &[&str]| build(&env, &[&["--no-cache"], options].concat());
    build(&[]).success().prints("<http://proxy.test>\n");
    build(&["--no-host-env"]).success().prints("<>\n");
    build(&["--no-host-env", "--build-arg=http_proxy=given"])
        .success()
        .prints("<given>\n");
}

/// What wrappers of other builders give.
const WITHOUT_MEANING: [&str; 17] = [
    "--compress",
    "--disable-content-trust=false",
    "--force-rm",
    "--format=docker",
    "--format=oci",
    "--isolation=chroot",
    "--layers",
    "--layers=false",
    "--rm=true",
    "--security-opt=seccomp=unconfined",
    "--skip-unused-stages",
    "--skip-unused-stages=true",
    "--userns=host",
    "--userns-gid-map=0:1:1",
    "--userns-gid-map-group=me",
    "--userns-uid-map=0:1:1",
    "--userns-uid-map-user=me",
];

#[test]
fn options_without_meaning_are_noted_and_change_nothing() {
    let env = with_context("FROM base\nRUN true\n");
    build(&env, &[]).success();
    for option in WITHOUT_MEANING {
        let silent = build(&env, &[option]).success();
        assert!(!silent.stderr.contains("meaning"), "{silent}");
        assert_eq!(marks(&silent), "**", "{silent}");
        let noted = build(&env, &["-v", option]).success();
        let name = option.split('=').next().unwrap();
        let note = format!("{name} has no meaning here: ignored\n");
        assert_eq!(noted.stderr.matches(&note).count(), 1, "{noted}");
    }
    println!("{} options without meaning", WITHOUT_MEANING.len());
    for option in ["--skip-unused-stages=false", "--format=json"] {
        let refused = build(&env, &[option]).exits(1);
        refused.complains(&format!("error: not yet supported: {option}\n"));
    }
    build(&env, &["--format=yaml"])
        .exits(2)
        .complains("argument --format: invalid choice: 'yaml' (choose from 'oci', 'docker')\n");
}

#[test]
fn commands_have_the_network_and_names_that_the_user_gives() {
    let env = with_context("FROM base\nRUN cat /etc/hosts; cat /proc/net/dev | wc -l\n");
    let devices = |built: &Outcome| built.stdout.lines().next_back().unwrap().to_owned();
    let host = build(
        &env,
        &["--add-host=first;second:10.9.8.7", "--add-host", "v6=[::9]"],
    );
    let host = host.success();
    for line in ["10.9.8.7\tfirst\n", "10.9.8.7\tsecond\n", "::9\tv6\n"] {
        assert!(host.stdout.contains(line), "{host}");
    }
    let there = fs::read_to_string("/proc/net/dev").unwrap();
    assert_eq!(devices(&host), there.lines().count().to_string());
    // It is another step, with two lines of titles and one of the loopback device.
    let none = build(&env, &["--network=none"]).success();
    assert_eq!(devices(&none), "3", "{none}");
    assert!(!none.stdout.contains("10.9.8.7"), "{none}");
    build(&env, &["--network=none"]).success().prints("");
    let refused = build(&env, &["--network=bridge"]).exits(1);
    refused
        .complains("error: not yet supported: --network=bridge\nhint: there are host and none\n");

    env.write(
        "context/Dockerfile",
        "FROM base\nRUN --network=none cat /proc/net/dev | wc -l\n",
    );
    build(&env, &[]).success().prints("3\n");
}

#[test]
fn shared_memory_is_as_large_as_the_user_says() {
    let env = with_context("FROM base\nRUN stat -f -c '%S %b' /dev/shm\n");
    let bytes = |options: &[&str]| -> u64 {
        let built = build(&env, &[&["--no-cache"], options].concat()).success();
        let numbers = built.stdout.split_whitespace();
        numbers.map(|it| it.parse::<u64>().unwrap()).product()
    };
    assert_eq!(bytes(&[]), 64 << 20);
    assert_eq!(bytes(&["--shm-size=1m"]), 1 << 20);
    assert_eq!(bytes(&["--shm-size", "131072"]), 128 << 10);
    let refused = build(&env, &["--shm-size=much"]).exits(1);
    refused.complains("error: --shm-size: not a size: much\n");
}
