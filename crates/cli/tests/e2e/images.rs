//! Images in storage: `import`, `list`, `delete`, `reset`, `storage-path`, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::{empty, with_base};

#[test]
fn imported_directory_is_listed_run_and_deleted() {
    let env = with_base();
    env.image(["list"]).success().prints("base\n");
    env.ch_run(["base", "--", "echo", "hello"])
        .success()
        .prints("hello\n");
    env.image(["delete", "base"])
        .success()
        .complains("deleting image: base\n");
    env.image(["list"]).success().prints("");
    let gone = env.image(["delete", "base"]).exits(1);
    let gone = gone.complains("error: no matching image, can't delete: base\n");
    gone.complains("error: unable to delete 1 invalid image(s)\n");
}

#[test]
fn details_known_here_are_printed_before_the_registry_fails() {
    let mut env = with_base();
    env.set("CH_REGY_DEFAULT_HOST", "127.0.0.1");
    env.set("CH_REGY_DEFAULT_PORT", "1");
    let found = env.image(["list", "base"]).exits(1);
    let last = found.stdout.lines().last();
    let reference = "full remote ref:     127.0.0.1:1/base:latest";
    assert_eq!(last, Some(reference), "{found}");
    found
        .complains("error: can't reach 127.0.0.1:1\n")
        .complains("hint: --local prints only what is known here\n");
    env.image(["list", "--local", "base"]).success();
}

#[test]
fn image_that_may_have_been_meant_is_named() {
    let mut env = with_base();
    env.set("CH_IMAGE_OFFLINE", "yes");
    let meant = "hint: did you mean base?";
    env.image(["delete", "bsae"])
        .exits(1)
        .complains(&format!("{meant}\n"));
    let listed = env.image(["list", "bsae"]).success();
    listed.complains(&format!("{meant}\n"));
    env.ch_run(["bsae", "--", "true"])
        .exits(31)
        .complains(&format!("]: {meant} else: ch-image pull bsae\n"));
    env.write("context/Dockerfile", "FROM bsae\n");
    env.image(["build", "context"]).exits(1).complains(meant);
    for (habit, ours) in [("ls", "list"), ("rm", "delete")] {
        let refused = env.image([habit]).exits(2);
        refused.complains(&format!("\ndid you mean {ours}?\n"));
    }
}

#[test]
fn imported_archive_is_the_same_as_its_directory() {
    let env = with_base();
    for (option, name) in [
        ("--create", "plain.tar"),
        ("--gzip", "gzip.tar.gz"),
        ("--zstd", "zstd.tar.zst"),
    ] {
        let arguments = [
            "--create",
            option,
            "--file",
            name,
            "--directory",
            "base",
            ".",
        ];
        env.run("tar", arguments).success();
        env.image(["import", name, "archived"])
            .success()
            .complains("done\n");
        let listed = env.ch_run(["archived", "--", "ls", "/bin"]).success();
        let expected = env.ch_run(["base", "--", "ls", "/bin"]).success();
        assert_eq!(listed.stdout, expected.stdout, "{name}");
    }
}

#[test]
fn import_of_nothing_is_refused() {
    let env = empty();
    let refused = env.image(["import", "nowhere", "image"]).exits(1);
    refused.complains("can't copy: not found: nowhere");
    env.write("broken.tar.gz", [0x1f, 0x8b, 8, 0, 1, 2, 3]);
    env.image(["import", "broken.tar.gz", "image"])
        .exits(1)
        .complains("error: ");
    env.image(["list"]).success().prints("");
}

#[test]
fn storage_path_creates_nothing() {
    let env = empty();
    let expected = format!("{}\n", env.storage().display());
    env.image(["storage-path"]).success().prints(&expected);
    env.image(["list"]).success().prints("");
    assert!(!env.storage().exists());
}

#[test]
fn reset_empties_the_storage_directory() {
    let env = with_base();
    env.image(["reset"])
        .success()
        .complains("initializing storage directory: v1 ")
        .complains("\nimages deleted: 1\n");
    env.image(["list"]).success().prints("");
    let refused = env.image(["--storage", "/tmp", "reset"]).exits(1);
    refused.complains("not a builder storage");
}

#[test]
fn foreign_directories_are_refused_and_left_alone() {
    let env = empty();
    env.write("foreign/precious", "data");
    let refused = env
        .image(["--storage", "foreign", "import", "foreign", "x"])
        .exits(1);
    refused.complains("storage directory seems invalid: ");
    env.write("charliecloud/img/x", "");
    env.write("charliecloud/dlcache/x", "");
    let refused = env.image(["--storage", "charliecloud", "reset"]).exits(1);
    refused.complains("charliecloud");
    env.write("newer/VERSION", "ch-image storage 99\n");
    let mode = fs::Permissions::from_mode(0o700);
    fs::set_permissions(env.path("newer"), mode).unwrap();
    let refused = env.image(["--storage", "newer", "list"]).exits(1);
    refused.complains("incompatible storage directory v99: ");
    assert_eq!(fs::read(env.path("foreign/precious")).unwrap(), b"data");
    assert!(env.path("charliecloud/img/x").exists());
}

#[test]
fn storage_can_be_deleted_by_its_owner_whatever_the_image_holds() {
    let env = with_base();
    env.write(
        "closed/Dockerfile",
        "FROM base\nRUN mkdir -p /d/e && chmod 000 /d/e && chmod 000 /d\n",
    );
    env.image(["build", "closed"]).success();
    let storage = env.storage();
    env.run("rm", ["-rf", storage.to_str().unwrap()]).success();
    assert!(!storage.exists());
}

