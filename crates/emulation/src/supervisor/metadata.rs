//! What `stat(2)` and its relatives tell.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use ch_linux::Errno;
use ch_linux::behalf::{self, Statx};
use ch_ownership::{Kind, Override};

use super::caller::Caller;
use super::object::{carried, carried_at, carries_attributes, with_kind_of};
use super::path::Way;
use super::{DONE, Replied, Reply, Supervisor};
use crate::calls::{Pointer, StatBuffer, Target};

const NOFOLLOW: u32 = 0x100;
/// `AT_STATX_SYNC_TYPE` and `AT_NO_AUTOMOUNT`: what a caller of `statx(2)` may say beside.
const STATX_FLAGS: u32 = 0x6000 | 0x800;

impl Supervisor {
    pub(super) fn stat(
        &self,
        caller: &Caller<'_>,
        target: &Target,
        buffer: StatBuffer,
        to: Pointer,
    ) -> Replied {
        let Some((mut status, believed)) =
            self.overridden(caller, target, 0, behalf::BASIC_STATS)?
        else {
            return Ok(Reply::Continue);
        };
        apply(&mut status, &believed);
        caller.write(to, &encode(&status, buffer)?)?;
        DONE
    }

    pub(super) fn statx(
        &self,
        caller: &Caller<'_>,
        target: &Target,
        flags: u32,
        mask: u32,
        to: Pointer,
    ) -> Replied {
        let Some((mut status, believed)) =
            self.overridden(caller, target, flags & STATX_FLAGS, mask)?
        else {
            return Ok(Reply::Continue);
        };
        apply(&mut status, &believed);
        caller.write(to, status.bytes())?;
        DONE
    }

    /// The status of an object of which something else is believed than the kernel would say; of all others
    /// nothing, as fast as can be.
    fn overridden(
        &self,
        caller: &Caller<'_>,
        target: &Target,
        flags: u32,
        mask: u32,
    ) -> Result<Option<(Statx, Override)>, Errno> {
        // The kernel knows best why something is not there.
        match self.way(caller, target) {
            Ok(Way::Path(path, follow)) => {
                Ok(self.overridden_at(caller, None, &path, follow, flags, mask))
            }
            Ok(Way::Below(open, path, follow)) => {
                Ok(self.overridden_at(caller, Some(&open), &path, follow, flags, mask))
            }
            Ok(Way::Steps) => Ok(self.object(caller, target).ok().and_then(|object| {
                self.overridden_at(caller, None, &object.path(), true, flags, mask)
            })),
            Err(Errno::FAULT) => Err(Errno::FAULT),
            Err(_) => Ok(None),
        }
    }

    fn overridden_at(
        &self,
        caller: &Caller<'_>,
        directory: Option<&OwnedFd>,
        path: &CStr,
        follow: bool,
        flags: u32,
        mask: u32,
    ) -> Option<(Statx, Override)> {
        let flags = flags | if follow { 0 } else { NOFOLLOW };
        let mask = mask | behalf::BASIC_STATS;
        let ask = |mask| match directory {
            None => Statx::of_path(path, flags, mask),
            Some(directory) => Statx::at(directory, path, flags, mask),
        };
        let status = ask(mask).ok()?;
        let is_host = if mask & behalf::UNIQUE_MOUNT == 0 || self.host.is_nothing() {
            self.host.has(&status)
        } else {
            self.host.has(&ask(behalf::BASIC_STATS).ok()?)
        };
        if is_host {
            let told = self.host.told(&status);
            let as_it_is = (told.uid, told.gid) == status.owner();
            return (!as_it_is).then_some((status, told));
        }
        let may_carry = carries_attributes(&status) && !caller.known.is_plain(&status);
        let carried = may_carry.then(|| match directory {
            None => carried(path, follow),
            Some(directory) => carried_at(directory, path, follow),
        });
        let believed = match carried {
            Some(Ok(carried)) => with_kind_of(carried, &status),
            Some(Err(Errno::NODATA)) => {
                caller.known.note_plain(&status);
                self.beside(&status)
            }
            _ => self.beside(&status),
        };
        let (uid, gid) = status.owner();
        let as_it_is = (believed.uid, believed.gid) == (uid, gid)
            && believed.mode == status.mode() & 0o7777
            && !matches!(believed.kind, Kind::Character(_) | Kind::Block(_));
        (!as_it_is).then_some((status, believed))
    }
}

