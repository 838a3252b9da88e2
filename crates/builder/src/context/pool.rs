//! Tasks that make further tasks, done on all cores.
//!
//! The latest task is done first, so a walk goes down before it goes on: what waits, and what that holds open, grows
//! with the depth of a tree and not with its breadth. A channel would give the oldest first.

use std::panic;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// More threads than this get into each other's way in one file system.
const MOST_THREADS: usize = 16;

/// How many threads a walk gets.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS))
}

/// Tasks that wait for a thread.
pub(crate) struct Tasks<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: Vec<T>,
    /// How many are being done, and may make more.
    busy: usize,
    /// One has failed: the others are not wanted any more.
    failed: bool,
}

impl<T> Tasks<T> {
    fn new() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: Vec::new(),
                busy: 0,
                failed: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Adds a task.
    pub(crate) fn add(&self, task: T) {
        self.lock().waiting.push(task);
        self.changed.notify_one();
    }

    /// The latest task, as soon as there is one; none when all is done, or one has failed.
    fn next(&self) -> Option<(T, Turn<'_, T>)> {
        let mut state = self.lock();
        loop {
            if state.failed {
                return None;
            }
            if let Some(task) = state.waiting.pop() {
                state.busy += 1;
                return Some((task, Turn(self)));
            }
            if state.busy == 0 {
                return None;
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fail(&self) {
        self.lock().failed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that is being done.
struct Turn<'a, T>(&'a Tasks<T>);

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.busy -= 1;
        state.failed |= thread::panicking();
        if state.busy == 0 || state.failed {
            self.0.changed.notify_all();
        }
    }
}

/// Performs `first` and all that comes of it, on this thread and up to `threads` - 1 others, each with a worker of its
/// own; the workers come back, in no order. After a failure nothing new is begun.
pub(crate) fn run<T: Send, W: Send, E: Send>(
    threads: usize,
    first: T,
    worker: impl Fn() -> W + Sync,
    perform: impl Fn(&mut W, T, &Tasks<T>) -> Result<(), E> + Sync,
) -> Result<Vec<W>, E> {
    let tasks = Tasks::new();
    let mut own = worker();
    perform(&mut own, first, &tasks)?;
    if tasks.lock().waiting.is_empty() {
        // Most copies are so small that starting a thread would take longer.
        return Ok(vec![own]);
    }
    let drain = |mut worker: W| {
        while let Some((task, _turn)) = tasks.next() {
            perform(&mut worker, task, &tasks).inspect_err(|_| tasks.fail())?;
        }
        Ok(worker)
    };
    thread::scope(|scope| {
        let help = || drain(worker());
        // Where no thread can be started there is still this one.
        let start = |_| thread::Builder::new().spawn_scoped(scope, help).ok();
        let helpers: Vec<_> = (1..threads).map_while(start).collect();
        let mut done = vec![drain(own)];
        for helper in helpers {
            done.push(helper.join().unwrap_or_else(|it| panic::resume_unwind(it)));
        }
        done.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the leaves of a tree of this depth, in which each node has three below it.
    fn leaves(threads: usize, depth: u32, fails_at: Option<u32>) -> Result<usize, u32> {
        let perform = |count: &mut usize, depth: u32, tasks: &Tasks<u32>| {
            if Some(depth) == fails_at {
                return Err(depth);
            }
            match depth {
                0 => *count += 1,
                _ => (0..3).for_each(|_| tasks.add(depth - 1)),
            }
            Ok(())
        };
        run(threads, depth, || 0, perform).map(|counts| counts.iter().sum())
    }

    #[test]
    fn everything_is_done_once_by_any_number_of_threads() {
        for threads in [1, 2, 7] {
            assert_eq!(leaves(threads, 0, None), Ok(1));
            assert_eq!(leaves(threads, 7, None), Ok(2187));
            assert_eq!(leaves(threads, 7, Some(2)), Err(2));
            assert_eq!(leaves(threads, 3, Some(3)), Err(3));
        }
    }
}
