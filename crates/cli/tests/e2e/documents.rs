//! What is known of images, for people and for programs: `inspect`, `history`, and every `--json`.

use ch_test_support::{Outcome, Registry, TestEnv};

use crate::{put_debian, using, with_base};

/// The value of a document; panics if standard output is not one, and nothing else.
fn document(found: &Outcome) -> serde_json::Value {
    let parsed = serde_json::from_str(&found.stdout);
    parsed.unwrap_or_else(|error| panic!("{error}{found}"))
}

/// Names of the members of an object, in their order.
fn members(value: &serde_json::Value) -> Vec<&str> {
    let object = value.as_object().unwrap();
    object.keys().map(String::as_str).collect()
}

fn with_built() -> TestEnv {
    let env = with_base();
    env.write(
        "context/Dockerfile",
        "FROM base\nENV a=b\nRUN echo hello > /hello\nLABEL l=1\nCMD [\"true\"]\n",
    );
    env.image(["build", "-t", "built", "context"]).success();
    env
}

#[test]
fn members_are_those_of_the_schema() {
    let env = with_built();
    let item = "name reference digest config_digest platform modified size unique_size layers incomplete origin";
    let rows: &[(&[&str], &str, &str, &str)] = &[
        (&["list", "--json"], "list", "items", item),
        (&["list", "--format=json"], "list", "items", item),
        (&["list", "--json=1", "-u"], "list", "items", ""),
        (
            &["list", "--json", "--local", "built"],
            "list",
            "local state remote_reference remote host_platform",
            "",
        ),
        (
            &["history", "--json", "built"],
            "history",
            "items",
            "created created_by size empty_layer comment",
        ),
        (
            &["build-cache", "--json"],
            "build-cache",
            "named_images states large_files commits internal_files disk_used storage",
            "",
        ),
        (
            &["prune", "--dry-run", "--json"],
            "prune",
            "dry_run freed bytes",
            "",
        ),
        (
            &["import", "--json", "base", "new"],
            "import",
            "name digest config_digest platform layers bytes_transferred seconds",
            "",
        ),
        (&["gestalt", "--json"], "gestalt", "selectors", ""),
        (
            &["gestalt", "--json", "storage-path"],
            "gestalt",
            "storage_path",
            "",
        ),
        (&["gestalt", "--json", "bucache"], "gestalt", "bucache", ""),
        (
            &["--dependencies", "--json"],
            "dependencies",
            "problems notes",
            "",
        ),
    ];
    for (command, schema, expected, of_item) in rows {
        let found = env.image(*command).success();
        let document = document(&found);
        assert_eq!(
            document["schema"],
            format!("ch-image/{schema}/1"),
            "{found}"
        );
        let mut names = vec!["schema"];
        names.extend(expected.split(' '));
        assert_eq!(members(&document), names, "{found}");
        if !of_item.is_empty() {
            let names: Vec<&str> = of_item.split(' ').collect();
            assert_eq!(members(&document["items"][0]), names, "{found}");
        }
    }
    println!("commands.md §9: {} documents", rows.len());
}

#[test]
fn commands_without_document_say_so() {
    let env = with_base();
    for command in [
        &["delete", "--json", "base"][..],
        &["storage-path", "--json"],
        &["tag", "--json", "base", "x"],
        &["undelete", "--json", "base"],
    ] {
        env.image(command)
            .exits(2)
            .prints("")
            .complains("error: --json: this command has no such output\n");
    }
    env.image(["list", "--json=2"])
        .exits(2)
        .prints("")
        .complains("argument --json: invalid choice: '2' (choose from '1')");
    env.image(["list", "--json"]).success();
    env.image(["gestalt", "--json", "python-path"])
        .exits(1)
        .prints("");
}

#[test]
fn sizes_say_what_an_image_alone_takes() {
    let env = with_built();
    let list = document(&env.image(["list", "--json"]).success());
    let [base, built] = [&list["items"][0], &list["items"][1]];
    assert_eq!(base["name"], "base");
    assert_eq!(base["origin"], "import");
    assert_eq!(built["origin"], "build");
    assert_eq!(built["layers"], 2);
    assert_eq!(base["unique_size"], 0);
    let size = |image: &serde_json::Value| image["size"].as_u64().unwrap();
    assert_eq!(
        size(built),
        size(base) + built["unique_size"].as_u64().unwrap()
    );
    assert_eq!(
        built["reference"],
        "registry-1.docker.io:443/library/built:latest"
    );
}

