//! Platforms: how machines call themselves, how registries call them, which image serves which.
//!
//! Names are kept as written; equality "by definition" (`arm64` is `arm64/v8`) is applied when choosing,
//! never by rewriting. `linux` is the only operating system.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Descriptor;

/// Operating system, instruction set and its variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Instruction set, in registry spelling.
    #[serde(default)]
    pub architecture: String,
    /// Operating system.
    #[serde(default)]
    pub os: String,
    /// Variant of the instruction set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Members not known here, as they were.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What `uname -m` tells of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its platform.
    pub platform: Platform,
    /// Whether its name was known; if not, it is passed to registries as it is, with a warning.
    pub known: bool,
}

/// Which image of several is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One that runs best on this machine.
    Host {
        /// Its platform.
        platform: Platform,
        /// Highest `amd64/vN` it can run, from [`amd64_level`].
        amd64_level: u8,
    },
    /// This one, or one equal by definition.
    Exact(Platform),
    /// Whatever there is.
    Yolo,
}

impl Platform {
    /// A platform of these parts.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            variant: variant.map(str::to_owned),
            rest: Map::new(),
        }
    }

    /// Reads the operand of `--arch`: `ARCH[/VARIANT]` in the spelling of registries or of `uname -m`.
    pub fn parse_architecture(text: &str) -> Result<Self, PlatformError> {
        let error = || PlatformError::Architecture {
            text: text.to_owned(),
        };
        let (architecture, variant) = match text.split_once('/') {
            Some((architecture, variant)) => (architecture, Some(variant)),
            None => (text, None),
        };
        let valid = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !valid(architecture) || !variant.is_none_or(valid) {
            return Err(error());
        }
        Ok(match (variant, registry_name(architecture)) {
            (None, Some((architecture, variant))) => Self::new("linux", architecture, variant),
            _ => Self::new("linux", architecture, variant),
        })
    }

    /// Reads the operand of `--platform`: `[linux/]ARCH[/VARIANT]`.
    pub fn parse(text: &str) -> Result<Self, PlatformError> {
        let architecture = text.strip_prefix("linux/").unwrap_or(text);
        let parsed = Self::parse_architecture(architecture).ok();
        let foreign_os = ["windows", "darwin", "freebsd", "linux"];
        parsed
            .filter(|platform| !foreign_os.contains(&platform.architecture.as_str()))
            .ok_or_else(|| PlatformError::Platform {
                text: text.to_owned(),
            })
    }

    /// Translates what `uname -m` says.
    pub fn of_machine(machine: &str) -> Machine {
        let (platform, known) = match registry_name(machine) {
            Some((architecture, variant)) => (Self::new("linux", architecture, variant), true),
            None => (Self::new("linux", machine, None), false),
        };
        Machine { platform, known }
    }

    /// Architecture and variant, as in `requesting arch:`.
    pub fn architecture_name(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}/{variant}", self.architecture),
            None => self.architecture.clone(),
        }
    }

    /// Whether both mean the same, although one may leave out what is implied.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.os == other.os
            && self.architecture == other.architecture
            && self.implied_variant() == other.implied_variant()
    }

    fn implied_variant(&self) -> Option<&str> {
        let variant = self
            .variant
            .as_deref()
            .filter(|variant| !variant.is_empty());
        variant.or(match self.architecture.as_str() {
            "arm64" => Some("v8"),
            "arm" => Some("v7"),
            "amd64" => Some("v1"),
            _ => None,
        })
    }

    /// The number in a variant like `v3`.
    fn level(&self) -> Option<u8> {
        self.implied_variant()?.strip_prefix('v')?.parse().ok()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture_name())
    }
}

impl Wanted {
    /// What `requesting arch:` shows.
    pub fn architecture_name(&self) -> String {
        match self {
            Self::Host { platform, .. } | Self::Exact(platform) => platform.architecture_name(),
            Self::Yolo => "yolo".to_owned(),
        }
    }

    /// How well `offered` serves: lower is better, `None` not at all.
    fn rank(&self, offered: &Platform) -> Option<u32> {
        const LOWER_VARIANT: u32 = 2;
        let wanted = match self {
            Self::Yolo => return Some(u32::from(offered.architecture != "amd64")),
            Self::Host { platform, .. } | Self::Exact(platform) => platform,
        };
        if wanted.is_same_as(offered) {
            return Some(u32::from(wanted.variant != offered.variant));
        }
        let Self::Host { amd64_level, .. } = self else {
            return None;
        };
        if wanted.os != offered.os || wanted.architecture != offered.architecture {
            return None;
        }
        let most = match wanted.architecture.as_str() {
            "amd64" => *amd64_level,
            "arm" => wanted.level()?,
            _ => return None,
        };
        most.checked_sub(offered.level()?)
            .map(|below| LOWER_VARIANT + u32::from(below))
    }
}

