//! What a user at a terminal wants of running commands: ^C ends them, ^Z halts them until they may go on.

use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::report::{Channel, Order};

/// A user's wish that running commands end, or halt for a while.
#[derive(Debug)]
pub struct Stop {
    requests: AtomicU32,
    reader: PipeReader,
    writer: PipeWriter,
    running: Mutex<Running>,
}

/// The containers that halt together.
#[derive(Debug, Default)]
struct Running {
    suspended: bool,
    channels: Vec<Arc<Channel>>,
}

impl Stop {
    /// No wish yet.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self {
            requests: AtomicU32::new(0),
            reader,
            writer,
            running: Mutex::default(),
        })
    }

    /// Asks running commands to end; they have two seconds. A second request ends them at once.
    pub fn request(&self) {
        if self.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            // The pipe is empty and its reading end is open.
            let _ = (&self.writer).write_all(b"!");
        }
    }

    /// Whether commands are running.
    pub fn has_running(&self) -> bool {
        !self.running().channels.is_empty()
    }

    /// Halts all processes of running commands, and of those that start before [`Stop::resume`].
    pub fn suspend(&self) {
        self.order(true, Order::Suspend);
    }

    /// Lets suspended commands go on.
    pub fn resume(&self) {
        self.order(false, Order::Resume);
    }

    fn order(&self, suspended: bool, order: Order) {
        let mut running = self.running();
        running.suspended = suspended;
        for channel in &running.channels {
            channel.send(&order);
        }
    }

    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Can be read once an end was requested.
    pub(crate) fn requested(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Has the container behind `channel` halt with the others until the guard is dropped.
    pub(crate) fn join(&self, channel: &Arc<Channel>) -> Joined<'_> {
        let mut running = self.running();
        if running.suspended {
            channel.send(&Order::Suspend);
        }
        running.channels.push(Arc::clone(channel));
        Joined {
            stop: self,
            channel: Arc::clone(channel),
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // Every change of it is a single step, so it is whole even if a thread panicked.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A container that halts with the others.
pub(crate) struct Joined<'a> {
    stop: &'a Stop,
    channel: Arc<Channel>,
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        let mut running = self.stop.running();
        running
            .channels
            .retain(|channel| !Arc::ptr_eq(channel, &self.channel));
    }
}
