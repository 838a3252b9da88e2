//! One stage, instruction by instruction.

use std::cell::Cell;
use std::sync::Arc;

use ch_dockerfile::ast::{Command, Header, Run};
use ch_emulation::Mode;
use ch_rootfs::Workspace;
use jiff::Timestamp;

use super::cache::{Part, Step};
use super::crew::Finished;
use super::images::Images;
use super::{Schedule, Teller, fakeroot};
use crate::build::Context;
use crate::error::{BuildError, Problem};
use crate::key::KeyHash;
use crate::machinery::Machinery;
use crate::plan::{Plan, PlannedStage, PlannedStep};
use crate::stage::{Stage, Words};
use crate::step::metadata::{self, Applied};
use crate::step::run;
use crate::{Event, Mark, Options};

/// Who builds one stage.
pub(super) struct Worker<'a> {
    pub(super) schedule: &'a Schedule<'a>,
    pub(super) context: &'a Context<'a>,
    pub(super) options: &'a Options,
    pub(super) plan: &'a Plan<'a>,
    pub(super) images: &'a Images,
    pub(super) events: Teller<'a>,
    pub(super) machinery: Machinery<'a>,
    finished: &'a Finished<Stage>,
    /// Number of the current instruction.
    pub(super) number: usize,
    /// The current instruction comes from what the stage starts from.
    pub(super) is_trigger: bool,
    /// The line of the current instruction is shown already.
    pub(super) line_shown: Cell<bool>,
}

impl<'a> Worker<'a> {
    /// For stage number `index`; what it needs is `finished`.
    pub(super) fn new(
        schedule: &'a Schedule<'a>,
        index: usize,
        finished: &'a Finished<Stage>,
    ) -> Self {
        let events = Teller::of_stage(schedule.events, index);
        Self {
            schedule,
            context: schedule.context,
            options: schedule.options,
            plan: schedule.plan,
            images: schedule.images,
            events,
            machinery: Machinery::new(&schedule.processes, events),
            finished,
            number: 0,
            is_trigger: false,
            line_shown: Cell::new(false),
        }
    }

    /// Builds the stage.
    pub(super) fn stage(mut self, planned: &PlannedStage<'_>) -> Result<Stage, BuildError> {
        let (source, span) = (&self.plan.file.source, planned.stage.header.span);
        self.number = planned.number;
        let mut stage = self.base(planned).map_err(|e| e.at(source, span))?;
        stage.is_rebuilt |= self.plan.is_rebuilt(self.events.stage());
        for (name, value) in &planned.arguments {
            let mut key = KeyHash::after(&stage.state, "FROM --arg 1");
            key.field("name", name).field("value", value);
            stage.scope.declare(name, Some(value.clone()));
            let text = format!("ARG {name}");
            self.move_on(key.state(), text, &mut stage)
                .map_err(|e| e.at(source, span))?;
        }
        self.find_recipe(&mut stage)
            .map_err(|e| e.at(source, span))?;
        for step in &planned.steps {
            if self.schedule.processes.is_stopped() {
                return Err(Problem::Stopped.into());
            }
            self.number = step.number;
            self.is_trigger = step.is_trigger;
            self.line_shown.set(false);
            self.instruction(step, &mut stage)
                .map_err(|error| error.at(source, step.span))?;
        }
        let text = format!("stage {}: done", self.events.stage());
        self.events.tell(Event::Note(text));
        Ok(stage)
    }

    /// A stage that this one needs.
    pub(super) fn finished(&self, index: usize) -> &Arc<Stage> {
        let finished = self.finished.get(&index);
        finished.expect("what a stage needs is finished before it begins")
    }

    fn instruction(&self, step: &PlannedStep<'_>, stage: &mut Stage) -> Result<(), BuildError> {
        let header = &step.instruction.header;
        match &step.instruction.command {
            Command::Run(run) => self.run_command(run, header, stage),
            Command::Copy(copy) => self.copy(copy, step.from.as_ref(), header, stage),
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
                self.warn(words.into_hints());
                self.link(applied, header, stage)
            }
        }
    }

    fn run_command(&self, run: &Run, header: &Header, stage: &mut Stage) -> Result<(), BuildError> {
        let words = Words::new(self.plan.file, "RUN", &stage.scope, &self.plan.scope);
        let prepared = run::prepare(run, &words, stage, self.options)?;
        let mode = self.options.emulation;
        if mode == Mode::Fakeroot && prepared.changed.is_some() {
            self.initialise(header, stage)?;
        }
        let pretends = mode != Mode::Supervisor;
        let warning = || format!("USER: commands of RUN stay root under --force={mode}");
        let spec = prepared.spec(self.number.to_string(), self.options);
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
            self.schedule.count_modified();
        }
        Ok(())
    }

    pub(super) fn warn(&self, texts: Vec<String>) {
        for text in texts {
            self.events.tell(Event::Warning(text));
        }
    }

    /// Notes what an instruction without files has done.
    pub(super) fn link(
        &self,
        applied: Option<Applied>,
        header: &Header,
        stage: &mut Stage,
    ) -> Result<(), BuildError> {
        let applied = applied.expect("all other instructions only change the configuration");
        let created = self.options.created.unwrap_or_else(Timestamp::now);
        if let Some(history) = applied.history {
            stage.remember(history, &created.to_string(), false);
        }
        match applied.state {
            Some(state) => self.move_on(state, header.to_string(), stage),
            None => Ok(()),
        }
    }
}