/// Chooses among the entries of an index.
pub(crate) fn select<'d>(
    entries: &'d [Descriptor],
    wanted: &Wanted,
) -> Result<&'d Descriptor, SelectError> {
    const NO_PLATFORM: u32 = u32::MAX;
    let images: Vec<_> = entries
        .iter()
        .filter(|entry| is_linux_image(entry))
        .collect();
    if images.is_empty() {
        return Err(SelectError::Nothing);
    }
    let rank = |entry: &Descriptor| match &entry.platform {
        Some(platform) => wanted.rank(platform),
        None => Some(NO_PLATFORM),
    };
    let ranked = images
        .iter()
        .filter_map(|entry| Some((rank(entry)?, *entry)));
    let best = ranked.min_by_key(|(rank, _)| *rank);
    best.map(|(_, entry)| entry).ok_or_else(|| {
        let platforms = images.iter().filter_map(|entry| entry.platform.as_ref());
        let mut available: Vec<_> = platforms.map(Platform::architecture_name).collect();
        available.sort_unstable();
        available.dedup();
        SelectError::Unavailable {
            wanted: wanted.architecture_name(),
            available,
        }
    })
}

fn is_linux_image(entry: &Descriptor) -> bool {
    let linux = entry
        .platform
        .as_ref()
        .is_none_or(|platform| platform.os == "linux");
    linux && entry.artifact_type.is_none()
}

/// Registry name and variant of what `uname -m` prints; `None` if not in the table.
fn registry_name(machine: &str) -> Option<(&'static str, Option<&'static str>)> {
    Some(match machine {
        "x86_64" => ("amd64", None),
        "aarch64" | "armv8l" => ("arm64", Some("v8")),
        "i386" | "i586" | "i686" => ("386", None),
        "armv5l" => ("arm", Some("v5")),
        "armv6l" => ("arm", Some("v6")),
        "armv7l" | "aarch32" => ("arm", Some("v7")),
        "ppc64le" => ("ppc64le", None),
        "s390x" => ("s390x", None),
        "riscv64" => ("riscv64", None),
        "mips64le" => ("mips64le", None),
        "mips64" if cfg!(target_endian = "little") => ("mips64le", None),
        "loongarch64" => ("loong64", None),
        _ => return None,
    })
}

/// The highest `amd64/vN` this processor can run; 0 on other machines.
#[cfg(target_arch = "x86_64")]
pub fn amd64_level() -> u8 {
    macro_rules! all {
        ($($feature:tt)*) => { $(std::is_x86_feature_detected!($feature))&&* };
    }
    let v2 = all!("cmpxchg16b" "popcnt" "sse3" "sse4.1" "sse4.2" "ssse3");
    let v3 = v2 && all!("avx" "avx2" "bmi1" "bmi2" "f16c" "fma" "lzcnt" "movbe");
    let v4 = v3 && all!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl");
    1 + u8::from(v2) + u8::from(v3) + u8::from(v4)
}

/// The highest `amd64/vN` this processor can run; 0 on other machines.
#[cfg(not(target_arch = "x86_64"))]
pub fn amd64_level() -> u8 {
    0
}

/// Why a text is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// Operand of `--arch`.
    #[error("invalid architecture: {}", crate::shown(text))]
    Architecture {
        /// What was given.
        text: String,
    },
    /// Operand of `--platform`.
    #[error("invalid platform: {}", crate::shown(text))]
    Platform {
        /// What was given.
        text: String,
    },
}

impl PlatformError {
    /// What would be right.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Architecture { .. } => {
                "host, yolo, or one of: 386 amd64 arm/v5 arm/v6 arm/v7 arm64/v8 loong64 mips64le ppc64le riscv64 s390x"
            }
            Self::Platform { .. } => "linux/ARCH[/VARIANT]",
        }
    }
}

/// Why no entry of an index was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// Only other operating systems, attestations and artifacts.
    #[error("no valid architectures found")]
    Nothing,
    /// Images, but none that serves.
    #[error("requested arch unavailable: {wanted}")]
    Unavailable {
        /// What was asked for.
        wanted: String,
        /// What there is, sorted.
        available: Vec<String>,
    },
}

impl SelectError {
    /// What there is instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Unavailable { available, .. } => {
                Some(format!("available: {}", available.join(" ")))
            }
        }
    }
}

#[cfg(test)]
mod tests;
