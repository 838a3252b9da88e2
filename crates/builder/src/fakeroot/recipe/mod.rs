//! What each family of distributions needs before `fakeroot` can stand before its package manager.
//!
//! | Tag | Known by | Before the first use |
//! |---|---|---|
//! | `fedora` | name in `/etc/redhat-release` | `fakeroot` |
//! | `rhel7` to `rhel10` | number in `/etc/redhat-release` | EPEL, left disabled; `fakeroot` out of it |
//! | `debderiv` | `/etc/debian_version` | apt stays root while it downloads; `fakeroot` |
//! | `suse` | name in `/etc/os-release` | `fakeroot` |
//! | `arch` | `/etc/arch-release` | pacman stays root while it downloads; `fakeroot` |
//! | `alpine` | `/etc/alpine-release` | `fakeroot` |
//!
//! Tags, and names of those that it has, are Charliecloud 0.21's.

use std::path::Path;

/// What is done for one family.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// Its short name.
    pub(crate) tag: &'static str,
    /// Its name for people.
    pub(crate) name: &'static str,
    /// A file of the image by which the family is known.
    file: &'static str,
    /// What that file says; nothing if it is enough that it exists.
    says: &'static str,
    /// What must be done once, in order.
    pub(crate) init: &'static [InitStep],
    /// Commands that need it.
    words: &'static [&'static str],
    /// What is put before a command.
    pub(crate) each: &'static [&'static str],
}

/// Something to be done once; both are text for the image's `/bin/sh`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InitStep {
    /// Succeeds if it was done already. It changes nothing.
    pub(crate) check: &'static str,
    /// Does it.
    pub(crate) command: &'static str,
}

/// As much of a file as is looked at.
pub(crate) const LARGEST: u64 = 64 * 1024;

const HAS_FAKEROOT: &str = "command -v fakeroot > /dev/null";
const FAKEROOT: &[&str] = &["fakeroot"];
const RPM_WORDS: &[&str] = &["dnf", "rpm", "yum"];

/// A release of Red Hat Enterprise Linux or of what is built from it.
macro_rules! enterprise_linux {
    ($tag:literal, $release:literal, $manager:literal) => {
        Recipe {
            tag: $tag,
            name: concat!("CentOS/RHEL ", $release),
            file: "/etc/redhat-release",
            says: concat!("release ", $release),
            init: &[InitStep {
                check: HAS_FAKEROOT,
                command: concat!(
                    "set -ex; if ! grep -Eqs '^\\[epel\\]' /etc/yum.conf /etc/yum.repos.d/*; then ",
                    $manager,
                    " install -y epel-release || ",
                    $manager,
                    " install -y https://dl.fedoraproject.org/pub/epel/epel-release-latest-",
                    $release,
                    ".noarch.rpm; sed -Ei 's/^enabled *= *1/enabled=0/' /etc/yum.repos.d/epel*.repo; fi; ",
                    $manager,
                    " --enablerepo=epel install -y fakeroot"
                ),
            }],
            words: RPM_WORDS,
            each: FAKEROOT,
        }
    };
}

static RECIPES: [Recipe; 9] = [
    Recipe {
        tag: "fedora",
        name: "Fedora",
        file: "/etc/redhat-release",
        says: "Fedora",
        init: &[InitStep {
            check: HAS_FAKEROOT,
            command: "dnf install -y fakeroot",
        }],
        words: RPM_WORDS,
        each: FAKEROOT,
    },
    enterprise_linux!("rhel7", "7", "yum"),
    enterprise_linux!("rhel8", "8", "dnf"),
    enterprise_linux!("rhel9", "9", "dnf"),
    enterprise_linux!("rhel10", "10", "dnf"),
    Recipe {
        tag: "debderiv",
        name: "Debian, Ubuntu or a derivative",
        file: "/etc/debian_version",
        says: "",
        init: &[
            InitStep {
                check: "apt-config dump | grep -Fq 'APT::Sandbox::User \"root\"' || ! grep -q ^_apt: /etc/passwd",
                command: "echo 'APT::Sandbox::User \"root\";' > /etc/apt/apt.conf.d/no-sandbox",
            },
            InitStep {
                check: HAS_FAKEROOT,
                command: "apt-get update && apt-get install -y fakeroot",
            },
        ],
        words: &["apt", "apt-get", "dpkg"],
        each: FAKEROOT,
    },
    Recipe {
        tag: "suse",
        name: "SUSE",
        file: "/etc/os-release",
        says: "SUSE",
        init: &[InitStep {
            check: HAS_FAKEROOT,
            command: "zypper --non-interactive install fakeroot",
        }],
        words: &["zypper", "rpm"],
        each: FAKEROOT,
    },
    Recipe {
        tag: "arch",
        name: "Arch Linux",
        file: "/etc/arch-release",
        says: "",
        init: &[
            InitStep {
                check: "! grep -q '^DownloadUser' /etc/pacman.conf",
                command: "sed -i 's/^DownloadUser/#&/' /etc/pacman.conf",
            },
            InitStep {
                check: HAS_FAKEROOT,
                command: "pacman -Sy --noconfirm fakeroot",
            },
        ],
        words: &["pacman"],
        each: FAKEROOT,
    },
    Recipe {
        tag: "alpine",
        name: "Alpine Linux",
        file: "/etc/alpine-release",
        says: "",
        init: &[InitStep {
            check: HAS_FAKEROOT,
            command: "apk add --no-cache fakeroot",
        }],
        words: &["apk"],
        each: FAKEROOT,
    },
];

impl Recipe {
    /// The recipe for an image whose files `read` gives, if there is one.
    pub(crate) fn detect<E>(
        read: impl Fn(&Path) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Option<&'static Self>, E> {
        for recipe in &RECIPES {
            let found = read(Path::new(recipe.file))?;
            let is_said = |text: &[u8]| says(&String::from_utf8_lossy(text), recipe.says);
            if found.is_some_and(|text| is_said(&text)) {
                return Ok(Some(recipe));
            }
        }
        Ok(None)
    }

    /// Whether a command is one of those that need it.
    pub(crate) fn applies(&self, argv: &[String]) -> bool {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let mut words = argv
            .iter()
            .flat_map(|argument| argument.split(|c| !is_word(c)));
        words.any(|word| self.words.contains(&word))
    }

    /// The command that is executed instead of `argv`.
    pub(crate) fn prefixed(&self, argv: &[String]) -> Vec<String> {
        let prefix = self.each.iter().copied().map(str::to_owned);
        prefix.chain(argv.iter().cloned()).collect()
    }
}

/// Whether `text` has `words`, and not as the beginning of a longer number.
fn says(text: &str, words: &str) -> bool {
    let mut ends = text.match_indices(words).map(|(at, _)| at + words.len());
    ends.any(|end| {
        let number = words.ends_with(|c: char| c.is_ascii_digit());
        !number || !text[end..].starts_with(|c: char| c.is_ascii_digit())
    })
}

/// `words` as Charliecloud prints a list: each in quotes.
pub(crate) fn listed(words: &[String]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| in_quotes(word)).collect();
    format!("[{}]", quoted.join(", "))
}

/// `word` in single quotes, or in double ones if it has the former only.
fn in_quotes(word: &str) -> String {
    let quote = if word.contains('\'') && !word.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut text = String::from(quote);
    for c in word.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            c if c == quote || c == '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests;
