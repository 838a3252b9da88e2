//! One step: looked up by its state, and executed if it is not there.

use std::mem;

use ch_container::MountPoint;
use ch_dockerfile::ast::Header;
use ch_rootfs::Workspace;
use ch_storage::{Key, LayerId, StateId, StateRecord};
use jiff::Timestamp;

use super::worker::Worker;
use crate::error::{BuildError, Problem};
use crate::machinery::Machinery;
use crate::stage::Stage;
use crate::{Cache, Event, Mark};

/// Which part of an instruction a step is: what its author sees of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What it says.
    Itself,
    /// What must be done before: the instruction's line is shown if that is executed, and the history
    /// tells of it if it made a layer.
    Before,
}

/// An instruction that is executed on files, ready to be looked up.
pub(super) struct Step<'s> {
    /// What it is of its instruction.
    pub(super) part: Part,
    /// The state it leads to.
    pub(super) state: StateId,
    /// Its line of the history.
    pub(super) history: String,
    /// Where things are mounted while it is executed.
    pub(super) mount_points: Vec<MountPoint>,
    /// It may be executed once more when space was short: nobody sees what it does but the files.
    pub(super) repeatable: bool,
    /// What the author should know if it is executed.
    pub(super) warnings: Vec<String>,
    /// What is done to the files.
    pub(super) execute: &'s dyn Fn(&Machinery<'_>, &Workspace) -> Result<(), BuildError>,
}

/// What a step has led to.
struct Outcome {
    layers: Vec<LayerId>,
    created: Timestamp,
}

impl Worker<'_> {
    /// Takes a step's result from the cache or makes it, and says which.
    pub(super) fn step(
        &self,
        header: &Header,
        step: Step<'_>,
        stage: &mut Stage,
    ) -> Result<Mark, BuildError> {
        let may_read = self.may_read(stage);
        let mut mark = Mark::Hit;
        let mut cached = if may_read {
            self.cached(&step.state)?
        } else {
            None
        };
        if cached.is_none() && self.options.dry_run {
            self.warn_once(&step);
            self.tell_part(header, Mark::Executed, step.part);
            stage.state = step.state;
            stage.is_partial = true;
            return Ok(Mark::Neither);
        }
        // Whoever comes second waits here and finds the other's result.
        let mut once = None;
        if cached.is_none() && self.options.cache != Cache::Disabled {
            let lock = self.context.storage().once(&Key::State(&step.state));
            once = Some(lock.map_err(Problem::files("can't lock the build cache"))?);
            // Meanwhile another stage may have failed.
            if self.schedule.processes.is_stopped() {
                return Err(Problem::Stopped.into());
            }
            cached = if may_read {
                self.cached(&step.state)?
            } else {
                None
            };
        }
        let outcome = match cached {
            Some(outcome) => {
                self.tell_part(header, Mark::Hit, step.part);
                outcome
            }
            None => {
                mark = Mark::Executed;
                self.warn_once(&step);
                self.tell_part(header, Mark::Executed, step.part);
                self.execute(header, &step, stage)?
            }
        };
        drop(once);
        let made_layer = outcome.layers != stage.layers;
        stage.layers = outcome.layers;
        let created = self.options.created.unwrap_or(outcome.created);
        if made_layer || step.part != Part::Before {
            stage.remember(step.history, &created.to_string(), made_layer);
        }
        stage.state = step.state;
        Ok(mark)
    }

    /// Whether steps of `stage` may come from the build cache.
    pub(super) fn may_read(&self, stage: &Stage) -> bool {
        self.options.cache == Cache::Enabled && !stage.is_rebuilt
    }

    /// Shows the line of the instruction that a step is part of, once.
    fn tell_part(&self, header: &Header, mark: Mark, part: Part) {
        let is_due = part == Part::Itself || mark == Mark::Executed;
        let is_shown = self.line_shown.get();
        if is_due && !is_shown {
            self.tell(header, mark);
        }
        self.line_shown
            .set(part == Part::Before && (is_due || is_shown));
    }

    /// Says once per build what a step has to say. Nobody wants to hear it of what was executed long ago.
    fn warn_once(&self, step: &Step<'_>) {
        for text in &step.warnings {
            if self.schedule.is_news(text) {
                self.events.tell(Event::Warning(text.clone()));
            }
        }
    }

    /// Goes from one state to the next without files.
    pub(super) fn move_on(
        &self,
        state: StateId,
        instruction: String,
        stage: &mut Stage,
    ) -> Result<(), BuildError> {
        let parent = mem::replace(&mut stage.state, state);
        self.note_state(Some(parent), instruction, stage)
    }

    /// Writes down the state of `stage`, which no step does, unless it is there: a collection must find out what led
    /// to the later ones.
    pub(super) fn note_state(
        &self,
        parent: Option<StateId>,
        instruction: String,
        stage: &Stage,
    ) -> Result<(), BuildError> {
        if self.options.cache == Cache::Disabled || self.options.dry_run {
            return Ok(());
        }
        let states = self.context.storage().states();
        let found = states.get(&stage.state);
        let found = found.map_err(Problem::files("can't read the build cache"))?;
        if found.is_some() {
            return Ok(());
        }
        let record = StateRecord {
            parent,
            instruction,
            layers: stage.layers.clone(),
            created: Timestamp::now(),
        };
        let put = states.put(&stage.state, &record);
        put.map_err(Problem::files("can't write the build cache"))?;
        Ok(())
    }

    fn cached(&self, state: &StateId) -> Result<Option<Outcome>, BuildError> {
        let Some(storage) = self.context.storage else {
            return Ok(None);
        };
        let found = storage.states().get(state);
        let found = found.map_err(Problem::files("can't read the build cache"))?;
        Ok(found.map(|record| Outcome {
            layers: record.layers,
            created: record.created,
        }))
    }

    fn execute(
        &self,
        header: &Header,
        step: &Step<'_>,
        stage: &Stage,
    ) -> Result<Outcome, BuildError> {
        let perform = || {
            let points = &step.mount_points;
            let workspace = self.machinery.workspace(&stage.layers, points)?;
            (step.execute)(&self.machinery, &workspace)?;
            self.machinery.commit(workspace)
        };
        let layer = if step.repeatable {
            self.context.storage().with_space(perform)?
        } else {
            perform()?
        };
        let mut layers = stage.layers.clone();
        layers.extend(layer);
        let created = Timestamp::now();
        if self.options.cache != Cache::Disabled {
            let record = StateRecord {
                parent: Some(stage.state.clone()),
                instruction: header.to_string(),
                layers: layers.clone(),
                created,
            };
            let put = self.context.storage().states().put(&step.state, &record);
            put.map_err(Problem::files("can't write the build cache"))?;
        }
        Ok(Outcome { layers, created })
    }
}
