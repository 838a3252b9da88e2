//! The value `UID:GID:0MODE:TYPE`.

use std::fmt;
use std::str::FromStr;

use ch_linux::file::Device;

/// The kind that an image believes an object to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// FIFO.
    Pipe,
    /// Socket.
    Socket,
    /// Block device; an empty file on disk.
    Block(Device),
    /// Character device; an empty file on disk.
    Character(Device),
}

/// Owner, group, mode and kind that an image believes an object to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Override {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The twelve permission bits.
    pub mode: u32,
    /// What it is.
    pub kind: Kind,
}

/// Why a text is no [`Override`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not of the form UID:GID:0MODE:TYPE: {text:?}")]
pub struct ParseOverrideError {
    text: String,
}

impl Override {
    /// The mode that such an object has on disk: open enough for its real owner, and without the bits
    /// that would give the owner's account away.
    pub fn disk_mode(&self) -> u32 {
        match self.kind {
            Kind::Directory => self.mode & 0o7777 & !0o4000 | 0o700,
            _ => self.mode & 0o1777 | 0o600,
        }
    }

    /// Whether an object on disk says all this by itself: it needs no override.
    pub fn is_plain(&self) -> bool {
        let device = matches!(self.kind, Kind::Block(_) | Kind::Character(_));
        self.uid == 0 && self.gid == 0 && !device && self.disk_mode() == self.mode
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            uid,
            gid,
            mode,
            kind,
        } = self;
        write!(f, "{uid}:{gid}:0{mode:o}:{kind}")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("file"),
            Self::Directory => f.write_str("dir"),
            Self::Symlink => f.write_str("symlink"),
            Self::Pipe => f.write_str("pipe"),
            Self::Socket => f.write_str("socket"),
            Self::Block(device) => write!(f, "block-{}-{}", device.major, device.minor),
            Self::Character(device) => write!(f, "char-{}-{}", device.major, device.minor),
        }
    }
}

impl FromStr for Override {
    type Err = ParseOverrideError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseOverrideError {
            text: text.to_owned(),
        })
    }
}

/// Other tools leave TYPE out for regular files and directories alike; it then reads as a file, and
/// whoever knows better from the disk corrects it.
fn parse(text: &str) -> Option<Override> {
    let mut fields = text.splitn(4, ':');
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let mode = u32::from_str_radix(fields.next()?, 8).ok()?;
    let kind = fields.next().map_or(Some(Kind::File), parse_kind)?;
    (mode <= 0o7777).then_some(Override {
        uid,
        gid,
        mode,
        kind,
    })
}

fn parse_kind(text: &str) -> Option<Kind> {
    Some(match text {
        "file" => Kind::File,
        "dir" => Kind::Directory,
        "symlink" => Kind::Symlink,
        "pipe" => Kind::Pipe,
        "socket" => Kind::Socket,
        _ => {
            let (name, numbers) = text.split_once('-')?;
            let (major, minor) = numbers.split_once('-')?;
            let device = Device {
                major: major.parse().ok()?,
                minor: minor.parse().ok()?,
            };
            match name {
                "block" => Kind::Block(device),
                "char" => Kind::Character(device),
                _ => return None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NULL: Kind = Kind::Character(Device { major: 1, minor: 3 });

    #[test]
    fn text_is_the_one_other_tools_read() {
        for (text, uid, gid, mode, kind) in [
            ("0:0:0755:dir", 0, 0, 0o755, Kind::Directory),
            ("1000:50:04755:file", 1000, 50, 0o4755, Kind::File),
            ("0:5:0666:char-1-3", 0, 5, 0o666, NULL),
            (
                "0:6:0660:block-8-0",
                0,
                6,
                0o660,
                Kind::Block(Device { major: 8, minor: 0 }),
            ),
            ("7:7:0777:symlink", 7, 7, 0o777, Kind::Symlink),
            ("0:0:00:pipe", 0, 0, 0, Kind::Pipe),
            (
                "4294967294:0:0644:socket",
                u32::MAX - 1,
                0,
                0o644,
                Kind::Socket,
            ),
        ] {
            let value = Override {
                uid,
                gid,
                mode,
                kind,
            };
            assert_eq!(value.to_string(), text);
            assert_eq!(text.parse(), Ok(value));
        }
        assert_eq!(
            "1:2:0644".parse(),
            Ok(Override {
                uid: 1,
                gid: 2,
                mode: 0o644,
                kind: Kind::File
            })
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "0",
            "0:0",
            "a:0:0644:file",
            "0:0:0999:file",
            "0:0:0644:door",
            "0:0:0644:char-1",
            "0:0:010000:file",
            "-1:0:0644:file",
            "0:0:0644:file:",
            "4294967296:0:0644:file",
        ] {
            assert!(text.parse::<Override>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn modes_on_disk_are_open_to_the_owner_and_give_nothing_away() {
        for (kind, mode, disk, plain) in [
            (Kind::File, 0o644, 0o644, true),
            (Kind::File, 0, 0o600, false),
            (Kind::File, 0o4755, 0o755, false),
            (Kind::File, 0o2755, 0o755, false),
            (Kind::Directory, 0o555, 0o755, false),
            (Kind::Directory, 0o2755, 0o2755, true),
            (Kind::Directory, 0o1777, 0o1777, true),
            (NULL, 0o666, 0o666, false),
        ] {
            let value = Override {
                uid: 0,
                gid: 0,
                mode,
                kind,
            };
            assert_eq!(value.disk_mode(), disk, "{value}");
            assert_eq!(value.is_plain(), plain, "{value}");
            assert!(!Override { uid: 1, ..value }.is_plain());
            assert!(!Override { gid: 1, ..value }.is_plain());
        }
    }

    proptest! {
        #[test]
        fn every_value_survives_its_text(uid: u32, gid: u32, mode in 0u32..0o10000, major: u32, minor: u32) {
            for kind in [Kind::File, Kind::Block(Device { major, minor })] {
                let value = Override { uid, gid, mode, kind };
                prop_assert_eq!(value.to_string().parse(), Ok(value));
            }
        }
    }
}
