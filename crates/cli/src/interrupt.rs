//! What happens on ^C and other polite requests to end.
//!
//! Nothing needs to be undone: what is half made lies in drafts, which the next command sweeps. So a
//! command just dies of the signal, after saying so. Only a build is waited for a little, because it
//! ends its containers first.

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use ch_linux::signal::{self, Receiver, Signal};

use crate::failure::Failure;
use crate::terminal::Terminal;

/// The signals that ask for an end.
const SIGNALS: [Signal; 3] = [Signal::HANGUP, Signal::INTERRUPT, Signal::TERMINATE];
/// How long a build has for ending its containers.
const PATIENCE: Duration = Duration::from_secs(4);

/// Watches for signals that ask for an end.
#[derive(Default)]
pub(crate) struct Interrupt {
    first: OnceLock<Signal>,
    stop: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Interrupt {
    /// Begins to watch. Before any other thread is started, or it would take the signals.
    pub(crate) fn watch(terminal: &Arc<Terminal>) -> Result<Arc<Self>, Failure> {
        let receiver = Receiver::new(&SIGNALS)?;
        let interrupt = Arc::new(Self::default());
        let (watcher, terminal) = (Arc::clone(&interrupt), Arc::clone(terminal));
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || watcher.listen(&receiver, &terminal))?;
        Ok(interrupt)
    }

    /// What to call instead of dying at once: it makes the command end soon. Called again for every
    /// further signal.
    pub(crate) fn on_signal(&self, stop: impl Fn() + Send + Sync + 'static) {
        // There is one build per process; a second caller would find the first one's function good.
        let _ = self.stop.set(Box::new(stop));
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
            let Some(stop) = self.stop.get() else {
                die(signal, terminal)
            };
            stop();
            if self.first.set(signal).is_ok() {
                let terminal = Arc::clone(terminal);
                // Not waited for: it ends the process.
                thread::spawn(move || {
                    thread::sleep(PATIENCE);
                    die(signal, &terminal)
                });
            }
        }
    }
}

/// Says which signal came, and ends by it.
fn die(signal: Signal, terminal: &Terminal) -> ! {
    let text = signal.to_string();
    terminal.stop_asking();
    let name = text.split(' ').next().unwrap_or(&text);
    terminal.fail(&Failure::new(format_args!("received {name}")));
    signal::die_of(signal)
}
