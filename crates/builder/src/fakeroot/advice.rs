//! What to say when a `RUN` fails without root emulation.

use std::os::fd::AsFd;
use std::path::Path;

use ch_linux::file::OFlags;
use ch_linux::in_root;

/// A family of distributions: a file by which it is known, and its commands that want to be root.
struct Family {
    marker: &'static str,
    commands: &'static [&'static str],
}

const FAMILIES: [Family; 5] = [
    Family {
        marker: "etc/debian_version",
        commands: &["apt", "apt-get", "dpkg"],
    },
    Family {
        marker: "etc/redhat-release",
        commands: &["dnf", "rpm", "yum"],
    },
    Family {
        marker: "etc/SUSE-brand",
        commands: &["zypper", "rpm"],
    },
    Family {
        marker: "etc/alpine-release",
        commands: &["apk"],
    },
    Family {
        marker: "etc/arch-release",
        commands: &["pacman"],
    },
];

/// Whether a failed command in this image is one that root emulation helps.
pub(crate) fn applies(root: impl AsFd, argv: &[String]) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut words = argv
        .iter()
        .flat_map(|argument| argument.split(|c| !is_word(c)));
    words.any(|word| {
        FAMILIES.iter().any(|family| {
            family.commands.contains(&word)
                && in_root::open(&root, Path::new(family.marker), OFlags::PATH).is_ok()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_commands_of_the_images_own_family_count() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/debian_version"), "12.1\n").unwrap();
        let directory = fs::File::open(root.path()).unwrap();
        let says = |text: &str| applies(&directory, &["/bin/sh".to_owned(), text.to_owned()]);
        assert!(says("apt-get update"));
        assert!(says("x&&/usr/bin/dpkg -i y"));
        assert!(!says("dnf install x"));
        assert!(!says("my-apt-getter"));
    }
}
