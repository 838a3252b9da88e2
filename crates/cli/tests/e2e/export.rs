//! `ch-image export` and `build --output`: images for other programs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use ch_test_support::{Registry, TestEnv, run_tool};

use crate::pull::{put_small, text};
use crate::{using, with_base};

/// The digests of all blobs of a layout.
pub(crate) fn blobs(layout: &Path) -> BTreeSet<String> {
    let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    blobs.map(|entry| name(entry.unwrap())).collect()
}

/// What `tar` lists of a file: `MODE OWNER/GROUP NAME`, devices with their numbers.
pub(crate) fn listed(archive: &Path) -> Vec<String> {
    let options = ["--numeric-owner", "-tvf", text(archive)];
    let lines = run_tool("tar", &options);
    let short = |line: &str| {
        let mut words = line.split_whitespace();
        let (mode, owner, size) = (words.next(), words.next(), words.next());
        let rest: Vec<_> = words.skip(2).collect();
        let device = size.filter(|size| size.contains(','));
        let shown = [mode, owner, device].into_iter().flatten();
        shown.chain(rest).collect::<Vec<_>>().join(" ")
    };
    lines.lines().map(short).collect()
}

/// The layers of a layout's only image, lowest first, as paths of their blobs.
fn layers(layout: &Path) -> Vec<std::path::PathBuf> {
    let script = "import json, sys\n\
        root = sys.argv[1]\n\
        def blob(it): return root + '/blobs/' + it['digest'].replace(':', '/')\n\
        manifest = json.load(open(blob(json.load(open(root + '/index.json'))['manifests'][0])))\n\
        [print(blob(it)) for it in manifest['layers']]";
    let paths = run_tool("python3", &["-c", script, text(layout)]);
    paths.lines().map(Into::into).collect()
}

#[test]
fn pulled_image_leaves_with_the_digests_it_came_with() {
    let registry = Registry::start();
    let env = using(&registry);
    let came = put_small(&registry, &env);
    env.image(["pull", "small:1"]).success();
    env.image(["export", "small:1", "oci:left"])
        .success()
        .complains("exporting:    small:1\ndestination:  oci:left\ndone\n");
    assert_eq!(blobs(&env.path("left")), blobs(came.directory()));

    env.image(["export", "--format=oci", "small:1", "left.tar"])
        .success();
    fs::create_dir(env.path("unpacked")).unwrap();
    let (archive, unpacked) = (env.path("left.tar"), env.path("unpacked"));
    run_tool("tar", &["-xf", text(&archive), "-C", text(&unpacked)]);
    assert_eq!(blobs(&unpacked), blobs(came.directory()));

    // What tools make of the names.
    let inspected = run_tool(
        "skopeo",
        &["inspect", "oci:left:1"]
            .map(|it| it.replace("left", text(&env.path("left"))))
            .each_ref()
            .map(String::as_str),
    );
    assert!(inspected.contains("\"Architecture\""), "{inspected}");
}

#[test]
fn step_on_top_is_one_new_layer_and_the_base_is_passed_on() {
    let registry = Registry::start();
    let mut env = using(&registry).with_default_emulation();
    env.set("SOURCE_DATE_EPOCH", "1700000000");
    let came = put_small(&registry, &env);
    let base = came.layer();
    env.write(
        "context/Dockerfile",
        "FROM small:1\n\
         RUN mkdir /d && touch /d/f /d/s && chown 3:4 /d/f && chown 5:6 /d && chmod 4755 /d/s && rm /bin/wc && ln -s f /d/l && chown -h 7:8 /d/l\n\
         ENV DONE=yes\n",
    );
    let build = [
        "build",
        "-t",
        "top",
        "-o",
        "type=oci,dest=top,tar=false",
        "context",
    ];
    env.image(build)
        .success()
        .complains("layer 2/2: preparing\n");
    env.image(["list"]).success().prints("small:1\n");
    let layout = env.path("top");
    let made = layers(&layout);
    assert_eq!(made.len(), 2);
    assert_eq!(made[0].file_name(), base.file_name(), "the base's own blob");
    assert!(fs::read(&made[0]).unwrap() == fs::read(&base).unwrap());
    let expected = [
        "drwxr-xr-x 0/0 ./",
        "drwxr-xr-x 0/0 bin/",
        "---------- 0/0 bin/.wh.wc",
        "drwxr-xr-x 5/6 d/",
        "-rw-r--r-- 3/4 d/f",
        "lrwxrwxrwx 7/8 d/l -> f",
        "-rwsr-xr-x 0/0 d/s",
    ];
    assert_eq!(listed(&made[1]), expected);

    // Nothing is packed twice, and everything has the same digests again.
    let again = [
        "build",
        "-o",
        "type=oci,dest=again,tar=false",
        "-t",
        "top",
        "context",
    ];
    let outcome = env.image(again).success();
    assert!(!outcome.stderr.contains("preparing"), "{outcome}");
    assert_eq!(blobs(&env.path("again")), blobs(&layout));

    let image = format!("{}:latest", text(&layout));
    let bundle = env.path("bundle");
    let unpack = ["unpack", "--rootless", "--image", &image, text(&bundle)];
    run_tool("umoci", &unpack);
    assert!(bundle.join("rootfs/d/s").exists() && !bundle.join("rootfs/bin/wc").exists());
}

