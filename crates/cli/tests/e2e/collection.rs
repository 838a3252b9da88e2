//! The build cache and what is freed of it: `build-cache`, `prune`, and who may work meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use ch_test_support::TestEnv;

use crate::{empty, with_base};

/// How often a collection is killed.
const KILLS: u32 = 12;

fn count(env: &TestEnv, directory: &str) -> usize {
    let entries = fs::read_dir(env.storage().join(directory)).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().file_name() != "deleted")
        .count()
}

/// Builds `name` from `base` with these instructions.
fn build(env: &TestEnv, name: &str, instructions: &str) {
    let file = format!("{name}/Dockerfile");
    env.write(&file, format!("FROM base\n{instructions}"));
    env.image(["build", "-t", name, name]).success();
}

#[test]
fn empty_cache_has_its_root() {
    let env = empty();
    let expected = "named images:       1\n\
        state IDs:          1\n\
        large files:        0\n\
        commits:            1\n\
        internal files:     0\n\
        disk used:          0 B\n";
    env.image(["build-cache"]).success().prints(expected);
    let tree = format!(" *  (root) ROOT\n\n{expected}");
    env.image(["build-cache", "--tree"]).success().prints(&tree);
    env.image(["build-cache", "--reset"])
        .success()
        .complains("warning: not resetting brand-new cache\n");
    env.image(["build-cache", "--no-cache"])
        .exits(1)
        .complains("error: build-cache subcommand invalid with build cache disabled\n");
}

#[test]
fn tree_shows_what_came_of_what() {
    let env = with_base();
    build(&env, "a", "ENV x=1\nRUN echo foo\nRUN echo bar\n");
    build(&env, "c", "ENV x=1\nRUN echo foo\nRUN echo qux\n");
    let found = env.image(["build-cache", "--tree"]).success();
    let expected = " *  (c) RUN echo qux\n\
        \x20| *  (a) RUN echo bar\n\
        \x20|/\n\
        \x20*  RUN echo foo\n\
        \x20*  ENV x=1\n\
        \x20*  (base) IMPORT base\n\
        \x20*  (root) ROOT\n\
        \n\
        named images:       4\n\
        state IDs:          6\n\
        large files:        0\n\
        commits:            6\n\
        internal files: ";
    let tree = found.stdout.replace('\'', "");
    assert!(tree.starts_with(expected), "{found}");
    env.image(["build-cache", "--dot=graph"])
        .success()
        .complains("wrote: graph.gv\n");
    let graph = fs::read_to_string(env.path("graph.gv")).unwrap();
    assert_eq!(graph.matches(" -> ").count(), 6 - 1, "{graph}");
    assert!(graph.contains("(root) ROOT"), "{graph}");
    let detailed = env.image(["build-cache", "-v"]).success();
    for row in [
        "layers",
        "blobs",
        "cache mounts",
        "deleted images",
        "temporary",
    ] {
        let line = format!("\n  {row}");
        assert!(detailed.stdout.contains(&line), "{row}{detailed}");
    }
}

#[test]
fn dot_is_told_no_passwords() {
    let mut env = with_base();
    env.write("programs/dot", "#!/bin/sh\nexport -p > told\n");
    let program = env.path("programs/dot");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", env.path("programs").display());
    env.set("PATH", &path);
    env.set("CH_IMAGE_PASSWORD", "hidden");
    env.set("DOCKER_AUTH_CONFIG", "{\"hidden\": 1}");
    env.set("GDFONTPATH", "/fonts");
    env.image(["build-cache", "--dot=graph"])
        .success()
        .complains("wrote: graph.pdf\n");
    let told = fs::read_to_string(env.path("told")).unwrap();
    assert!(told.contains("GDFONTPATH"), "{told}");
    assert!(!told.contains("hidden"), "{told}");

    std::os::unix::fs::symlink("/dev/full", env.path("full.gv")).unwrap();
    let failed = env.image(["build-cache", "--dot=full"]).exits(1);
    failed.complains("error: can't write: full.gv\ncaused by: No space left on device\n");
}

#[test]
fn garbage_is_freed_and_the_next_build_hits() {
    let env = with_base();
    build(&env, "kept", "ENV x=1\nRUN echo kept > /kept\nLABEL a=b\n");
    build(&env, "gone", "RUN echo gone > /gone\n");
    env.image(["delete", "gone"]).success();
    let dry = env.image(["prune", "--dry-run"]).success();
    assert!(dry.stdout.contains("deleted images:     1\n"), "{dry}");
    assert_eq!(count(&env, "layers"), 3);
    let freed = env.image(["build-cache", "--gc"]).success();
    let lines: Vec<&str> = freed.stderr.lines().collect();
    assert_eq!(lines[0], "collecting cache garbage", "{freed}");
    assert!(lines[1].starts_with("freed "), "{freed}");
    assert!(
        lines[1].ends_with(": 1 states, 1 layers, 0 blobs"),
        "{freed}"
    );
    assert_eq!(count(&env, "layers"), 2);
    env.image(["undelete", "gone"])
        .exits(1)
        .complains("error: image not in cache\n");
    let again = env.image(["build", "-t", "kept", "kept"]).success();
    assert!(again.stderr.contains("3* RUN"), "{again}");
    let nothing = env.image(["prune"]).success();
    nothing.prints("Total reclaimed space: 0B\n");
}

