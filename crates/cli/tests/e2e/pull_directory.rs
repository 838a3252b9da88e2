//! `ch-image pull IMAGE_REF IMAGE_DIR`: the image in a directory of the user's, without a name.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ch_test_support::{Registry, TestEnv, listing};

use crate::{put_debian, using};

/// Everything below `root`, but for the image's description of itself.
fn names(root: &Path) -> Vec<String> {
    let names = listing(root).into_keys();
    names.map(|name| name.display().to_string()).collect()
}

/// An old image at `root`, as somebody made it.
fn put_old(root: &Path) {
    for name in ["bin", "dev", "usr"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join("usr/old"), "old").unwrap();
}

/// Holders of directories under construction that somebody left.
fn holders(env: &TestEnv) -> usize {
    let names = fs::read_dir(env.root()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".ch-image.")).count()
}

#[test]
fn directory_is_made_runs_and_is_replaced() {
    let registry = Registry::start();
    let env = using(&registry);
    put_debian(&registry, &env);
    let wanted = env.path("image");
    let wanted = wanted.to_str().unwrap();

    let pulled = env.image(["pull", "debian:bookworm", wanted]).success();
    // The first line is that there is a storage directory now.
    let lines: Vec<&str> = pulled.stderr.lines().skip(1).collect();
    assert_eq!(lines[0], "pulling image:    debian:bookworm", "{pulled}");
    let second = format!("destination:      {wanted}");
    assert_eq!(lines[1], second, "V-cmd-52{pulled}");
    assert!(!pulled.stderr.contains("replacing"), "{pulled}");
    env.image(["list"]).success().prints("");
    env.ch_run([wanted, "--", "cat", "/etc/debian_version"])
        .success();
    env.ch_run(["-w", wanted, "--", "sh", "-c", "echo mine > /usr/mine"])
        .success();
    let mine = Path::new(wanted).join("usr/mine");
    assert!(mine.exists());

    let again = env.image(["pull", "debian:bookworm", wanted]).success();
    let replacing = format!("{second}\nreplacing:        {wanted}\n");
    again
        .complains(&replacing)
        .complains("pulled image: found in build cache\n");
    assert!(!mine.exists(), "the old directory is replaced");
    assert_eq!(holders(&env), 0, "nothing is left beside it");
    env.ch_run([wanted, "--", "true"]).success();

    env.image(["pull", "debian:bookworm"]).success();
    let layer = fs::read_dir(env.storage().join("layers")).unwrap().next();
    let layer = listing(&layer.unwrap().unwrap().path().join("fs"));
    let flat = listing(Path::new(wanted));
    for (name, entry) in &layer {
        if !name.as_os_str().is_empty() {
            assert_eq!(flat.get(name), Some(entry), "{}", name.display());
        }
    }
    println!("{} names are the same", layer.len());
}

#[test]
fn foreign_directory_is_refused_and_names_are_told_from_directories() {
    let registry = Registry::start();
    let env = using(&registry);
    put_debian(&registry, &env);
    env.write("foreign/a", "mine");
    let foreign = env.path("foreign");
    let refused = env
        .image(["pull", "debian:bookworm", foreign.to_str().unwrap()])
        .exits(1);
    let expected = format!(
        "error: can't flatten: {} exists but does not appear to be an image",
        foreign.display()
    );
    let last = refused.stderr.lines().last();
    assert_eq!(last, Some(&expected[..]), "{refused}");
    assert_eq!(fs::read_to_string(foreign.join("a")).unwrap(), "mine");

    let named = env.image(["pull", "debian:bookworm", "foreign"]).success();
    named.complains(
        "warning: \"foreign\" is taken as an image name; write ./foreign for the directory\n",
    );
    env.image(["list"]).success().prints("foreign\n");
    env.image(["pull", "--as", "named", "debian:bookworm"])
        .success();
    env.image(["list"]).success().prints("foreign\nnamed\n");
    env.image(["pull", "--dir", "plain", "debian:bookworm"])
        .success()
        .complains("destination:      plain\n");
    assert!(env.path("plain/ch/config.json").exists());
    for both in [["--dir", "x"], ["--as", "x"]] {
        let arguments = ["pull", both[0], both[1], "debian:bookworm", "./y"];
        env.image(arguments).exits(2);
    }
}

#[test]
fn killed_pull_leaves_the_old_directory_or_the_new_one() {
    let registry = Registry::start();
    let env = using(&registry);
    put_debian(&registry, &env);
    let wanted = env.path("image");
    let pull = ["pull", "debian:bookworm", wanted.to_str().unwrap()];
    env.image(pull).success();
    let new = names(&wanted);
    let start = Instant::now();
    env.image(pull).success();
    let whole = start.elapsed();

    let (number, mut interrupted) = (6, 0);
    for index in 0..number {
        fs::remove_dir_all(&wanted).unwrap();
        put_old(&wanted);
        let old = names(&wanted);
        let delay: Duration = whole * index / number;
        let mut child = env.start("ch-image", pull);
        std::thread::sleep(delay);
        interrupted += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let left = names(&wanted);
        assert!(left == old || left == new, "after {delay:?}: {left:?}");
    }
    assert!(interrupted > 0, "no pull was running when it was killed");
    env.image(pull).success();
    assert_eq!(names(&wanted), new);
    assert_eq!(holders(&env), 0, "what killed pulls left is swept");
    println!("pull into a directory: killed {interrupted} times while it ran");
}