#[test]
fn help_and_version_need_nothing() {
    let env = empty();
    let version = concat!(env!("CARGO_PKG_VERSION"), "\n");
    env.image(["--version"]).success().prints(version);
    env.ch_run(["--version"]).success().prints(version);
    env.image(["--dependencies"]).success().prints("");
    let help = env.image(["--help"]).success();
    for command in [
        "build",
        "pull",
        "import",
        "list",
        "delete",
        "reset",
        "storage-path",
    ] {
        assert!(
            help.stdout.contains(command),
            "{command} is not in the help{help}"
        );
    }
    env.image::<[&str; 0], _>([]).exits(1).prints("");
    assert!(!env.storage().exists());
}

#[test]
fn convert_says_that_it_is_not_there_yet() {
    let env = empty();
    env.run("ch-convert", ["a", "b"])
        .exits(1)
        .complains("not yet supported");
}

#[test]
fn damaged_record_is_told_of_deleted_and_replaced() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\nLABEL a=b\n");
    env.image(["build", "-t", "torn:1", "context"]).success();
    let record = env.storage().join("images/torn+1.json");
    let whole = fs::read(&record).unwrap();
    let advice = "pull or build again: torn:1; or remove it: ch-image delete torn:1";
    let damage = || fs::write(&record, &whole[..whole.len() / 2]).unwrap();

    damage();
    let listed = env.image(["list"]).success().prints("base\n");
    let told = format!("warning: storage: can't parse images/torn+1.json: {advice}\n");
    listed.complains(&told);
    for arguments in [
        &["list", "--local", "torn:1"][..],
        &["build", "-t", "other", "from"],
    ] {
        env.write("from/Dockerfile", "FROM torn:1\n");
        env.image(arguments)
            .exits(1)
            .complains("storage: can't parse images/torn+1.json:")
            .complains(&format!("hint: {advice}\n"));
    }
    env.image(["delete", "torn:1"])
        .success()
        .complains("deleting damaged image: torn:1\n");
    env.image(["list"]).success().prints("base\n");
    env.image(["delete", "torn:1"]).exits(1);

    damage();
    env.image(["build", "-t", "torn:1", "context"]).success();
    env.image(["list"]).success().prints("base\ntorn:1\n");
}

#[test]
fn storage_without_locks_is_told_so_by_every_command_that_writes() {
    let env = with_base();
    let program = env.root().join("bin/ch-image").display().to_string();
    let without = |arguments: &[&str]| {
        let words = ["-f", "-o", "calls", "-e", "inject=flock:error=ENOLCK"];
        env.run("strace", words.iter().chain([&&*program]).chain(arguments))
    };
    let told = format!(
        "error: not yet supported: file system of {} has no locks\n",
        env.storage().display()
    );
    env.write("context/Dockerfile", "FROM base\nRUN true\n");
    for arguments in [
        &["list"][..],
        &["import", "base", "new"],
        &["--no-lock", "import", "base", "new"],
        &["--no-lock", "build", "context"],
        &["--no-lock", "delete", "base"],
    ] {
        without(arguments)
            .exits(1)
            .complains(&told)
            .complains("hint: name a directory on another file system");
    }
    without(&["--no-lock", "list"]).success().prints("base\n");
}

#[test]
fn read_only_storage_directory_is_read_and_named_when_it_should_be_written() {
    let env = with_base();
    env.write("context/Dockerfile", "FROM base\nLABEL a=b\n");
    env.image(["build", "-t", "built", "context"]).success();
    let storage = env.storage();
    let set_mode = |mode| fs::set_permissions(&storage, fs::Permissions::from_mode(mode)).unwrap();
    // Once by a mount, once by a mode.
    let remount = "mount --bind $CH_IMAGE_STORAGE $CH_IMAGE_STORAGE && \
        mount -o remount,bind,ro $CH_IMAGE_STORAGE && exec \"$@\"";
    let mounted = ["unshare", "-Urm", "sh", "-c", remount, "sh"];
    let command = |by_mount: bool, program: &str, arguments: &[&str]| {
        let program = env.root().join("bin").join(program).display().to_string();
        let before = if by_mount { &mounted[..] } else { &["env"] };
        let words: Vec<&str> = before.iter().copied().chain([&*program]).collect();
        env.run(words[0], words[1..].iter().chain(arguments))
    };
    for by_mount in [true, false] {
        if !by_mount {
            set_mode(0o500);
        }
        command(by_mount, "ch-image", &["list"])
            .success()
            .prints("base\nbuilt\n");
        for arguments in [
            &["list", "-u"][..],
            &["list", "--json"],
            &["list", "--local", "built"],
            &["inspect", "built"],
            &["history", "built"],
            &["build-cache", "-v", "--tree", "--verify"],
            &["prune", "--dry-run"],
        ] {
            command(by_mount, "ch-image", arguments).success();
        }
        command(by_mount, "ch-run", &["built", "--", "echo", "it runs"])
            .success()
            .prints("it runs\n");
        let read_only = format!("storage directory is read-only: {}\n", storage.display());
        for arguments in [
            &["build", "-t", "new", "context"][..],
            &["pull", "127.0.0.1:1/x"],
            &["import", "base", "new"],
            &["delete", "base"],
            &["delete", "--purge", "base"],
            &["undelete", "base"],
            &["tag", "base", "new"],
            &["prune"],
            &["build-cache", "--gc"],
        ] {
            command(by_mount, "ch-image", arguments)
                .exits(1)
                .complains(&read_only);
        }
    }
    set_mode(0o700);
    env.image(["list"]).success().prints("base\nbuilt\n");
}
