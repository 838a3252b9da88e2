//! What happens on ^C and other polite requests to end.
//!
//! Nothing needs to be undone: what is half made lies in drafts, which the next command sweeps. So a
//! command just dies of the signal, after saying so. Only a build is waited for a little, because it
//! ends its containers first, and deletes what they have written. ^Z halts the containers too, which live in
//! sessions of their own.

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use ch_container::Stop;
use ch_linux::signal::{self, Receiver, Signal};

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

/// Watches for signals that ask for an end.
#[derive(Default)]
pub(crate) struct Interrupt {
    first: OnceLock<Signal>,
    stop: OnceLock<Arc<Stop>>,
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

    /// Whether a signal has come.
    pub(crate) fn has_come(&self) -> bool {
        self.first.get().is_some()
    }

    /// Dies of the signal that came, if one did.
    pub(crate) fn die_if_interrupted(&self, terminal: &Terminal) {
        if let Some(signal) = self.first.get() {
            die(*signal, terminal);
        }
    }

    fn listen(self: &Arc<Self>, receiver: &Receiver, terminal: &Arc<Terminal>) -> ! {
        loop {
            let signal = receiver.wait();
            if signal == Signal::TERMINAL_STOP {
                self.suspend();
                continue;
            }
            let Some(stop) = self.stop.get() else {
                die(signal, terminal)
            };
            stop.request();
            if self.first.set(signal).is_ok() {
                let terminal = Arc::clone(terminal);
                let end = move || {
                    thread::sleep(PATIENCE);
                    die(signal, &terminal)
                };
                // Not waited for: it ends the process. Without it only the build does.
                let _ = thread::Builder::new().spawn(end);
            }
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
}

/// Says which signal came, and ends by it.
fn die(signal: Signal, terminal: &Terminal) -> ! {
    let text = signal.to_string();
    let name = text.split(' ').next().unwrap_or(&text);
    terminal.speak_last(|| {
        terminal.fail(&Failure::new(format_args!("received {name}")));
        // Here, since the live area would be drawn again.
        signal::die_of(signal)
    });
    signal::die_of(signal)
}
