//! One stage of the plan: what it starts from, and its steps with what they copy from.

use std::borrow::Cow;
use std::collections::BTreeSet;

use ch_dockerfile::ast::{Command, Copy, File, Instruction, Stage};
use ch_dockerfile::{Span, Word};
use ch_oci::{Platform, Reference};

use super::{Plan, expand, known, operands, supported};
use crate::Options;
use crate::error::{BuildError, Problem};
use crate::scope::Scope;

/// A stage that is needed.
#[derive(Debug)]
pub(crate) struct PlannedStage<'a> {
    /// Its number in the Dockerfile.
    pub(crate) index: usize,
    /// What it says.
    pub(crate) stage: &'a Stage,
    /// Number of its `FROM` among the instructions of the Dockerfile, counted from 1.
    pub(crate) number: usize,
    /// What it starts from.
    pub(crate) base: Base,
    /// `FROM --arg`: set in this stage from the start.
    pub(crate) arguments: Vec<(String, String)>,
    /// Triggers of what it starts from, then its own instructions.
    pub(crate) steps: Vec<PlannedStep<'a>>,
}

/// An instruction of a stage.
#[derive(Debug)]
pub(crate) struct PlannedStep<'a> {
    /// What it says.
    pub(crate) instruction: Cow<'a, Instruction>,
    /// Its number among the instructions of the Dockerfile; a trigger has that of the `FROM`.
    pub(crate) number: usize,
    /// It comes from what the stage starts from.
    pub(crate) is_trigger: bool,
    /// What it is to be blamed on.
    pub(crate) span: Span,
    /// What `COPY --from` names; `None` for whatever else.
    pub(crate) from: Option<Base>,
}

/// What a stage starts from, or copies from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nothing.
    Scratch,
    /// The stage with this number in the Dockerfile.
    Stage(usize),
    /// An image.
    Image(Reference),
}

/// What the `FROM` of a stage says.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) base: Base,
    /// `--arg`
    pub(super) arguments: Vec<(String, String)>,
}

impl PlannedStage<'_> {
    /// The numbers of the stages that must be finished before.
    pub(crate) fn needs(&self) -> BTreeSet<usize> {
        let named = self.steps.iter().filter_map(|step| step.from.as_ref());
        named
            .chain([&self.base])
            .filter_map(|base| match base {
                Base::Stage(index) => Some(*index),
                Base::Scratch | Base::Image(_) => None,
            })
            .collect()
    }
}

impl Start {
    /// What stage number `index` starts from; `globals` are the arguments that a `FROM` sees.
    pub(super) fn new(
        file: &File,
        index: usize,
        options: &Options,
        globals: &Scope,
    ) -> Result<Self, BuildError> {
        let stage = &file.stages[index];
        Self::read(file, index, options, globals)
            .map_err(|error| error.at(&file.source, stage.header.span))
    }

    fn read(
        file: &File,
        index: usize,
        options: &Options,
        globals: &Scope,
    ) -> Result<Self, BuildError> {
        let from = &file.stages[index].from;
        let mut arguments = Vec::new();
        // What `--arg` sets is seen by this `FROM` and its stage, not by later ones.
        let mut scope = globals.clone();
        for word in &from.arguments {
            let (name, value) = word.text.split_once('=').unwrap_or((&word.text, ""));
            let value = expand(file, "FROM", value, &scope)?.text;
            scope.declare(name, Some(value.clone()));
            arguments.push((name.to_owned(), value));
        }
        if let Some(platform) = &from.platform {
            check_platform(file, platform, options, &scope)?;
        }
        let base = base(file, index, &from.image, &scope)?;
        Ok(Self { base, arguments })
    }
}

/// What the image of a `FROM` stands for: an earlier stage, nothing, or an image.
fn base(file: &File, index: usize, image: &Word, scope: &Scope) -> Result<Base, BuildError> {
    let expanded = expand(file, "FROM", &image.text, scope)?;
    let (name, undefined) = (expanded.text, expanded.undefined.first());
    let hint = undefined
        .map(|variable| format!("image reference contains an undefined variable: ${variable}"));
    if name.is_empty() {
        let error = BuildError::from(Problem::BlankBase(image.text.clone()));
        return Err(error.with_any_hint(hint));
    }
    match file.stage_named(&name, index) {
        Some(stage) => Ok(Base::Stage(stage)),
        None => other_base(&name).map_err(|error| error.with_any_hint(hint)),
    }
}

