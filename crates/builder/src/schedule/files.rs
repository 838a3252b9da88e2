//! Instructions that write files from outside: `COPY` and `WORKDIR`.

use std::cell::RefCell;

use ch_dockerfile::ast::{Copy, Header};
use ch_emulation::Mode;
use ch_rootfs::Workspace;

use super::cache::{Part, Step};
use super::worker::Worker;
use crate::context::imposed::Ids;
use crate::context::previous::{self, Previous};
use crate::error::BuildError;
use crate::key::KeyHash;
use crate::machinery::Machinery;
use crate::plan::Base;
use crate::stage::{Stage, Words};
use crate::step::metadata::Applied;
use crate::step::owner::{self, Resolved};
use crate::step::{copy, copy_from, workdir};
use crate::{Cache, Mark};

/// A `COPY` that knows everything but its sources.
struct Writing {
    prepared: copy::Prepared,
    /// What the author should know if it is executed.
    warnings: Vec<String>,
}

impl Worker<'_> {
    pub(super) fn copy(
        &self,
        copy: &Copy,
        from: Option<&Base>,
        header: &Header,
        stage: &mut Stage,
    ) -> Result<(), BuildError> {
        let mut words = Words::new(self.plan.file, "COPY", &stage.scope, &self.plan.scope);
        let chown = copy::chown(copy, &mut words)?;
        let owner = match &chown {
            Some(text) => self.owner(text, stage)?,
            None => Resolved::default(),
        };
        let owned = chown.as_deref().map(|text| (text, owner.ids));
        let prepared = copy::prepare(copy, &mut words, stage, owned)?;
        let hints = words.into_hints();
        self.warn(hints);
        let writing = Writing {
            warnings: self.about_unknown(&chown.unwrap_or_default(), &owner.unknown),
            prepared,
        };
        match from {
            None => self.copy_from_context(&writing, header, stage),
            Some(base) => self.copy_from_image(&writing, base, header, stage),
        }
    }

    fn copy_from_context(
        &self,
        Writing { prepared, warnings }: &Writing,
        header: &Header,
        stage: &mut Stage,
    ) -> Result<(), BuildError> {
        let sources = match prepared.needs_files() {
            true => Some(self.schedule.sources()?),
            false => None,
        };
        let operands = prepared.operands(sources.map(copy::Sources::root))?;
        let seen = match sources {
            Some(sources) => sources.look(&operands)?,
            None => copy::look_at_texts(&operands)?,
        };
        let memory = sources.map(|sources| prepared.memory_key(sources));
        let (context, layers) = (self.context, stage.layers.clone());
        let reads = self.may_read(stage);
        let files = RefCell::new(Vec::new());
        let execute = |machinery: &Machinery<'_>, workspace: &Workspace| {
            let storage = context.storage();
            let memory = memory.as_ref().filter(|_| reads);
            let previous = memory.and_then(|memory| Previous::load(storage, memory, &layers));
            let (learned, written) = prepared.write(workspace, &operands, &seen, previous)?;
            machinery.learn(learned);
            files.replace(written);
            Ok(())
        };
        let step = Step {
            part: Part::Itself,
            state: prepared.state(&stage.state, &operands, &seen),
            history: prepared.history(),
            mount_points: Vec::new(),
            repeatable: true,
            warnings: warnings.clone(),
            execute: &execute,
        };
        let mark = self.step(header, step, stage)?;
        if mark == Mark::Executed
            && self.options.cache != Cache::Disabled
            && let Some(layer) = stage.layers.get(layers.len())
            && let Some(memory) = &memory
        {
            previous::remember(context.storage(), memory, layer, files.take());
        }
        Ok(())
    }

    fn copy_from_image(
        &self,
        Writing { prepared, warnings }: &Writing,
        base: &Base,
        header: &Header,
        stage: &mut Stage,
    ) -> Result<(), BuildError> {
        let schedule = self.schedule;
        let layers = self.layers_of(base);
        // Mounted only if somebody wants to look.
        let files = layers
            .as_deref()
            .ok()
            .map(|layers| self.machinery.files_of(layers));
        let state = match (&files, &layers) {
            (Some(files), _) => schedule.copied.state(prepared, &stage.state, files)?,
            (None, Err(unknown)) => copy_from::state_unknown(prepared, &stage.state, unknown),
            (None, Ok(_)) => unreachable!("layers have files"),
        };
        let execute = |machinery: &Machinery<'_>, workspace: &Workspace| {
            let files = files.as_ref().expect("what has no layers is not executed");
            machinery.learn(files.write(prepared, workspace)?);
            Ok(())
        };
        let step = Step {
            part: Part::Itself,
            state,
            history: prepared.history(),
            mount_points: Vec::new(),
            repeatable: true,
            warnings: warnings.clone(),
            execute: &execute,
        };
        self.step(header, step, stage).map(drop)
    }

    /// Who `text` is in the image as it is now.
    fn owner(&self, text: &str, stage: &Stage) -> Result<Resolved, BuildError> {
        owner::resolve(text, || self.machinery.users(&stage.layers))
    }

    /// What is to be said of owners whom the image does not know.
    fn about_unknown(&self, chown: &str, unknown: &[String]) -> Vec<String> {
        // Steps that a dry run leaves out may make them.
        if self.options.dry_run {
            return Vec::new();
        }
        let say =
            |who| format!("UnknownOwner: COPY --chown={chown}: no {who} in the image: 0 instead");
        unknown.iter().map(say).collect()
    }

    pub(super) fn working_directory(
        &self,
        text: &str,
        header: &Header,
        stage: &mut Stage,
    ) -> Result<(), BuildError> {
        let mut words = Words::new(self.plan.file, "WORKDIR", &stage.scope, &self.plan.scope);
        let path = workdir::join(stage.working_directory(), &words.expand(text)?);
        let hints = words.into_hints();
        self.warn(hints);
        let owner = if path == "/" {
            Ids::default()
        } else {
            self.user(stage)?
        };
        let mut key = KeyHash::after(&stage.state, "WORKDIR 2");
        key.field("path", &path)
            .field("owner", format!("{}:{}", owner.uid, owner.gid));
        let (state, history) = (key.state(), format!("WORKDIR {path}"));
        if path == "/" {
            self.tell(header, Mark::Neither);
            let applied = Applied {
                history: Some(history),
                state: Some(state),
            };
            self.link(Some(applied), header, stage)?;
        } else {
            let execute = |machinery: &Machinery<'_>, workspace: &Workspace| {
                machinery.learn(workdir::make(workspace.root(), &path, owner)?);
                Ok(())
            };
            let step = Step {
                part: Part::Itself,
                state,
                history,
                mount_points: Vec::new(),
                repeatable: true,
                warnings: Vec::new(),
                execute: &execute,
            };
            self.step(header, step, stage)?;
        }
        stage.config.config.working_dir = Some(path);
        Ok(())
    }

    /// Who makes directories. Where commands stay root whatever `USER` says, directories do.
    fn user(&self, stage: &Stage) -> Result<Ids, BuildError> {
        match (self.options.emulation, &stage.config.config.user) {
            (Mode::Supervisor, Some(user)) => Ok(self.owner(user, stage)?.ids),
            _ => Ok(Ids::default()),
        }
    }
}