#[test]
fn reset_of_the_cache_leaves_images() {
    let env = with_base();
    build(&env, "built", "RUN echo hello > /hello\n");
    env.image(["build-cache", "--reset"])
        .success()
        .complains("deleting build cache\n");
    assert_eq!(count(&env, "states"), 0);
    env.image(["list"]).success().prints("base\nbuilt\n");
    env.ch_run(["built", "--", "cat", "/hello"])
        .success()
        .prints("hello\n");
}

#[test]
fn options_of_prune_say_what_goes() {
    let env = with_base();
    build(&env, "built", "RUN echo hello > /hello\n");
    env.image(["tag", "base", "other"]).success();
    env.image(["delete", "other"]).success();
    env.image(["prune", "--older-than", "1h"])
        .success()
        .prints("Total reclaimed space: 0B\n");
    env.image(["prune", "--keep-storage", "10T"])
        .success()
        .prints("Total reclaimed space: 0B\n");
    let only = env.image(["prune", "--deleted"]).success();
    assert!(
        only.stdout.starts_with("deleted images:     1\nTotal"),
        "{only}"
    );
    let all = env.image(["prune", "--all", "-f"]).success();
    assert!(
        all.stdout.starts_with("states:             2\nTotal"),
        "{all}"
    );
    for (option, value) in [("--older-than", "7y"), ("--keep-storage", "much")] {
        let refused = env.image(["prune", option, value]).exits(2);
        refused.complains(&format!("argument {option}: invalid value: '{value}'"));
    }
}

#[test]
fn damage_is_told_of() {
    let env = with_base();
    build(
        &env,
        "built",
        "RUN mkdir -p /d/e && ln -s x /d/l && rm /bin/cat\n",
    );
    env.image(["build-cache", "--verify"])
        .success()
        .complains("verified 6 objects\n");
    let mut layers: Vec<_> = fs::read_dir(env.storage().join("layers"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    layers.retain(|layer| layer.join("fs/d").exists());
    fs::remove_file(layers[0].join("fs/d/l")).unwrap();
    let record = env.storage().join("images/built.json");
    fs::write(&record, "{").unwrap();
    let found = env.image(["build-cache", "--verify"]).exits(1);
    let layer = layers[0].file_name().unwrap().display();
    found
        .complains(&format!("error: storage: layer {layer} is damaged: "))
        .complains("error: storage: can't parse images/built.json:1\n")
        .complains("error: storage directory has 2 damaged object(s)\n");
    env.image(["build-cache", "--gc"])
        .exits(1)
        .complains("error: storage: can't parse images/built.json:1\n");
    let table = env.image(["build-cache", "-v"]).success().complains(
        "warning: storage: can't parse images/built.json:1: \
        pull or build again: built; or remove it: ch-image delete built\n",
    );
    let layers = table.stdout.lines().find(|it| it.starts_with("  layers"));
    let sizes = layers.map(|line| line.matches("B").count());
    assert_eq!(sizes, Some(2), "nobody knows what can go: {table}");
    env.image(["build-cache", "--verify", "--repair"])
        .exits(1)
        .complains("not yet supported: --repair");
}

/// What a build leaves is whole, whatever others collect while it goes on.
#[test]
fn builds_and_collections_at_once() {
    let env = with_base();
    build(&env, "first", "RUN echo shared > /shared\n");
    std::thread::scope(|scope| {
        for number in 0..3 {
            let env = &env;
            scope.spawn(move || {
                for round in 0..3 {
                    let name = format!("image{number}");
                    let last =
                        format!("RUN echo shared > /shared\nRUN echo {number} {round} > /own\n");
                    build(env, &name, &last);
                    env.ch_run([&*name, "--", "sh", "-c", "cat /shared /own"])
                        .success()
                        .prints(&format!("shared\n{number} {round}\n"));
                    env.image(["delete", &name]).success();
                    env.image(["build", "-t", &name, &name]).success();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..8 {
                env.image(["prune"]).success();
                env.image(["delete", "first"]).code();
            }
        });
    });
    for number in 0..3 {
        let name = format!("image{number}");
        env.ch_run([&*name, "--", "cat", "/shared"])
            .success()
            .prints("shared\n");
    }
    env.image(["build-cache", "--verify"]).success();
}

#[test]
fn killed_collection_leaves_images_whole() {
    let env = with_base();
    let mut interrupted = 0;
    for index in 0..KILLS {
        build(&env, "kept", &format!("RUN echo {index} > /kept\n"));
        build(&env, "gone", &format!("RUN echo {index} > /gone\n"));
        env.image(["delete", "--purge", "gone"]).success();
        build(&env, "gone", &format!("RUN echo again {index} > /gone\n"));
        env.image(["delete", "gone"]).success();
        let mut child = env.start("ch-image", ["prune", "--all"]);
        std::thread::sleep(Duration::from_millis(u64::from(index) * 3));
        interrupted += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        env.ch_run(["kept", "--", "cat", "/kept"])
            .success()
            .prints(&format!("{index}\n"));
        env.image(["build-cache", "--verify"]).success();
    }
    env.image(["prune"]).success();
    assert_eq!(count(&env, "layers"), 2);
    assert_eq!(count(&env, "tmp/trash"), 0);
    assert!(
        interrupted > 0,
        "no collection was running when it was killed"
    );
    println!("prune: killed {interrupted} times while it ran");
}