#[test]
fn inspect_has_the_words_of_docker() {
    let env = with_built();
    let found = env.image(["inspect", "nichts", "built:latest", "base"]);
    let found = found.exits(1).complains("error: no such image: nichts\n");
    let array = document(&found);
    assert_eq!(array.as_array().unwrap().len(), 2);
    let built = &array[0];
    let expected =
        "Id RepoTags RepoDigests Created Architecture Os Size Config RootFS History ChImage";
    let expected: Vec<&str> = expected.split(' ').collect();
    assert_eq!(members(built), expected, "{found}");
    assert_eq!(built["RepoTags"][0], "built:latest");
    assert_eq!(built["Config"]["Cmd"][0], "true");
    assert_eq!(built["Config"]["Labels"]["l"], "1");
    assert_eq!(built["RootFS"]["Layers"].as_array().unwrap().len(), 2);
    let ours = "name origin source mirror pulled layers state incomplete";
    assert_eq!(
        members(&built["ChImage"]),
        ours.split(' ').collect::<Vec<_>>()
    );
    let config = env.image(["inspect", "--config", "built"]).success();
    assert!(config.stdout.starts_with('{') && config.stdout.ends_with('}'));
    env.write("config", &config.stdout);
    let sum = env.run("sha256sum", ["config"]).success();
    let (hex, _) = sum.stdout.split_once(' ').unwrap();
    assert_eq!(built["Id"], format!("sha256:{hex}"));
    env.image(["inspect", "--raw", "built"])
        .exits(1)
        .prints("")
        .complains("error: image has no manifest: built\n");
}

#[test]
fn history_is_newest_first() {
    let env = with_built();
    let found = env.image(["history", "built"]).success();
    let lines: Vec<&str> = found.stdout.lines().collect();
    let instruction = |line: &str| line[33..].to_owned();
    let instructions: Vec<String> = lines.iter().map(|line| instruction(line)).collect();
    assert!(instructions[0].starts_with("CMD"), "{found}");
    assert!(instructions[1].starts_with("LABEL"), "{found}");
    assert!(instructions[2].starts_with("RUN"), "{found}");
    assert!(lines[2].contains("        6 B  RUN"), "{found}");
    assert!(lines[0].contains("        0 B  CMD"), "{found}");
    assert!(
        instructions.last().unwrap().starts_with("ch-image import"),
        "{found}"
    );
    env.image(["history", "nichts"])
        .exits(1)
        .prints("")
        .complains("error: no such image: nichts\n");
}

#[test]
fn pulled_image_is_told_of_by_digest() {
    let registry = Registry::start();
    let env = using(&registry);
    let layout = put_debian(&registry, &env);
    let pull = ["pull", "--json", "debian:bookworm"];
    let first = document(&env.image(pull).success());
    let size = std::fs::metadata(layout.layer()).unwrap().len();
    assert_eq!(first["layers"][0]["how"], "downloaded");
    assert_eq!(first["layers"][0]["size"], size);
    assert_eq!(first["bytes_transferred"], size);
    let second = document(&env.image(pull).success());
    assert_eq!(second["layers"][0]["how"], "existing");
    assert_eq!(second["bytes_transferred"], 0);
    assert_eq!(second["digest"], first["digest"]);

    let local = document(&env.image(["inspect", "debian:bookworm"]).success());
    let remote = document(
        &env.image(["inspect", "--remote", "debian:bookworm"])
            .success(),
    );
    for member in [
        "Id",
        "RepoTags",
        "RepoDigests",
        "Architecture",
        "Config",
        "RootFS",
        "History",
    ] {
        assert_eq!(local[0][member], remote[0][member], "{member}");
    }
    for option in ["--raw", "--config"] {
        let local = env.image(["inspect", option, "debian:bookworm"]).success();
        let remote = env
            .image(["inspect", "--remote", option, "debian:bookworm"])
            .success();
        assert_eq!(local.stdout, remote.stdout, "{option}");
        assert!(local.stdout.starts_with('{'), "{local}");
    }
    let details = document(&env.image(["list", "--json", "debian:bookworm"]).success());
    assert_eq!(details["local"]["digest"], first["digest"]);
    assert_eq!(details["remote"]["index"], serde_json::Value::Null);
    assert_eq!(details["remote"]["platforms"][0]["digest"], first["digest"]);

    // A compressed layer that the registry has is freed, and the image still runs.
    let freed = env.image(["prune", "--blobs"]).success();
    assert!(
        freed.stdout.starts_with("blobs:              1\n"),
        "{freed}"
    );
    env.ch_run(["debian:bookworm", "--", "true"]).success();
    env.image(["build-cache", "--verify"]).success();
}
