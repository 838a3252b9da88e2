//! `ch-image push` to real registries.

use std::fs;
use std::path::PathBuf;

use ch_test_support::{Access, Outcome, Registry, TestEnv, Transport, listing, run_tool};

use crate::pull::{put_small, text};
use crate::{empty, using, with_base};

/// What `skopeo` says of an image in `registry`: with `--raw` its manifest, with `--config` its config.
fn inspect(registry: &Registry, name: &str, options: &[&str]) -> String {
    let source = format!("docker://{}/{name}", registry.host());
    let always = ["inspect", "--tls-verify=false"];
    run_tool("skopeo", &[&always, options, &[&source]].concat())
}

fn digest(registry: &Registry, name: &str) -> String {
    let digest = inspect(registry, name, &["--format", "{{.Digest}}"]);
    digest.trim().to_owned()
}

/// The layers of an image in `registry`, lowest first: each as `tar` lists it, with owners.
fn layers(registry: &Registry, env: &TestEnv, name: &str) -> Vec<Vec<String>> {
    let layout = env.path(format!("inspected-{}", name.replace([':', '/'], "-")));
    let source = format!("docker://{}/{name}", registry.host());
    let destination = format!("dir:{}", text(&layout));
    let copy = ["--insecure-policy", "copy", "--src-tls-verify=false"];
    run_tool("skopeo", &[&copy[..], &[&source, &destination]].concat());
    let script = "import json, sys\n\
        manifest = json.load(open(sys.argv[1] + '/manifest.json'))\n\
        [print(it['digest'].split(':')[1]) for it in manifest['layers']]";
    let names = run_tool("python3", &["-c", script, text(&layout)]);
    names
        .lines()
        .map(|name| crate::export::listed(&layout.join(name)))
        .collect()
}

/// The name of an image in `registry`, as a user writes it.
fn there(registry: &Registry, name: &str) -> String {
    format!("{}/{name}", registry.host())
}

/// What is said, with digests and sizes replaced.
fn said(outcome: &Outcome) -> String {
    let mut lines = String::new();
    for line in outcome.stderr.lines() {
        let words = line.split(' ').map(|word| {
            let hex = word.trim_end_matches(':');
            let is_digest = hex.starts_with("sha256:") && hex.len() == 71;
            let is_short = hex.len() == 7 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            match (is_digest, is_short) {
                (true, _) => "DIGEST",
                (_, true) => "H7:",
                _ if word.contains('/') && word.contains('.') && !word.contains(':') => "SIZE",
                _ => word,
            }
        });
        lines += &words.collect::<Vec<_>>().join(" ");
        lines.push('\n');
    }
    lines
}

#[test]
fn a_push_says_what_it_does_and_another_one_sends_nothing() {
    let registry = Registry::start();
    let env = with_base();
    let destination = there(&registry, "deep/base:1");
    let first = env.image(["push", "base", &destination]).success();
    let expected = format!(
        "pushing image:   base\n\
         destination:     {destination}\n\
         layer 1/1: gathering\n\
         layer 1/1: preparing\n\
         starting upload\n\
         layer 1/1: H7: checking if already in repository\n\
         layer 1/1: H7: not present, uploading\n\
         layer 1/1: H7: not present, uploading: SIZE MiB (100%)\n\
         preparing metadata\n\
         config: H7: checking if already in repository\n\
         config: H7: not present, uploading\n\
         config: H7: not present, uploading: 100%\n\
         manifest: uploading\n\
         digest: DIGEST\n\
         cleaning up\n\
         done\n"
    );
    assert_eq!(said(&first), expected, "{first}");
    first.complains(&format!("digest: {}\n", digest(&registry, "deep/base:1")));

    let again = env.image(["push", "base", &destination]).success();
    let expected = format!(
        "pushing image:   base\n\
         destination:     {destination}\n\
         starting upload\n\
         layer 1/1: H7: checking if already in repository\n\
         layer 1/1: H7: already present\n\
         preparing metadata\n\
         config: H7: checking if already in repository\n\
         config: H7: already present\n\
         manifest: uploading\n\
         digest: DIGEST\n\
         cleaning up\n\
         done\n"
    );
    assert_eq!(said(&again), expected, "{again}");
}

