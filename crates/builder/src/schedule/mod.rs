//! The plan, carried out: stage by stage, instruction by instruction, each from the cache if it can be.
//!
//! A state that is there is a hit: its layers are taken, nothing is mounted and no process started.
//! Otherwise the step is executed by whoever gets its key lock first, and the layers it leaves are
//! published together with the state. The image record comes last, when all that it names exists.

mod base;
mod cache;
mod fakeroot;
mod files;

use std::collections::HashSet;

use ch_dockerfile::ast::{Command, Header, Instruction, Run};
use ch_emulation::Mode;
use ch_rootfs::Workspace;
use jiff::Timestamp;

use crate::build::{Built, Context};
use crate::error::BuildError;
use crate::key::KeyHash;
use crate::machinery::Machinery;
use crate::plan::{Plan, PlannedStage};
use crate::record;
use crate::stage::{Stage, Words};
use crate::step::metadata::{self, Applied};
use crate::step::{copy, run};
use crate::{Event, Mark, Options};
use cache::{Part, Step};

/// A build while it goes on.
pub(crate) struct Schedule<'a> {
    context: &'a Context<'a>,
    options: &'a Options,
    plan: &'a Plan<'a>,
    events: &'a dyn Fn(Event),
    machinery: Machinery<'a>,
    /// What `COPY` reads, once there was one.
    sources: Option<copy::Sources>,
    /// Number of the current instruction.
    number: usize,
    /// `RUN` instructions that the root emulation had to change.
    modified: usize,
    /// The line of the current instruction is shown already.
    line_shown: bool,
    /// What steps had to say and have said.
    warned: HashSet<String>,
    /// Finished stages, by their number in the Dockerfile.
    finished: Vec<(usize, Stage)>,
}

impl<'a> Schedule<'a> {
    pub(crate) fn new(
        context: &'a Context<'a>,
        options: &'a Options,
        plan: &'a Plan<'a>,
        events: &'a dyn Fn(Event),
    ) -> Self {
        Self {
            context,
            options,
            plan,
            events,
            machinery: Machinery::new(context, events),
            sources: None,
            number: 0,
            modified: 0,
            line_shown: false,
            warned: HashSet::new(),
            finished: Vec::new(),
        }
    }

    /// Builds everything and stores the image.
    pub(crate) fn run(mut self) -> Result<Built, BuildError> {
        let result = self.run_all();
        if let Some(sources) = &self.sources
            && !self.options.dry_run
        {
            sources.save(self.context.storage());
        }
        result
    }

    fn run_all(&mut self) -> Result<Built, BuildError> {
        for global in self.plan.globals {
            self.tell(&global.header, Mark::Neither);
        }
        for planned in &self.plan.stages {
            let stage = self.stage(planned)?;
            self.finished.push((planned.index, stage));
        }
        let (_, stage) = self.finished.last().expect("a plan has a stage");
        let image = if self.options.dry_run {
            None
        } else {
            Some(record::store(self.context.storage(), self.options, stage)?)
        };
        self.tell_modified();
        if !self.options.dry_run {
            let name = self.options.names[0].to_string();
            (self.events)(Event::Grown {
                instructions: self.number,
                name,
            });
        }
        Ok(Built {
            image,
            instructions: self.number,
        })
    }

    fn stage(&mut self, planned: &'a PlannedStage<'a>) -> Result<Stage, BuildError> {
        let source = &self.plan.file.source;
        let mut stage = self
            .base(planned)
            .map_err(|e| e.at(source, planned.stage.header.span))?;
        for (name, value) in &planned.arguments {
            let mut key = KeyHash::after(&stage.state, "FROM --arg 1");
            key.field("name", name).field("value", value);
            stage.scope.declare(name, Some(value.clone()));
            let text = format!("ARG {name}");
            self.move_on(key.state(), text, &mut stage)
                .map_err(|e| e.at(source, planned.stage.header.span))?;
        }
        self.find_recipe(&mut stage)
            .map_err(|e| e.at(source, planned.stage.header.span))?;
        for instruction in &planned.stage.instructions {
            self.instruction(instruction, &mut stage)
                .map_err(|error| error.at(source, instruction.header.span))?;
        }
        Ok(stage)
    }

