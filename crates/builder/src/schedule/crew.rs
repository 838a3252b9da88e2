//! Who does what when: work that depends on other work, by several threads at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What is finished, by number.
pub(super) type Finished<T> = BTreeMap<usize, Arc<T>>;

/// Does everything in `needs`, which says by number what must be finished before, at most `jobs` things at a time and
/// otherwise in order. After an error, which is the result, nothing more is begun; `stop` is to end what goes on.
pub(super) fn work_off<T, E>(
    needs: BTreeMap<usize, BTreeSet<usize>>,
    jobs: NonZeroUsize,
    work: impl Fn(usize, &Finished<T>) -> Result<T, E> + Sync,
    stop: impl Fn() + Sync,
) -> Result<Finished<T>, E>
where
    T: Send + Sync,
    E: Send,
{
    let helpers = jobs.get().min(needs.len()).saturating_sub(1);
    let crew = Crew {
        board: Mutex::new(Board {
            waiting: needs,
            finished: Finished::new(),
            error: None,
            is_over: false,
        }),
        changed: Condvar::new(),
    };
    thread::scope(|scope| {
        for _ in 0..helpers {
            let work = || crew.work(&work, &stop);
            // With too many processes, fewer have to do.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        crew.work(&work, &stop);
    });
    let board = crew.board.into_inner();
    let board = board.unwrap_or_else(PoisonError::into_inner);
    match board.error {
        Some(error) => Err(error),
        None => Ok(board.finished),
    }
}

struct Crew<T, E> {
    board: Mutex<Board<T, E>>,
    changed: Condvar,
}

struct Board<T, E> {
    waiting: BTreeMap<usize, BTreeSet<usize>>,
    finished: Finished<T>,
    error: Option<E>,
    /// Nothing more is begun.
    is_over: bool,
}

impl<T, E> Crew<T, E> {
    /// What each of the crew does: whatever can be done, until there is nothing left.
    fn work(&self, work: &impl Fn(usize, &Finished<T>) -> Result<T, E>, stop: &impl Fn()) {
        while let Some((number, finished)) = self.next() {
            // Should the work panic, the others must not wait for it.
            let over = Over(self);
            let done = work(number, &finished);
            std::mem::forget(over);
            let mut board = self.board();
            match done {
                Ok(result) => drop(board.finished.insert(number, Arc::new(result))),
                // What ends because it is stopped fails too.
                Err(_) if board.is_over => {}
                Err(error) => {
                    board.error = Some(error);
                    board.is_over = true;
                    stop();
                }
            }
            drop(board);
            self.changed.notify_all();
        }
    }

    /// The next thing that can be done, waited for; `None` if there is nothing left to begin.
    fn next(&self) -> Option<(usize, Finished<T>)> {
        let mut board = self.board();
        loop {
            if board.is_over || board.waiting.is_empty() {
                return None;
            }
            if let Some(number) = board.ready() {
                board.waiting.remove(&number);
                return Some((number, board.finished.clone()));
            }
            let waited = self.changed.wait(board);
            board = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn board(&self) -> MutexGuard<'_, Board<T, E>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, E> Board<T, E> {
    fn ready(&self) -> Option<usize> {
        let is_ready =
            |needs: &BTreeSet<usize>| needs.iter().all(|n| self.finished.contains_key(n));
        let mut waiting = self.waiting.iter();
        waiting
            .find(|(_, needs)| is_ready(needs))
            .map(|(number, _)| *number)
    }
}

/// Ends everything when it is dropped.
struct Over<'c, T, E>(&'c Crew<T, E>);

impl<T, E> Drop for Over<'_, T, E> {
    fn drop(&mut self) {
        self.0.board().is_over = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    fn needs(table: &[(usize, &[usize])]) -> BTreeMap<usize, BTreeSet<usize>> {
        let set = |(number, needs): &(usize, &[usize])| (*number, needs.iter().copied().collect());
        table.iter().map(set).collect()
    }

    fn jobs(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    #[test]
    fn one_worker_does_it_in_order_and_sees_what_it_needs() {
        let order = Mutex::new(Vec::new());
        let work = |number, finished: &Finished<usize>| {
            order.lock().unwrap().push(number);
            Ok::<_, ()>(number + finished.values().map(|value| **value).sum::<usize>())
        };
        let needs = needs(&[(0, &[]), (2, &[]), (3, &[0, 2]), (5, &[3])]);
        let finished = work_off(needs, jobs(1), work, || ()).unwrap();
        assert_eq!(*order.lock().unwrap(), [0, 2, 3, 5]);
        assert_eq!(*finished[&5], 5 + 5 + 2);
    }

    #[test]
    fn independent_work_goes_on_at_the_same_time() {
        // Whoever came alone would wait for ever.
        let meeting = Barrier::new(3);
        let work = |_, _: &Finished<()>| {
            meeting.wait();
            Ok::<_, ()>(())
        };
        let needs = needs(&[(0, &[]), (1, &[]), (2, &[])]);
        assert_eq!(work_off(needs, jobs(8), work, || ()).unwrap().len(), 3);
    }

    #[test]
    fn first_error_stops_the_others_and_is_the_only_one() {
        let (stopped, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
        let meeting = Barrier::new(2);
        let work = |number, _: &Finished<()>| {
            begun.fetch_add(1, Ordering::Relaxed);
            match number {
                0 => {
                    meeting.wait();
                    while !stopped.load(Ordering::Relaxed) {
                        thread::yield_now();
                    }
                    Err("stopped")
                }
                _ => {
                    meeting.wait();
                    Err("failed")
                }
            }
        };
        let stop = || stopped.store(true, Ordering::Relaxed);
        let needs = needs(&[(0, &[]), (1, &[]), (2, &[0]), (3, &[1])]);
        assert_eq!(work_off(needs, jobs(2), work, stop).unwrap_err(), "failed");
        assert_eq!(begun.load(Ordering::Relaxed), 2);
    }
}