#[test]
fn layouts_take_further_images_and_keep_those_that_are_there() {
    let env = with_base();
    env.image(["export", "base", "oci:layout:one"]).success();
    env.image(["export", "base", "oci:layout:two"]).success();
    env.image(["export", "--annotation=a=b", "base", "oci:layout:two"])
        .success();
    let index = fs::read_to_string(env.path("layout/index.json")).unwrap();
    assert_eq!(index.matches("ref.name\":\"one\"").count(), 1, "{index}");
    assert_eq!(index.matches("ref.name\":\"two\"").count(), 1, "{index}");
    assert_eq!(
        blobs(&env.path("layout")).len(),
        4,
        "layer, config, two manifests"
    );
}

#[test]
fn docker_archive_is_read_by_its_names() {
    let env = with_base();
    env.image(["export", "--format=docker", "base", "base.tar"])
        .success();
    let source = format!("docker-archive:{}", text(&env.path("base.tar")));
    let copy = format!("oci:{}:x", text(&env.path("copy")));
    run_tool("skopeo", &["--insecure-policy", "copy", &source, &copy]);
    let manifest = ["-xOf", text(&env.path("base.tar")), "manifest.json"].map(str::to_owned);
    let manifest = run_tool("tar", &manifest.each_ref().map(String::as_str));
    assert!(
        manifest.contains("\"RepoTags\":[\"base:latest\"]"),
        "{manifest}"
    );
}

