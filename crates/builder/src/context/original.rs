//! Originals: what is believed of the files that are copied, and which attributes of theirs a copy gets.

use std::fs::File;
use std::path::Path;

use ch_linux::file::Status;
use ch_linux::{SyscallError, xattr};
use ch_ownership::{Override, is_kept, kind_on_disk};
use ch_rootfs::Beside;

use super::error::CopyError;
use super::scan::{Attribute, user_attributes};

/// Whose files are copied, and what is believed of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Originals<'a> {
    /// The host's. In the image they are root's, whoever has them there.
    Host,
    /// An image's, which stay what is believed of them.
    Image {
        /// What they can't carry.
        beside: &'a Beside<'a>,
        /// Else a copy has another owner than its original.
        keeps_owner: bool,
    },
}

/// Whose files they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The host's.
    Host,
    /// An image's.
    Image,
}

impl Originals<'_> {
    /// Whose they are.
    pub(crate) fn origin(self) -> Origin {
        match self {
            Self::Host => Origin::Host,
            Self::Image { .. } => Origin::Image,
        }
    }

    /// What is believed of the original at `path`, which is open if it is a file or a directory.
    pub(super) fn believed(
        self,
        object: Option<&File>,
        path: &Path,
        status: &Status,
    ) -> Result<Override, CopyError> {
        let Self::Image {
            beside,
            keeps_owner,
        } = self
        else {
            return Ok(plain(status));
        };
        let failed = |source| CopyError::Believed {
            path: path.to_owned(),
            source,
        };
        let is_carried = match object {
            Some(object) => ch_ownership::read(object).map_err(failed)?.is_some(),
            None => false,
        };
        let mut believed = match object.filter(|_| is_carried) {
            Some(object) => ch_ownership::believed(object, status).map_err(failed)?,
            None => {
                let beside = beside.at(path).map_err(CopyError::Owners)?;
                beside.unwrap_or_else(|| plain(status))
            }
        };
        if !keeps_owner {
            (believed.uid, believed.gid) = (0, 0);
        }
        Ok(believed)
    }
}

/// What root has, and nobody has changed.
fn plain(status: &Status) -> Override {
    Override {
        uid: 0,
        gid: 0,
        mode: status.mode,
        kind: kind_on_disk(status),
    }
}

impl Origin {
    /// The attributes that a copy of `object` gets.
    pub(super) fn attributes(self, object: &File) -> Result<Vec<Attribute>, SyscallError> {
        let mut attributes = user_attributes(object)?;
        if self == Self::Image {
            for name in xattr::names(object)? {
                if is_kept(&name)
                    && let Some(value) = xattr::get(object, &name)?
                {
                    attributes.push((name, value));
                }
            }
        }
        Ok(attributes)
    }
}
