//! What is to be done, before anything is: the stages that the result needs, what each starts
//! from and copies from, and that everything in them can be executed.
//!
//! Pure. Errors found here come before anything is pulled or created, but for those of triggers: which an image has is
//! known when the image is there. Then they are [inherited](Plan::inherit), and perhaps more stages are needed.

mod arguments;
mod known;
mod operands;
mod stage;
mod supported;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use ch_dockerfile::ast::{File, GlobalArgument};
use ch_dockerfile::suggestion;
use jiff::Timestamp;

use crate::error::{BuildError, Problem};
use crate::scope::{self, SOURCE_DATE_EPOCH, Scope};
use crate::{Options, UnusedArguments};
use stage::Start;
pub(crate) use stage::{Base, PlannedStage, PlannedStep};
pub(crate) use words::{define, expand, expand_wildcards};

/// The whole build.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The Dockerfile.
    pub(crate) file: &'a File,
    options: &'a Options,
    /// Global and automatic arguments, with the values that stages ask for.
    pub(crate) scope: Scope,
    /// The time that the result is to say it is of.
    pub(crate) created: Option<Timestamp>,
    /// The number of the stage that is the result.
    pub(crate) target: usize,
    /// What each stage of the file starts from, needed or not.
    starts: Vec<Start>,
    /// The stages of the file that are to be executed again.
    rebuilt: BTreeSet<usize>,
    /// What the user may not have meant.
    pub(crate) warnings: Vec<String>,
    /// The stages that are needed, by their number in the file.
    pub(crate) stages: BTreeMap<usize, PlannedStage<'a>>,
}

impl<'a> Plan<'a> {
    /// Plans the stage that `options` ask for and what it needs.
    pub(crate) fn new(file: &'a File, options: &'a Options) -> Result<Self, BuildError> {
        supported::check_directives(file)?;
        let warnings = unused_arguments(file, options)?;
        let target = target(file, options)?;
        let mut scope = Scope::default();
        let name = file.stages[target].name().unwrap_or("default");
        for (name, value) in scope::automatic(&options.platform, name) {
            let given = options.build_argument(name).map(str::to_owned);
            scope.set(name, given.unwrap_or(value));
        }
        if let Some(date) = options.build_argument(SOURCE_DATE_EPOCH) {
            scope.set(SOURCE_DATE_EPOCH, date.to_owned());
        }
        for argument in &file.globals {
            global(argument, file, options, &mut scope)?;
        }
        let start = |index| Start::new(file, index, options, &scope);
        let starts = (0..file.stages.len()).map(start);
        let mut plan = Self {
            starts: starts.collect::<Result<_, _>>()?,
            created: arguments::source_date(scope.get(SOURCE_DATE_EPOCH))?,
            file,
            options,
            scope,
            target,
            rebuilt: rebuilt(file, options)?,
            warnings,
            stages: BTreeMap::new(),
        };
        plan.require([target])?;
        Ok(plan)
    }

    /// The global `ARG`s, in order.
    pub(crate) fn globals(&self) -> &'a [GlobalArgument] {
        &self.file.globals
    }

    /// Whether stage number `index` is to be executed again.
    pub(crate) fn is_rebuilt(&self, index: usize) -> bool {
        self.rebuilt.contains(&index)
    }

    /// How many instructions are executed or looked up.
    pub(crate) fn instructions(&self) -> usize {
        let of_stages = self.stages.values().map(|stage| 1 + stage.steps.len());
        self.globals().len() + of_stages.sum::<usize>()
    }

    /// Adds what the image that stage number `index` starts from has for whatever is built on it.
    pub(crate) fn inherit(&mut self, index: usize, triggers: &[String]) -> Result<(), BuildError> {
        let mut steps = self.triggers(index, triggers.iter().map(String::as_str))?;
        let planned = self.stages.get_mut(&index);
        let planned = planned.expect("only a stage that is needed inherits");
        steps.append(&mut planned.steps);
        planned.steps = steps;
        let needed = planned.needs();
        self.require(needed)
    }

    /// Plans stages and all that they need. Without recursion: a chain of stages may be longer than a stack is deep.
    fn require(&mut self, indices: impl IntoIterator<Item = usize>) -> Result<(), BuildError> {
        let mut wanted: Vec<_> = indices.into_iter().collect();
        while let Some(index) = wanted.pop() {
            if self.stages.contains_key(&index) {
                continue;
            }
            let planned = self.stage(index)?;
            wanted.extend(planned.needs());
            self.stages.insert(index, planned);
        }
        Ok(())
    }
}

/// The number of the stage that is to be built.
fn target(file: &File, options: &Options) -> Result<usize, BuildError> {
    let Some(wanted) = &options.target else {
        return Ok(file.stages.len() - 1);
    };
    file.target(wanted).ok_or_else(|| {
        let (target, similar) = (wanted.clone(), similar_stage(file, wanted));
        Problem::NoTarget { target, similar }.into()
    })
}

/// The numbers of the stages that are to be executed again.
fn rebuilt(file: &File, options: &Options) -> Result<BTreeSet<usize>, BuildError> {
    let number = |stage: &String| {
        file.target(stage).ok_or_else(|| {
            let (stage, similar) = (stage.clone(), similar_stage(file, stage));
            Problem::NoRebuiltStage { stage, similar }.into()
        })
    };
    options.rebuilt_stages.iter().map(number).collect()
}

/// The name of a stage that is written almost so.
fn similar_stage(file: &File, name: &str) -> Option<String> {
    let names = file.stages.iter().filter_map(|stage| stage.name());
    suggestion(&name.to_lowercase(), names)
}

/// What is to be said of build arguments that nothing asks for.
fn unused_arguments(file: &File, options: &Options) -> Result<Vec<String>, BuildError> {
    let unused = arguments::unused(file, &options.build_arguments)?;
    if unused.is_empty() {
        return Ok(Vec::new());
    }
    let problem = Problem::NotConsumed(unused);
    match options.unused_arguments {
        UnusedArguments::Refused => Err(problem.into()),
        UnusedArguments::Warned => Ok(vec![problem.to_string()]),
        UnusedArguments::Ignored => Ok(Vec::new()),
    }
}

/// An `ARG` before the first `FROM`.
fn global(
    argument: &GlobalArgument,
    file: &File,
    options: &Options,
    scope: &mut Scope,
) -> Result<(), BuildError> {
    for definition in &argument.definitions {
        let defined = define(definition, file, options, scope, None);
        let (name, value) = defined.map_err(|e| e.at(&file.source, argument.header.span))?;
        scope.declare(&name, value);
    }
    Ok(())
}
