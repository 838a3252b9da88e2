//! Pieces of a stream that go from thread to thread.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

/// Size of a chunk; the last one of a stream may be shorter.
pub(super) const CHUNK: usize = 256 * 1024;

/// Bytes in a buffer that will be used again.
#[derive(Debug)]
pub(super) struct Chunk {
    buffer: Box<[u8]>,
    length: usize,
}

impl Chunk {
    /// What is in it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.length == self.buffer.len()
    }

    /// Appends from `input` until it ends or the chunk is full.
    pub(super) fn fill(&mut self, input: &mut impl Read) -> io::Result<()> {
        while !self.is_full() {
            match input.read(&mut self.buffer[self.length..]) {
                Ok(0) => break,
                Ok(length) => self.length += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Buffers that are free.
pub(super) struct Pool {
    give: Sender<Box<[u8]>>,
    take: Receiver<Box<[u8]>>,
}

impl Pool {
    /// An empty pool; it keeps few buffers, whatever is given to it.
    pub(super) fn new() -> Self {
        let (give, take) = bounded(16);
        Self { give, take }
    }

    /// An empty chunk.
    pub(super) fn take(&self) -> Chunk {
        let buffer = self
            .take
            .try_recv()
            .unwrap_or_else(|_| vec![0; CHUNK].into());
        Chunk { buffer, length: 0 }
    }

    /// Takes a chunk back, if this is the last use of it.
    pub(super) fn give(&self, chunk: Arc<Chunk>) {
        if let Some(chunk) = Arc::into_inner(chunk) {
            // A full pool means that there are enough.
            let _ = self.give.try_send(chunk.buffer);
        }
    }
}

/// The receiving end of a channel as a reader.
pub(super) struct ChunkReader<'a> {
    input: Receiver<io::Result<Arc<Chunk>>>,
    current: Option<Arc<Chunk>>,
    read: usize,
    pool: &'a Pool,
}

impl<'a> ChunkReader<'a> {
    /// Reads what comes out of `input`.
    pub(super) fn new(input: Receiver<io::Result<Arc<Chunk>>>, pool: &'a Pool) -> Self {
        Self {
            input,
            current: None,
            read: 0,
            pool,
        }
    }

    /// The next chunk whole; nothing of the present one may have been consumed.
    pub(super) fn next_chunk(&mut self) -> io::Result<Option<Arc<Chunk>>> {
        match self.current.take() {
            Some(chunk) => Ok(Some(chunk)),
            None => self.input.recv().ok().transpose(),
        }
    }
}

impl Read for ChunkReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for ChunkReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self
            .current
            .as_ref()
            .is_some_and(|chunk| self.read == chunk.bytes().len())
        {
            self.pool
                .give(self.current.take().expect("it was just looked at"));
        }
        if self.current.is_none() {
            self.read = 0;
            // A closed channel is the end of the stream.
            self.current = self.input.recv().ok().transpose()?;
        }
        Ok(self
            .current
            .as_ref()
            .map_or(&[], |chunk| &chunk.bytes()[self.read..]))
    }

    fn consume(&mut self, bytes: usize) {
        self.read += bytes;
    }
}
