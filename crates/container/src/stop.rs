//! What a user at a terminal wants of running commands: ^C ends them, ^Z halts them until they may go on.

use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::report::{Channel, Order};

/// A user's wish that running commands end, or halt for a while.
#[derive(Debug)]
pub struct Stop {
    all: Arc<Wish>,
    /// That only a part of the commands end.
    part: Option<Wish>,
    running: Arc<Mutex<Running>>,
}

/// A wish that commands end.
#[derive(Debug)]
struct Wish {
    requests: AtomicU32,
    reader: PipeReader,
    writer: PipeWriter,
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
        Ok(Self {
            all: Arc::new(Wish::new()?),
            part: None,
            running: Arc::default(),
        })
    }

    /// A wish that concerns a part of the commands: what is asked of all is asked of them as well, and all of them halt
    /// together; but it alone asks nothing of the others.
    pub fn part(&self) -> io::Result<Self> {
        Ok(Self {
            all: Arc::clone(&self.all),
            part: Some(Wish::new()?),
            running: Arc::clone(&self.running),
        })
    }

    /// Asks running commands to end; they have two seconds. A second request ends them at once.
    pub fn request(&self) {
        self.part.as_ref().unwrap_or(&self.all).request();
    }

    /// Whether commands are to end.
    pub fn is_requested(&self) -> bool {
        self.requests() > 0
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
        self.wishes().map(Wish::requests).sum()
    }

    /// One of them can be read once an end was requested.
    pub(crate) fn requested(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.wishes().map(|wish| wish.reader.as_fd())
    }

    fn wishes(&self) -> impl Iterator<Item = &Wish> {
        self.part.iter().chain([&*self.all])
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

impl Wish {
    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self {
            requests: AtomicU32::new(0),
            reader,
            writer,
        })
    }

    fn request(&self) {
        if self.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            // The pipe is empty and its reading end is open.
            let _ = (&self.writer).write_all(b"!");
        }
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_with_all_and_not_the_other_way_round() {
        let all = Stop::new().unwrap();
        let (one, two) = (all.part().unwrap(), all.part().unwrap());
        one.request();
        assert!(one.is_requested() && !two.is_requested() && !all.is_requested());
        all.request();
        assert!(two.is_requested() && all.is_requested());
        assert_eq!(one.requests(), 2);
    }
}
