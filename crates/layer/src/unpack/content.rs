//! Content of files: written where it belongs, holes left out, room watched.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use ch_linux::SyscallError;
use ch_linux::file;

/// Zeros in pieces of this size become holes.
const HOLE: usize = 4096;
static ZEROS: [u8; HOLE] = [0; HOLE];

/// Bytes and objects that may be written before room is looked at again.
const BYTES_UNWATCHED: u64 = 64 << 20;
const OBJECTS_UNWATCHED: u64 = 4096;

/// How much room must stay free on the file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeepFree {
    /// The greater of 1 GiB and 2% of the file system, but of a small one no more than 5%.
    #[default]
    Standard,
    /// So many bytes.
    Bytes(u64),
}

/// Less room than must stay free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) available: u64,
    pub(super) keep: u64,
}

/// Watches the room on the file system of a layer.
pub(super) struct Room<'a> {
    directory: BorrowedFd<'a>,
    rule: KeepFree,
    bytes: u64,
    objects: u64,
}

impl<'a> Room<'a> {
    /// Looks at the room only when something large has been written: little fits or fails by itself.
    pub(super) fn new(directory: BorrowedFd<'a>, rule: KeepFree) -> Self {
        Self {
            directory,
            rule,
            bytes: 0,
            objects: 0,
        }
    }

    /// Counts an object that is about to be made.
    pub(super) fn take_object(&mut self) -> Result<(), RoomError> {
        self.objects += 1;
        self.watch()
    }

    /// Counts bytes that were written, holes left out: the member's size says nothing of what it takes.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), RoomError> {
        self.bytes += bytes;
        self.watch()
    }

    fn watch(&mut self) -> Result<(), RoomError> {
        if self.bytes < BYTES_UNWATCHED && self.objects < OBJECTS_UNWATCHED {
            return Ok(());
        }
        (self.bytes, self.objects) = (0, 0);
        let space = file::space(self.directory).map_err(RoomError::Unknown)?;
        let keep = match self.rule {
            KeepFree::Standard => (space.total / 50).max(1 << 30).min(space.total / 20),
            KeepFree::Bytes(bytes) => bytes,
        };
        if space.available < keep {
            return Err(RoomError::Full(Full {
                available: space.available,
                keep,
            }));
        }
        Ok(())
    }
}

/// Why nothing more may be written.
#[derive(Debug)]
pub(super) enum RoomError {
    Full(Full),
    Unknown(SyscallError),
}

/// What was written of a piece of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Where the last of it ends; 0 if there is nothing.
    pub(super) end: u64,
    /// How many bytes.
    pub(super) bytes: u64,
}

/// Writes `bytes` at `place` of an empty file, leaving out blocks of zeros, and zeros where blocks are
/// only in part among `bytes`.
pub(super) fn write(file: &File, place: u64, bytes: &[u8]) -> io::Result<Written> {
    let mut written = Written::default();
    let mut put = |from: usize, to: usize| {
        if from == to {
            return Ok(());
        }
        written.end = place + to as u64;
        written.bytes += (to - from) as u64;
        file.write_all_at(&bytes[from..to], place + from as u64)
    };
    // Blocks are counted from the start of the file, as the file system does.
    let first = HOLE - (place % HOLE as u64) as usize;
    let (mut start, mut at) = (0, 0);
    let mut next = first.min(bytes.len());
    while at < bytes.len() {
        if is_zero(&bytes[at..next]) {
            put(start, at)?;
            start = next;
        }
        at = next;
        next = (next + HOLE).min(bytes.len());
    }
    put(start, bytes.len())?;
    Ok(written)
}

fn is_zero(bytes: &[u8]) -> bool {
    *bytes == ZEROS[..bytes.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn zeros_become_holes_and_read_back() {
        let mut bytes = vec![0; 10 * HOLE + 17];
        bytes[0] = 1;
        bytes[3 * HOLE - 1] = 2;
        bytes[7 * HOLE] = 3;
        for step in [100, 1000, HOLE, 3 * HOLE + 1, bytes.len()] {
            let mut file = tempfile::tempfile().unwrap();
            for (at, piece) in bytes.chunks(step).enumerate() {
                write(&file, (at * step) as u64, piece).unwrap();
            }
            file::set_size(&file, bytes.len() as u64).unwrap();
            let mut read = Vec::new();
            file.read_to_end(&mut read).unwrap();
            assert!(read == bytes, "pieces of {step}");
            assert_eq!(
                file::status(&file).unwrap().blocks,
                3 * 8,
                "pieces of {step}"
            );
        }
    }

    #[test]
    fn room_is_looked_at_now_and_then() {
        let directory = tempfile::tempdir().unwrap();
        let fd = file::open_directory(directory.path()).unwrap();
        use std::os::fd::AsFd;
        let mut room = Room::new(fd.as_fd(), KeepFree::Bytes(u64::MAX));
        assert!(room.take(BYTES_UNWATCHED - 1).is_ok());
        assert!(matches!(room.take(1), Err(RoomError::Full(_))));
        for _ in 1..OBJECTS_UNWATCHED {
            assert!(room.take_object().is_ok());
        }
        assert!(matches!(room.take_object(), Err(RoomError::Full(_))));
        assert!(matches!(
            room.take(BYTES_UNWATCHED),
            Err(RoomError::Full(_))
        ));
    }
}