#[test]
fn what_is_pushed_is_the_image_with_its_owners() {
    let registry = Registry::start();
    let env = using(&registry).with_default_emulation();
    put_small(&registry, &env);
    env.image(["pull", "small:1"]).success();
    env.write(
        "context/Dockerfile",
        "FROM small:1\n\
         RUN mkdir /d && touch /d/f /d/s && chown 3:4 /d/f && chmod 4755 /d/s && rm /bin/wc\n\
         ENV DONE=yes\n",
    );
    env.image(["build", "-t", "top:2", "context"]).success();
    let pushed = env.image(["push", "top:2"]).success();
    pushed
        .complains("pushing image:   top:2\n")
        .complains(": mounted from small\n");
    let all = layers(&registry, &env, "top:2");
    assert_eq!(all.len(), 2, "one new layer");
    let expected = [
        "drwxr-xr-x 0/0 ./",
        "drwxr-xr-x 0/0 bin/",
        "---------- 0/0 bin/.wh.wc",
        "drwxr-xr-x 0/0 d/",
        "-rw-r--r-- 3/4 d/f",
        "-rwsr-xr-x 0/0 d/s",
    ];
    assert_eq!(all[1], expected);

    // Another storage directory gets the same image.
    let other = using(&registry);
    other.image(["pull", "top:2"]).success();
    let exported = [&env, &other].map(|env| {
        env.image(["export", "top:2", "oci:left"]).success();
        crate::export::blobs(&env.path("left"))
    });
    assert_eq!(exported[0], exported[1], "layers, config and manifest");

    // As does another program.
    let config = inspect(&registry, "top:2", &["--config"]);
    assert!(config.contains("DONE=yes"), "{config}");
    let options = ["--ownership=root", "top:2", "top:root"];
    env.image(["push"].iter().chain(&options)).success();
    let all = layers(&registry, &env, "top:root");
    assert_eq!(
        all[1],
        [
            "drwxr-xr-x 0/0 ./",
            "drwxr-xr-x 0/0 bin/",
            "---------- 0/0 bin/.wh.wc",
            "drwxr-xr-x 0/0 d/",
            "-rw-r--r-- 0/0 d/f",
            "-rwxr-xr-x 0/0 d/s",
        ]
    );
}

#[test]
fn a_pulled_image_keeps_its_digest_wherever_it_goes() {
    let registry = Registry::start();
    let env = using(&registry);
    let layout = put_small(&registry, &env);
    let came = digest(&registry, "small:1");
    env.image(["pull", "small:1"]).success();
    env.image(["push", "small:1", "other:1"])
        .success()
        .complains(": mounted from small\n")
        .complains(&format!("digest: {came}\n"));
    assert_eq!(digest(&registry, "other:1"), came);

    // Without the blob here: mounted in the same registry, fetched again for another one.
    let name = layout.layer().file_name().unwrap().to_owned();
    let blob = env.storage().join("blobs/sha256").join(&name);
    fs::remove_file(&blob).unwrap();
    env.image(["push", "small:1", "third:1"])
        .success()
        .complains(": mounted from small\n");
    assert_eq!(digest(&registry, "third:1"), came);
    assert!(!blob.exists(), "it was not needed");
    let another = Registry::start();
    env.image(["push", "small:1", &there(&another, "small:1")])
        .success();
    assert_eq!(digest(&another, "small:1"), came);
    assert!(blob.exists(), "it was fetched again");

    // Nobody has it any more.
    fs::remove_file(&blob).unwrap();
    drop(registry);
    let fresh = Registry::start();
    env.image(["push", "small:1", &there(&fresh, "small:1")])
        .success()
        .complains("warning: layer 1/1: original blob is gone; digest will differ\n");
    let other = using(&fresh);
    other.image(["pull", "small:1"]).success();
    other
        .ch_run(["small:1", "--", "echo", "it runs"])
        .success()
        .prints("it runs\n");
}

