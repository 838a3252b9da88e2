//! What becomes of the image that is built.

use ch_oci::Reference;
use ch_storage::{ImageRecord, Storage};
use ch_transfer::Event;
use jiff::Timestamp;

use crate::command::Context;
use crate::command::output::{Destination, Output, Wanted};
use crate::failure::Failure;

/// All `--output`, in order.
pub(super) struct Outputs(Vec<Wanted>);

impl Outputs {
    /// Reads them; `created` is `SOURCE_DATE_EPOCH`.
    pub(super) fn parse(texts: &[String], created: Option<Timestamp>) -> Result<Self, Failure> {
        let parse = |text: &String| Wanted::parse(text, created);
        let outputs = Self(texts.iter().map(parse).collect::<Result<_, _>>()?);
        for (at, destination) in outputs.destinations().enumerate() {
            if outputs.destinations().take(at).any(|it| it == destination) {
                let message = format_args!("--output: two of them go to {destination}");
                return Err(Failure::new(message));
            }
        }
        Ok(outputs)
    }

    /// Whether the image gets its names in the storage directory.
    pub(super) fn store(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(|it| matches!(it, Wanted::Image))
    }

    /// Whether standard output is for one of them.
    pub(super) fn take_standard_output(&self) -> bool {
        self.destinations()
            .any(|it| *it == Destination::StandardOutput)
    }

    /// Fails if there is no place for one of them.
    pub(super) fn check(&self, storage: &Storage, context: &Context) -> Result<(), Failure> {
        self.outside()
            .try_for_each(|output| output.check(storage, context))
    }

    /// Makes what is to be outside the storage directory.
    pub(super) fn write(
        &self,
        storage: &Storage,
        image: &ImageRecord,
        names: &[Reference],
        context: &Context,
    ) -> Result<(), Failure> {
        let terminal = &context.terminal;
        for output in self.outside() {
            let place = output.destination.to_string();
            terminal.info(Event::ExportDestination(place).line().unwrap_or_default());
            output.write(storage, image, names, context)?;
            terminal.info(Event::Done.line().unwrap_or_default());
        }
        Ok(())
    }

    /// Those that go outside the storage directory.
    fn outside(&self) -> impl Iterator<Item = &Output> {
        self.0.iter().filter_map(|wanted| match wanted {
            Wanted::Output(output) => Some(&**output),
            Wanted::Image | Wanted::CacheOnly => None,
        })
    }

    fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.outside().map(|output| &output.destination)
    }
}
