//! Trying again: how long to wait, and when to give up.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::{Notice, Options};

const LONGEST: Duration = Duration::from_secs(30);

/// Attempts at one request.
pub(crate) struct Attempts<'o> {
    options: &'o Options,
    made: u32,
    delay: Duration,
}

impl<'o> Attempts<'o> {
    /// The first attempt is about to be made.
    pub(crate) fn new(options: &'o Options) -> Self {
        Self {
            options,
            made: 1,
            delay: options.retries.delay,
        }
    }

    /// Waits before another attempt; `false` if there have been enough.
    pub(crate) fn again(&mut self, cause: &dyn std::fmt::Display) -> bool {
        let (delay, jitter) = (self.delay, 0.5 + random());
        self.delay = (self.delay * 2).min(LONGEST);
        self.after(delay.mul_f64(jitter), cause)
    }

    /// The same with a wait that the server asked for.
    pub(crate) fn after(&mut self, wait: Duration, cause: &dyn std::fmt::Display) -> bool {
        let attempts = self.options.retries.attempts;
        if self.made >= attempts {
            return false;
        }
        self.made += 1;
        if self.made > 2 {
            let (attempt, cause) = (self.made, without_number(cause.to_string()));
            (self.options.notify)(Notice::Retry {
                wait,
                attempt,
                attempts,
                cause,
            });
        }
        std::thread::sleep(wait);
        true
    }
}

/// The text of a system error without its number, which tells a user nothing.
pub(crate) fn without_number(mut text: String) -> String {
    if let Some(at) = text.rfind(" (os error ").filter(|_| text.ends_with(')')) {
        text.truncate(at);
    }
    text
}

/// Between 0 and 1, so that many clients do not come back at the same moment.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Retries;
    use std::sync::{Arc, Mutex};

    #[test]
    fn retries_are_told_from_the_second_on_without_numbers_of_errors() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let options = Options {
            retries: Retries {
                attempts: 3,
                delay: Duration::ZERO,
            },
            notify: Arc::new(move |notice| ear.lock().unwrap().push(notice.to_string())),
            ..Options::default()
        };
        let mut attempts = Attempts::new(&options);
        let refused = std::io::Error::from_raw_os_error(111);
        assert!(attempts.again(&refused) && attempts.again(&refused));
        assert!(!attempts.again(&refused));
        let heard = heard.lock().unwrap();
        assert_eq!(*heard, ["retrying in 0 s (3/3): Connection refused"]);
    }
}
