//! Instructions that write files from outside: `COPY` and `WORKDIR`.

use std::cell::RefCell;

use ch_dockerfile::ast::{Copy, Header};
use ch_emulation::Mode;
use ch_rootfs::Workspace;

use super::Schedule;
use super::cache::{Part, Step};
use crate::context::imposed::Ids;
use crate::context::previous::{self, Previous};
use crate::error::{BuildError, Problem};
use crate::key::KeyHash;
use crate::machinery::Machinery;
use crate::stage::{Stage, Words};
use crate::step::metadata::Applied;
use crate::step::owner::{self, Resolved};
use crate::step::{copy, workdir};
use crate::{Cache, Mark};

impl Schedule<'_> {
    pub(super) fn copy(
        &mut self,
        copy: &Copy,
        header: &Header,
        stage: &mut Stage,
    ) -> Result<(), BuildError> {
        // Taken, since the step needs both the schedule and them.
        let sources = match self.sources.take() {
            Some(sources) => sources,
            None => {
                let path = self.options.context.as_deref().ok_or(Problem::NoContext)?;
                copy::Sources::open(path, self.context.storage)?
            }
        };
        let result = self.copy_from(&sources, copy, header, stage);
        self.sources = Some(sources);
        result
    }

    fn copy_from(
        &mut self,
        sources: &copy::Sources,
        copy: &Copy,
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
        let prepared = copy::prepare(copy, sources, &mut words, stage, owned)?;
        let hints = words.into_hints();
        self.warn(hints);
        let state = prepared.state(&stage.state);
        let (context, memory) = (self.context, prepared.memory_key(sources));
        let (layers, reads) = (stage.layers.clone(), self.options.cache == Cache::Enabled);
        let files = RefCell::new(Vec::new());
        let execute = |machinery: &Machinery<'_>, workspace: &Workspace| {
            let storage = context.storage();
            let previous = reads.then(|| Previous::load(storage, &memory, &layers));
            let (learned, written) = prepared.write(workspace, previous.flatten())?;
            machinery.learn(learned);
            files.replace(written);
            Ok(())
        };
        let step = Step {
            part: Part::Itself,
            state,
            history: prepared.history(),
            mount_points: Vec::new(),
            repeatable: true,
            warnings: self.about_unknown(&chown.unwrap_or_default(), &owner.unknown),
            execute: &execute,
        };
        let mark = self.step(header, step, stage)?;
        if mark == Mark::Executed
            && self.options.cache != Cache::Disabled
            && let Some(layer) = stage.layers.get(layers.len())
        {
            let files = files.take();
            previous::remember(context.storage(), &memory, layer, files);
        }
        Ok(())
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
        &mut self,
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
                history,
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
