#![expect(clippy::print_stdout, reason = "counts of vectors are read by people")]

use std::sync::Mutex;

use ch_oci::{Reference, RegistryDefaults};

use super::*;

fn reference(text: &str) -> RemoteReference {
    let reference = Reference::parse(text).expect("a valid reference");
    reference.remote(&RegistryDefaults::default())
}

/// Rules of these files, and what is told of them.
fn configured(files: &[&str]) -> (Mirrors, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let paths = files.iter().enumerate().map(|(index, text)| {
        let path = directory.path().join(index.to_string());
        std::fs::write(&path, text).expect("the directory is ours");
        path
    });
    let paths: Vec<_> = paths.collect();
    let told = Mutex::new(String::new());
    let mut mirrors = Mirrors::default();
    mirrors.configure(&paths, &|notice| {
        assert_eq!(notice.importance(), crate::Importance::Warning);
        told.lock().unwrap().push_str(&notice.to_string());
    });
    let told = told.into_inner().unwrap();
    let place = format!("{}/", directory.path().display());
    (mirrors, told.replace(&place, "FILE"))
}

/// All places of a reference, in order.
fn places(mirrors: &Mirrors, text: &str) -> String {
    let wanted = reference(text);
    let mirrors_of = mirrors.mirrors_of(&wanted);
    let places = mirrors_of.into_iter().chain([mirrors.registry_of(&wanted)]);
    let places: Vec<_> = places.map(|place| place.to_string()).collect();
    places.join(" ")
}

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Name, file, reference, places in order.
const TABLE: &[(&str, &str, &str, &str)] = &[
    ("nothing", "", "h.x/a:1", "h.x:443/a:1"),
    (
        "mirrors in order, the registry last",
        "[[registry]]\nlocation = 'h.x'\n[[registry.mirror]]\nlocation = 'm.x'\n[[registry.mirror]]\nlocation = 'n.x:5000/cache/'",
        "h.x/a/b:1",
        "m.x:443/a/b:1 n.x:5000/cache/a/b:1 h.x:443/a/b:1",
    ),
    (
        "Docker Hub",
        "[[registry]]\nprefix = 'docker.io'\n[[registry.mirror]]\nlocation = 'm.x/hub'",
        "debian",
        "m.x:443/hub/library/debian:latest registry-1.docker.io:443/library/debian:latest",
    ),
    (
        "Docker Hub by another name and port",
        "[[registry]]\nlocation = 'registry-1.docker.io:443'\n[[registry.mirror]]\nlocation = 'm.x'",
        "index.docker.io/a/b:1",
        "m.x:443/a/b:1 registry-1.docker.io:443/a/b:1",
    ),
    (
        "longest prefix",
        "[[registry]]\nprefix = 'h.x/org/a'\nlocation='h.x/org/a'\n[[registry.mirror]]\nlocation = 'a.x'\n[[registry]]\nprefix = 'h.x/org'\nlocation = 'h.x/org'\n[[registry.mirror]]\nlocation = 'o.x'",
        "h.x/org/a/b:1",
        "a.x:443/b:1 h.x:443/org/a/b:1",
    ),
    (
        "prefix ends with a component",
        "[[registry]]\nprefix = 'h.x/org'\nlocation='h.x/org'\n[[registry.mirror]]\nlocation = 'm.x'",
        "h.x/organ:1",
        "h.x:443/organ:1",
    ),
    (
        "another port is another registry",
        "[[registry]]\nlocation='h.x'\n[[registry.mirror]]\nlocation = 'm.x'",
        "h.x:5000/a:1",
        "h.x:5000/a:1",
    ),
    (
        "one repository",
        "[[registry]]\nlocation='h.x/a'\n[[registry.mirror]]\nlocation = 'm.x/b'",
        "h.x/a:1",
        "m.x:443/b:1 h.x:443/a:1",
    ),
    (
        "one tag",
        "[[registry]]\nprefix='h.x/a:1'\nlocation='h.x/a'\n[[registry.mirror]]\nlocation = 'm.x/b'",
        "h.x/a:1",
        "m.x:443/b:1 h.x:443/a:1",
    ),
    (
        "location",
        "[[registry]]\nprefix='h.x/a'\nlocation='l.x:1/b'",
        "h.x/a/c:1",
        "l.x:1/b/c:1",
    ),
    (
        "domain",
        "[[registry]]\nprefix='*.h.x'\n[[registry.mirror]]\nlocation = 'm.x'",
        "a.b.h.x/c:1",
        "m.x:443/c:1 a.b.h.x:443/c:1",
    ),
    (
        "domain itself",
        "[[registry]]\nprefix='*.h.x'\n[[registry.mirror]]\nlocation = 'm.x'",
        "h.x/c:1",
        "h.x:443/c:1",
    ),
    (
        "domain in another",
        "[[registry]]\nprefix='*.h.x'\n[[registry.mirror]]\nlocation = 'm.x'",
        "a.h.x.evil/c:1",
        "a.h.x.evil:443/c:1",
    ),
    (
        "tags only",
        "[[registry]]\nlocation='h.x'\n[[registry.mirror]]\nlocation = 'd.x'\npull-from-mirror='digest-only'\n[[registry.mirror]]\nlocation = 't.x'\npull-from-mirror='tag-only'\n[[registry.mirror]]\nlocation='a.x'\npull-from-mirror='all'",
        "h.x/a:1",
        "t.x:443/a:1 a.x:443/a:1 h.x:443/a:1",
    ),
    (
        "digests only",
        "[[registry]]\nlocation='h.x'\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation = 'd.x'",
        "h.x/a:1",
        "h.x:443/a:1",
    ),
];

