//! Copying through a mount: what the kernel merges, and what must not leave the image.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use ch_builder::Options;
use ch_storage::LayerId;

use crate::Case;
use crate::fixture::{Fixture, Outcome, exists};

pub(crate) const CASES: &[Case] = &[
    ("trees_are_merged_into_lower_directories", merged),
    ("links_of_the_image_do_not_lead_out", inside),
    ("kinds_replace_each_other", kinds),
    ("identical_content_makes_no_layer", identical),
    ("sockets_are_skipped_and_pipes_keep_their_modes", special),
    ("words_are_substituted", substituted),
    ("copied_files_are_roots_and_keep_their_modes", modes),
    ("owners_are_names_of_the_image", owners),
    ("an_owner_who_is_not_known_is_told_of_and_root", unknown),
    ("flags_that_say_nothing_are_none", empty_flags),
    ("what_has_its_owner_already_makes_no_layer", owned_already),
];

fn merged(fixture: &Fixture) {
    fixture.write("a/new", "new");
    fixture.write("f", "f");
    let dockerfile = concat!(
        "FROM base\nRUN chmod 1777 /tmp; mkdir -m 750 /a; echo old > /a/old; ln /a/old /other; ",
        "mkdir -p /usr/lib /lib2; ln -s usr/lib /link\nCOPY f /tmp/\nCOPY a/ /a/\nCOPY f /a/old\nCOPY f /link/\n",
    );
    fixture.build(dockerfile).good();
    let said = fixture.inside(
        "stat -c '%a %u' /tmp /a; cat /a/new /a/old /other; echo; readlink /link; cat /usr/lib/f",
    );
    // V-hw-1 to V-hw-4
    assert_eq!(said, "1777 0\n750 0\nnewfold\n\nusr/lib\nf");
}

fn inside(fixture: &Fixture) {
    fixture.write("file", "changed");
    fixture.write("outside/file", "precious");
    let outside = fixture.path("outside");
    let dockerfile = format!(
        "FROM base\nRUN ln -s {} /out; ln -s ../../../../elsewhere /up\nCOPY file /out/\nCOPY file /up/\n",
        outside.display()
    );
    fixture.build(&dockerfile).good();
    assert_eq!(
        fs::read(outside.join("file")).unwrap(),
        b"precious",
        "V-hw-7"
    );
    assert!(!exists(std::path::Path::new("/elsewhere")));
    let said = fixture.inside(&format!("cat {}/file /up/file", outside.display()));
    assert_eq!(said, "changedchanged");
}

fn kinds(fixture: &Fixture) {
    fixture.write("d/e/f", "f");
    fixture.write("d/g", "g");
    symlink("nowhere", fixture.path("d/l")).unwrap();
    let dockerfile = "FROM base\nRUN mkdir -p /x/g/deep/er /r /x/l; touch /x/g/deep/er/still; ln -s /r /x/e\nCOPY d /x\n";
    fixture.build(dockerfile).good();
    let said = fixture
        .inside("cat /x/e/f /x/g; echo; ls /r; readlink /x/l; test -L /x/e || echo directory");
    assert_eq!(said, "fg\nnowhere\ndirectory\n", "V-C11, V-C12, V-C13");
}

fn identical(fixture: &Fixture) {
    fixture.write("d/e/f", "f");
    let one = fixture.build("FROM base\nCOPY d /d\n").good();
    let two = fixture.build("FROM base\nCOPY d /d\nCOPY d /d/\n").good();
    assert_eq!(two.layers(), one.layers(), "V-hw-6");
    assert_eq!(
        two.config().history.last().map(|entry| entry.empty_layer),
        Some(true)
    );
}

fn special(fixture: &Fixture) {
    fixture.write("f", "f");
    let _socket = UnixListener::bind(fixture.path("socket")).unwrap();
    let pipe = fixture.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    fs::set_permissions(&pipe, fs::Permissions::from_mode(0o622)).unwrap();
    fixture
        .build("FROM base\nCOPY f pipe socket /d/\nCOPY socket /e\nCOPY . /all\n")
        .good();
    let said = fixture
        .inside("ls /d; stat -c '%a %F' /d/pipe /all/pipe; ls /all; test -e /e || echo none");
    let want = "f\npipe\n622 fifo\n622 fifo\nf\npipe\nnone\n";
    assert_eq!(said, want);
}

fn substituted(fixture: &Fixture) {
    fixture.write("one file", "1");
    fixture.write("two", "2");
    let dockerfile = "FROM base\nARG T=two\nENV W=/w\nWORKDIR $W\nCOPY [\"one file\", \"${T}\", \"./\"]\nCOPY ${T} ${T}3\n";
    let built = fixture.build(dockerfile).good();
    assert_eq!(fixture.inside("cat \"/w/one file\" /w/two /w/two3"), "122");
    let by = built.config().history.pop().unwrap().created_by.unwrap();
    assert_eq!(by, "COPY two two3 # buildkit");
}

