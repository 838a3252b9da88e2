//! What happens on ^C and other polite requests to end.
//!
//! Nothing needs to be undone: what is half made lies in drafts. So a command throws those away, says which signal
//! came and dies of it, whatever its threads are waiting for; a second signal ends it at once. Only a build is waited
//! for a little, as long as its containers take to end. ^Z halts the containers too, which live in sessions of
//! their own.

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use ch_container::Stop;
use ch_linux::signal::{self, Receiver, Signal};
use ch_storage::Storage;
use ch_transfer::Unfinished;

use crate::failure::Failure;
use crate::terminal::Terminal;

/// The signals that ask for an end, and ^Z.
const SIGNALS: [Signal; 4] = [
    Signal::HANGUP,
    Signal::INTERRUPT,
    Signal::TERMINATE,
    Signal::TERMINAL_STOP,
];
/// How long a build has for ending its containers.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long it has for ending by itself once there are none.
const ORDERLY: Duration = Duration::from_millis(300);
/// How often is looked whether there are any.
const LOOK: Duration = Duration::from_millis(20);
/// How long an interrupted command deletes what it had begun; the user waits for it.
const CLEARING: Duration = Duration::from_secs(1);

/// Watches for signals that ask for an end.
#[derive(Default)]
pub(crate) struct Interrupt {
    first: OnceLock<Signal>,
    stop: OnceLock<Arc<Stop>>,
    storage: OnceLock<Storage>,
    unfinished: Unfinished,
}

impl Interrupt {
    /// Begins to watch. Before any other thread is started, or it would take the signals.
    pub(crate) fn watch(terminal: &Arc<Terminal>) -> Result<Arc<Self>, Failure> {
        let receiver = Receiver::new(&SIGNALS)?;
        let interrupt = Arc::new(Self::default());
        let (watcher, terminal) = (Arc::clone(&interrupt), Arc::clone(terminal));
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || watcher.listen(&receiver, &terminal))
            .map_err(|error| Failure::caused("can't start a thread", &error))?;
        Ok(interrupt)
    }

    /// Whom to tell instead of dying at once: it makes the build end soon. Told again of every further
    /// signal.
    pub(crate) fn tell(&self, stop: Arc<Stop>) {
        // There is one build per process; a second one would find the first one's good.
        let _ = self.stop.set(stop);
    }

    /// Where this command has drafts, which are thrown away.
    pub(crate) fn clears(&self, storage: &Storage) {
        let _ = self.storage.set(storage.clone());
    }

    /// What this command is making outside its storage directory, which is thrown away as well.
    pub(crate) fn unfinished(&self) -> &Unfinished {
        &self.unfinished
    }

    /// Dies of the signal that came, if one did.
    pub(crate) fn die_if_interrupted(&self, terminal: &Terminal) {
        if let Some(signal) = self.first.get() {
            self.die(*signal, terminal);
        }
    }

    fn listen(self: &Arc<Self>, receiver: &Receiver, terminal: &Arc<Terminal>) -> ! {
        loop {
            let signal = receiver.wait();
            if signal == Signal::TERMINAL_STOP {
                self.suspend();
                continue;
            }
            if let Some(stop) = self.stop.get() {
                stop.request();
            }
            if self.first.set(signal).is_ok() {
                let (watcher, screen) = (Arc::clone(self), Arc::clone(terminal));
                let end = move || {
                    watcher.wait_for_containers();
                    watcher.die(signal, &screen)
                };
                // Not waited for: it ends the process.
                if thread::Builder::new().spawn(end).is_err() && self.stop.get().is_none() {
                    self.die(signal, terminal);
                }
            } else if self.stop.get().is_none() {
                signal::die_of(signal);
            }
        }
    }

    fn wait_for_containers(&self) {
        let Some(stop) = self.stop.get() else { return };
        let end = Instant::now() + PATIENCE;
        let mut alone_since = None;
        while Instant::now() < end {
            if stop.has_running() {
                alone_since = None;
            } else if alone_since.get_or_insert_with(Instant::now).elapsed() > ORDERLY {
                return;
            }
            thread::sleep(LOOK);
        }
    }

    /// Stops as ^Z wants, with all containers, until the user lets this process go on.
    fn suspend(&self) {
        if let Some(stop) = self.stop.get() {
            stop.suspend();
        }
        signal::stop_as_by_terminal();
        if let Some(stop) = self.stop.get() {
            stop.resume();
        }
    }

    /// Throws away what is half made, says which signal came, and ends by it.
    fn die(&self, signal: Signal, terminal: &Terminal) -> ! {
        let text = signal.to_string();
        let name = text.split(' ').next().unwrap_or(&text);
        terminal.speak_last(|| {
            if let Some(storage) = self.storage.get()
                && let Err(error) = storage.abandon(CLEARING)
            {
                tracing::debug!("left to the next sweep: {error}");
            }
            self.unfinished.abandon(CLEARING);
            terminal.fail(&Failure::new(format_args!("received {name}")));
            // Here, since the live area would be drawn again.
            signal::die_of(signal)
        });
        signal::die_of(signal)
    }
}