/// Has a status say what is believed.
fn apply(status: &mut Statx, believed: &Override) {
    let kind = match believed.kind {
        Kind::Character(_) => 0o020_000,
        Kind::Block(_) => 0o060_000,
        _ => status.mode() & 0o170_000,
    };
    let mode = u16::try_from(kind | believed.mode & 0o7777).unwrap_or(0);
    status.set(20, &believed.uid.to_ne_bytes());
    status.set(24, &believed.gid.to_ne_bytes());
    status.set(28, &mode.to_ne_bytes());
    if let Kind::Character(device) | Kind::Block(device) = believed.kind {
        status.set(128, &device.major.to_ne_bytes());
        status.set(132, &device.minor.to_ne_bytes());
    }
}

/// A structure under construction.
struct Bytes(Vec<u8>);

impl Bytes {
    fn put(&mut self, offset: usize, value: &[u8]) {
        self.0[offset..offset + value.len()].copy_from_slice(value);
    }

    fn word(&mut self, offset: usize, value: u32) {
        self.put(offset, &value.to_le_bytes());
    }

    fn long(&mut self, offset: usize, value: u64) {
        self.put(offset, &value.to_le_bytes());
    }

    fn half(&mut self, offset: usize, value: u16) {
        self.put(offset, &value.to_le_bytes());
    }
}

/// A device number as the kernel packs it (`new_encode_dev`).
fn packed(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | major << 8 | (minor & !0xff) << 12
}

/// What fits into 32 bits, else `EOVERFLOW`, as the kernel says.
fn fits(value: u64) -> Result<u32, Errno> {
    u32::try_from(value).map_err(|_| Errno::OVERFLOW)
}

/// Times of access, modification and change: seconds and nanoseconds.
fn times(status: &Statx) -> [(u64, u32); 3] {
    [64, 112, 96].map(|at| (status.long(at), status.word(at + 8)))
}