#[test]
fn formats_and_compressions_are_as_asked_for() {
    let registry = Registry::start();
    let env = using(&registry);
    put_small(&registry, &env);
    env.image(["pull", "small:1"]).success();
    let mut rows = 0;
    for (options, name, types) in [
        (
            &["--format=docker"][..],
            "docker",
            &[
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            ][..],
        ),
        (
            &["--compression=zstd"],
            "as-it-came",
            &["application/vnd.oci.image.layer.v1.tar+gzip"],
        ),
        (
            &["--compression=zstd", "--force-compression"],
            "zstd",
            &["application/vnd.oci.image.layer.v1.tar+zstd"],
        ),
        (
            &["--compression=uncompressed", "--force-compression"],
            "plain",
            &["application/vnd.oci.image.layer.v1.tar\""],
        ),
        (
            &["--annotation=a.b=c d"],
            "annotated",
            &["\"annotations\":{\"a.b\":\"c d\"}"],
        ),
    ] {
        let operands = ["small:1", name];
        let words = ["push"].iter().chain(options).chain(&operands);
        env.image(words).success();
        let manifest = inspect(&registry, name, &["--raw"]);
        for part in types {
            assert!(manifest.contains(part), "{name}: {part}: {manifest}");
        }
        let other = using(&registry);
        other.image(["pull", name]).success();
        let run = other.ch_run([name, "--", "echo", "it runs"]);
        run.success().prints("it runs\n");
        rows += 1;
    }
    println!("commands.md §5 formats and compressions: {rows} rows");

    // What came as Docker's stays so.
    let other = using(&registry);
    other.image(["pull", "docker"]).success();
    other.image(["push", "docker", "again"]).success();
    assert_eq!(digest(&registry, "again"), digest(&registry, "docker"));
}

#[test]
fn several_tags_and_a_file_get_the_digest() {
    let registry = Registry::start();
    let env = with_base();
    let destination = there(&registry, "base:1");
    env.image([
        "push",
        "--also-tag=2",
        "--also-tag=latest",
        "--digestfile=digest",
        "base",
        &destination,
    ])
    .success();
    let written = fs::read_to_string(env.path("digest")).unwrap();
    for tag in ["1", "2", "latest"] {
        assert_eq!(digest(&registry, &format!("base:{tag}")), written);
    }
}

#[test]
fn what_cannot_be_pushed_is_told() {
    let registry = Registry::start();
    let env = using(&registry);
    put_small(&registry, &env);
    env.image(["pull", "--last-layer=0", "small:1"]).success();
    env.write("directory/file", "");
    let digest = format!("x@sha256:{}", "0".repeat(64));
    let rows = [
        (
            &["none"][..],
            "error: can't push: no image none\n".to_owned(),
        ),
        (
            &["small:1", &digest],
            format!("error: can't push to a digest: {digest}\n"),
        ),
        (
            &["small:1"],
            "error: can't push: image is incomplete (--last-layer)\n".to_owned(),
        ),
        (
            &["--image=directory", "x"],
            "error: can't push: directory does not appear to be an image\n".to_owned(),
        ),
        (
            &["--image=nowhere", "x"],
            "error: can't push: nowhere does not appear to be an image\n".to_owned(),
        ),
        (
            &["--format=docker", "--compression=zstd", "small:1"],
            "error: compression zstd: docker images have no such layers\n".to_owned(),
        ),
        (
            &["--format=sif", "small:1"],
            "error: unknown format: sif\n".to_owned(),
        ),
        (
            &["--also-tag=a:b", "small:1"],
            "error: --also-tag: not a tag: a:b\n".to_owned(),
        ),
        (
            &["--squash-all", "small:1"],
            "error: not yet supported: --squash-all\n".to_owned(),
        ),
    ];
    for (arguments, message) in &rows {
        let words = ["push"].iter().chain(*arguments);
        env.image(words).exits(1).complains(message);
    }
    println!("commands.md §5 errors: {} rows", rows.len());
    let surplus = env.image(["push", "--jobs=0", "small:1"]).exits(2);
    assert!(surplus.stderr.contains("--jobs"), "{surplus}");
}

