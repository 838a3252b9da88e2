//! Imports of directories and archives.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use ch_linux::xattr;
use ch_oci::ImageConfig;

use super::*;
use crate::tests::{Lines, Place, full_text, reference};

fn options() -> ImportOptions {
    let platform = Platform::new("linux", "amd64", None);
    ImportOptions {
        platform,
        unpack: ch_layer::Options::default(),
    }
}

/// Imports as `app`; gives what was told, an error as the last.
fn imported(place: &Place, source: Source) -> (Option<Imported>, Vec<String>) {
    let lines = Lines::default();
    let storage = place.storage();
    let result = import(&storage, source, &reference("app"), &options(), &|event| {
        lines.add(event)
    });
    let mut lines = lines.take();
    storage.commit().unwrap();
    match result {
        Ok(imported) => (Some(imported), lines),
        Err(error) => {
            lines.push(format!("error: {}", full_text(&error)));
            (None, lines)
        }
    }
}

/// A little of everything.
fn tree(root: &Path) {
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::create_dir_all(root.join("tmp")).unwrap();
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(root.join("usr/bin/program"), "#!").unwrap();
    fs::set_permissions(
        root.join("usr/bin/program"),
        fs::Permissions::from_mode(0o4755),
    )
    .unwrap();
    fs::hard_link(root.join("usr/bin/program"), root.join("usr/bin/second")).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    ch_linux::file::make_fifo_at(ch_linux::file::open_directory(root).unwrap(), "fifo", 0o600)
        .unwrap();
    fs::File::create(root.join("sparse"))
        .unwrap()
        .set_len(5 << 20)
        .unwrap();
}