/// `struct stat` or `struct stat64` of a machine (`arch/*/include/uapi/asm/stat.h`).
fn encode(status: &Statx, buffer: StatBuffer) -> Result<Vec<u8>, Errno> {
    let device = packed(status.word(136), status.word(140));
    let (major, minor) = status.device();
    let special = packed(major, minor);
    let (inode, links) = (status.long(32), status.word(16));
    let (uid, gid) = status.owner();
    let (size, blocks, block) = (status.long(40), status.long(48), status.word(4));
    let zeroed = |length| Bytes(vec![0; length]);
    let bytes = match buffer {
        StatBuffer::X86_64 | StatBuffer::Aarch64 => {
            let x86 = buffer == StatBuffer::X86_64;
            let mut to = zeroed(if x86 { 144 } else { 128 });
            to.long(0, device.into());
            to.long(8, inode);
            if x86 {
                to.long(16, links.into());
                to.word(24, status.mode());
                to.word(28, uid);
                to.word(32, gid);
                to.long(40, special.into());
            } else {
                to.word(16, status.mode());
                to.word(20, links);
                to.word(24, uid);
                to.word(28, gid);
                to.long(32, special.into());
            }
            to.long(48, size);
            to.long(56, block.into());
            to.long(64, blocks);
            for (index, (seconds, nanoseconds)) in times(status).into_iter().enumerate() {
                to.long(72 + 16 * index, seconds);
                to.long(80 + 16 * index, nanoseconds.into());
            }
            to
        }
        StatBuffer::I386Long | StatBuffer::ArmLong => {
            // Arm aligns numbers of 64 bits, so all is a word further on from the size.
            let shift = if buffer == StatBuffer::ArmLong { 4 } else { 0 };
            let further = 2 * shift;
            let mut to = zeroed(96 + further);
            to.long(0, device.into());
            to.word(12, inode as u32);
            to.word(16, status.mode());
            to.word(20, links);
            to.word(24, uid);
            to.word(28, gid);
            to.long(32, special.into());
            to.long(44 + shift, size);
            to.word(52 + shift, block);
            to.long(56 + further, blocks);
            for (index, (seconds, nanoseconds)) in times(status).into_iter().enumerate() {
                to.word(64 + further + 8 * index, seconds as u32);
                to.word(68 + further + 8 * index, nanoseconds);
            }
            to.long(88 + further, inode);
            to
        }
        StatBuffer::Old => {
            let narrow = |id: u32| u16::try_from(id).unwrap_or(65_534);
            let mut to = zeroed(64);
            to.word(0, device);
            to.word(4, fits(inode)?);
            to.half(8, status.half(28));
            to.half(10, u16::try_from(links).map_err(|_| Errno::OVERFLOW)?);
            to.half(12, narrow(uid));
            to.half(14, narrow(gid));
            to.word(16, special);
            to.word(20, fits(size)?);
            to.word(24, block);
            to.word(28, fits(blocks)?);
            for (index, (seconds, nanoseconds)) in times(status).into_iter().enumerate() {
                to.word(32 + 8 * index, seconds as u32);
                to.word(36 + 8 * index, nanoseconds);
            }
            to
        }
    };
    Ok(bytes.0)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn status() -> (Statx, std::fs::Metadata) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "some content").expect("it can be written");
        let path = CString::new(file.path().to_str().expect("text")).expect("no NUL");
        let status = Statx::of_path(&path, 0, behalf::BASIC_STATS).expect("it is there");
        (status, file.path().metadata().expect("it is there"))
    }

    fn long(bytes: &[u8], offset: usize) -> u64 {
        u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
    }

    fn word(bytes: &[u8], offset: usize) -> u64 {
        u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes")).into()
    }

    #[test]
    fn structures_of_64_bits_say_what_the_kernel_says() {
        let (status, kernel) = status();
        let x86 = encode(&status, StatBuffer::X86_64).unwrap();
        let arm = encode(&status, StatBuffer::Aarch64).unwrap();
        assert_eq!((x86.len(), arm.len()), (144, 128));
        for bytes in [&x86, &arm] {
            assert_eq!(long(bytes, 0), kernel.dev());
            assert_eq!(long(bytes, 8), kernel.ino());
            assert_eq!(long(bytes, 48), kernel.size());
            assert_eq!(word(bytes, 56), kernel.blksize());
            assert_eq!(long(bytes, 64), kernel.blocks());
            assert_eq!(long(bytes, 88).cast_signed(), kernel.mtime());
            assert_eq!(long(bytes, 96).cast_signed(), kernel.mtime_nsec());
            assert_eq!(long(bytes, 104).cast_signed(), kernel.ctime());
        }
        assert_eq!(long(&x86, 16), kernel.nlink());
        assert_eq!(word(&x86, 24), kernel.mode().into());
        assert_eq!(word(&x86, 28), kernel.uid().into());
        assert_eq!(word(&arm, 16), kernel.mode().into());
        assert_eq!(word(&arm, 24), kernel.uid().into());
    }

    #[test]
    fn structures_of_32_bits_have_their_members_in_place() {
        let (mut status, kernel) = status();
        let (i386, arm) = (
            encode(&status, StatBuffer::I386Long).unwrap(),
            encode(&status, StatBuffer::ArmLong).unwrap(),
        );
        assert_eq!((i386.len(), arm.len()), (96, 104));
        for (bytes, size, blocks, inode) in [(&i386, 44, 56, 88), (&arm, 48, 64, 96)] {
            assert_eq!(word(bytes, 16), kernel.mode().into());
            assert_eq!(word(bytes, 24), kernel.uid().into());
            assert_eq!(long(bytes, size), kernel.size());
            assert_eq!(long(bytes, blocks), kernel.blocks());
            assert_eq!(long(bytes, inode), kernel.ino());
        }
        status.set(20, &100_000u32.to_ne_bytes());
        status.set(32, &7u64.to_ne_bytes());
        let old = encode(&status, StatBuffer::Old).unwrap();
        assert_eq!((old.len(), word(&old, 4)), (64, 7));
        assert_eq!(u16::from_le_bytes([old[12], old[13]]), 65_534);
        status.set(40, &(1u64 << 40).to_ne_bytes());
        assert_eq!(encode(&status, StatBuffer::Old), Err(Errno::OVERFLOW));
    }

    #[test]
    fn what_is_believed_is_what_is_told() {
        let (mut status, _) = status();
        let null = ch_linux::file::Device { major: 1, minor: 3 };
        let believed = Override {
            uid: 5,
            gid: 6,
            mode: 0o4755,
            kind: Kind::Character(null),
        };
        apply(&mut status, &believed);
        assert_eq!(status.owner(), (5, 6));
        assert_eq!(status.mode(), 0o024_755);
        assert_eq!(status.device(), (1, 3));
    }
}
