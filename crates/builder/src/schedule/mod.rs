//! The plan, carried out: stages one after the other or at the same time, in each of them instruction by instruction,
//! each from the cache if it can be.
//!
//! A state that is there is a hit: its layers are taken, nothing is mounted and no process started.
//! Otherwise the step is executed by whoever gets its key lock first, and the layers it leaves are
//! published together with the state. The image record comes last, when all that it names exists.

mod base;
mod cache;
mod crew;
mod fakeroot;
mod files;
mod images;
mod teller;
mod worker;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::build::{Built, Context};
use crate::context::ignore::Hidden;
use crate::error::{BuildError, Problem};
use crate::machinery::Processes;
use crate::plan::Plan;
use crate::stage::Stage;
use crate::step::copy;
use crate::step::copy_from::Copied;
use crate::{Event, Mark, Options, Tell, record};
use crew::Finished;
use images::{Finder, Images};
pub(crate) use teller::Teller;
use worker::Worker;

/// A build while it goes on: what all of its stages share.
pub(crate) struct Schedule<'a> {
    context: &'a Context<'a>,
    options: &'a Options,
    plan: &'a Plan<'a>,
    images: &'a Images,
    /// What `COPY` does not see of the context.
    hidden: Option<Arc<Hidden>>,
    events: &'a Tell<'a>,
    processes: Processes<'a>,
    /// What `COPY` reads, once there was one.
    sources: OnceLock<copy::Sources>,
    /// What is known of the files of images.
    copied: Copied,
    /// `RUN` instructions that the root emulation had to change.
    modified: AtomicUsize,
    /// What steps had to say and have said.
    warned: Mutex<HashSet<String>>,
}

/// Finds the images that `plan` needs; it may need more stages then.
pub(crate) fn prepare(
    context: &Context<'_>,
    options: &Options,
    plan: &mut Plan<'_>,
    events: &Tell<'_>,
) -> Result<Images, BuildError> {
    for (index, global) in plan.globals().iter().enumerate() {
        let (number, text) = (index + 1, global.header.to_string());
        let mark = Mark::Neither;
        events(None, Event::Instruction { number, mark, text });
    }
    for text in &plan.warnings {
        events(None, Event::Warning(text.clone()));
    }
    let finder = Finder {
        context,
        options,
        events,
    };
    finder.find_all(plan)
}

impl<'a> Schedule<'a> {
    /// A build that has its images.
    pub(crate) fn new(
        context: &'a Context<'a>,
        options: &'a Options,
        plan: &'a Plan<'a>,
        images: &'a Images,
        hidden: Option<Arc<Hidden>>,
        events: &'a Tell<'a>,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            context,
            options,
            plan,
            images,
            hidden,
            events,
            processes: Processes::new(context)?,
            sources: OnceLock::new(),
            copied: Copied::load(context.storage),
            modified: AtomicUsize::new(0),
            warned: Mutex::default(),
        })
    }

    /// Builds everything and stores the image.
    pub(crate) fn run(self) -> Result<Built, BuildError> {
        let stages = self.plan.stages.iter();
        let needs = stages.map(|(index, planned)| (*index, planned.needs()));
        let work = |index: usize, finished: &Finished<Stage>| {
            Worker::new(&self, index, finished).stage(&self.plan.stages[&index])
        };
        let stop = || self.processes.stop();
        let finished = crew::work_off(needs.collect(), self.options.jobs, work, stop);
        if !self.options.dry_run {
            let storage = self.context.storage();
            if let Some(sources) = self.sources.get() {
                sources.save(storage);
            }
            self.copied.save(storage);
        }
        let instructions = self.plan.instructions();
        let image = if self.options.dry_run {
            finished?;
            None
        } else {
            let stage = &finished?[&self.plan.target];
            Some(record::store(self.context.storage(), self.options, stage)?)
        };
        self.tell_modified();
        if image.is_some() {
            let name = self.options.names[0].to_string();
            (self.events)(None, Event::Grown { instructions, name });
        }
        Ok(Built {
            image,
            instructions,
        })
    }

    /// What is copied from the context, opened by the first who asks.
    fn sources(&self) -> Result<&copy::Sources, BuildError> {
        if let Some(sources) = self.sources.get() {
            return Ok(sources);
        }
        let path = self.options.context.as_deref().ok_or(Problem::NoContext)?;
        let sources = copy::Sources::open(path, self.hidden.clone(), self.context.storage)?;
        // Opened twice at the same time, the first one counts.
        Ok(self.sources.get_or_init(|| sources))
    }

    /// Whether nobody has been told this yet.
    fn is_news(&self, text: &str) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warned.insert(text.to_owned())
    }

    /// A `RUN` had to be changed.
    fn count_modified(&self) {
        self.modified.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells at the end how much the mode had to change.
    fn tell_modified(&self) {
        let count = self.modified.load(Ordering::Relaxed);
        fakeroot::tell_modified(count, self.options, self.events);
    }
}