fn tar(directory: &Path, archive: &Path, arguments: &[&str]) {
    let status = Command::new("tar")
        .arg("-C")
        .arg(directory)
        .arg("-cf")
        .arg(archive)
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn directory_becomes_an_image_of_one_layer() {
    let place = Place::new();
    let root = place.directory.path().join("root");
    tree(&root);
    let (found, lines) = imported(&place, Source::Path(root.clone()));
    let shown = [
        format!("importing:    {}", root.display()),
        "destination:  app".to_owned(),
        "done".to_owned(),
    ];
    assert_eq!(lines, shown);
    assert!(!found.unwrap().configured);
    let files = place.files("app", 0);
    let status = |name: &str| fs::symlink_metadata(files.join(name)).unwrap();
    assert_eq!(status("tmp").mode() & 0o7777, 0o1777);
    assert_eq!(
        status("usr/bin/program").mode() & 0o7777,
        0o755,
        "set-user-ID is never on disk"
    );
    assert_eq!(
        status("usr/bin/program").ino(),
        status("usr/bin/second").ino()
    );
    assert_eq!(
        fs::read_link(files.join("bin")).unwrap(),
        Path::new("usr/bin")
    );
    assert_eq!(
        (status("sparse").len(), status("sparse").blocks()),
        (5 << 20, 0)
    );
    let program = fs::File::open(files.join("usr/bin/program")).unwrap();
    let stat = xattr::get(&program, ch_ownership::OVERRIDE_STAT).unwrap();
    assert_eq!(stat, Some(b"0:0:04755:file".to_vec()));
    for name in ["usr", "usr/bin/program", "bin", "fifo"] {
        let original = fs::symlink_metadata(root.join(name)).unwrap();
        assert_eq!(status(name).mtime_nsec(), original.mtime_nsec(), "{name}");
    }
    let record = place
        .storage()
        .images()
        .get(&reference("app"))
        .unwrap()
        .unwrap();
    let config = ImageConfig::parse(&record.config).unwrap();
    assert_eq!(
        config.history[0].created_by.as_deref(),
        Some("ch-image import")
    );
    assert_eq!(config.architecture.as_deref(), Some("amd64"));
}

#[test]
fn identity_is_that_of_the_content() {
    let place = Place::new();
    let root = place.directory.path().join("root");
    tree(&root);
    let identity = || {
        imported(&place, Source::Path(root.clone()))
            .0
            .unwrap()
            .record
            .identity
    };
    let first = identity();
    assert_eq!(identity(), first);
    fs::write(root.join("new"), "").unwrap();
    assert_ne!(identity(), first);
}

#[test]
fn identity_tells_whether_a_top_directory_was_taken_out() {
    let place = Place::new();
    let root = place.directory.path().join("root");
    fs::create_dir_all(root.join("image/etc")).unwrap();
    // The archive that the import of the directory makes.
    let archive = place.directory.path().join("archive.tar");
    let output = fs::File::create(&archive).unwrap();
    ch_layer::pack_plain(ch_linux::file::open_directory(&root).unwrap(), output).unwrap();
    let record = |path: &Path| {
        let (found, lines) = imported(&place, Source::Path(path.to_owned()));
        found.unwrap_or_else(|| panic!("{lines:?}")).record
    };
    let whole = record(&root);
    assert!(place.files("app", 0).join("image/etc").is_dir());
    let stripped = record(&archive);
    assert!(place.files("app", 0).join("etc").is_dir());
    assert_ne!(stripped.identity, whole.identity);
    assert_eq!(record(&archive).identity, stripped.identity);
}

#[test]
fn archive_with_and_without_one_top_directory() {
    let place = Place::new();
    let root = place.directory.path().join("root");
    tree(&root);
    let archive = place.directory.path().join("archive.tar");
    // What is archived, and what is then at the root of the image.
    for (what, expected) in [
        (&["."][..], "bin"),
        (&["--transform", "s,^[.],image,", "."], "bin"),
        (&["--transform", "s,^[.],opt,", "."], "opt"),
        (&["usr"], "usr"),
        (&["-z", "."], "bin"),
        (&["--zstd", "."], "bin"),
    ] {
        tar(&root, &archive, what);
        let (found, lines) = imported(&place, Source::Path(archive.clone()));
        assert!(found.is_some(), "{what:?}: {lines:?}");
        let files = place.files("app", 0);
        assert!(
            fs::symlink_metadata(files.join(expected)).is_ok(),
            "{what:?}"
        );
        assert!(!files.join("image").exists(), "{what:?}");
        let record = place
            .storage()
            .images()
            .get(&reference("app"))
            .unwrap()
            .unwrap();
        let layer = place
            .storage()
            .layers()
            .get(&record.layers[0].id)
            .unwrap()
            .unwrap();
        let has_root = layer.meta.root.is_some();
        assert_eq!(
            has_root,
            fs::symlink_metadata(files.join("tmp")).is_ok(),
            "{what:?}"
        );
    }
    let stream = fs::File::open(&archive).unwrap();
    let (found, lines) = imported(&place, Source::Stream(Box::new(stream)));
    assert!(found.is_some());
    assert_eq!(lines[0], "importing:    -");
}

#[test]
fn owners_of_links_lose_the_top_directory_too() {
    let place = Place::new();
    let root = place.directory.path().join("image");
    fs::create_dir(&root).unwrap();
    symlink("x", root.join("link")).unwrap();
    let archive = place.directory.path().join("archive.tar");
    tar(
        place.directory.path(),
        &archive,
        &["--owner=7", "--group=8", "image"],
    );
    imported(&place, Source::Path(archive)).0.unwrap();
    let owners = fs::read_to_string(place.files("app", 0).join("../owners")).unwrap();
    assert_eq!(owners, "link\t7:8:0777:symlink\n");
}

#[test]
fn what_is_no_regular_file_is_not_our_configuration() {
    let place = Place::new();
    let root = place.directory.path().join("root");
    fs::create_dir_all(root.join("ch")).unwrap();
    fs::create_dir(root.join("usr")).unwrap();
    let ch = ch_linux::file::open_directory(&root.join("ch")).unwrap();
    for name in ["config.json", "owners"] {
        ch_linux::file::make_fifo_at(&ch, name, 0o644).unwrap();
    }
    symlink("/etc/passwd", root.join("ch/metadata.json")).unwrap();
    fs::write(root.join("ch/environment"), "A=1\n").unwrap();
    let archive = place.directory.path().join("a.tar");
    tar(&root, &archive, &["."]);
    let (found, lines) = imported(&place, Source::Path(archive));
    let found = found.unwrap_or_else(|| panic!("{lines:?}"));
    let config = ImageConfig::parse(&found.record.config).unwrap();
    assert_eq!(config.config.env.unwrap(), ["A=1"]);
    let left = fs::read_dir(place.files("app", 0).join("ch")).unwrap();
    let mut names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["config.json", "metadata.json", "owners"]);
}

