//! What a file holds, as one hash.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use ch_linux::SyscallError;
use ch_oci::{Algorithm, Digest};

use crate::context::contents::Holding;
use crate::context::original::Origin;
use crate::key::KeyHash;

/// As much of a file as is in memory at once.
pub(crate) const PIECE: usize = 128 * 1024;

/// Reads a file and those of its attributes that are copied if its original is of this origin.
pub(crate) fn holding(
    object: &File,
    origin: Origin,
    piece: &mut [u8],
) -> Result<Holding, SyscallError> {
    let mut holds = KeyHash::new("file 2");
    for (name, value) in origin.attributes(object)? {
        holds.field("xattr", name).field("value", value);
    }
    holds.field("content", content(object, piece)?.hex());
    Ok(holds.finish_bytes())
}

fn content(object: &File, piece: &mut [u8]) -> Result<Digest, SyscallError> {
    let mut hash = Algorithm::Sha256.hasher();
    let mut position = 0;
    loop {
        match object.read_at(piece, position) {
            Ok(0) => return Ok(hash.finish()),
            Ok(length) => {
                hash.update(&piece[..length]);
                position += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(SyscallError::new("pread64", format!("{position}"), error));
            }
        }
    }
}
