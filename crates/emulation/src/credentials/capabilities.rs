//! Sets of capabilities, as bits in the order of `<linux/capability.h>`.

/// A capability by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    /// Change owners of files.
    Chown = 0,
    /// Pass over permissions of files.
    DacOverride = 1,
    /// Read and search whatever the permissions.
    DacReadSearch = 2,
    /// Do what only the owner of a file may.
    Fowner = 3,
    /// Keep set-user-ID and set-group-ID bits.
    Fsetid = 4,
    /// Become another group.
    Setgid = 6,
    /// Become another user.
    Setuid = 7,
    /// Change sets of capabilities.
    Setpcap = 8,
    /// Set append-only and immutable flags.
    LinuxImmutable = 9,
    /// `trusted.*` attributes, among much else.
    SysAdmin = 21,
    /// Make devices.
    Mknod = 27,
    /// Set capabilities of files.
    Setfcap = 31,
    /// Pass over mandatory access control.
    MacOverride = 32,
}

impl Capability {
    /// Its bit in a set.
    pub fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

/// Number of the last capability (`CAP_CHECKPOINT_RESTORE`, Linux 5.9).
pub(crate) const LAST: u64 = 40;

/// Every capability there is.
pub(crate) const EVERY: u64 = (1 << (LAST + 1)) - 1;

/// The five sets of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// In force.
    pub effective: u64,
    /// May be put in force.
    pub permitted: u64,
    /// Offered to programs whose files ask for them.
    pub inheritable: u64,
    /// The most that programs can get from their files.
    pub bounding: u64,
    /// Kept by programs whose files say nothing.
    pub ambient: u64,
}

impl Capabilities {
    /// Root's.
    pub const ALL: Self = Self {
        effective: EVERY,
        permitted: EVERY,
        inheritable: 0,
        bounding: EVERY,
        ambient: 0,
    };

    /// None at all.
    pub const NONE: Self = Self {
        effective: 0,
        permitted: 0,
        inheritable: 0,
        bounding: 0,
        ambient: 0,
    };

    /// Those that go with the user whose rights on files a thread has (`CAP_FS_SET`).
    pub(super) fn of_files() -> u64 {
        use Capability::{
            Chown, DacOverride, DacReadSearch, Fowner, Fsetid, LinuxImmutable, MacOverride, Mknod,
        };
        let all = [
            Chown,
            DacOverride,
            DacReadSearch,
            Fowner,
            Fsetid,
            LinuxImmutable,
            MacOverride,
            Mknod,
        ];
        all.into_iter().fold(0, |set, one| set | one.bit())
    }
}