#[test]
fn configuration_inside_is_used_and_left_out() {
    let place = Place::new();
    let root = place.directory.path().join("root");
    fs::create_dir_all(root.join("ch")).unwrap();
    let write = |name: &str, text: &str| fs::write(root.join("ch").join(name), text).unwrap();
    let config = || {
        let record = imported(&place, Source::Path(root.clone()))
            .0
            .unwrap()
            .record;
        assert!(!place.files("app", 0).join("ch").exists());
        ImageConfig::parse(&record.config).unwrap().config
    };
    write("environment", "A=1\nB=two words\n");
    assert_eq!(config().env.unwrap(), ["A=1", "B=two words"]);
    write(
        "metadata.json",
        r#"{"env":{"C":"3"},"cwd":"/w","shell":["/bin/bash","-c"],"labels":{"l":"m"},"volumes":["/v"]}"#,
    );
    let found = config();
    assert_eq!(
        (found.env.unwrap(), found.working_dir.as_deref()),
        (vec!["C=3".to_owned()], Some("/w"))
    );
    assert_eq!(found.shell.unwrap(), ["/bin/bash", "-c"]);
    write(
        "config.json",
        r#"{"architecture":"arm64","os":"linux","config":{"Env":["D=4"]}}"#,
    );
    assert_eq!(config().env.unwrap(), ["D=4"]);
    write("config.json", "{");
    let (found, lines) = imported(&place, Source::Path(root.clone()));
    assert!(found.is_none());
    assert!(
        lines
            .last()
            .unwrap()
            .contains("malformed ch/config.json in image"),
        "{lines:?}"
    );
}

#[test]
fn what_cannot_be_imported_is_named() {
    let place = Place::new();
    let path = |name: &str| place.directory.path().join(name);
    fs::write(path("text"), "no archive at all").unwrap();
    fs::write(path("squash"), "hsqs and so on").unwrap();
    fs::write(path("archive.xz"), b"\xfd7zXZ\0and so on").unwrap();
    fs::create_dir(path("layout")).unwrap();
    fs::write(path("layout/oci-layout"), "").unwrap();
    tar(&path("layout"), &path("oci.tar"), &["oci-layout"]);
    fs::write(path("manifest.json"), "[]").unwrap();
    tar(
        place.directory.path(),
        &path("docker.tar"),
        &["manifest.json"],
    );
    for (source, expected) in [
        (path("nothing"), "error: can't copy: not found: /"),
        (path("text"), "not a tar archive"),
        (
            path("squash"),
            "error: not yet supported: import of SquashFS files",
        ),
        (
            path("archive.xz"),
            "error: not yet supported: import of archives compressed with xz",
        ),
        (
            path("layout"),
            "error: not yet supported: import of OCI image layouts",
        ),
        (
            path("oci.tar"),
            "error: not yet supported: import of OCI archives",
        ),
        (
            path("docker.tar"),
            "error: not yet supported: import of Docker archives",
        ),
        (
            "oci:x".into(),
            "error: not yet supported: import of oci:...",
        ),
    ] {
        let (found, lines) = imported(&place, Source::Path(source));
        assert!(found.is_none());
        assert!(lines.last().unwrap().contains(expected), "{lines:?}");
    }
    assert_eq!(
        place.storage().images().get(&reference("app")).unwrap(),
        None
    );
}

#[test]
fn unreadable_directory_is_the_reason_not_the_broken_archive() {
    let place = Place::new();
    let root = place.directory.path().join("root");
    fs::create_dir_all(root.join("closed")).unwrap();
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let (found, lines) = imported(&place, Source::Path(root.clone()));
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(found.is_none());
    let said = lines.last().unwrap();
    assert!(
        said.contains("can't import directory") && said.contains("\"closed\""),
        "{said}"
    );
}
