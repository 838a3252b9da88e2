//! What a stage starts from: nothing, an earlier stage, or an image.

use ch_dockerfile::ast::Header;
use ch_oci::Reference;
use ch_storage::{ImageOrigin, ImageRecord, LayerId};

use super::images;
use super::worker::Worker;
use crate::error::BuildError;
use crate::key::KeyHash;
use crate::plan::{Base, PlannedStage};
use crate::stage::Stage;
use crate::{Event, Mark, record};

impl Worker<'_> {
    /// What the stage starts from.
    pub(super) fn base(&self, planned: &PlannedStage<'_>) -> Result<Stage, BuildError> {
        let header = &planned.stage.header;
        match &planned.base {
            Base::Scratch => {
                self.tell(header, Mark::Neither);
                let config = Stage::scratch_config(&self.options.platform);
                let state = KeyHash::new("scratch 1").state();
                Ok(Stage::new(config, Vec::new(), state))
            }
            Base::Stage(index) => {
                self.tell(header, Mark::Neither);
                let mut stage = self.finished(*index).as_ref().clone();
                stage.has_command = false;
                stage.initialised = false;
                stage.config.config.on_build = None;
                Ok(stage)
            }
            Base::Image(reference) => self.image(reference, planned),
        }
    }

    /// A stage on an image; without it, if a dry run has to do without.
    fn image(
        &self,
        reference: &Reference,
        planned: &PlannedStage<'_>,
    ) -> Result<Stage, BuildError> {
        let header = &planned.stage.header;
        let Some(image) = self.images.get(reference) else {
            self.tell(header, Mark::Executed);
            let config = Stage::scratch_config(&self.options.platform);
            let mut key = KeyHash::new("missing image 1");
            key.field("name", reference.to_string());
            let mut stage = Stage::new(config, Vec::new(), key.state());
            stage.is_partial = true;
            return Ok(stage);
        };
        if !self.images.is_shown(planned.index) {
            self.tell(header, Mark::Hit);
        }
        if image.incomplete {
            let text = format!("base image is incomplete (--last-layer): {}", image.name);
            self.events.tell(Event::Warning(text));
        }
        let config = images::config(reference, image)?;
        let first = record::first_state(image);
        let stage = Stage::new(config, image.layers.clone(), first);
        self.note_state(image.state.clone(), origin(image), &stage)?;
        Ok(stage)
    }

    /// The layers of what is copied from; `Err` stands for something that a dry run leaves without layers.
    pub(super) fn layers_of(&self, base: &Base) -> Result<Vec<LayerId>, String> {
        if self.context.storage.is_none() {
            return Err(format!("{base:?}"));
        }
        match base {
            Base::Scratch => Ok(Vec::new()),
            Base::Stage(index) => {
                let stage = self.finished(*index);
                if stage.is_partial {
                    return Err(stage.state.to_string());
                }
                Ok(stage.layers.clone())
            }
            Base::Image(reference) => match self.images.get(reference) {
                Some(image) => Ok(image.layer_ids()),
                None => Err(reference.to_string()),
            },
        }
    }

    /// The line of the current instruction.
    pub(super) fn tell(&self, header: &Header, mark: Mark) {
        let text = match self.is_trigger {
            true => format!("ONBUILD {header}"),
            false => header.to_string(),
        };
        let number = self.number;
        self.events.tell(Event::Instruction { number, mark, text });
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