    fn instruction(
        &mut self,
        instruction: &Instruction,
        stage: &mut Stage,
    ) -> Result<(), BuildError> {
        let header = &instruction.header;
        match &instruction.command {
            Command::Run(run) => self.run_command(run, header, stage),
            Command::Copy(copy) => self.copy(copy, header, stage),
            Command::Workdir(word) => self.working_directory(&word.text, header, stage),
            Command::Arg(definitions) => {
                self.tell(header, Mark::Neither);
                let (file, globals) = (self.plan.file, &self.plan.scope);
                let applied = metadata::arguments(definitions, file, self.options, globals, stage)?;
                self.link(Some(applied), header, stage)
            }
            command => {
                self.tell(header, Mark::Neither);
                // Words see the variables as they were before the instruction.
                let scope = stage.scope.clone();
                let mut words = Words::new(
                    self.plan.file,
                    header.keyword.name(),
                    &scope,
                    &self.plan.scope,
                );
                let applied = metadata::apply(command, &mut words, stage)?;
                self.hint(words);
                self.link(applied, header, stage)
            }
        }
    }

    fn run_command(
        &mut self,
        run: &Run,
        header: &Header,
        stage: &mut Stage,
    ) -> Result<(), BuildError> {
        let words = Words::new(self.plan.file, "RUN", &stage.scope, &self.plan.scope);
        let prepared = run::prepare(run, &words, stage, self.options)?;
        let mode = self.options.emulation;
        if mode == Mode::Fakeroot && prepared.changed.is_some() {
            self.initialise(header, stage)?;
        }
        let pretends = mode != Mode::Supervisor;
        let warning = || format!("USER: commands of RUN stay root under --force={mode}");
        let number = self.number + usize::from(!self.line_shown);
        let spec = prepared.spec(number.to_string(), self.options);
        let advice = self.advice(&prepared, stage);
        let events = self.events;
        let execute = |machinery: &Machinery<'_>, workspace: &Workspace| {
            fakeroot::tell_command(&prepared, mode, events);
            machinery.execute(workspace, spec.clone(), advice)
        };
        let step = Step {
            part: Part::Itself,
            state: prepared.state(&stage.state, self.options),
            history: prepared.history(stage),
            mount_points: spec.mount_points(),
            repeatable: false,
            warnings: if pretends && prepared.is_other_user() {
                vec![warning()]
            } else {
                Vec::new()
            },
            execute: &execute,
        };
        let mark = self.step(header, step, stage)?;
        // What is said of `fakeroot` is true of the image, however old its steps are.
        let counts = mark == Mark::Executed || mode == Mode::Fakeroot;
        if counts && prepared.changed.is_some() {
            self.modified += 1;
        }
        Ok(())
    }

    /// The line of the next instruction.
    fn tell(&mut self, header: &Header, mark: Mark) {
        self.number += 1;
        let (number, text) = (self.number, header.to_string());
        (self.events)(Event::Instruction { number, mark, text });
    }

    fn hint(&self, words: Words<'_>) {
        self.warn(words.into_hints());
    }

    fn warn(&self, texts: Vec<String>) {
        for text in texts {
            (self.events)(Event::Warning(text));
        }
    }

    /// Notes what an instruction without files has done.
    fn link(
        &self,
        applied: Option<Applied>,
        header: &Header,
        stage: &mut Stage,
    ) -> Result<(), BuildError> {
        let applied = applied.expect("all other instructions only change the configuration");
        let created = self.options.created.unwrap_or_else(Timestamp::now);
        stage.remember(applied.history, &created.to_string(), false);
        match applied.state {
            Some(state) => self.move_on(state, header.to_string(), stage),
            None => Ok(()),
        }
    }
}
