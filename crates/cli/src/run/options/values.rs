//! Values of options.

use std::ffi::OsStr;

use ch_emulation::Mode;

use super::{FAILED, failed};
use crate::failure::{Advice as _, Failure};

/// How much memory changes of an image may take, if it is not said.
pub(in crate::run) const USUAL_MEMORY: &str = "12%";

/// What `--feature` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::run) enum Feature {
    /// Extended groups in patterns of `--unset-env`.
    ExtendedGlobs,
    /// `--seccomp`.
    Seccomp,
    /// Images in SquashFS files.
    SquashFs,
    /// `--write-fake`.
    Overlay,
    /// Attributes in such an image.
    TmpfsAttributes,
    /// `--force=supervisor`.
    Supervisor,
    /// File systems in user space.
    Fuse,
    /// `--pid`.
    PidNamespace,
    /// Images of the storage directory.
    NameImages,
}

/// Features by name.
const FEATURES: [(&str, Feature); 9] = [
    ("extglob", Feature::ExtendedGlobs),
    ("seccomp", Feature::Seccomp),
    ("squash", Feature::SquashFs),
    ("overlayfs", Feature::Overlay),
    ("tmpfs-xattrs", Feature::TmpfsAttributes),
    ("supervisor", Feature::Supervisor),
    ("fuse", Feature::Fuse),
    ("pid-namespace", Feature::PidNamespace),
    ("name-images", Feature::NameImages),
];

/// What `--test` and `--warnings` want to be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::run) enum TestMessages {
    /// One of each kind.
    Kinds {
        /// The last is an error.
        fail: bool,
    },
    /// So many warnings.
    Warnings(u32),
}

pub(super) fn feature(name: &OsStr) -> Result<Feature, Failure> {
    let found = FEATURES.iter().find(|(known, _)| name == *known);
    found.map(|(_, feature)| *feature).ok_or_else(|| {
        let names: Vec<&str> = FEATURES.iter().map(|(name, _)| *name).collect();
        let failure = failed(format_args!("unknown feature: {}", name.display()));
        failure.with_hint(format_args!("there are {}", names.join(", ")))
    })
}

pub(super) fn test(name: &OsStr) -> Result<TestMessages, Failure> {
    match name.to_str() {
        Some("log") => Ok(TestMessages::Kinds { fail: false }),
        Some("log-fail") => Ok(TestMessages::Kinds { fail: true }),
        _ => Err(one_of("test", name, "log, log-fail")),
    }
}

pub(super) fn is_without_network(name: &OsStr) -> Result<bool, Failure> {
    match name.to_str() {
        Some("host") => Ok(false),
        Some("none") => Ok(true),
        _ => Err(one_of("network", name, "host, none")),
    }
}

fn one_of(option: &str, value: &OsStr, choice: &str) -> Failure {
    let value = value.display();
    failed(format_args!("--{option}: invalid argument: {value}"))
        .with_hint(format_args!("there are {choice}"))
}

/// A user of an image; images know of no names that are not UTF-8.
pub(super) fn user(name: &OsStr) -> Result<String, Failure> {
    match name.to_str() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(failed("--user: no user provided")),
    }
}

/// A size as tmpfs has it; the kernel says what makes no sense.
pub(super) fn memory(size: Option<&OsStr>) -> String {
    size.map_or_else(
        || USUAL_MEMORY.to_owned(),
        |size| size.to_string_lossy().into_owned(),
    )
}

/// A mode of root emulation; nothing is installed in images that are run.
pub(super) fn emulation(name: &OsStr) -> Result<Mode, Failure> {
    match name.to_string_lossy().parse() {
        Ok(Mode::Fakeroot) => {
            let later = Failure::not_yet("--force=fakeroot").with_status(FAILED);
            Err(later.with_hint("use --force=supervisor"))
        }
        Ok(mode) => Ok(mode),
        Err(error) => {
            let hint = error.advice().unwrap_or_default();
            Err(failed(error).with_hint(hint))
        }
    }
}

/// A user or group number, as `strtol` would read it.
pub(super) fn number(option: &str, text: &OsStr) -> Result<u32, Failure> {
    let text = text.to_string_lossy();
    let text = text.trim_start();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let complaint = |what| failed(format_args!("--{option}: {what}"));
    let end = digits
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(digits.len());
    if end == 0 {
        return Err(complaint("no digits found"));
    }
    if end < digits.len() {
        return Err(complaint("extra characters after digits"));
    }
    if text.starts_with('-') && digits.bytes().any(|digit| digit != b'0') {
        return Err(complaint("must be non-negative"));
    }
    // The highest number means "no change" to the kernel.
    match digits.parse() {
        Ok(u32::MAX) | Err(_) => Err(complaint("out of range")),
        Ok(number) => Ok(number),
    }
}
