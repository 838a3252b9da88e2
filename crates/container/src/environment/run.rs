//! What a `RUN` finds in its environment. In this order, later wins:
//!
//! 1. `PATH` and `HOME`, if nothing below has them;
//! 2. the image's `Env` and `ARG`s that are set, by time of definition;
//! 3. pass-through variables of the host that are not set yet.
//!
//! What concerns the process and never the image's config comes last: `/ch/bin` before `PATH`, and
//! `TAR_OPTIONS` where the root emulation forgets owners, and what `fakeroot(1)` must know: it forgives the kernel
//! `EPERM` of `chown(2)`, but not `EINVAL`, which is what a namespace with one user answers.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use ch_emulation::Mode;

use super::{set, set_all, value};
use crate::spec::{RunEnvironment, Variables};
use crate::users::Users;

/// The way to the network.
pub const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
];

/// The only variables of the host that reach a `RUN`. They are in no config and no cache key.
pub fn pass_through() -> impl Iterator<Item = &'static str> {
    PROXIES.into_iter().chain(["SSH_AUTH_SOCK", "USER"])
}

/// `PATH` where the image has none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Programs for builds only, found first if the image has the directory.
const BUILD_PROGRAMS: &str = "/ch/bin";

/// What the environment depends on in the image itself.
#[derive(Clone, Debug)]
pub(crate) struct ImageFacts {
    /// Home directory of the user.
    home: OsString,
    /// Whether [`BUILD_PROGRAMS`] exists.
    has_build_programs: bool,
    /// Whether a host's `SSH_AUTH_SOCK` leads to something.
    reaches_agent: fn(&OsStr) -> bool,
}

impl ImageFacts {
    /// Looks at the image, whose root must be this process' root.
    pub(crate) fn look(user: &str) -> Self {
        Self {
            home: Users::of_root().home(user),
            has_build_programs: Path::new(BUILD_PROGRAMS).is_dir(),
            reaches_agent: |socket| Path::new(socket).exists(),
        }
    }
}

/// The environment of a `RUN`.
pub(crate) fn of_run(from: &RunEnvironment, facts: &ImageFacts, mode: Mode) -> Variables {
    let mut variables = vec![
        ("PATH".into(), DEFAULT_PATH.into()),
        ("HOME".into(), facts.home.clone()),
    ];
    set_all(&mut variables, &from.image);
    for (name, content) in &from.host {
        let known = value(&variables, name).is_some();
        let useless = name == "SSH_AUTH_SOCK" && !(facts.reaches_agent)(content);
        if !known && !useless {
            variables.push((name.clone(), content.clone()));
        }
    }
    if facts.has_build_programs {
        let path = value(&variables, "PATH".as_ref())
            .cloned()
            .unwrap_or_default();
        let mut longer = OsString::from(BUILD_PROGRAMS);
        longer.push(":");
        longer.push(path);
        set(&mut variables, "PATH".into(), longer);
    }
    let forgetful = [("TAR_OPTIONS", "--no-same-owner")];
    let without_chown = [("FAKEROOTDONTTRYCHOWN", "1")];
    let for_tar = forgetful.iter().filter(|_| mode.forgets_owners());
    let for_fakeroot = without_chown.iter().filter(|_| mode == Mode::Fakeroot);
    for (name, content) in for_tar.chain(for_fakeroot) {
        if value(&variables, name.as_ref()).is_none() {
            variables.push((name.into(), content.into()));
        }
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> ImageFacts {
        ImageFacts {
            home: "/root".into(),
            has_build_programs: false,
            reaches_agent: |socket| socket == "/agent",
        }
    }

    fn variables(texts: &[(&str, &str)]) -> Variables {
        texts
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn the_image_wins_over_defaults_and_host() {
        let from = RunEnvironment {
            image: variables(&[
                ("A", "1"),
                ("PATH", "/x"),
                ("A", "2"),
                ("no_proxy", "image"),
            ]),
            host: variables(&[
                ("no_proxy", "host"),
                ("http_proxy", "p"),
                ("SSH_AUTH_SOCK", "/none"),
            ]),
        };
        let expected = variables(&[
            ("PATH", "/x"),
            ("HOME", "/root"),
            ("A", "2"),
            ("no_proxy", "image"),
            ("http_proxy", "p"),
            ("TAR_OPTIONS", "--no-same-owner"),
        ]);
        assert_eq!(of_run(&from, &facts(), Mode::Seccomp), expected);
    }

    #[test]
    fn what_the_process_alone_needs_is_added_last() {
        let from = RunEnvironment {
            image: variables(&[("TAR_OPTIONS", "-v")]),
            host: variables(&[("SSH_AUTH_SOCK", "/agent")]),
        };
        let facts = ImageFacts {
            has_build_programs: true,
            ..facts()
        };
        let expected = variables(&[
            ("PATH", &format!("/ch/bin:{DEFAULT_PATH}")),
            ("HOME", "/root"),
            ("TAR_OPTIONS", "-v"),
            ("SSH_AUTH_SOCK", "/agent"),
        ]);
        assert_eq!(of_run(&from, &facts, Mode::None), expected);
    }

    #[test]
    fn fakeroot_asks_the_kernel_for_no_owner() {
        let from = RunEnvironment::default();
        let names = |mode| {
            let made = of_run(&from, &facts(), mode).into_iter().skip(2);
            made.map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(
            names(Mode::Fakeroot),
            ["TAR_OPTIONS", "FAKEROOTDONTTRYCHOWN"]
        );
        assert_eq!(names(Mode::None), ["TAR_OPTIONS"]);
        assert!(names(Mode::Supervisor).is_empty());
    }
}
