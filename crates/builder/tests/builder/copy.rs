//! Copying through a mount: what the kernel merges, and what must not leave the image.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::Case;
use crate::fixture::{Fixture, exists};

pub(crate) const CASES: &[Case] = &[
    ("trees_are_merged_into_lower_directories", merged),
    ("links_of_the_image_do_not_lead_out", inside),
    ("kinds_replace_each_other", kinds),
    ("identical_content_makes_no_layer", identical),
    ("sockets_are_skipped_and_pipes_keep_their_modes", special),
    ("words_are_substituted", substituted),
    ("copied_files_are_roots_and_keep_their_modes", modes),
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
