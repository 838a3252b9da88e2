//! What is to be done, before anything is: the stages that the result needs, what each starts
//! from, and that everything in them can be executed.
//!
//! Pure. Errors found here come before anything is pulled or created.

mod arguments;
mod operands;
mod supported;

use ch_dockerfile::Word;
use ch_dockerfile::ast::{self, Escape, File, GlobalArgument, Stage};
use ch_dockerfile::substitute::{self, Expanded, Lookup, SubstituteError};
use ch_oci::{Platform, Reference};
use jiff::Timestamp;

use crate::Options;
use crate::error::{BuildError, Problem};
use crate::scope::{self, SOURCE_DATE_EPOCH, Scope};

/// The whole build.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The Dockerfile.
    pub(crate) file: &'a File,
    /// The global `ARG`s, in order.
    pub(crate) globals: &'a [GlobalArgument],
    /// The stages that are needed, in order; the last one is the result.
    pub(crate) stages: Vec<PlannedStage<'a>>,
    /// Global and automatic arguments, with the values that stages ask for.
    pub(crate) scope: Scope,
    /// The time that the result is to say it is of.
    pub(crate) created: Option<Timestamp>,
}

/// One stage.
#[derive(Debug)]
pub(crate) struct PlannedStage<'a> {
    /// Its number in the Dockerfile.
    pub(crate) index: usize,
    /// What it says.
    pub(crate) stage: &'a Stage,
    /// What it starts from.
    pub(crate) base: Base,
    /// `FROM --arg`: set in this stage from the start.
    pub(crate) arguments: Vec<(String, String)>,
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nothing.
    Scratch,
    /// The stage with this number in the Dockerfile.
    Stage(usize),
    /// An image.
    Image(Reference),
}

impl<'a> Plan<'a> {
    /// Plans the last stage of `file` and what it needs.
    pub(crate) fn new(file: &'a File, options: &Options) -> Result<Self, BuildError> {
        supported::check_directives(file)?;
        arguments::check(file, &options.build_arguments)?;
        let last = file.stages.len() - 1;
        let target_name = file.stages[last].name().unwrap_or("default");
        let mut scope = Scope::default();
        for (name, value) in scope::automatic(&options.platform, target_name) {
            let given = options.build_argument(name).map(str::to_owned);
            scope.set(name, given.unwrap_or(value));
        }
        if let Some(date) = options.build_argument(SOURCE_DATE_EPOCH) {
            scope.set(SOURCE_DATE_EPOCH, date.to_owned());
        }
        let mut planner = Planner {
            file,
            options,
            scope,
        };
        for global in &file.globals {
            planner.global(global)?;
        }
        let mut stages = Vec::new();
        for (index, stage) in file.stages.iter().enumerate() {
            stages.push(planner.stage(index, stage)?);
        }
        let stages = needed(stages, last);
        for planned in &stages {
            supported::check(file, planned.stage)?;
            operands::check(file, planned.stage)?;
        }
        Ok(Self {
            file,
            globals: &file.globals,
            stages,
            created: arguments::source_date(planner.scope.get(SOURCE_DATE_EPOCH))?,
            scope: planner.scope,
        })
    }
}

