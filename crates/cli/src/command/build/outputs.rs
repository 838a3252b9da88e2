//! What becomes of the image that is built.

use ch_oci::{Format, Reference};
use ch_storage::{ImageRecord, Storage};
use ch_transfer::{AssembleOptions, Event, FormatChoice};
use jiff::Timestamp;

use crate::command::Context;
use crate::command::output::{Destination, Making, Output, Wanted};
use crate::failure::Failure;

/// All `--output`, in order.
pub(super) struct Outputs(Vec<Wanted>);

impl Outputs {
    /// Reads them; `annotations` are for all that have a manifest, `created` is `SOURCE_DATE_EPOCH`.
    pub(super) fn parse(
        texts: &[String],
        annotations: &[(String, String)],
        created: Option<Timestamp>,
    ) -> Result<Self, Failure> {
        let parse = |text: &String| Wanted::parse(text, created);
        let mut outputs = Self(texts.iter().map(parse).collect::<Result<_, _>>()?);
        outputs.annotate(annotations)?;
        for (at, destination) in outputs.destinations().enumerate() {
            if outputs.destinations().take(at).any(|it| it == destination) {
                let message = format_args!("--output: two of them go to {destination}");
                return Err(Failure::new(message));
            }
        }
        Ok(outputs)
    }

    /// Adds annotations, before those of single outputs, which win.
    fn annotate(&mut self, annotations: &[(String, String)]) -> Result<(), Failure> {
        if annotations.is_empty() {
            return Ok(());
        }
        let all = self.0.iter_mut().filter_map(|wanted| match wanted {
            Wanted::Output(output) => output.form.assemble_options_mut(),
            Wanted::Image | Wanted::CacheOnly => None,
        });
        let mut has_manifest = false;
        for options in all {
            options
                .annotations
                .splice(0..0, annotations.iter().cloned());
            has_manifest = true;
        }
        if has_manifest {
            return Ok(());
        }
        let hint = "of --output, the types oci and docker have a manifest";
        Err(Failure::not_yet("--annotation of an image that is only stored").with_hint(hint))
    }

    /// How the image is made where it gets a manifest; `created` is `SOURCE_DATE_EPOCH`.
    pub(super) fn assemble(&self, created: Option<Timestamp>) -> Result<AssembleOptions, Failure> {
        let first = self.outside().find_map(|it| it.form.assemble_options());
        match first {
            Some(options) => Ok(options.clone()),
            None => Making::default().assemble(FormatChoice::Usual(Format::Oci), created, None),
        }
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
