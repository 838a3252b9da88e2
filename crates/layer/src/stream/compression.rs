//! What a stream is compressed with, by its first bytes, and the way back.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use crossbeam_channel::Sender;
use flate2::bufread::GzDecoder;

use super::chunk::{Chunk, ChunkReader, Pool};
use crate::tar;

/// Largest window of a zstd frame, as a power of two: 128 MiB.
const LARGEST_WINDOW: u32 = 27;

/// Why a stream cannot be decompressed.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Neither compressed in a known way nor an archive.
    #[error("not a tar archive, neither plain nor compressed with gzip or zstd")]
    Unknown,
    /// Compressed in a way that comes later.
    #[error("not yet supported: archives compressed with {0}")]
    NotYet(&'static str),
    /// The compressed data is wrong or ends too early.
    #[error("can't decompress {compression} data")]
    Corrupt {
        /// How it is compressed.
        compression: &'static str,
        /// What the decoder said.
        source: io::Error,
    },
    /// There is more, and it is no padding.
    #[error("bytes after the end of the gzip data")]
    Trailing,
}

enum Compression {
    None,
    Gzip,
    Zstd,
}

/// Both receivers of uncompressed chunks, and the chunk that is being filled for them.
struct Output<'a> {
    plain: Sender<io::Result<Arc<Chunk>>>,
    digest: Sender<Arc<Chunk>>,
    pool: &'a Pool,
    chunk: Chunk,
}

/// Whether anyone still wants what is decompressed.
#[derive(PartialEq, Eq)]
enum Interest {
    Some,
    None,
}

/// Decompresses `input` to its end, for the archive reader and for the digest.
pub(super) fn decompress(
    mut input: ChunkReader<'_>,
    plain: Sender<io::Result<Arc<Chunk>>>,
    digest: Sender<Arc<Chunk>>,
    pool: &Pool,
) -> Result<(), FormatError> {
    let mut output = Output {
        plain,
        digest,
        pool,
        chunk: pool.take(),
    };
    let result = recognise(&mut input).and_then(|compression| match compression {
        Compression::None => output.pass(&mut input),
        Compression::Gzip => output.gunzip(input),
        Compression::Zstd => output.unzstd(input),
    });
    if result.is_err() {
        // The reader must not take this for the end; why it failed is told by the result.
        let broken = io::Error::from(io::ErrorKind::InvalidData);
        let _ = output.plain.send(Err(broken));
    }
    result
}

fn recognise(input: &mut ChunkReader<'_>) -> Result<Compression, FormatError> {
    let start = input.fill_buf().map_err(corrupt("plain"))?;
    match start {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        // A zstd frame, or one that decoders skip.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(FormatError::NotYet("xz")),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Err(FormatError::NotYet("bzip2")),
        _ if tar::begins_archive(start) => Ok(Compression::None),
        _ => Err(FormatError::Unknown),
    }
}

fn corrupt(compression: &'static str) -> impl Fn(io::Error) -> FormatError {
    move |source| FormatError::Corrupt {
        compression,
        source,
    }
}

impl Output<'_> {
    /// Hands chunks on as they are.
    fn pass(&mut self, input: &mut ChunkReader<'_>) -> Result<(), FormatError> {
        while let Some(chunk) = input.next_chunk().map_err(corrupt("plain"))? {
            if self.send(chunk) == Interest::None {
                break;
            }
        }
        Ok(())
    }

    /// All members of a gzip stream; then only zeros may follow.
    fn gunzip(&mut self, mut input: ChunkReader<'_>) -> Result<(), FormatError> {
        loop {
            let mut member = GzDecoder::new(input);
            if self.pump(&mut member).map_err(corrupt("gzip"))? == Interest::None {
                return Ok(());
            }
            input = member.into_inner();
            let next = input.fill_buf().map_err(corrupt("gzip"))?.first().copied();
            match next {
                Some(0x1f) => {}
                Some(_) if !only_zeros(&mut input).map_err(corrupt("gzip"))? => {
                    return Err(FormatError::Trailing);
                }
                _ => break,
            }
        }
        self.flush();
        Ok(())
    }

    /// All frames of a zstd stream.
    fn unzstd(&mut self, input: ChunkReader<'_>) -> Result<(), FormatError> {
        let mut decoder =
            zstd::stream::read::Decoder::with_buffer(input).map_err(corrupt("zstd"))?;
        decoder
            .window_log_max(LARGEST_WINDOW)
            .map_err(corrupt("zstd"))?;
        if self.pump(&mut decoder).map_err(corrupt("zstd"))? == Interest::Some {
            self.flush();
        }
        Ok(())
    }

    /// Reads `decoder` to its end; what does not fill a chunk stays in it.
    fn pump(&mut self, decoder: &mut impl Read) -> io::Result<Interest> {
        loop {
            self.chunk.fill(decoder)?;
            if !self.chunk.is_full() {
                return Ok(Interest::Some);
            }
            if self.flush() == Interest::None {
                return Ok(Interest::None);
            }
        }
    }

    fn flush(&mut self) -> Interest {
        if self.chunk.is_empty() {
            return Interest::Some;
        }
        let full = std::mem::replace(&mut self.chunk, self.pool.take());
        self.send(Arc::new(full))
    }

    fn send(&self, chunk: Arc<Chunk>) -> Interest {
        let sent =
            self.digest.send(Arc::clone(&chunk)).is_ok() && self.plain.send(Ok(chunk)).is_ok();
        if sent { Interest::Some } else { Interest::None }
    }
}

fn only_zeros(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let rest = input.fill_buf()?;
        if rest.is_empty() {
            return Ok(true);
        }
        if rest.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        let length = rest.len();
        input.consume(length);
    }
}
