//! Sparse files: where the pieces of content that an archive holds belong in the file.

use super::ArchiveProblem;
use super::number;

/// As many pieces may one file have.
const MOST_PIECES: usize = 1 << 20;

/// Pieces of content in order; what is between and after them is holes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Map {
    pieces: Vec<Piece>,
}

/// One piece of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// How long it is.
    pub(super) length: u64,
}

impl Map {
    /// A file without holes.
    pub(super) fn whole(size: u64) -> Self {
        Self {
            pieces: vec![Piece {
                offset: 0,
                length: size,
            }],
        }
    }

    /// Adds a piece, which must begin at or after the end of the one before.
    pub(super) fn push(&mut self, offset: i128, length: i128) -> Result<(), ArchiveProblem> {
        let largest = i64::MAX as u64;
        let bounded = |value| {
            number::bounded("sparse", value, largest).map_err(|_| ArchiveProblem::SparseMap)
        };
        let piece = Piece {
            offset: bounded(offset)?,
            length: bounded(length)?,
        };
        let free = self
            .pieces
            .last()
            .map_or(0, |last| last.offset + last.length);
        if piece.offset < free || self.pieces.len() == MOST_PIECES {
            return Err(ArchiveProblem::SparseMap);
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// The map of offsets and lengths by turns.
    pub(super) fn from_numbers(numbers: &[i128]) -> Result<Self, ArchiveProblem> {
        let mut map = Self::default();
        let pairs = numbers.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err(ArchiveProblem::SparseMap);
        }
        for pair in pairs {
            map.push(pair[0], pair[1])?;
        }
        Ok(map)
    }

    /// Adds the pieces in a run of old GNU descriptors, 12 bytes each for offset and length; an
    /// empty descriptor ends it.
    pub(super) fn add_descriptors(&mut self, descriptors: &[u8]) -> Result<(), ArchiveProblem> {
        for descriptor in descriptors
            .chunks_exact(24)
            .take_while(|found| found[0] != 0)
        {
            let part =
                |bytes| number::field("sparse", bytes).map_err(|_| ArchiveProblem::SparseMap);
            self.push(part(&descriptor[..12])?, part(&descriptor[12..])?)?;
        }
        Ok(())
    }

    /// Checks that the pieces lie in a file of `size` bytes and are `stored` bytes together.
    pub(super) fn check(&self, size: u64, stored: u64) -> Result<(), ArchiveProblem> {
        let end = self
            .pieces
            .last()
            .map_or(0, |last| last.offset + last.length);
        let sum: u64 = self.pieces.iter().map(|piece| piece.length).sum();
        if end <= size && sum == stored {
            Ok(())
        } else {
            Err(ArchiveProblem::SparseMap)
        }
    }

    /// The pieces in order.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}
