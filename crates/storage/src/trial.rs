//! What the file system of a storage directory can do, found out by doing it.

use std::os::fd::AsFd as _;
use std::time::Duration;

use ch_linux::file::{self, Space};
use ch_linux::tree::Directory;
use ch_linux::{SyscallError, mount, sync, xattr};

use crate::{PublishError, Storage};

/// The attribute that is tried.
const ATTRIBUTE: &[u8] = b"user.ch-image.trial";
/// Sizes of attributes that are tried, largest first: what the kernel allows at most, ext4's, and what we need.
const SIZES: [usize; 3] = [65_536, 3_072, 256];

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Type of the file system, such as `ext4`; nothing where the kernel does not tell.
    pub file_system: Option<String>,
    /// Its files are in memory only.
    pub in_memory: bool,
    /// Room on it.
    pub space: Space,
    /// The largest `user.*` attribute of those tried that a file can have; nothing if it can have none.
    pub attribute: Option<usize>,
    /// Files can share blocks.
    pub reflinks: bool,
    /// Files can have several names.
    pub hard_links: bool,
    /// An ordinary user can make the device 0/0, overlayfs' mark of a removal.
    pub whiteouts: bool,
    /// The smallest step of modification times that is kept.
    pub time_step: Duration,
}

impl Storage {
    /// Tries everything in a directory of its own, which is gone afterwards.
    pub fn try_out(&self) -> Result<Trial, PublishError> {
        let draft = self.draft()?;
        try_in(draft.directory()).map_err(PublishError::Draft)
    }
}

fn try_in(directory: &Directory) -> Result<Trial, SyscallError> {
    let original = directory.make_file("original", 0o600)?;
    let copy = directory.make_file("copy", 0o600)?;
    let number = sync::mount_id(directory)?;
    let mounts = mount::table().unwrap_or_default();
    let mounted = mounts
        .into_iter()
        .find(|listed| Some(listed.number) == number);
    Ok(Trial {
        file_system: mounted.map(|listed| listed.kind),
        in_memory: sync::describe(directory)?.in_memory,
        space: file::space(directory)?,
        attribute: SIZES
            .into_iter()
            .find(|size| xattr::set(&original, ATTRIBUTE, &vec![b'x'; *size]).is_ok()),
        reflinks: file::try_reflink(copy.as_fd(), original.as_fd()),
        hard_links: file::hard_link_at(directory, "original", directory, "link").is_ok(),
        whiteouts: file::make_whiteout_at(directory, "whiteout").is_ok(),
        time_step: time_step(directory)?,
    })
}

/// Sets a time with all digits, and looks which of them are kept.
fn time_step(directory: &Directory) -> Result<Duration, SyscallError> {
    const NANOSECONDS: u32 = 111_111_111;
    let file = directory.file("original")?;
    let time = file::Time {
        seconds: 1,
        nanoseconds: NANOSECONDS,
    };
    file::set_modified(&file, time)?;
    let kept = file::status(&file)?.modified.nanoseconds;
    let steps = [1, 100, 1_000, 1_000_000, 1_000_000_000_u32];
    let step = steps
        .into_iter()
        .find(|step| NANOSECONDS / step * step == kept);
    Ok(Duration::from_nanos(step.unwrap_or(1_000_000_000).into()))
}

#[cfg(test)]
mod tests {
    use crate::tests::Place;

    #[test]
    fn what_this_machine_can_do_is_found_and_nothing_is_left() {
        let place = Place::new();
        let storage = place.open();
        let before = place.names("tmp");
        let trial = storage.try_out().unwrap();
        assert!(trial.hard_links && trial.attribute.is_some(), "{trial:?}");
        assert!(trial.file_system.is_some(), "{trial:?}");
        assert!(trial.space.available <= trial.space.total, "{trial:?}");
        assert!(trial.time_step.as_millis() == 0, "{trial:?}");
        drop(storage);
        assert_eq!(place.names("tmp"), before);
    }
}
