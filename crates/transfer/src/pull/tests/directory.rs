//! Pulls into a plain directory.

use std::path::{Path, PathBuf};

use super::*;
use crate::{ImportOptions, Source, import};

/// Pulls into `directory`; gives the lines as a user sees them, an error as the last.
fn lines_into(place: &Place, name: &str, directory: &Path, options: &PullOptions) -> Vec<String> {
    let (lines, storage) = (Lines::default(), place.storage());
    let name = reference(name);
    let result = pull_directory(&storage, &client(), &name, directory, options, &|event| {
        lines.add(event);
    });
    let mut lines = lines.take();
    if let Err(error) = result {
        lines.push(format!("error: {}", full_text(&error)));
    }
    lines
}

/// What is beside the directory `path`, hidden or not.
fn beside(path: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().path()).collect();
    names.retain(|name| name != path && !name.ends_with("storage"));
    names
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the run shows how many vectors there were"
)]
fn image_goes_into_a_directory_and_is_not_listed() {
    let registry = Registry::start();
    small().put(&registry, "debian:buster");
    let (place, options) = (Place::new(), options(&registry));
    let wanted = place.directory.path().join("buster");
    let said = lines_into(&place, "debian:buster", &wanted, &options);
    let second = format!("destination:      {}", wanted.display());
    assert_eq!(
        said[..3],
        [
            "pulling image:    debian:buster",
            &second,
            "requesting arch:  amd64"
        ],
        "V-cmd-52"
    );
    assert_eq!(said.last().unwrap(), "done", "V-cmd-52: {said:?}");
    let storage = place.storage();
    assert!(
        storage.images().list().unwrap().images.is_empty(),
        "V-cmd-52"
    );
    let blob = &small().layers[0].0.digest;
    assert!(storage.blobs().contains(blob).unwrap(), "blobs are kept");
    assert_eq!(fs::read_to_string(wanted.join("bin/sh")).unwrap(), "#!");
    assert_eq!(beside(&wanted), Vec::<PathBuf>::new());
    let again = lines_into(&place, "debian:buster", &wanted, &options);
    assert!(
        again.contains(&"pulled image: found in build cache".to_owned()),
        "{again:?}"
    );
    println!("commands.md 3.3: 1 vector (52)");
}

#[test]
fn directory_says_how_the_image_is_used() {
    let registry = Registry::start();
    let mut image = small();
    let variables = ["PATH=/bin", "A=1=2", "B=line\nline"];
    image.config.config.env = Some(variables.map(str::to_owned).to_vec());
    image.config.config.working_dir = Some("/work".to_owned());
    image.put(&registry, "app");
    let (place, options) = (Place::new(), options(&registry));
    let wanted = place.directory.path().join("app");
    let said = lines_into(&place, "app", &wanted, &options);
    let warning = "warning: ch/environment: B: value with a newline left out".to_owned();
    assert!(said.contains(&warning), "{said:?}");

    let read = |name: &str| fs::read_to_string(wanted.join(name)).unwrap();
    assert_eq!(read("ch/environment"), "PATH=/bin\nA=1=2\n");
    assert_eq!(read("ch/config.json").as_bytes(), image.config.to_bytes());
    let metadata: serde_json::Value = serde_json::from_str(&read("ch/metadata.json")).unwrap();
    assert_eq!(metadata["cwd"], "/work");
    assert_eq!(metadata["env"]["A"], "1=2");
    assert_eq!(metadata["arch"], "amd64");
    for name in ["dev", "proc", "sys", "mnt/9", "usr"] {
        assert!(wanted.join(name).is_dir(), "{name}");
    }
    for name in ["hosts", "resolv.conf", "passwd", "group"] {
        let found = fs::metadata(wanted.join("etc").join(name)).unwrap();
        assert_eq!(found.len(), 0, "{name}");
    }
    let tmp = fs::metadata(wanted.join("tmp")).unwrap();
    assert_eq!(tmp.mode() & 0o7777, 0o1777);
}

#[test]
fn only_what_is_empty_or_an_image_is_replaced() {
    let registry = Registry::start();
    small().put(&registry, "app");
    let (place, options) = (Place::new(), options(&registry));
    let at = |name: &str| place.directory.path().join(name);
    let foreign = at("foreign");
    fs::create_dir_all(foreign.join("bin")).unwrap();
    fs::write(foreign.join("a"), "mine").unwrap();
    fs::write(at("file"), "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
    for (name, expected) in [
        ("foreign", "exists but does not appear to be an image"),
        ("file", "exists but is not a directory"),
        ("link", "exists but is not a directory"),
    ] {
        let said = lines_into(&place, "app", &at(name), &options);
        let expected = format!("error: can't flatten: {} {expected}", at(name).display());
        assert_eq!(said, [expected], "{name}");
    }
    assert_eq!(fs::read_to_string(foreign.join("a")).unwrap(), "mine");
    let inside = at("storage/app");
    fs::create_dir(&inside).unwrap();
    let said = lines_into(&place, "app", &inside, &options);
    assert!(said[0].ends_with("is in the storage directory"), "{said:?}");
    let said = lines_into(&place, "app", Path::new("/"), &options);
    assert_eq!(said, ["error: can't flatten: / can't be replaced"]);

    fs::create_dir(at("empty")).unwrap();
    let old = at("old");
    for name in ["bin", "dev", "usr"] {
        fs::create_dir_all(old.join(name)).unwrap();
    }
    fs::write(old.join("bin/old"), "").unwrap();
    let mut closed = fs::metadata(&old).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut closed, 0o555);
    fs::set_permissions(&old, closed).unwrap();
    for name in ["empty", "old", "new"] {
        let said = lines_into(&place, "app", &at(name), &options);
        assert_eq!(said.last().unwrap(), "done", "{name}: {said:?}");
        assert!(at(name).join("bin/sh").exists(), "{name}");
    }
    assert!(!old.join("bin/old").exists());
}