#[test]
fn passwords_are_used_without_being_asked_for_and_never_shown() {
    let registry = Registry::start_with(&Transport::Plain, &Access::Password);
    let mut env = with_base();
    let destination = there(&registry, "base:1");
    let push = ["push", "-vvv", "base", &destination];
    let refused = env.image(push).exits(1);
    refused.complains("error: can't ask for credentials: no terminal\n");
    let prepared = fs::read_dir(env.storage().join("blobs/sha256"))
        .unwrap()
        .count();
    assert_eq!(prepared, 0, "nothing is done before");
    let tree = empty();
    tree.run("mkdir", ["-p", "tree/bin", "tree/dev", "tree/usr"])
        .success();
    tree.image(["push", "--image=tree", &destination])
        .exits(1)
        .complains("image path:      tree\nerror: can't ask for credentials: no terminal\n");
    assert!(!tree.storage().exists(), "nor is a directory gathered");

    let (name, password) = Registry::CREDENTIALS;
    env.set("CH_IMAGE_USERNAME", name);
    env.set("CH_IMAGE_PASSWORD", "wrong");
    let refused = env.image(push).exits(1);
    let message = format!("error: not authorized to push: {destination}\n");
    refused
        .complains(&message)
        .complains("hint: credentials used: from ");
    env.set("CH_IMAGE_PASSWORD", password);
    env.set("RUST_LOG", "trace");
    let pushed = env.image(push).success();
    // base64 of tester:secret:with:colons
    for secret in [password, "dGVzdGVyOnNlY3JldDp3aXRoOmNvbG9ucw"] {
        let shown = format!("{}{}", pushed.stdout, pushed.stderr);
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    env.image(["pull", "--auth", &destination]).success();
}

#[test]
fn a_directory_is_pushed_as_the_image_that_it_was() {
    let registry = Registry::start();
    let env = using(&registry);
    put_small(&registry, &env);
    env.image(["pull", "small:1"]).success();
    env.image(["export", "small:1", "./tree/"]).success();
    let tree = env.path("tree");
    assert!(tree.join("ch/config.json").exists() && tree.join("mnt/0").exists());
    let before = listing(&tree);
    let pushed = env.image(["push", "--image", "tree", "new:1"]).success();
    pushed.complains("pushing image:   new:1\nimage path:      tree\n");
    assert_eq!(listing(&tree), before, "it is only read");
    env.image(["list"]).success().prints("small:1\n");

    let names = layers(&registry, &env, "new:1").concat();
    let ours = |line: &String| {
        ["/ch/", " ch/", " mnt/", "etc/hosts", "etc/resolv.conf"]
            .iter()
            .any(|part| line.contains(part))
    };
    assert!(!names.iter().any(ours), "{names:?}");
    assert!(
        names.iter().any(|line| line.ends_with(" bin/")),
        "{names:?}"
    );
    let command = "{{.Config.Cmd}}";
    assert_eq!(
        inspect(&registry, "new:1", &["--config", "--format", command]),
        inspect(&registry, "small:1", &["--config", "--format", command])
    );

    // The same files are the same layer: nothing is packed again.
    let again = env.image(["push", "--image", "tree", "new:2"]).success();
    assert!(!again.stderr.contains("preparing\n"), "{again}");
    again.complains(": already present\n");
}

#[test]
fn an_interrupted_push_leaves_the_tag_and_goes_on() {
    let registry = Registry::start();
    let env = with_base();
    let destination = there(&registry, "base:1");
    env.image(["push", "base", &destination]).success();
    let first = digest(&registry, "base:1");
    env.write("context/Dockerfile", "FROM base\nRUN echo new > /new\n");
    env.image(["build", "-t", "top", "context"]).success();
    // The manifest can't be stored, whoever the registry runs as: its place is a file.
    let manifests = registry
        .storage()
        .join("docker/registry/v2/repositories/base/_manifests");
    let aside = PathBuf::from(format!("{}.aside", manifests.display()));
    fs::rename(&manifests, &aside).unwrap();
    fs::write(&manifests, "").unwrap();
    env.image(["push", "top", &destination]).exits(1);
    fs::remove_file(&manifests).unwrap();
    fs::rename(&aside, &manifests).unwrap();
    assert_eq!(digest(&registry, "base:1"), first);

    let again = env.image(["push", "top", &destination]).success();
    assert!(!again.stderr.contains("uploading:"), "{again}");
    assert_ne!(digest(&registry, "base:1"), first);
}

#[test]
fn a_reference_without_a_host_goes_to_the_default_registry() {
    let env = empty();
    let offline = ["push", "--offline", "x"];
    env.image(offline)
        .exits(1)
        .complains("error: can't push: no image x\n");
    let env = with_base();
    env.image(["push", "--offline", "base"])
        .exits(1)
        .complains("error: offline: can't GET https://registry-1.docker.io:443/v2/\n");
}