fn modes(fixture: &Fixture) {
    fixture.write("d/script", "#!/bin/sh\necho ran\n");
    for (name, mode) in [("d/script", 0o4510), ("d", 0o700)] {
        fs::set_permissions(fixture.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fixture
        .build("FROM base\nCOPY d /d\nCOPY d/script /bin/\n")
        .good();
    // Set-user-ID is remembered, not on disk, and without a supervisor nobody answers it.
    let said = fixture.inside("stat -c '%a %u %g' /d /d/script; /d/script");
    assert_eq!(said, "755 0 0\n710 0 0\nran\n");
}

/// What the built image believes of a file: `UID:GID:0MODE:TYPE`, or nothing if it needs no telling.
fn override_of(outcome: &Outcome, fixture: &Fixture, path: &str) -> Option<String> {
    let files = |layer: &LayerId| fixture.storage.path().join(format!("layers/{layer}/fs"));
    let layers = outcome.layers();
    let mut found = layers.iter().rev().map(|layer| files(layer).join(path));
    let file = fs::File::open(found.find(|path| exists(path)).unwrap()).unwrap();
    let value = ch_linux::xattr::get(file, b"user.containers.override_stat").unwrap();
    value.map(|value| String::from_utf8(value).unwrap())
}

fn owners(fixture: &Fixture) {
    fixture.write("f", "f");
    fs::set_permissions(fixture.path("f"), fs::Permissions::from_mode(0o644)).unwrap();
    let dockerfile = concat!(
        "FROM base\nARG WHO=ann\nRUN mkdir /real; mv /etc/passwd /real; ln -s ../../../real/passwd /etc/passwd; ",
        "echo ann:x:7:70::/:/bin/sh >> /etc/passwd; echo staff:x:50: >> /etc/group\n",
        "COPY --chown=$WHO:staff --chmod=6750 f /a/b\nCOPY --chown=ann f /c\nCOPY --chown=5: f /d\n",
    );
    let built = fixture.build(dockerfile).good();
    for (path, want) in [
        ("a/b", "7:50:06750:file"),
        ("a", "7:50:06750:dir"),
        ("c", "7:70:0644:file"),
        ("d", "5:0:0644:file"),
    ] {
        assert_eq!(
            override_of(&built, fixture, path).as_deref(),
            Some(want),
            "{path}"
        );
    }
    let history = built.config().history;
    let by = history
        .iter()
        .rev()
        .nth(2)
        .and_then(|entry| entry.created_by.as_deref());
    assert_eq!(
        by,
        Some("COPY --chown=ann:staff --chmod=6750 f /a/b # buildkit")
    );
}

fn unknown(fixture: &Fixture) {
    fixture.write("f", "f");
    // Not the host's either, to which a link of the image seems to lead.
    let dockerfile = concat!(
        "FROM base\nRUN rm /etc/group; ln -s /proc/self/root/etc/group /etc/group\n",
        "COPY --chown=bob:tty f /a\nCOPY --chown=bob:tty f /b\n",
    );
    let built = fixture.build(dockerfile).good();
    assert_eq!(override_of(&built, fixture, "a"), None);
    let told =
        |who| format!("UnknownOwner: COPY --chown=bob:tty: no {who} in the image: 0 instead\n");
    for who in ["user bob", "group tty"] {
        assert_eq!(
            built.transcript.matches(&told(who)).count(),
            1,
            "{}",
            built.transcript
        );
    }
    let again = fixture.build(dockerfile).good();
    assert!(
        !again.transcript.contains("UnknownOwner"),
        "hits are silent"
    );
    let options = Options {
        dry_run: true,
        ..fixture.options()
    };
    let more = format!("{dockerfile}RUN true\nCOPY --chown=eve f /\n");
    let dry = fixture.build_with(&more, &options).good();
    assert!(!dry.transcript.contains("UnknownOwner"), "eve may be made");
}

fn empty_flags(fixture: &Fixture) {
    fixture.write("f", "f");
    let one = fixture.build("FROM base\nCOPY f /f\n").good();
    let two = fixture
        .build("FROM base\nCOPY --chown=$NONE --chmod=$NONE f /f\n")
        .good();
    assert_eq!(two.layers(), one.layers());
    let by = two.config().history.pop().unwrap().created_by.unwrap();
    assert_eq!(by, "COPY f /f # buildkit");
}

fn owned_already(fixture: &Fixture) {
    fixture.write("d/e/f", "f");
    symlink("f", fixture.path("d/e/l")).unwrap();
    let root = "FROM base\nCOPY d /d\n";
    let one = format!("{root}COPY --chown=1:2 --chmod=511 d /d\n");
    let built = fixture.build(&one).good();
    for (path, want) in [("d/e", "1:2:0511:dir"), ("d/e/f", "1:2:0511:file")] {
        assert_eq!(
            override_of(&built, fixture, path).as_deref(),
            Some(want),
            "{path}"
        );
    }
    let owners = |outcome: &Outcome| {
        let layer = outcome.layers().pop().unwrap();
        let file = fixture
            .storage
            .path()
            .join(format!("layers/{layer}/owners"));
        fs::read_to_string(file).unwrap_or_default()
    };
    assert_eq!(owners(&built), "d/e/l\t1:2:0777:symlink\n");
    let again = fixture
        .build(&format!("{one}COPY --chown=1:2 --chmod=511 d /d/\n"))
        .good();
    assert_eq!(again.layers(), built.layers());
    // The same link as root's is another one.
    let back = fixture.build(&format!("{one}COPY d /d\n")).good();
    assert_eq!(back.layers().len(), built.layers().len() + 1);
    assert_eq!(owners(&back), "");
    let layer = back.layers().pop().unwrap();
    assert!(exists(
        &fixture
            .storage
            .path()
            .join(format!("layers/{layer}/fs/d/e/l"))
    ));
}
