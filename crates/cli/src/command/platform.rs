//! `--arch`: for which machines images are.

use std::{env, fs};

use ch_oci::{ImageConfig, Platform, Wanted, amd64_level};
use ch_storage::ImageRecord;

use super::Context;
use crate::failure::{Failure, advised};
use crate::terminal::Terminal;

/// The platform of this machine.
pub(crate) fn host(terminal: &Terminal) -> Platform {
    // What the kernel says, not what this program was compiled for: 32-bit Arm has several kinds.
    let machine = fs::read_to_string("/proc/sys/kernel/arch");
    let machine = machine.map_or_else(|_| env::consts::ARCH.to_owned(), |it| it.trim().to_owned());
    let known = Platform::of_machine(&machine);
    if !known.known {
        terminal.warning(format_args!("unknown host architecture: {machine}"));
    }
    known.platform
}

/// What `text`, an operand of `--arch` or `--platform`, asks for; nothing asks for this machine's.
pub(crate) fn wanted(text: Option<&str>, terminal: &Terminal) -> Result<Wanted, Failure> {
    match text {
        None | Some("host") => Ok(Wanted::Host {
            platform: host(terminal),
            amd64_level: amd64_level(),
        }),
        Some("yolo") => Ok(Wanted::Yolo),
        Some(text) if text == "all" || text.contains(',') => {
            Err(Failure::not_yet(format_args!("several platforms: {text}")))
        }
        Some(text) if text.starts_with("linux/") => {
            Platform::parse(text).map(Wanted::Exact).map_err(advised)
        }
        Some(text) => Platform::parse_architecture(text)
            .map(Wanted::Exact)
            .map_err(advised),
    }
}

/// Fails if another platform is asked for than the one that the image is for.
pub(super) fn check(record: &ImageRecord, context: &Context) -> Result<(), Failure> {
    let text = context.arch();
    let Wanted::Exact(asked) = wanted(text.as_deref(), &context.terminal)? else {
        return Ok(());
    };
    let config = ImageConfig::parse(&record.config)?;
    match config.platform() {
        Some(there) if !there.is_same_as(&asked) => {
            let message = format!("requested arch unavailable: {}", text.unwrap_or_default());
            Err(Failure::new(message).with_hint(format_args!("available: {there}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Settings;

    #[test]
    fn operands_of_arch_and_platform_are_understood() {
        let terminal = Terminal::on_standard_error(&Settings::default());
        let exact = |text: &str| Some(Platform::parse(text).unwrap().to_string());
        let cases = [
            ("arm64", exact("linux/arm64")),
            ("linux/arm/v7", exact("linux/arm/v7")),
            ("aarch64", exact("linux/arm64/v8")),
            ("yolo", None),
            ("host", None),
        ];
        for (text, expected) in cases {
            let found = match wanted(Some(text), &terminal).unwrap() {
                Wanted::Exact(platform) => Some(platform.to_string()),
                _ => None,
            };
            assert_eq!(found, expected, "{text}");
        }
        for (text, message) in [
            ("", "invalid architecture: "),
            ("linux/", "invalid platform: linux/"),
            (
                "amd64,arm64",
                "not yet supported: several platforms: amd64,arm64",
            ),
        ] {
            let failure = wanted(Some(text), &terminal).unwrap_err();
            assert_eq!(failure.message(), message, "{text}");
        }
    }
}
