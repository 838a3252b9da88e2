//! What the stages start from: nothing, an earlier stage, or an image, pulled if it is missing.

use ch_dockerfile::ast::Header;
use ch_oci::{ImageConfig, Reference};
use ch_storage::{ImageOrigin, ImageRecord, RecordError};
use ch_transfer::restore;

use super::Schedule;
use crate::error::{BuildError, Problem};
use crate::key::KeyHash;
use crate::plan::{Base, PlannedStage};
use crate::similar::similar_image;
use crate::stage::Stage;
use crate::{Event, Mark, record};

impl Schedule<'_> {
    /// What the stage starts from.
    pub(super) fn base(&mut self, planned: &PlannedStage<'_>) -> Result<Stage, BuildError> {
        let header = &planned.stage.header;
        match &planned.base {
            Base::Scratch => {
                self.tell(header, Mark::Neither);
                let config = Stage::scratch_config(&self.options.platform);
                Ok(Stage::new(
                    config,
                    Vec::new(),
                    KeyHash::new("scratch 1").state(),
                ))
            }
            Base::Stage(index) => {
                self.tell(header, Mark::Neither);
                let (_, base) = self
                    .finished
                    .iter()
                    .find(|(finished, _)| finished == index)
                    .expect("what a stage needs is planned before it");
                let mut stage = base.clone();
                stage.has_command = false;
                stage.initialised = false;
                stage.config.config.on_build = None;
                Ok(stage)
            }
            Base::Image(reference) => self.image(reference, header),
        }
    }

    /// A stage on an image, pulled if it is missing.
    fn image(&mut self, reference: &Reference, header: &Header) -> Result<Stage, BuildError> {
        let found = self.find(reference)?;
        let mark = if found.is_some() {
            Mark::Hit
        } else {
            Mark::Executed
        };
        self.tell(header, mark);
        let image = match found {
            Some(image) => image,
            None if self.options.dry_run => {
                let config = Stage::scratch_config(&self.options.platform);
                let mut key = KeyHash::new("missing image 1");
                key.field("name", reference.to_string());
                return Ok(Stage::new(config, Vec::new(), key.state()));
            }
            None => self.pull(reference)?,
        };
        self.require_layers(reference, &image)?;
        if image.incomplete {
            let text = format!("base image is incomplete (--last-layer): {}", image.name);
            (self.events)(Event::Warning(text));
        }
        let first = record::first_state(&image);
        let stage = Stage::new(config(reference, &image)?, image.layers.clone(), first);
        self.note_state(image.state.clone(), origin(&image), &stage)?;
        Ok(stage)
    }

    fn find(&self, reference: &Reference) -> Result<Option<ImageRecord>, BuildError> {
        let Some(storage) = self.context.storage else {
            return Ok(None);
        };
        let found = storage.images().get(reference);
        found.map_err(|error| record::base_error(reference, error.hint(), error))
    }

    /// Makes sure that the layers of `image` are there. Those that are lost are unpacked again where that can be.
    fn require_layers(&self, reference: &Reference, image: &ImageRecord) -> Result<(), BuildError> {
        let storage = self.context.storage();
        match storage.images().check_layers(image) {
            Err(RecordError::LayerMissing { .. }) if !self.options.dry_run => {}
            checked => {
                return checked.map_err(|e| record::base_error(reference, e.hint(), e));
            }
        }
        let restored = storage.with_space(|| restore(storage, image));
        restored.map_err(|error| record::base_error(reference, error.hint(), error))?;
        let checked = storage.images().check_layers(image);
        checked.map_err(|e| record::base_error(reference, e.hint(), e))
    }

    fn pull(&self, reference: &Reference) -> Result<ImageRecord, BuildError> {
        let pulled = (self.context.pull)(reference);
        pulled.map_err(|error| {
            let hint = self.hint_about(reference, error.hint());
            record::base_error(reference, hint, error)
        })?;
        let missing = || Problem::NoImage(reference.to_string()).into();
        self.find(reference)?.ok_or_else(missing)
    }

    /// What the user can do about an image that can't be had: use the one he may have meant, or what `hint` says.
    fn hint_about(&self, reference: &Reference, hint: Option<String>) -> Option<String> {
        let storage = self.context.storage;
        match storage.and_then(|it| similar_image(it, &reference.to_string())) {
            Some(near) => Some(match hint {
                Some(hint) => format!("did you mean {near}? else: {hint}"),
                None => format!("did you mean {near}?"),
            }),
            None => hint,
        }
    }
}

/// What the first state on an image is called.
fn origin(image: &ImageRecord) -> String {
    let name = &image.name;
    match image.origin {
        ImageOrigin::Pull => format!("PULL {name}"),
        ImageOrigin::Import => format!("IMPORT {name}"),
        ImageOrigin::Build | ImageOrigin::Modify | ImageOrigin::Tag => format!("FROM {name}"),
    }
}

/// The configuration of a base image, which must be one that can be built on.
fn config(reference: &Reference, image: &ImageRecord) -> Result<ImageConfig, BuildError> {
    let parsed = ImageConfig::parse(&image.config);
    let config = parsed.map_err(|error| record::base_error(reference, None, error))?;
    if config.config.on_build.iter().flatten().next().is_some() {
        let what = format!("FROM an image with ONBUILD triggers: {reference}");
        return Err(Problem::NotSupported(what).into());
    }
    Ok(config)
}
