//! Mirrors of registries, as options, variables and files name them.

use std::fs;

use ch_test_support::{Registry, TestEnv};

use crate::pull::{layer_in, put_small};
use crate::{empty, using};

/// A registry with `small:1`, and the host of one that is not running.
fn mirror() -> (Registry, TestEnv, String) {
    let (mirror, gone) = (Registry::start(), Registry::start());
    put_small(&mirror, &using(&mirror));
    let host = gone.host();
    (mirror, empty(), host)
}

fn records(env: &TestEnv) -> String {
    let files = fs::read_dir(env.storage().join("images")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|it| it == "json"));
    files
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

#[test]
fn image_of_a_mirror_keeps_the_name_that_was_asked_for() {
    let (mirror, env, host) = mirror();
    let image = format!("{host}/small:1");
    env.image(["pull", &image])
        .exits(1)
        .complains(&format!("can't reach {host}"));
    let option = format!("--registry-mirror={host}={}", mirror.host());
    let pulled = env.image(["pull", "-v", &option, &image]).success();
    pulled.complains(&format!(
        "using mirror {0}/small of {host}/small\n",
        mirror.host()
    ));
    env.image(["list"]).success().prints(&format!("{image}\n"));
    let record = records(&env);
    let place = format!("{}/small", mirror.host());
    for (key, value) in [("source", &image), ("mirror", &place)] {
        let spaced = format!("\"{key}\": \"{value}\"");
        let dense = format!("\"{key}\":\"{value}\"");
        assert!(
            record.contains(&spaced) || record.contains(&dense),
            "{key}: {record}"
        );
    }
}

#[test]
fn variable_and_files_name_mirrors_too() {
    let (mirror, mut env, host) = mirror();
    let image = format!("{host}/small:1");
    let list = format!("other.example=nowhere.example, {host}={}", mirror.host());
    env.set("CH_IMAGE_REGISTRY_MIRRORS", list);
    env.image(["pull", &image]).success();
    env.set("CH_IMAGE_REGISTRY_MIRRORS", "");
    let rule = format!("[[registry]]\nlocation = \"{host}\"\n");
    let file = "../home/.config/containers/registries.conf";
    env.write(
        file,
        format!(
            "{rule}[[registry.mirror]]\nlocation = \"{}\"\n",
            mirror.host()
        ),
    );
    env.image(["pull", &image]).success();

    env.write("blocking.conf", format!("{rule}blocked = true\n"));
    env.set("CONTAINERS_REGISTRIES_CONF", "blocking.conf");
    let blocked = format!(
        "error: registry blocked by blocking.conf: {}\n",
        "127.0.0.1"
    );
    env.image(["pull", &image]).exits(1).complains(&blocked);
    env.image(["push", &image]).exits(1).complains(&blocked);

    env.write("broken.conf", "[[registry]]\nlocation = 1\n");
    env.set("CONTAINERS_REGISTRIES_CONF", "broken.conf");
    let refused = env.image(["pull", &image]).exits(1);
    refused
        .complains("warning: can't parse broken.conf:2: ")
        .complains(&format!("can't reach {host}"));
    env.set("CONTAINERS_REGISTRIES_CONF", "missing.conf");
    let refused = env.image(["pull", &image]).exits(1);
    refused.complains("warning: can't read missing.conf: No such file or directory\n");
}

#[test]
fn layer_that_a_mirror_changed_comes_from_the_registry() {
    let (mirror, registry) = (Registry::start(), Registry::start());
    let env = empty();
    let layout = put_small(&mirror, &env);
    registry.put(&layout, "small:1");
    let blob = layer_in(&mirror, &layout);
    let mut bytes = fs::read(&blob).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&blob, bytes).unwrap();
    let image = format!("{}/small:1", registry.host());
    let option = format!("--registry-mirror={}={}", registry.host(), mirror.host());
    env.image(["pull", &option, &image]).success();
    env.ch_run([&image, "--", "echo", "it runs"])
        .success()
        .prints("it runs\n");
    let alone = format!("{}/small:1", mirror.host());
    env.image(["reset"]).success();
    env.image(["pull", &alone])
        .exits(1)
        .complains("digest mismatch");
}

#[test]
fn what_is_no_mirror_is_refused() {
    let mut env = empty();
    let text = "not HOST=MIRROR[/PATH]: x\n";
    let refused = env.image(["pull", "--registry-mirror", "x", "a"]).exits(2);
    refused.complains(&format!("argument --registry-mirror: {text}"));
    env.set("CH_IMAGE_REGISTRY_MIRRORS", "x");
    let refused = env.image(["pull", "a"]).exits(1);
    refused.complains(&format!("error: $CH_IMAGE_REGISTRY_MIRRORS: {text}"));
}
