//! What becomes of the image that is built.

use ch_oci::Reference;
use ch_storage::{ImageRecord, Storage};
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
        Ok(Self(texts.iter().map(parse).collect::<Result<_, _>>()?))
    }

    /// Whether the image gets its names in the storage directory.
    pub(super) fn store(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(|it| matches!(it, Wanted::Image))
    }

    /// Whether standard output is for one of them.
    pub(super) fn take_standard_output(&self) -> bool {
        self.0.iter().any(|wanted| match wanted {
            Wanted::Output(output) => output.destination == Destination::StandardOutput,
            Wanted::Image | Wanted::CacheOnly => false,
        })
    }

    /// Makes what is to be outside the storage directory.
    pub(super) fn write(
        &self,
        storage: &Storage,
        image: &ImageRecord,
        names: &[Reference],
        context: &Context,
    ) -> Result<(), Failure> {
        for wanted in &self.0 {
            if let Wanted::Output(output) = wanted {
                output.write(storage, image, names, context)?;
            }
        }
        Ok(())
    }
}
