//! The note that mounts on this directory were tried, which is not repeated for every command.
//!
//! One line in `tmp/probed`: the boot and the mount of the trial. Under another kernel, or mounted in another
//! way, the directory may behave differently, and the note is as good as none. So it is one file that is
//! replaced, not one for each boot; losing it costs a trial.

use ch_linux::{SyscallError, boot, sync};

use crate::durability::UNMARKED;
use crate::opening::names;
use crate::{PublishError, Storage};

impl Storage {
    /// Whether [`Storage::note_probed`] was called since the machine was started and the directory mounted
    /// where it is now.
    pub fn is_probed(&self) -> Result<bool, PublishError> {
        let look = || {
            let Some(now) = self.surroundings()? else {
                return Ok(false);
            };
            let noted = self.inner().tmp.try_read(names::PROBED)?;
            Ok(noted.is_some_and(|noted| noted == now.as_bytes()))
        };
        look().map_err(PublishError::Draft)
    }

    /// Notes that mounts on this directory were seen to work.
    pub fn note_probed(&self) -> Result<(), PublishError> {
        let note = || {
            let Some(now) = self.surroundings()? else {
                return Ok(());
            };
            let (scratch, draft) = (self.scratch()?, boot::unique());
            let scratch = scratch.directory();
            scratch.write(&draft, UNMARKED, now.as_bytes())?;
            scratch.rename(&draft, &self.inner().tmp, names::PROBED)
        };
        note().map_err(PublishError::Draft)
    }

    /// What a trial holds for; nothing where the kernel does not tell.
    fn surroundings(&self) -> Result<Option<String>, SyscallError> {
        let inner = self.inner();
        let mount = sync::mount_id(&inner.root)?;
        Ok(mount.map(|mount| format!("{} {mount}\n", inner.origin.boot)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::tests::Place;

    #[test]
    fn trial_holds_for_one_boot_and_one_mount() {
        let place = Place::new();
        let storage = place.open();
        assert!(!storage.is_probed().unwrap());
        storage.note_probed().unwrap();
        assert!(storage.is_probed().unwrap());
        drop(storage);
        assert!(place.open().is_probed().unwrap(), "the sweep spares it");

        let storage = place.after_reboot();
        assert!(!storage.is_probed().unwrap(), "another kernel, perhaps");
        storage.note_probed().unwrap();
        assert!(storage.is_probed().unwrap());
        let path = place.path.join("tmp/probed");
        let note = fs::read_to_string(&path).unwrap();
        fs::write(&path, note.replace('\n', "0\n")).unwrap();
        assert!(!storage.is_probed().unwrap(), "mounted elsewhere");
        drop(storage);
        let names = ["leases", "lock", "locks", "probed", "trash"];
        assert_eq!(place.names("tmp"), names, "one file, however many boots");
    }
}
