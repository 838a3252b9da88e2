//! The images that the plan needs, pulled if they are missing, before the first step: what they have for those who are
//! built on them is part of the plan.

use std::collections::{BTreeSet, HashMap};
use std::error::Error as _;
use std::iter;

use ch_dockerfile::Span;
use ch_oci::{ImageConfig, Reference};
use ch_storage::{ImageRecord, RecordError};
use ch_transfer::restore;

use super::teller::Teller;
use crate::build::Context;
use crate::error::{BuildError, Problem};
use crate::plan::{Base, Plan};
use crate::record::base_error;
use crate::similar::similar_image;
use crate::{Event, Mark, Options, PullPolicy, Tell};

/// The images of a build.
#[derive(Debug, Default)]
pub(crate) struct Images {
    /// By name; `None`: it is not there, and a dry run does without.
    found: HashMap<String, Option<ImageRecord>>,
    /// The stages whose `FROM` was shown when its image was pulled.
    shown: BTreeSet<usize>,
}

impl Images {
    /// The image `reference`, unless a dry run has to do without.
    pub(super) fn get(&self, reference: &Reference) -> Option<&ImageRecord> {
        self.found.get(&reference.to_string())?.as_ref()
    }

    /// Whether the `FROM` of stage number `index` was shown already.
    pub(super) fn is_shown(&self, index: usize) -> bool {
        self.shown.contains(&index)
    }
}

/// What images are looked for with.
pub(super) struct Finder<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) options: &'a Options,
    pub(super) events: &'a Tell<'a>,
}

impl Finder<'_> {
    /// Finds or pulls all images of the plan, which learns of their triggers.
    pub(super) fn find_all(&self, plan: &mut Plan<'_>) -> Result<Images, BuildError> {
        let mut images = Images::default();
        let mut visited = BTreeSet::new();
        loop {
            let next = plan.stages.keys().find(|index| !visited.contains(*index));
            let Some(index) = next.copied() else {
                return Ok(images);
            };
            visited.insert(index);
            let found = self.base(index, plan, &mut images);
            found.map_err(|error| {
                let span = plan.stages[&index].stage.header.span;
                error.at(&plan.file.source, span)
            })?;
            self.sources(index, plan, &mut images)
                .map_err(|(error, span)| error.at(&plan.file.source, span))?;
        }
    }

    /// What stage number `index` starts from.
    fn base(
        &self,
        index: usize,
        plan: &mut Plan<'_>,
        images: &mut Images,
    ) -> Result<(), BuildError> {
        let planned = &plan.stages[&index];
        let Base::Image(reference) = planned.base.clone() else {
            return Ok(());
        };
        let (number, text) = (planned.number, planned.stage.header.to_string());
        let teller = Teller::of_stage(self.events, index);
        let is_pulled = self.ensure(&reference, images, || {
            let mark = Mark::Executed;
            teller.tell(Event::Instruction { number, mark, text });
        })?;
        if is_pulled {
            images.shown.insert(index);
            teller.tell(Event::Note(format!("pulled {reference}")));
        }
        if let Some(image) = images.get(&reference) {
            let config = config(&reference, image)?;
            let triggers = config.config.on_build.unwrap_or_default();
            plan.inherit(index, &triggers)?;
        }
        Ok(())
    }

    /// What stage number `index` copies from.
    fn sources(
        &self,
        index: usize,
        plan: &Plan<'_>,
        images: &mut Images,
    ) -> Result<(), (BuildError, Span)> {
        for step in &plan.stages[&index].steps {
            if let Some(Base::Image(reference)) = &step.from {
                let ensured = self.ensure(reference, images, || ());
                ensured.map_err(|error| (error.of_source(), step.span))?;
            }
        }
        Ok(())
    }

    /// Makes sure that an image is there, with all its layers; `announce` says that it is pulled. Whether it was.
    fn ensure(
        &self,
        reference: &Reference,
        images: &mut Images,
        announce: impl FnOnce(),
    ) -> Result<bool, BuildError> {
        let name = reference.to_string();
        if images.found.contains_key(&name) {
            return Ok(false);
        }
        let mut found = self.find(reference)?;
        let is_pulled = self.is_pulled(reference, found.is_some())?;
        if is_pulled {
            announce();
            found = Some(self.pull_or(reference, found)?);
        }
        if let Some(image) = &found {
            self.require_layers(reference, image)?;
        }
        images.found.insert(name, found);
        Ok(is_pulled)
    }

    /// Whether an image is to be pulled that is there already or not.
    fn is_pulled(&self, reference: &Reference, is_there: bool) -> Result<bool, BuildError> {
        if self.options.dry_run {
            return Ok(false);
        }
        match self.options.pull {
            PullPolicy::Always | PullPolicy::Newer => Ok(true),
            PullPolicy::Missing => Ok(!is_there),
            PullPolicy::Never if is_there => Ok(false),
            PullPolicy::Never => {
                let hint = self.hint_about(reference, Some(format!("ch-image pull {reference}")));
                let error = BuildError::from(Problem::NoImage(reference.to_string()));
                Err(error.with_any_hint(hint))
            }
        }
    }

    /// Pulls an image. If one that is there already will do as well, it is used when that fails.
    fn pull_or(
        &self,
        reference: &Reference,
        old: Option<ImageRecord>,
    ) -> Result<ImageRecord, BuildError> {
        match (self.pull(reference), old) {
            (Err(error), Some(old)) if self.options.pull == PullPolicy::Newer => {
                let causes = iter::successors(error.source(), |&cause| cause.source());
                let causes: String = causes.map(|cause| format!(": {cause}")).collect();
                let text = format!("the image that is there is used: {error}{causes}");
                (self.events)(None, Event::Warning(text));
                Ok(old)
            }
            (pulled, _) => pulled,
        }
    }

    fn find(&self, reference: &Reference) -> Result<Option<ImageRecord>, BuildError> {
        let Some(storage) = self.context.storage else {
            return Ok(None);
        };
        let found = storage.images().get(reference);
        found.map_err(|error| base_error(reference, error.hint(), error))
    }

    /// Makes sure that the layers of `image` are there. Those that are lost are unpacked again where that can be.
    fn require_layers(&self, reference: &Reference, image: &ImageRecord) -> Result<(), BuildError> {
        let storage = self.context.storage();
        match storage.images().check_layers(image) {
            Err(RecordError::LayerMissing { .. }) if !self.options.dry_run => {}
            checked => {
                return checked.map_err(|e| base_error(reference, e.hint(), e));
            }
        }
        let restored = storage.with_space(|| restore(storage, image));
        restored.map_err(|error| base_error(reference, error.hint(), error))?;
        let checked = storage.images().check_layers(image);
        checked.map_err(|e| base_error(reference, e.hint(), e))
    }

    fn pull(&self, reference: &Reference) -> Result<ImageRecord, BuildError> {
        let pulled = (self.context.pull)(reference);
        pulled.map_err(|error| {
            let hint = self.hint_about(reference, error.hint());
            base_error(reference, hint, error)
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

/// The configuration of an image.
pub(super) fn config(
    reference: &Reference,
    image: &ImageRecord,
) -> Result<ImageConfig, BuildError> {
    let parsed = ImageConfig::parse(&image.config);
    parsed.map_err(|error| base_error(reference, None, error))
}
