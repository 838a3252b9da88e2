//! Readers that digest what they read.

use std::io::{self, Read};

use ch_oci::{Digest, Hasher};

/// A reader that digests what passes through it, and notes whether it has failed.
pub(super) struct Checked<R> {
    inner: R,
    hasher: Hasher,
    failed: bool,
}

impl<R: Read> Checked<R> {
    /// With the algorithm of `like`.
    pub(super) fn new(inner: R, like: &Digest) -> Self {
        Self {
            inner,
            hasher: like.algorithm().hasher(),
            failed: false,
        }
    }

    /// Whether reading, and not what was done with the bytes, has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The digest of what was read.
    pub(super) fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        match &read {
            Ok(length) => self.hasher.update(&buffer[..*length]),
            Err(error) => self.failed = error.kind() != io::ErrorKind::Interrupted,
        }
        read
    }
}

/// The digest, of the same algorithm as `like`, of everything in `file`.
pub(crate) fn digest_of(file: impl io::Read, like: &Digest) -> io::Result<Digest> {
    let mut reader = Checked::new(file, like);
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.finish())
}
