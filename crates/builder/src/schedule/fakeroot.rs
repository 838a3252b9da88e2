//! The `fakeroot` mode: what the image needs for it, done once in a stage by steps of their own.
//!
//! Each thing to be done is a step before the first `RUN` that needs it: its state is that of the check and the
//! command, and leads to no layer where the check says that it was done. The texts are Charliecloud 0.21's.

use ch_container::{End, Spec};
use ch_dockerfile::ast::Header;
use ch_emulation::Mode;
use ch_linux::signal::Signal;
use ch_rootfs::Workspace;
use ch_storage::LayerId;

use super::Teller;
use super::cache::{Part, Step};
use super::worker::Worker;
use crate::error::{BuildError, Problem};
use crate::fakeroot::{InitStep, listed};
use crate::machinery::Machinery;
use crate::stage::Stage;
use crate::step::run::{self, Prepared};
use crate::{Event, Options, Tell};

/// One thing to be done, ready to be executed.
struct Init<'a> {
    /// Counted from 1.
    number: usize,
    texts: &'static InitStep,
    check: Spec,
    command: Spec,
    /// Those of the image as it is before.
    layers: &'a [LayerId],
    events: Teller<'a>,
}

impl Worker<'_> {
    /// Finds out what the image of a `FROM` needs, where somebody wants to know.
    pub(super) fn find_recipe(&self, stage: &mut Stage) -> Result<(), BuildError> {
        stage.recipe = None;
        let (wanted, adjective) = match self.options.emulation {
            Mode::Fakeroot => (true, "will use"),
            Mode::None => (false, "available"),
            Mode::Supervisor | Mode::Seccomp => return Ok(()),
        };
        if !self.options.advise_force {
            let text = "not detecting --force config, per --no-force-detect";
            self.events.tell(Event::Note(text.to_owned()));
            return Ok(());
        }
        // `scratch`, or an image that a dry run does not pull.
        if stage.layers.is_empty() {
            return Ok(());
        }
        stage.recipe = self.machinery.recipe(&stage.layers)?;
        self.events.tell(match stage.recipe {
            Some(recipe) => {
                let (tag, name) = (recipe.tag, recipe.name);
                Event::Workaround(format!("{adjective} --force: {tag}: {name}"))
            }
            None => {
                let text = "--force not available (no suitable config found)".to_owned();
                if wanted {
                    Event::Warning(text)
                } else {
                    Event::Note(text)
                }
            }
        });
        Ok(())
    }

    /// Does what the image needs before its first command with `fakeroot`.
    pub(super) fn initialise(&self, header: &Header, stage: &mut Stage) -> Result<(), BuildError> {
        let Some(recipe) = stage.recipe.filter(|_| !stage.initialised) else {
            return Ok(());
        };
        for (index, texts) in recipe.init.iter().enumerate() {
            let check = run::script(texts.check, stage, self.options);
            let command = run::script(texts.command, stage, self.options);
            let layers = stage.layers.clone();
            let label = self.number.to_string();
            let init = Init {
                number: index + 1,
                texts,
                check: check.spec(label.clone(), self.options),
                command: command.spec(label, self.options),
                layers: &layers,
                events: self.events,
            };
            let execute =
                |machinery: &Machinery<'_>, workspace: &Workspace| init.run(machinery, workspace);
            let step = Step {
                part: Part::Before,
                state: command.state_unless(&check, &stage.state, self.options),
                history: command.history(stage),
                mount_points: init.command.mount_points(),
                repeatable: false,
                warnings: Vec::new(),
                execute: &execute,
            };
            self.step(header, step, stage)?;
        }
        stage.initialised = true;
        Ok(())
    }

    /// What to say if a command fails that another mode may help.
    pub(super) fn advice(&self, command: &Prepared, stage: &Stage) -> Option<&'static str> {
        let recipe = stage.recipe;
        match self.options.emulation {
            Mode::None => recipe
                .is_some_and(|recipe| recipe.applies(&command.argv))
                .then_some("--force may fix it"),
            Mode::Fakeroot => recipe
                .is_none()
                .then_some("--force specified, but no suitable config found"),
            Mode::Supervisor | Mode::Seccomp => None,
        }
    }
}

/// Tells at the end how many instructions the mode had to change.
pub(super) fn tell_modified(count: usize, options: &Options, events: &Tell<'_>) {
    let mode = options.emulation;
    if count > 0 {
        let only_planned = options.dry_run;
        let modified = Event::Modified {
            mode,
            count,
            only_planned,
        };
        events(None, modified);
    } else if mode == Mode::Fakeroot {
        let text = "--force specified, but nothing to do".to_owned();
        events(None, Event::Warning(text));
    }
}

impl Init<'_> {
    fn run(&self, machinery: &Machinery<'_>, workspace: &Workspace) -> Result<(), BuildError> {
        let Self { number, texts, .. } = self;
        self.tell(format_args!("checking: $ {}", texts.check));
        // In a workspace of its own: whatever it writes is none of the image's.
        let elsewhere = machinery.workspace(self.layers, &self.check.mount_points())?;
        let outcome = machinery.outcome(&elsewhere, self.check.clone())?;
        drop(elsewhere);
        if outcome.end == End::Exited(0) {
            self.tell("exit code 0, step not needed");
            return Ok(());
        }
        self.tell(format_args!("$ {}", texts.command));
        let outcome = machinery.outcome(workspace, self.command.clone())?;
        let end = match outcome.end {
            End::Exited(0) => return Ok(()),
            End::Exited(status) => format!("exited with {status}"),
            End::Killed(signal) => format!("killed by {}", Signal::from_raw(signal)),
        };
        let number = *number;
        let hint = "--force=supervisor needs nothing in the image".to_owned();
        Err(BuildError::from(Problem::Init { number, end }).with_any_hint(Some(hint)))
    }

    fn tell(&self, what: impl std::fmt::Display) {
        let number = self.number;
        let text = format!("workarounds: init step {number}: {what}");
        self.events.tell(Event::Workaround(text));
    }
}

/// Tells what is executed instead of the author's command.
pub(super) fn tell_command(command: &Prepared, mode: Mode, events: Teller<'_>) {
    if mode != Mode::Fakeroot {
        return;
    }
    events.tell(match &command.changed {
        Some(changed) => {
            let text = format!("workarounds: RUN: new command: {}", listed(changed));
            Event::Workaround(text)
        }
        None => {
            let text = "workarounds: RUN: instruction doesn't need injection".to_owned();
            Event::Note(text)
        }
    });
}
