//! What a copy does not have from its original, because the author says so: owner and mode.

use ch_ownership::{Kind, Override};

use super::mode::Mode;

/// Mode of a directory that is made for what goes into it.
const DIRECTORY_MODE: u32 = 0o755;

/// Numbers of a user and a group; root's by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ids {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Owner and mode of everything that is written; by default those of the originals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Imposed {
    pub(crate) owner: Option<Ids>,
    pub(crate) mode: Option<Mode>,
}

impl Imposed {
    /// What the image is to believe of a copy, if that is believed of its original.
    pub(super) fn of(&self, original: &Override) -> Override {
        let Override {
            uid,
            gid,
            mode,
            kind,
        } = *original;
        let owner = self.owner.unwrap_or(Ids { uid, gid });
        let mode = match &self.mode {
            Some(changed) if kind != Kind::Symlink => changed.apply(mode, kind == Kind::Directory),
            _ => mode,
        };
        owner.of(mode, kind)
    }

    /// What the image is to believe of a directory that has no original.
    pub(crate) fn of_parent(&self) -> Override {
        let mode = self.mode.as_ref().and_then(Mode::absolute);
        let owner = self.owner.unwrap_or_default();
        owner.of(mode.unwrap_or(DIRECTORY_MODE), Kind::Directory)
    }
}

impl Ids {
    fn of(self, mode: u32, kind: Kind) -> Override {
        let Self { uid, gid } = self;
        Override {
            uid,
            gid,
            mode,
            kind,
        }
    }
}
