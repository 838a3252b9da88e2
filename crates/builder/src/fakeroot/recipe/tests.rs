//! Which image is of which family, and which commands count.

#![expect(
    clippy::print_stdout,
    reason = "how many rows were tried is part of the result"
)]

use std::convert::Infallible;
use std::process::{Command, Stdio};

use super::*;

/// The tag for an image with one file.
fn tag(file: &str, text: &str) -> Option<&'static str> {
    let read = |path: &Path| {
        let found = (path == Path::new(file)).then(|| text.as_bytes().to_vec());
        Ok::<_, Infallible>(found)
    };
    let Ok(recipe) = Recipe::detect(read);
    recipe.map(|recipe| recipe.tag)
}

#[test]
fn families_are_known_by_their_files() {
    let release = "/etc/redhat-release";
    let table = [
        (
            release,
            "CentOS Linux release 7.9.2009 (Core)\n",
            Some("rhel7"),
        ),
        (release, "CentOS Stream release 8\n", Some("rhel8")),
        (
            release,
            "AlmaLinux release 8.10 (Cerulean Leopard)\n",
            Some("rhel8"),
        ),
        (
            release,
            "Rocky Linux release 9.3 (Blue Onyx)\n",
            Some("rhel9"),
        ),
        (
            release,
            "Red Hat Enterprise Linux release 10.0 (Coughlan)\n",
            Some("rhel10"),
        ),
        (release, "Fedora release 40 (Forty)\n", Some("fedora")),
        (release, "Fedora release 7 (Moonshine)\n", Some("fedora")),
        (release, "CentOS release 6.10 (Final)\n", None),
        ("/etc/debian_version", "12.5\n", Some("debderiv")),
        ("/etc/debian_version", "trixie/sid\n", Some("debderiv")),
        (
            "/etc/os-release",
            "NAME=\"openSUSE Leap\"\nID=\"opensuse-leap\"\n",
            Some("suse"),
        ),
        (
            "/etc/os-release",
            "PRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP5\"\n",
            Some("suse"),
        ),
        ("/etc/os-release", "ID=void\n", None),
        ("/etc/arch-release", "", Some("arch")),
        ("/etc/alpine-release", "3.19.1\n", Some("alpine")),
        ("/etc/issue", "Debian release 8 SUSE Fedora\n", None),
    ];
    for (file, text, want) in &table {
        assert_eq!(tag(file, text), *want, "{file}: {text}");
    }
    println!("distributions: {} images", table.len());
}

#[test]
fn only_commands_of_the_images_own_family_count() {
    let recipe = |tag: &str| RECIPES.iter().find(|it| it.tag == tag).unwrap();
    let table = [
        ("debderiv", "apt-get update", true),
        ("debderiv", "true&&apt install x", true),
        ("debderiv", "/usr/bin/dpkg -i y", true),
        ("debderiv", "dnf install x", false),
        ("debderiv", "my-apt-getter", false),
        ("debderiv", "dpkg-query -l", false),
        ("rhel8", "x; yum -y install y", true),
        ("fedora", "rpm -i y", true),
        ("suse", "zypper in y", true),
        ("suse", "rpm -i y", true),
        ("suse", "apk add y", false),
        ("alpine", "apk add y", true),
        ("arch", "pacman -S y", true),
    ];
    for (tag, text, want) in table {
        let argv = ["/bin/sh", "-c", text].map(str::to_owned);
        assert_eq!(recipe(tag).applies(&argv), want, "{tag}: {text}");
    }
    let argv = ["dpkg", "-i", "y"].map(str::to_owned);
    let recipe = recipe("debderiv");
    assert!(recipe.applies(&argv));
    assert_eq!(recipe.prefixed(&argv), ["fakeroot", "dpkg", "-i", "y"]);
}

#[test]
fn each_text_is_a_script() {
    for recipe in &RECIPES {
        for step in recipe.init {
            for text in [step.check, step.command] {
                let mut shell = Command::new("sh");
                let checked = shell.args(["-n", "-c", text]).stdin(Stdio::null()).status();
                assert!(checked.unwrap().success(), "{}: {text}", recipe.tag);
            }
        }
    }
}

#[test]
fn commands_are_listed_as_charliecloud_lists_them() {
    let table: [(&[&str], &str); 4] = [
        (&["a", "b c"], "['a', 'b c']"),
        (&["it's"], "[\"it's\"]"),
        (&["it's \"x\""], r#"['it\'s "x"']"#),
        (&["a\n\tb\\\u{1}"], r"['a\n\tb\\\x01']"),
    ];
    for (words, want) in table {
        let words: Vec<_> = words.iter().copied().map(str::to_owned).collect();
        assert_eq!(listed(&words), want);
    }
}
