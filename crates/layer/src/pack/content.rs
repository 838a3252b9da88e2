//! What is in a file, in pieces.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use ch_linux::SyscallError;
use ch_linux::file::{self, Status};

use super::PackError;
use crate::tar::Writer;

/// Size of the pieces.
const PIECE: usize = 256 * 1024;

/// Copies files into an archive.
pub(super) struct Copier {
    piece: Vec<u8>,
}

impl Copier {
    pub(super) fn new() -> Self {
        Self {
            piece: vec![0; PIECE],
        }
    }

    /// Writes what is in `file`, which has this `status`. Holes are written as zeros, since not all readers know
    /// another way, but they are not read.
    pub(super) fn copy(
        &mut self,
        file: OwnedFd,
        status: &Status,
        path: &Path,
        writer: &mut Writer<impl Write>,
    ) -> Result<(), PackError> {
        let has_holes = status.blocks.saturating_mul(512) < status.size;
        let mut file = File::from(file);
        let mut at = 0;
        while at < status.size {
            let (mut start, mut end) = (0, status.size);
            if has_holes {
                let data = file::data_after(&file, at);
                let data = data.map_err(|source| PackError::read(path, source))?;
                let data = data.unwrap_or(status.size..status.size);
                (start, end) = (data.start.min(status.size), data.end.min(status.size));
                file.seek(SeekFrom::Start(start))
                    .map_err(|error| unreadable(path, "lseek", error))?;
            }
            self.zeros(start - at, writer)?;
            self.data(&mut file, end - start, path, writer)?;
            at = end;
        }
        Ok(())
    }

    fn zeros(&mut self, count: u64, writer: &mut Writer<impl Write>) -> Result<(), PackError> {
        if count > 0 {
            self.piece.fill(0);
        }
        let mut rest = count;
        while rest > 0 {
            let length = self.piece.len().min(rest.try_into().unwrap_or(usize::MAX));
            writer
                .content(&self.piece[..length])
                .map_err(PackError::Write)?;
            rest -= length as u64;
        }
        Ok(())
    }

    fn data(
        &mut self,
        file: &mut File,
        count: u64,
        path: &Path,
        writer: &mut Writer<impl Write>,
    ) -> Result<(), PackError> {
        let mut rest = count;
        while rest > 0 {
            let length = self.piece.len().min(rest.try_into().unwrap_or(usize::MAX));
            match file.read(&mut self.piece[..length]) {
                Ok(0) => {
                    return Err(PackError::Changed {
                        path: path.to_owned(),
                    });
                }
                Ok(length) => {
                    writer
                        .content(&self.piece[..length])
                        .map_err(PackError::Write)?;
                    rest -= length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(path, "read", error)),
            }
        }
        Ok(())
    }
}

fn unreadable(path: &Path, call: &'static str, error: io::Error) -> PackError {
    PackError::read(path, SyscallError::new(call, "", error))
}
