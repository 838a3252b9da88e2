//! From an archive to the blob that a registry has: compressed on all cores, with both digests, in one pass.
//!
//! The bytes depend on the archive, the compression and its level, never on the number of threads, the sizes of the
//! pieces that are written, or the processor. [`Compression::recipe`] names everything that they do depend on.

mod gzip;

use std::io::{self, Write};
use std::num::NonZero;

use ch_oci::{Digest, Hasher, media_type};
use zstd::zstd_safe::CParameter;

/// More threads than this are not used: each holds a few blocks, and memory is not to grow with the machine.
const MOST_THREADS: NonZero<usize> = NonZero::new(8).unwrap();
/// What a thread of zstd takes at a time, in bytes: small, so that a layer of tens of megabytes keeps several busy.
const ZSTD_JOB: u32 = 8 << 20;

/// How the archive of a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of a level from 0 to 9.
    Gzip(u32),
    /// zstd, of a level from 1 to 19.
    Zstd(i32),
}

/// Why something is no [`Compression`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCompression {
    /// Not a name that we know.
    #[error("unknown compression: {0:?}; there are gzip, zstd and uncompressed")]
    Name(String),
    /// What is not compressed has no levels.
    #[error("compression uncompressed has no levels")]
    NoLevels,
    /// A level beyond what there is.
    #[error("compression level {level} is not one of {name}'s, {first} to {last}")]
    Level {
        /// What it was wanted of.
        name: &'static str,
        /// What was wanted.
        level: i32,
        /// The least.
        first: i32,
        /// The most.
        last: i32,
    },
}

impl Default for Compression {
    /// What every registry and runtime reads.
    fn default() -> Self {
        Self::Gzip(6)
    }
}

impl Compression {
    /// The compression of that name, as `--compression` has it, with its usual or the given level.
    pub fn named(name: &str, level: Option<i32>) -> Result<Self, NoCompression> {
        let level_of = |name, usual: i32, first: i32, last: i32| match level.unwrap_or(usual) {
            level if (first..=last).contains(&level) => Ok(level),
            level => Err(NoCompression::Level {
                name,
                level,
                first,
                last,
            }),
        };
        match name {
            "gzip" => Ok(Self::Gzip(level_of("gzip", 6, 0, 9)?.unsigned_abs())),
            "zstd" => Ok(Self::Zstd(level_of("zstd", 3, 1, 19)?)),
            "uncompressed" if level.is_some() => Err(NoCompression::NoLevels),
            "uncompressed" => Ok(Self::None),
            _ => Err(NoCompression::Name(name.to_owned())),
        }
    }

    /// Everything that decides what the bytes are, but for the archive. It changes when an encoder does.
    pub fn recipe(self) -> String {
        match self {
            Self::None => "tar 1".to_owned(),
            Self::Gzip(level) => format!("tar 1, gzip zlib-rs 0.6 level {level}"),
            Self::Zstd(level) => format!("tar 1, zstd 1.5 level {level} job {ZSTD_JOB}"),
        }
    }

    /// What OCI calls a layer in this form.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::None => media_type::OCI_LAYER,
            Self::Gzip(_) => media_type::OCI_LAYER_GZIP,
            Self::Zstd(_) => media_type::OCI_LAYER_ZSTD,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compressed {
    /// Digest of the archive.
    pub diff_id: Digest,
    /// Digest of what was made of it.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Lets `fill` write an archive, and writes it to `output`, compressed by this process' share of the processors.
///
/// An error of `output` comes out of `fill`, if that returns the errors of its writer; so what it returns decides.
pub fn compress<T, E: From<io::Error>>(
    compression: Compression,
    output: impl Write + Send,
    fill: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<(T, Compressed), E> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    compress_on(threads.min(MOST_THREADS), compression, output, fill)
}

/// [`compress`] on so many threads.
pub(crate) fn compress_on<T, E: From<io::Error>>(
    threads: NonZero<usize>,
    compression: Compression,
    output: impl Write + Send,
    fill: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<(T, Compressed), E> {
    let mut output = Hashing::new(output);
    let (result, diff_id) = match compression {
        Compression::None => {
            let mut plain = Hashing::new(&mut output);
            (fill(&mut plain)?, plain.finish().0)
        }
        Compression::Gzip(level) => gzip::compress(threads, level, &mut output, |encoder| {
            let mut plain = Hashing::new(encoder);
            Ok::<_, E>((fill(&mut plain)?, plain.finish().0))
        })?,
        Compression::Zstd(level) => {
            let mut encoder = zstd::Encoder::new(&mut output, level)?;
            // With no worker the frame would be another one.
            encoder.multithread(u32::try_from(threads.get()).unwrap_or(u32::MAX))?;
            encoder.set_parameter(CParameter::JobSize(ZSTD_JOB))?;
            let mut plain = Hashing::new(&mut encoder);
            let filled = (fill(&mut plain)?, plain.finish().0);
            encoder.finish()?;
            filled
        }
    };
    output.inner.flush()?;
    let (digest, size) = output.finish();
    Ok((
        result,
        Compressed {
            diff_id,
            digest,
            size,
        },
    ))
}

/// Digests what passes through it.
struct Hashing<W> {
    inner: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: ch_oci::Algorithm::Sha256.hasher(),
            size: 0,
        }
    }

    fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.size)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..length]);
        self.size += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests;
