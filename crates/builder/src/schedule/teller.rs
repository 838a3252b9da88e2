//! Who tells what: each event is of one stage, or of the build as a whole.

use crate::{Event, Tell};

/// Tells of one stage.
#[derive(Clone, Copy)]
pub(crate) struct Teller<'a> {
    events: &'a Tell<'a>,
    stage: usize,
}

impl<'a> Teller<'a> {
    /// Of the stage with this number in the Dockerfile.
    pub(crate) fn of_stage(events: &'a Tell<'a>, stage: usize) -> Self {
        Self { events, stage }
    }

    /// The stage's number in the Dockerfile.
    pub(crate) fn stage(self) -> usize {
        self.stage
    }

    /// Tells it at once.
    pub(crate) fn tell(self, event: Event) {
        (self.events)(Some(self.stage), event);
    }
}
