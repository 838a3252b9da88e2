//! The entry: from a syntax tree to an image in the storage directory.

use ch_container::{Stop, Stream};
use ch_dockerfile::File;
use ch_dockerfile::ast::Command;
use ch_linux::reexec::Executable;
use ch_oci::Reference;
use ch_storage::{ImageRecord, Storage};
use ch_transfer::PullError;

use crate::context::ignore;
use crate::error::{BuildError, Problem};
use crate::plan::Plan;
use crate::schedule::Schedule;
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
pub type Pull<'a> = dyn Fn(&Reference) -> Result<(), PullError> + 'a;

/// Takes a piece of what a command writes.
pub type TakeOutput<'a> = dyn Fn(Stream, &[u8]) + 'a;

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
    Plan::new(file, &options.with_source_date()).map(drop)
}

/// Builds the last stage of `file` and stores it under the names of `options`.
///
/// Anything but a dry run needs `context.storage`.
///
/// A failing step leaves the states of the steps before it, and the image that had the name before.
pub fn build(
    context: &Context<'_>,
    file: &File,
    options: &Options,
    events: &dyn Fn(Event),
) -> Result<Built, BuildError> {
    let mut options = options.with_source_date();
    let plan = Plan::new(file, &options)?;
    options.created = plan.created;
    check_ignore_file(&plan, &options)?;
    Schedule::new(context, &options, &plan, events).run()
}

/// Refuses to copy out of a context of which something is to be ignored.
fn check_ignore_file(plan: &Plan<'_>, options: &Options) -> Result<(), BuildError> {
    let Some(context) = &options.context else {
        return Ok(());
    };
    let mut instructions = plan
        .stages
        .iter()
        .flat_map(|planned| &planned.stage.instructions);
    let Some(copy) = instructions.find(|it| matches!(it.command, Command::Copy(_))) else {
        return Ok(());
    };
    let found = ignore::find(context, options.dockerfile.as_deref());
    let refusal = match found {
        Ok(None) => return Ok(()),
        Ok(Some(path)) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let hint = format!("without {name}, COPY would see what it excludes");
            BuildError::from(Problem::NotSupported(name.into_owned())).with_any_hint(Some(hint))
        }
        Err(error) => Problem::files("can't read what the context ignores")(error).into(),
    };
    Err(refusal.at(&plan.file.source, copy.header.span))
}