/// The stages that number `target` is built on, in order.
fn needed(stages: Vec<PlannedStage<'_>>, target: usize) -> Vec<PlannedStage<'_>> {
    let mut wanted = vec![false; stages.len()];
    wanted[target] = true;
    // A stage refers to earlier ones only, so one pass from the end is enough.
    for planned in stages.iter().rev() {
        if wanted[planned.index]
            && let Base::Stage(base) = planned.base
        {
            wanted[base] = true;
        }
    }
    stages
        .into_iter()
        .filter(|planned| wanted[planned.index])
        .collect()
}

struct Planner<'a, 'o> {
    file: &'a File,
    options: &'o Options,
    scope: Scope,
}

impl<'a> Planner<'a, '_> {
    /// An `ARG` before the first `FROM`.
    fn global(&mut self, global: &GlobalArgument) -> Result<(), BuildError> {
        let failed = |error: BuildError| error.at(&self.file.source, global.header.span);
        for definition in &global.definitions {
            let (name, value) =
                define(definition, self.file, self.options, &self.scope, None).map_err(failed)?;
            self.scope.declare(&name, value);
        }
        Ok(())
    }

    fn stage(&mut self, index: usize, stage: &'a Stage) -> Result<PlannedStage<'a>, BuildError> {
        let span = stage.header.span;
        let failed = |error: BuildError| error.at(&self.file.source, span);
        let mut arguments = Vec::new();
        // What `--arg` sets is seen by this `FROM` and its stage, not by later ones.
        let mut scope = self.scope.clone();
        for word in &stage.from.arguments {
            let (name, value) = word.text.split_once('=').unwrap_or((&word.text, ""));
            let value = self.expand("FROM", value, &scope).map_err(failed)?.text;
            scope.declare(name, Some(value.clone()));
            arguments.push((name.to_owned(), value));
        }
        if let Some(platform) = &stage.from.platform {
            self.check_platform(platform, &scope).map_err(failed)?;
        }
        let base = self
            .base(index, &stage.from.image, &scope)
            .map_err(failed)?;
        Ok(PlannedStage {
            index,
            stage,
            base,
            arguments,
        })
    }

    /// What the image of a `FROM` stands for: an earlier stage, nothing, or an image.
    fn base(&self, index: usize, image: &Word, scope: &Scope) -> Result<Base, BuildError> {
        let expanded = self.expand("FROM", &image.text, scope)?;
        let name = expanded.text;
        if name.is_empty() {
            let error = BuildError::from(Problem::BlankBase(image.text.clone()));
            let hint = expanded.undefined.first().map(|variable| {
                format!("image reference contains an undefined variable: ${variable}")
            });
            return Err(error.with_any_hint(hint));
        }
        if let Some(stage) = self.file.stage_named(&name, index) {
            return Ok(Base::Stage(stage));
        }
        if name == "scratch" {
            return Ok(Base::Scratch);
        }
        let reference = name.parse().map_err(Problem::Reference)?;
        Ok(Base::Image(reference))
    }

    /// Images of other machines can't be built on yet.
    fn check_platform(&self, word: &Word, scope: &Scope) -> Result<(), BuildError> {
        let text = self.expand("FROM", &word.text, scope)?.text;
        let platform = Platform::parse(&text).map_err(Problem::Platform)?;
        if platform.is_same_as(&self.options.platform) {
            return Ok(());
        }
        Err(Problem::NotSupported(format!("FROM --platform={text} on this machine")).into())
    }

    fn expand(
        &self,
        keyword: &'static str,
        text: &str,
        scope: &Scope,
    ) -> Result<Expanded, BuildError> {
        expand(self.file, keyword, text, scope)
    }
}

/// Substitutes one word of an instruction.
pub(crate) fn expand(
    file: &File,
    keyword: &'static str,
    text: &str,
    scope: &Scope,
) -> Result<Expanded, BuildError> {
    expand_by(substitute::word, file, keyword, text, scope)
}

/// Like [`expand`], for a word that may have wildcards: what its author protects stays protected.
pub(crate) fn expand_wildcards(
    file: &File,
    keyword: &'static str,
    text: &str,
    scope: &Scope,
) -> Result<Expanded, BuildError> {
    expand_by(substitute::wildcards, file, keyword, text, scope)
}

fn expand_by(
    substitution: fn(&str, Escape, &Lookup<'_>) -> Result<Expanded, SubstituteError>,
    file: &File,
    keyword: &'static str,
    text: &str,
    scope: &Scope,
) -> Result<Expanded, BuildError> {
    let lookup = |name: &str| scope.get(name).map(str::to_owned);
    substitution(text, file.directives.escape, &lookup).map_err(|source| {
        let word = text.to_owned();
        Problem::Substitute {
            keyword,
            word,
            source,
        }
        .into()
    })
}

/// Name and value of one definition of an `ARG`: `--build-arg` first, then its default, then what
/// the global arguments and the host have.
pub(crate) fn define(
    definition: &ast::Definition,
    file: &File,
    options: &Options,
    scope: &Scope,
    globals: Option<&Scope>,
) -> Result<(String, Option<String>), BuildError> {
    let name = expand(file, "ARG", &definition.name.text, scope)?.text;
    if name.is_empty() {
        return Err(Problem::BlankName("ARG").into());
    }
    if let Some(given) = options.build_argument(&name) {
        let lookup = |name: &str| scope.get(name).map(str::to_owned);
        let value = substitute::set_only(given, &lookup).map_err(|source| {
            let word = given.to_owned();
            Problem::Substitute {
                keyword: "ARG",
                word,
                source,
            }
        })?;
        return Ok((name, Some(value)));
    }
    if let Some(default) = &definition.value {
        let value = expand(file, "ARG", &default.text, scope)?.text;
        return Ok((name, Some(value)));
    }
    let value = globals
        .and_then(|globals| globals.get(&name))
        .map(str::to_owned);
    let value = value.or_else(|| options.passed_through(&name).map(str::to_owned));
    Ok((name, value))
}