#[test]
fn places_are_those_of_the_longest_prefix() {
    for (name, file, wanted, expected) in TABLE {
        let (mirrors, told) = configured(&[file]);
        assert_eq!(told, "", "{name}");
        assert_eq!(places(&mirrors, wanted), *expected, "{name}");
    }
    let (mirrors, _) = configured(&[TABLE[14].1]);
    let wanted = format!("h.x/a@{DIGEST}");
    let expected = format!("d.x:443/a@{DIGEST} h.x:443/a@{DIGEST}");
    assert_eq!(places(&mirrors, &wanted), expected);
    println!("commands.md §4.6: {} rows", TABLE.len() + 1);
}

#[test]
fn mirrors_that_a_user_names_come_before_those_of_files() {
    let file = "[[registry]]\nlocation='h.x'\n[[registry.mirror]]\nlocation = 'm.x'";
    let (mut mirrors, _) = configured(&[file]);
    for text in ["h.x=one", "h.x=two:5000/path", "other.x=three"] {
        mirrors.add(text).unwrap();
    }
    let expected = "one:443/a:1 two:5000/path/a:1 m.x:443/a:1 h.x:443/a:1";
    assert_eq!(places(&mirrors, "h.x/a:1"), expected);
    for text in [
        "",
        "h.x",
        "=m.x",
        "h.x=",
        "h.x=http://m.x",
        "h.x=m.x/\u{1b}",
    ] {
        let error = mirrors.add(text).unwrap_err();
        let shown = text.replace('\u{1b}', "\\x1b");
        assert_eq!(
            error.to_string(),
            format!("not HOST=MIRROR[/PATH]: {shown}")
        );
    }
}

#[test]
fn later_files_replace_rules_of_earlier_ones() {
    let rule = |mirror: &str| {
        format!("[[registry]]\nlocation='h.x'\n[[registry.mirror]]\nlocation='{mirror}'")
    };
    let (mirrors, _) = configured(&[&rule("m.x"), &rule("n.x")]);
    assert_eq!(places(&mirrors, "h.x/a:1"), "n.x:443/a:1 h.x:443/a:1");
}

#[test]
fn files_that_are_not_understood_are_told_and_not_used() {
    let good = "[[registry]]\nlocation='h.x'\n[[registry.mirror]]\nlocation='m.x'";
    for (text, expected) in [
        ("a =\n[[", "can't parse FILE1:1: "),
        ("[[registry]]\nblocked = 'x'", "can't parse FILE1:2: "),
        (
            "[registries.search]\nregistries = ['h.x']",
            "can't use FILE1: version 1 of its format",
        ),
        (
            "[[registry]]\nlocation = 'http://h.x'",
            "can't use FILE1: not a registry: http://h.x",
        ),
        (
            "[[registry]]\nblocked = true",
            "can't use FILE1: not a registry: ",
        ),
    ] {
        let (mirrors, told) = configured(&[good, text]);
        assert!(told.starts_with(expected), "{told}");
        assert_eq!(places(&mirrors, "h.x/a:1"), "m.x:443/a:1 h.x:443/a:1");
    }
    let names = "unqualified-search-registries = ['h.x']\nshort-name-mode = 'enforcing'\n[aliases]\na = 'h.x/a'";
    let (mirrors, told) = configured(&[names]);
    assert_eq!(
        (told.as_str(), places(&mirrors, "a").as_str()),
        ("", "registry-1.docker.io:443/library/a:latest")
    );
}

#[test]
fn insecure_and_blocked_hold_for_what_they_are_said_of() {
    let file = "[[registry]]\nlocation='h.x'\n[[registry.mirror]]\nlocation='m.x:5000/a'\ninsecure=true\n\
                [[registry]]\nprefix='i.x:5000'\nlocation='l.x'\ninsecure=true\n\
                [[registry]]\nprefix='*.j.x'\ninsecure=true\n\
                [[registry]]\nlocation='b.x/secret'\nblocked=true\n\
                [[registry]]\nlocation='docker.io'\nblocked=true";
    let (mirrors, told) = configured(&[file]);
    assert_eq!(told, "");
    for (host, port, insecure) in [
        ("h.x", 443, false),
        ("m.x", 5000, true),
        ("m.x", 443, false),
        ("i.x", 5000, false),
        ("l.x", 443, true),
        ("a.j.x", 443, true),
        ("j.x", 443, false),
    ] {
        assert_eq!(
            mirrors.are_insecure_at(host, port),
            insecure,
            "{host}:{port}"
        );
    }
    for (text, blocked) in [
        ("b.x/secret/a", true),
        ("b.x/secrets", false),
        ("debian", true),
        ("h.x/a", false),
    ] {
        assert_eq!(
            mirrors.blocked(&reference(text)).is_some(),
            blocked,
            "{text}"
        );
    }
}
