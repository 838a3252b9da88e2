//! One gzip member (RFC 1952) made by several threads.
//!
//! The input is cut into blocks of 1 MiB. Each is deflated by itself, with the 32 KiB before it as dictionary, and
//! ends on a byte by an empty stored block (a sync flush), so that the pieces can be put one after the other. That is
//! how pigz does it; one member, because some readers stop after the first.

use std::io::{self, Write};
use std::num::NonZero;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use flate2::{Compress, Crc, FlushCompress, Status};

/// Input that is deflated at a time. Part of what the bytes depend on, as is [`WINDOW`].
const BLOCK: usize = 1 << 20;
/// As far back as a match can lie.
const WINDOW: usize = 32 << 10;
/// Deflate, no name, no time, no flags, of no particular system: as `gzip -n` and pigz write it.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0];

/// A block on its way to be deflated.
struct Block {
    input: Vec<u8>,
    /// What came before it, as far as the window goes.
    before: Vec<u8>,
    is_last: bool,
    done: Sender<Deflated>,
}

/// A block on its way out.
struct Deflated {
    bytes: Vec<u8>,
    checksum: Crc,
}

/// Lets `fill` write, and writes what comes of it to `output`.
pub(super) fn compress<T, E: From<io::Error>>(
    threads: NonZero<usize>,
    level: u32,
    output: impl Write + Send,
    fill: impl FnOnce(&mut Encoder) -> Result<T, E>,
) -> Result<T, E> {
    let ahead = 2 * threads.get();
    let (blocks, work) = bounded(ahead);
    let (order, finished) = bounded(ahead);
    thread::scope(|scope| {
        for _ in 0..threads.get() {
            let work = work.clone();
            thread::Builder::new()
                .name("deflate".to_owned())
                .spawn_scoped(scope, move || deflate_all(&work, level))?;
        }
        drop(work);
        let writer = thread::Builder::new()
            .name("gzip".to_owned())
            .spawn_scoped(scope, move || write_all(&finished, output))?;
        let mut encoder = Encoder {
            blocks,
            order,
            input: Vec::with_capacity(BLOCK),
            before: Vec::new(),
        };
        let filled = fill(&mut encoder).and_then(|filled| {
            encoder.send(true)?;
            Ok(filled)
        });
        // Nothing more comes: the threads end.
        drop(encoder);
        match writer.join().expect("writing does not panic") {
            // Why there was nobody to write to.
            Err(error) => Err(error.into()),
            Ok(()) => filled,
        }
    })
}

/// Cuts what is written into blocks.
pub(super) struct Encoder {
    blocks: Sender<Block>,
    order: Sender<Receiver<Deflated>>,
    input: Vec<u8>,
    before: Vec<u8>,
}

impl Encoder {
    /// Hands on what there is.
    fn send(&mut self, is_last: bool) -> io::Result<()> {
        let input = std::mem::replace(&mut self.input, Vec::with_capacity(BLOCK));
        let tail = input[input.len().saturating_sub(WINDOW)..].to_vec();
        let before = std::mem::replace(&mut self.before, tail);
        let (done, deflated) = bounded(1);
        let block = Block {
            input,
            before,
            is_last,
            done,
        };
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.order.send(deflated).map_err(|_| gone())?;
        self.blocks.send(block).map_err(|_| gone())
    }
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full block may yet be the last.
        if self.input.len() == BLOCK && !bytes.is_empty() {
            self.send(false)?;
        }
        let length = bytes.len().min(BLOCK - self.input.len());
        self.input.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Deflates blocks until there are no more.
fn deflate_all(work: &Receiver<Block>, level: u32) {
    for block in work {
        let mut checksum = Crc::new();
        checksum.update(&block.input);
        let bytes = deflate(level, &block);
        // Nobody may want it any more.
        let _ = block.done.send(Deflated { bytes, checksum });
    }
}

fn deflate(level: u32, block: &Block) -> Vec<u8> {
    const PROVED: &str = "a new deflater takes any dictionary and input";
    // Not one that is reset for each block: what it makes depends on what it made before.
    let mut compress = Compress::new(flate2::Compression::new(level), false);
    if !block.before.is_empty() {
        compress.set_dictionary(&block.before).expect(PROVED);
    }
    let flush = match block.is_last {
        true => FlushCompress::Finish,
        false => FlushCompress::Sync,
    };
    let mut bytes = Vec::with_capacity(block.input.len() / 2 + 1024);
    loop {
        let taken = usize::try_from(compress.total_in()).expect("a block fits");
        let status = compress.compress_vec(&block.input[taken..], &mut bytes, flush);
        let is_done = match status.expect(PROVED) {
            Status::StreamEnd => true,
            // All taken, and room left: the flush is complete.
            Status::Ok | Status::BufError => {
                !block.is_last
                    && compress.total_in() == block.input.len() as u64
                    && bytes.len() < bytes.capacity()
            }
        };
        if is_done {
            return bytes;
        }
        bytes.reserve(bytes.len().max(1024));
    }
}

/// Writes blocks in their order, with header and trailer.
fn write_all(finished: &Receiver<Receiver<Deflated>>, mut output: impl Write) -> io::Result<()> {
    output.write_all(&HEADER)?;
    let mut checksum = Crc::new();
    for deflated in finished {
        // One that does not come was never sent: the encoder has failed.
        let Ok(deflated) = deflated.recv() else {
            return Ok(());
        };
        output.write_all(&deflated.bytes)?;
        checksum.combine(&deflated.checksum);
    }
    output.write_all(&checksum.sum().to_le_bytes())?;
    output.write_all(&checksum.amount().to_le_bytes())?;
    output.flush()
}
