//! The entry: from a syntax tree to an image in the storage directory.

use std::sync::Arc;

use ch_container::{Stop, Stream};
use ch_dockerfile::File;
use ch_dockerfile::ast::{Command, CopySource};
use ch_linux::reexec::Executable;
use ch_oci::Reference;
use ch_storage::{ImageRecord, Storage};
use ch_transfer::PullError;

use crate::context::ignore::Hidden;
use crate::error::{BuildError, Problem};
use crate::plan::{Plan, PlannedStep};
use crate::schedule::{self, Schedule};
use crate::{Event, Options};

/// What a build needs to work at all.
pub struct Context<'a> {
    /// Where images, layers and states are; `None`: nowhere yet, and a dry run makes no place for them.
    pub storage: Option<&'a Storage>,
    /// This program, to start the processes of a step; nothing is started while all steps hit.
    pub executable: &'a Executable,
    /// Pulls a base image that is not in the storage directory.
    pub pull: &'a Pull<'a>,
    /// How the user ends the build early.
    pub stop: &'a Stop,
    /// Takes what `RUN` commands write; `None`: it goes where that of this process goes.
    pub output: Option<&'a TakeOutput<'a>>,
}

impl Context<'_> {
    /// Where something is to be made.
    pub(crate) fn storage(&self) -> &Storage {
        self.storage
            .expect("only a dry run does without, and makes nothing")
    }
}

/// Brings an image into the storage directory.
pub type Pull<'a> = dyn Fn(&Reference) -> Result<(), PullError> + Sync + 'a;

/// Takes a piece of what a command writes, of the stage with that number in the Dockerfile.
pub type TakeOutput<'a> = dyn Fn(usize, Stream, &[u8]) + Sync + 'a;

/// Is told what happens, in the stage with that number in the Dockerfile or (`None`) in the build as a whole.
pub type Tell<'a> = dyn Fn(Option<usize>, Event) + Sync + 'a;

/// A finished build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// What was stored under the first name, or would have been; `None` after a dry run.
    pub image: Option<ImageRecord>,
    /// How many instructions there were, cached ones too.
    pub instructions: usize,
}

/// Finds what is wrong with `file` before anything is done: what can't be executed, what no `ARG`
/// asks for, what names nothing.
pub fn check(file: &File, options: &Options) -> Result<(), BuildError> {
    let options = options.with_source_date();
    Plan::new(file, &options).map(drop)
}

/// Builds the wanted stage of `file` and stores it under the names of `options`.
///
/// Anything but a dry run needs `context.storage`.
///
/// A failing step leaves the states of the steps before it, and the image that had the name before.
pub fn build(
    context: &Context<'_>,
    file: &File,
    options: &Options,
    events: &Tell<'_>,
) -> Result<Built, BuildError> {
    let given = options.with_source_date();
    let mut plan = Plan::new(file, &given)?;
    let options = Options {
        created: plan.created,
        ..given.clone()
    };
    hidden(&plan, &options)?;
    let images = schedule::prepare(context, &options, &mut plan, events)?;
    // Triggers of images may copy too.
    let hidden = hidden(&plan, &options)?;
    Schedule::new(context, &options, &plan, &images, hidden, events)?.run()
}

/// What of the context `COPY` does not see; only asked if something is copied from it.
fn hidden(plan: &Plan<'_>, options: &Options) -> Result<Option<Arc<Hidden>>, BuildError> {
    let Some(context) = &options.context else {
        return Ok(None);
    };
    let mut steps = plan.stages.values().flat_map(|planned| &planned.steps);
    let copies = |step: &&PlannedStep<'_>| {
        let is_path = |source: &CopySource| matches!(source, CopySource::Path(_));
        match &step.instruction.command {
            Command::Copy(copy) if step.from.is_none() => copy.files.sources.iter().any(is_path),
            _ => false,
        }
    };
    let Some(copy) = steps.find(copies) else {
        return Ok(None);
    };
    let found = Hidden::find(&options.ignore_file, context, options.dockerfile.as_deref());
    let found = found.map_err(|error| {
        let error = BuildError::from(Problem::Ignore(error));
        error.at(&plan.file.source, copy.span)
    })?;
    Ok(found.map(Arc::new))
}
