//! The stream of a layer on its way to the archive reader.
//!
//! ```text
//! input --thread--> chunks --thread: decompress--> chunks ==> archive reader, on the caller's thread
//!                                                         ==> thread: SHA-256, the diff ID
//! ```
//!
//! Chunks are reused and channels are short: memory is bounded by [`CHUNK`](chunk::CHUNK) times the
//! lengths of the channels. A failure is the last thing in a channel. When the archive turns out to
//! be wrong the input is still read to its end, because an input that checks its own digest then knows
//! the better reason; when writing failed, it is not.

mod chunk;
mod compression;

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ch_oci::{Algorithm, Digest};
use crossbeam_channel::{Receiver, Sender, bounded};

use chunk::{Chunk, ChunkReader, Pool};
pub use compression::FormatError;

/// Chunks that wait in each channel.
const WAITING: usize = 4;

/// Why a stream did not come to its end.
pub(crate) enum StreamError<E> {
    /// The input failed: nothing else about it matters.
    Input(io::Error),
    /// It is in no form that we read.
    Format(FormatError),
    /// The reader gave up.
    Reader(E),
}

/// Whether a reader that failed wants the input to be read to its end all the same.
pub(crate) trait Blame {
    /// Whether the content of the stream is at fault.
    fn blames_content(&self) -> bool;
}

/// Decompresses `input` for `reader`, which must read all of it; gives what the reader made of it and
/// the digest of the uncompressed bytes.
pub(crate) fn process<T, E: Blame>(
    input: impl Read + Send,
    reader: impl FnOnce(&mut dyn BufRead) -> Result<T, E>,
) -> Result<(T, Digest), StreamError<E>> {
    let stop = &AtomicBool::new(false);
    let pool = &Pool::new();
    thread::scope(|scope| {
        let (compressed_in, compressed_out) = bounded(WAITING);
        let (plain_in, plain_out) = bounded(WAITING);
        let (digest_in, digest_out) = bounded(WAITING);
        // Should one of them not start, its ends of the channels are dropped, and the others end.
        let inflater = thread::Builder::new()
            .spawn_scoped(scope, move || {
                let source = ChunkReader::new(compressed_out, pool);
                compression::decompress(source, plain_in, digest_in, pool)
            })
            .map_err(StreamError::Input)?;
        let digester = thread::Builder::new()
            .spawn_scoped(scope, move || digest(&digest_out, pool))
            .map_err(StreamError::Input)?;
        let fetcher = thread::Builder::new()
            .spawn_scoped(scope, move || fetch(input, &compressed_in, pool, stop))
            .map_err(StreamError::Input)?;
        let mut plain = ChunkReader::new(plain_out, pool);
        let value = reader(&mut plain);
        if value.as_ref().is_err_and(|error| !error.blames_content()) {
            stop.store(true, Ordering::Relaxed);
        }
        drop(plain);
        let inflated = inflater.join().expect("decompression does not panic");
        let fetched = fetcher.join().expect("reading the input does not panic");
        let digest = digester.join().expect("a digest does not panic");
        fetched.map_err(StreamError::Input)?;
        inflated.map_err(StreamError::Format)?;
        value
            .map(|value| (value, digest))
            .map_err(StreamError::Reader)
    })
}

/// Reads `input` to its end, also when nobody listens any more, unless `stop` says so.
fn fetch(
    mut input: impl Read,
    output: &Sender<io::Result<Arc<Chunk>>>,
    pool: &Pool,
    stop: &AtomicBool,
) -> io::Result<()> {
    loop {
        let mut chunk = pool.take();
        match chunk.fill(&mut input) {
            Ok(()) if chunk.is_empty() => return Ok(()),
            Ok(()) => {}
            Err(error) => {
                // The receiver only needs to know that the end is not the end.
                let broken = io::Error::from(io::ErrorKind::UnexpectedEof);
                let _ = output.send(Err(broken));
                return Err(error);
            }
        }
        if output.send(Ok(Arc::new(chunk))).is_err() && stop.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
}

fn digest(input: &Receiver<Arc<Chunk>>, pool: &Pool) -> Digest {
    let mut hash = Algorithm::Sha256.hasher();
    for chunk in input {
        hash.update(chunk.bytes());
        pool.give(chunk);
    }
    hash.finish()
}