/// Runs `ch-image` with its standard output in a file; gives what is on standard error.
fn into_file(env: &TestEnv, file: &str, arguments: &[&str]) -> String {
    let mut command = env.command("ch-image", arguments);
    let output = command
        .stdout(File::create(env.path(file)).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn files_come_as_an_archive_on_standard_output() {
    let env = with_base();
    env.write(
        "context/Dockerfile",
        "FROM scratch\nCOPY --chown=1:2 a /x/\nFROM base\nRUN echo not in the archive; rm -r /bin/wc\n",
    );
    env.write("context/a", "A");
    let said = into_file(&env, "tree.tar", &["build", "-o", "-", "context"]);
    assert!(said.contains("not in the archive\n"), "{said}");
    let tree = listed(&env.path("tree.tar"));
    assert!(
        tree.contains(&"-rwxr-xr-x 0/0 bin/cat".to_owned()),
        "{tree:?}"
    );
    assert!(!tree.iter().any(|line| line.contains("bin/wc")));
    assert!(
        !tree
            .iter()
            .any(|line| line.contains("wh.") || line.contains(" ch/"))
    );

    // An export also says what the image is, so that it can be imported; the same bytes each time.
    into_file(&env, "one.tar", &["export", "base", "-"]);
    env.image(["export", "base", "two.tar"]).success();
    assert!(fs::read(env.path("one.tar")).unwrap() == fs::read(env.path("two.tar")).unwrap());
    let tree = listed(&env.path("two.tar"));
    assert!(
        tree.contains(&"-rw-r--r-- 0/0 ch/config.json".to_owned()),
        "{tree:?}"
    );
    env.image(["export", "base", "three.tar.gz"]).success();
    run_tool("gzip", &["-t", text(&env.path("three.tar.gz"))]);
    env.image(["import", "three.tar.gz", "again"]).success();
    env.ch_run(["again", "--", "echo", "it runs"])
        .success()
        .prints("it runs\n");
}

#[test]
fn directory_is_exported_and_runs() {
    let env = with_base();
    env.image(["export", "base", "base.d/"]).success();
    env.ch_run(["./base.d", "--", "echo", "it runs"])
        .success()
        .prints("it runs\n");
}

#[test]
fn what_cannot_be_exported_is_told_and_changes_nothing() {
    let env = with_base();
    env.write("full/file", "the user's");
    env.write("file", "the user's");
    for (arguments, message) in [
        (
            &["export", "bas", "x.tar"][..],
            "error: no such image: bas\n",
        ),
        (
            &["export", "base", "oci:full"],
            "error: can't export: exists: full\n",
        ),
        (
            &["export", "base", "oci:file"],
            "error: can't export: exists: file\n",
        ),
        (
            &["export", "--format=oci", "base", "full"],
            "error: can't export: exists: full\n",
        ),
        (
            &["export", "base", "full/"],
            "error: can't flatten: full/ exists but does not appear to be an image\n",
        ),
        (
            &["export", "base", "none/x.tar"],
            "error: can't export to none/x.tar\n",
        ),
        (
            &["export", "base", "x.foo"],
            "error: can't tell what to export to: x.foo\n",
        ),
        (
            &["export", "--format=oci-dir", "base", "-"],
            "error: can't export a directory to a stream\n",
        ),
        (
            &[
                "export",
                "--format=docker",
                "--compression=zstd",
                "base",
                "x.tar",
            ],
            "error: compression zstd: docker images have no such layers\n",
        ),
        (
            &["export", "--compression=lz4", "base", "x.tar"],
            "error: unknown compression: \"lz4\"; there are gzip, zstd and uncompressed\n",
        ),
        (
            &["export", "--platform=linux/riscv64", "base", "x.tar"],
            "error: requested arch unavailable: linux/riscv64\n",
        ),
        (
            &["export", "base", "x.sqfs"],
            "error: not yet supported: export to SquashFS files\n",
        ),
    ] {
        let outcome = env.image(arguments.iter().copied()).exits(1);
        outcome.complains(message);
    }
    let storage = format!("{}/x.tar", text(&env.storage()));
    env.image(["export", "base", &storage])
        .exits(1)
        .complains("x.tar is in the storage directory\n");
    let mut names: Vec<_> = fs::read_dir(env.path(""))
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["base", "file", "full"]);
    assert_eq!(fs::read(env.path("file")).unwrap(), b"the user's");
}

#[test]
fn half_an_image_is_not_exported() {
    let registry = Registry::start();
    let env = using(&registry);
    put_small(&registry, &env);
    env.image(["pull", "--last-layer=0", "small:1"]).success();
    env.image(["export", "small:1", "x.tar"])
        .exits(1)
        .complains("image is incomplete (--last-layer)\n");
}

#[test]
fn device_of_the_host_is_written_to() {
    let env = with_base();
    env.image(["export", "--format=tar", "base", "/dev/full"])
        .exits(1)
        .complains("error: can't write /dev/full\n")
        .complains("No space left on device\n");
    env.image(["export", "--format=tar", "base", "/dev/null"])
        .success();
}

/// Permission bits.
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_is_exported_has_the_modes_that_the_umask_leaves() {
    let env = with_base();
    for (mask, file, directory) in [("022", 0o644, 0o755), ("077", 0o600, 0o700)] {
        let export = "../bin/ch-image export base";
        let script = format!("umask {mask}; {export} x.tar && {export} oci:x");
        env.run("sh", ["-c", &script]).success();
        let [archive, layout] = ["x.tar", "x"].map(|name| env.path(name));
        assert_eq!(mode(&archive), file, "{mask}");
        for name in ["", "blobs", "blobs/sha256"] {
            assert_eq!(mode(&layout.join(name)), directory, "{mask} {name}");
        }
        for name in ["index.json", "oci-layout"] {
            assert_eq!(mode(&layout.join(name)), file, "{mask} {name}");
        }
        fs::remove_dir_all(layout).unwrap();
        fs::remove_file(archive).unwrap();
    }
}

#[test]
fn image_that_had_the_tag_stays_in_the_layout_without_it() {
    let env = with_base();
    env.write("other/Dockerfile", "FROM base\nLABEL a=b\n");
    env.image(["build", "other"]).success();
    env.image(["export", "base", "oci:layout"]).success();
    env.image(["export", "other", "oci:layout"])
        .success()
        .complains("warning: layout: tag latest was docker.io/library/base:latest's until now");
    let index = fs::read_to_string(env.path("layout/index.json")).unwrap();
    assert_eq!(index.matches("ref.name").count(), 1, "{index}");
    for name in ["library/base:latest", "library/other:latest"] {
        assert!(index.contains(name), "{index}");
    }
}

#[test]
fn first_exports_into_a_layout_at_once_are_all_in_it() {
    let env = with_base();
    env.image(["export", "base", "warm.tar", "--format=oci"])
        .success();
    let children: Vec<_> = (0..4)
        .map(|tag| {
            let place = format!("oci:layout:t{tag}");
            let mut command = env.command("ch-image", ["export", "base", &place]);
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", output.status);
    }
    let index = fs::read_to_string(env.path("layout/index.json")).unwrap();
    assert_eq!(
        index
            .matches("\"org.opencontainers.image.ref.name\":\"t")
            .count(),
        4,
        "{index}"
    );
    assert_eq!(
        names(&env.path("layout")),
        ["blobs", "index.json", "oci-layout"]
    );
}

/// The names in a directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}

#[test]
fn damaged_blobs_do_not_leave_and_are_replaced_where_they_are() {
    let env = with_base();
    env.image(["export", "base", "oci:layout"]).success();
    let layer = layers(&env.path("layout")).remove(0);
    let damage = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[2000] ^= 1;
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    };
    // A copy that went bad is made again.
    let good = fs::read(&layer).unwrap();
    damage(&layer);
    env.image(["export", "base", "oci:layout"]).success();
    assert!(fs::read(&layer).unwrap() == good);

    let own = env
        .storage()
        .join("blobs/sha256")
        .join(layer.file_name().unwrap());
    damage(&own);
    run_tool("chmod", &["444", text(&own)]);
    for place in [
        "oci:other",
        "oci-archive:other.tar",
        "docker-archive:other.tar",
    ] {
        env.image(["export", "base", place])
            .exits(1)
            .complains("is damaged\nhint: remove blobs/sha256/");
    }
    assert_eq!(names(&env.path("")), ["base", "layout"]);
    fs::remove_file(own).unwrap();
    env.image(["export", "base", "oci:other"]).success();
    assert_eq!(blobs(&env.path("other")), blobs(&env.path("layout")));
}

#[test]
fn signals_leave_nothing_beside_the_destination() {
    let env = with_base();
    let big = fs::File::create(env.path("base/big")).unwrap();
    big.set_len(3 << 30).unwrap();
    env.image(["import", "base", "big"]).success();
    for arguments in [
        &["export", "big", "x.tar.gz"][..],
        &["export", "--format=oci", "big", "x.tar"],
        &["export", "big", "x.d/"],
    ] {
        let mut child = env.start("ch-image", arguments.iter().copied());
        std::thread::sleep(std::time::Duration::from_millis(400));
        run_tool("kill", &["-TERM", &child.id().to_string()]);
        child.wait().unwrap();
        let left = names(&env.path(""));
        let hidden = left.iter().find(|name| name.starts_with('.'));
        assert_eq!(hidden, None, "{arguments:?}");
        let _ = fs::remove_dir_all(env.path("x.d"));
    }
}

#[test]
fn standard_output_is_for_one_thing() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\n");
    into_file(&env, "loud.tar", &["build", "-o", "-", "context"]);
    into_file(&env, "quiet.tar", &["build", "-q", "-o", "-", "context"]);
    assert!(fs::read(env.path("loud.tar")).unwrap() == fs::read(env.path("quiet.tar")).unwrap());
    let two = ["build", "-o", "-", "-o", "type=oci", "context"];
    env.image(two)
        .exits(1)
        .complains("error: --output: two of them go to -\n");
}

#[test]
fn image_keeps_its_own_ch() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\nRUN echo precious >/ch\n");
    env.image(["build", "-t", "own", "context"]).success();
    env.image(["export", "own", "own.tar"])
        .success()
        .complains("warning: image has a file /ch: its configuration is left out\n");
    let archive = env.path("own.tar");
    assert_eq!(
        run_tool("tar", &["-xOf", text(&archive), "ch"]),
        "precious\n"
    );
}

#[test]
fn place_of_an_output_is_looked_at_before_anything_is_built() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\nRUN echo built\n");
    env.write("full/file", "the user's");
    for (output, message) in [
        (
            "type=oci,dest=none/x.tar",
            "error: can't export to none/x.tar\n",
        ),
        (
            "type=oci,tar=false,dest=full",
            "error: can't export: exists: full\n",
        ),
        ("type=tar,dest=full", "error: can't export: exists: full\n"),
        (
            "type=dir,dest=full",
            "error: can't flatten: full exists but does not appear to be an image\n",
        ),
    ] {
        env.image(["build", "-o", output, "context"])
            .exits(1)
            .prints("")
            .complains(message);
    }
}
