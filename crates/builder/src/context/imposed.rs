//! What a copy does not have from its original, because the author says so: owner and mode.

use ch_linux::file::{Kind, Status};
use ch_ownership::{Kind as BelievedKind, Override};

use super::mode::Mode;

/// Mode of a directory that is made for what goes into it.
const DIRECTORY_MODE: u32 = 0o755;

/// Numbers of a user and a group; root's by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ids {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Owner and mode of everything that is written; by default root's, with the modes of the originals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Imposed {
    pub(crate) owner: Ids,
    pub(crate) mode: Option<Mode>,
}

impl Imposed {
    /// What the image is to believe of a copy of an original of this status.
    pub(super) fn of(&self, original: &Status) -> Override {
        let kind = match original.kind {
            Kind::Directory => BelievedKind::Directory,
            Kind::Symlink => BelievedKind::Symlink,
            Kind::Fifo => BelievedKind::Pipe,
            Kind::Socket => BelievedKind::Socket,
            Kind::Character => BelievedKind::Character(original.device),
            Kind::Block => BelievedKind::Block(original.device),
            Kind::File | Kind::Unknown => BelievedKind::File,
        };
        let mode = match &self.mode {
            Some(mode) if kind != BelievedKind::Symlink => {
                mode.apply(original.mode, kind == BelievedKind::Directory)
            }
            _ => original.mode,
        };
        self.owned(mode, kind)
    }

    /// What the image is to believe of a directory that has no original.
    pub(crate) fn of_parent(&self) -> Override {
        let mode = self.mode.as_ref().and_then(Mode::absolute);
        self.owned(mode.unwrap_or(DIRECTORY_MODE), BelievedKind::Directory)
    }

    fn owned(&self, mode: u32, kind: BelievedKind) -> Override {
        let Ids { uid, gid } = self.owner;
        Override {
            uid,
            gid,
            mode,
            kind,
        }
    }
}