/// What is no stage.
fn other_base(name: &str) -> Result<Base, BuildError> {
    if name == "scratch" {
        return Ok(Base::Scratch);
    }
    Ok(Base::Image(name.parse().map_err(Problem::Reference)?))
}

/// Images of other machines can't be built on yet.
fn check_platform(
    file: &File,
    word: &Word,
    options: &Options,
    scope: &Scope,
) -> Result<(), BuildError> {
    let text = expand(file, "FROM", &word.text, scope)?.text;
    let platform = Platform::parse(&text).map_err(|source| {
        let text = text.clone();
        Problem::Platform { text, source }
    })?;
    if platform.is_same_as(&options.platform) {
        return Ok(());
    }
    Err(Problem::NotSupported(format!("FROM --platform={text} on this machine")).into())
}

impl<'a> Plan<'a> {
    /// Plans stage number `index`, without the triggers of an image.
    pub(super) fn stage(&self, index: usize) -> Result<PlannedStage<'a>, BuildError> {
        let stages = &self.file.stages;
        let (stage, start) = (&stages[index], &self.starts[index]);
        let mut steps = match start.base {
            Base::Stage(base) => {
                let instructions = stages[base].instructions.iter();
                let triggers = instructions.filter_map(|instruction| match &instruction.command {
                    Command::OnBuild(trigger) => Some(trigger.text.as_str()),
                    _ => None,
                });
                self.triggers(index, triggers)?
            }
            Base::Scratch | Base::Image(_) => Vec::new(),
        };
        let number = self.number(index);
        for (place, instruction) in stage.instructions.iter().enumerate() {
            let step = PlannedStep {
                number: number + 1 + place,
                is_trigger: false,
                span: instruction.header.span,
                from: None,
                instruction: Cow::Borrowed(instruction),
            };
            steps.push(self.checked(step, index)?);
        }
        Ok(PlannedStage {
            index,
            stage,
            number,
            base: start.base.clone(),
            arguments: start.arguments.clone(),
            steps,
        })
    }

    /// The number of a stage's `FROM` among all instructions.
    fn number(&self, index: usize) -> usize {
        let before = self.file.stages[..index].iter();
        let before = before.map(|stage| 1 + stage.instructions.len());
        self.globals().len() + before.sum::<usize>() + 1
    }

    /// The steps that triggers make of the stage that inherits them.
    pub(super) fn triggers<'t>(
        &self,
        index: usize,
        texts: impl Iterator<Item = &'t str>,
    ) -> Result<Vec<PlannedStep<'a>>, BuildError> {
        let span = self.file.stages[index].header.span;
        texts
            .map(|text| {
                let read = self.file.trigger(text).map_err(Problem::Trigger);
                let instruction =
                    read.map_err(|e| BuildError::from(e).at(&self.file.source, span))?;
                let step = PlannedStep {
                    number: self.number(index),
                    is_trigger: true,
                    span,
                    from: None,
                    instruction: Cow::Owned(instruction),
                };
                self.checked(step, index)
            })
            .collect()
    }

    /// The step of stage number `index` with what it copies from, if it can be executed.
    fn checked(
        &self,
        mut step: PlannedStep<'a>,
        index: usize,
    ) -> Result<PlannedStep<'a>, BuildError> {
        let command = &step.instruction.command;
        let checked = supported::check(command)
            .and_then(|()| operands::check(self.file, command))
            .and_then(|()| self.from(&step, index));
        step.from = checked.map_err(|error| error.at(&self.file.source, step.span))?;
        Ok(step)
    }

    /// What the `COPY --from` of a step of stage number `index` names.
    fn from(&self, step: &PlannedStep<'_>, index: usize) -> Result<Option<Base>, BuildError> {
        let Command::Copy(Copy {
            from: Some(word), ..
        }) = &step.instruction.command
        else {
            return Ok(None);
        };
        let name = if word.text.contains('$') {
            let name = known::arguments(self, index, step).expand(&word.text)?;
            name.ok_or(Problem::UnknownFrom)?
        } else {
            word.text.clone()
        };
        match self.file.referred(&name, index) {
            Err(error) => Err(Problem::From(error).into()),
            Ok(Some(stage)) => Ok(Some(Base::Stage(stage))),
            Ok(None) if name.is_empty() => Ok(None),
            Ok(None) => other_base(&name).map(Some),
        }
    }

    /// The options of the build.
    pub(super) fn options(&self) -> &'a Options {
        self.options
    }

    /// What stage number `index` starts from.
    pub(super) fn start(&self, index: usize) -> &Start {
        &self.starts[index]
    }
}