#[test]
fn what_a_killed_process_left_is_swept() {
    let registry = Registry::start();
    small().put(&registry, "app");
    let (place, options) = (Place::new(), options(&registry));
    let at = |name: &str| place.directory.path().join(name);
    for name in [".app.ch-image.1", ".app.ch-image.2", ".other.ch-image.3"] {
        fs::create_dir_all(at(name).join("new/bin")).unwrap();
    }
    let held = ch_linux::tree::Directory::open(&at(".app.ch-image.2")).unwrap();
    assert!(ch_linux::lock::try_lock(&held, ch_linux::lock::Sharing::Exclusive).unwrap());
    let said = lines_into(&place, "app", &at("app"), &options);
    assert_eq!(said.last().unwrap(), "done", "{said:?}");
    let mut left = beside(&at("app"));
    left.sort();
    assert_eq!(left, [at(".app.ch-image.2"), at(".other.ch-image.3")]);
}

#[test]
fn import_of_the_directory_brings_configuration_back() {
    let registry = Registry::start();
    let mut image = small();
    image.config.config.env = Some(vec!["A=1".to_owned()]);
    image.put(&registry, "app");
    let (place, options) = (Place::new(), options(&registry));
    let wanted = place.directory.path().join("app");
    lines_into(&place, "app", &wanted, &options);
    let how = ImportOptions {
        platform: options.host.clone(),
        unpack: ch_layer::Options::default(),
    };
    let (storage, name) = (place.storage(), reference("back"));
    let source = Source::Path(wanted);
    let imported = import(&storage, source, &name, &how, &|_| {}).unwrap();
    assert!(imported.configured);
    let config = ImageConfig::parse(&imported.record.config).unwrap();
    assert_eq!(config.config.env, image.config.config.env);
    storage.commit().unwrap();
    let files = place.files("back", 0);
    assert!(!files.join("ch").exists());
    assert_eq!(fs::read_to_string(files.join("bin/sh")).unwrap(), "#!");
}

#[test]
fn owners_come_back_from_a_directory() {
    let registry = Registry::start();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, uid) in [
        ("bin/sh", tar::EntryType::Regular, 5),
        ("bin/link", tar::EntryType::Symlink, 6),
        ("bin/pipe", tar::EntryType::Fifo, 7),
        ("bin/null", tar::EntryType::Char, 8),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(uid);
        header.set_gid(1);
        header.set_size(0);
        if kind == tar::EntryType::Symlink {
            header.set_link_name("sh").unwrap();
        }
        if kind == tar::EntryType::Char {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        header.set_path(name).unwrap();
        header.set_cksum();
        builder.append(&header, &[][..]).unwrap();
    }
    Image::new(&[builder.into_inner().unwrap()]).put(&registry, "app");
    let (place, options) = (Place::new(), options(&registry));
    assert_eq!(lines(&place, "app", &options).last().unwrap(), "done");
    let wanted = place.directory.path().join("app");
    lines_into(&place, "app", &wanted, &options);
    let how = ImportOptions {
        platform: options.host.clone(),
        unpack: ch_layer::Options::default(),
    };
    let (storage, name) = (place.storage(), reference("back"));
    import(&storage, Source::Path(wanted), &name, &how, &|_| {}).unwrap();
    storage.commit().unwrap();
    let (first, second) = (place.files("app", 0), place.files("back", 0));
    assert!(!second.join("ch").exists());
    let kept = |files: &Path, name: &str| {
        let file = fs::File::open(files.join(name)).unwrap();
        ch_ownership::read(&file).unwrap().unwrap()
    };
    for name in ["bin/sh", "bin/null"] {
        assert_eq!(kept(&first, name), kept(&second, name), "{name}");
    }
    assert_eq!(kept(&second, "bin/sh").uid, 5);
    let owners = |files: &Path| {
        let text = fs::read(files.parent().unwrap().join("owners")).unwrap();
        ch_ownership::Owners::read(&text[..]).unwrap()
    };
    for name in ["bin/link", "bin/pipe"] {
        let name = name.as_bytes();
        let found = owners(&second).get(name).and_then(|owner| owner.believed);
        assert!(found.is_some());
        let before = owners(&first).get(name).and_then(|owner| owner.believed);
        assert_eq!(found, before);
    }
}
