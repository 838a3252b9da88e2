//! What becomes of the image that is built.

use ch_oci::Reference;
use ch_storage::{ImageRecord, Storage};
use ch_transfer::Event;
use jiff::Timestamp;

use crate::command::Context;
use crate::command::output::{Destination, Wanted};
use crate::failure::Failure;

/// All `--output`, in order.
pub(super) struct Outputs(Vec<Wanted>);

impl Outputs {
    /// Reads them; `created` is `SOURCE_DATE_EPOCH`.
    pub(super) fn parse(texts: &[String], created: Option<Timestamp>) -> Result<Self, Failure> {
        let parse = |text: &String| Wanted::parse(text, created);
        let outputs = Self(texts.iter().map(parse).collect::<Result<_, _>>()?);
        for (at, wanted) in outputs.0.iter().enumerate() {
            let Some(destination) = destination(wanted) else {
                continue;
            };
            if outputs.0[..at]
                .iter()
                .any(|it| self::destination(it) == Some(destination))
            {
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
        self.0
            .iter()
            .any(|it| destination(it) == Some(&Destination::StandardOutput))
    }

    /// Fails if there is no place for one of them.
    pub(super) fn check(&self, storage: &Storage, context: &Context) -> Result<(), Failure> {
        for wanted in &self.0 {
            if let Wanted::Output(output) = wanted {
                output.check(storage, context)?;
            }
        }
        Ok(())
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
        for wanted in &self.0 {
            if let Wanted::Output(output) = wanted {
                let place = output.destination.to_string();
                terminal.info(Event::ExportDestination(place).line().unwrap_or_default());
                output.write(storage, image, names, context)?;
                terminal.info(Event::Done.line().unwrap_or_default());
            }
        }
        Ok(())
    }
}

/// Where it goes, if that is outside the storage directory.
fn destination(wanted: &Wanted) -> Option<&Destination> {
    match wanted {
        Wanted::Output(output) => Some(&output.destination),
        Wanted::Image | Wanted::CacheOnly => None,
    }
}
