//! The processes behind the steps: the mounter, started by the first step that is no hit, and one
//! container per `RUN`.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use ch_container::{
    Abilities, End, GROUP, MountPoint, Notice, Outcome, Output, PASSWD, RunError, Spec, Stop,
    Stream, Users,
};
use ch_emulation::{Memory, Mode};
use ch_linux::signal::Signal;
use ch_rootfs::{Learned, MountPoints, Mounter, PlaceKind, PrepareError, View, Workspace};
use ch_storage::{LayerId, Lease};

use crate::Event;
use crate::build::Context;
use crate::error::{BuildError, Problem};
use crate::fakeroot::{LARGEST, Recipe};
use crate::schedule::Teller;
use crate::step::copy_from::Files;

/// What the steps of all stages are executed with.
pub(crate) struct Processes<'a> {
    context: &'a Context<'a>,
    mounter: OnceLock<Mounter>,
    /// Held by whoever starts the mounter.
    starting: Mutex<()>,
    abilities: Abilities,
    /// Ends the commands of this build.
    stop: Stop,
}

impl<'a> Processes<'a> {
    /// Nothing is started yet.
    pub(crate) fn new(context: &'a Context<'a>) -> Result<Self, BuildError> {
        let stop = context.stop.part();
        Ok(Self {
            context,
            mounter: OnceLock::new(),
            starting: Mutex::default(),
            abilities: Abilities::default(),
            stop: stop.map_err(Problem::files("can't make a pipe"))?,
        })
    }

    /// Ends all commands; no further step is begun.
    pub(crate) fn stop(&self) {
        self.stop.request();
    }

    /// Whether no further step is to be begun.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_requested()
    }

    fn mounter(&self) -> Result<&Mounter, BuildError> {
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mounter) = self.mounter.get() {
            return Ok(mounter);
        }
        let spawned = Mounter::spawn(self.context.executable, self.context.storage());
        let mounter = spawned.map_err(|error| {
            let hint = error.hint().map(str::to_owned);
            BuildError::from(Problem::Mounter(error)).with_any_hint(hint)
        })?;
        Ok(self.mounter.get_or_init(|| mounter))
    }
}

/// What the steps of one stage are executed with.
pub(crate) struct Machinery<'a> {
    processes: &'a Processes<'a>,
    context: &'a Context<'a>,
    events: Teller<'a>,
    /// Keeps others from freeing the layers of the latest workspace.
    lease: RefCell<Option<Lease>>,
    /// From the latest command, for the commit that follows it.
    learned: RefCell<Learned>,
}

impl<'a> Machinery<'a> {
    pub(crate) fn new(processes: &'a Processes<'a>, events: Teller<'a>) -> Self {
        Self {
            processes,
            context: processes.context,
            events,
            lease: RefCell::new(None),
            learned: RefCell::default(),
        }
    }

    /// A root with `layers` in which a step can write.
    pub(crate) fn workspace(
        &self,
        layers: &[LayerId],
        points: &[MountPoint],
    ) -> Result<Workspace, BuildError> {
        let lease = self.context.storage().lease(layers);
        let lease = lease.map_err(Problem::files("can't mount the image"))?;
        self.lease.replace(Some(lease));
        let mut places = MountPoints::none();
        for point in points {
            let kind = if point.directory {
                PlaceKind::Directory
            } else {
                PlaceKind::File
            };
            if point.chosen {
                places.add_chosen(&point.path, kind);
            } else {
                places.add(&point.path, kind);
            }
        }
        let prepared = ch_rootfs::prepare(self.context.storage(), self.mounter()?, layers, &places);
        prepared.map_err(not_mounted)
    }

    /// The files of an image with `layers`, to copy from.
    pub(crate) fn files_of<'m>(&'m self, layers: &'m [LayerId]) -> Files<'m> {
        Files::new(layers, self)
    }

    /// The files of an image with `layers`, mounted, and what keeps others from freeing these.
    pub(crate) fn view(&self, layers: &[LayerId]) -> Result<(View, Lease), BuildError> {
        let storage = self.context.storage();
        let lease = storage.lease(layers);
        let lease = lease.map_err(Problem::files("can't mount the image"))?;
        let view = ch_rootfs::view(storage, self.mounter()?, layers);
        Ok((view.map_err(not_mounted)?, lease))
    }

    /// The users of an image with `layers`, read without mounting it: a step that hits starts no process.
    pub(crate) fn users(&self, layers: &[LayerId]) -> Result<Users, BuildError> {
        // A dry run may have none.
        let Some(storage) = self.context.storage else {
            return Ok(Users::default());
        };
        let lease = storage.lease(layers);
        let _lease = lease.map_err(Problem::files("can't read the users of the image"))?;
        let read = |path: &str| {
            let found = ch_rootfs::read_file(storage, layers, Path::new(path), Users::LARGEST);
            let found = found.map_err(Problem::files("can't read the users of the image"))?;
            Ok::<_, BuildError>(found.unwrap_or_default())
        };
        Ok(Users::new(&read(PASSWD)?, &read(GROUP)?))
    }

    /// The recipe for an image with `layers`, found without mounting it.
    pub(crate) fn recipe(&self, layers: &[LayerId]) -> Result<Option<&'static Recipe>, BuildError> {
        let Some(storage) = self.context.storage else {
            return Ok(None);
        };
        let failed = "can't find out what distribution the image is";
        let _lease = storage.lease(layers).map_err(Problem::files(failed))?;
        let read = |path: &Path| ch_rootfs::read_file(storage, layers, path, LARGEST);
        let found = Recipe::detect(read).map_err(Problem::files(failed))?;
        Ok(found)
    }

    /// Remembers, for the commit that follows, what was written from outside and can't carry it.
    pub(crate) fn learn(&self, learned: Learned) {
        self.learned.replace(learned);
    }

    /// Keeps what was written; `None` if nothing was.
    pub(crate) fn commit(&self, workspace: Workspace) -> Result<Option<LayerId>, BuildError> {
        let committed = workspace.commit_learned(&self.learned.take());
        let committed = committed.map_err(Problem::files("can't keep what the step wrote"))?;
        Ok(committed.map(|committed| {
            for warning in committed.meta.warnings {
                self.events.tell(Event::Warning(warning));
            }
            committed.layer
        }))
    }

    /// Executes a command in a container on `workspace`, which must succeed; `advice` is for when it does not.
    pub(crate) fn execute(
        &self,
        workspace: &Workspace,
        spec: Spec,
        advice: Option<&str>,
    ) -> Result<(), BuildError> {
        let outcome = self.outcome(workspace, spec)?;
        self.learned.replace(learned(&outcome.remembered));
        judge(&outcome, advice)
    }

    /// Executes a command in a container on `workspace`, and says how it ended.
    pub(crate) fn outcome(
        &self,
        workspace: &Workspace,
        mut spec: Spec,
    ) -> Result<Outcome, BuildError> {
        if spec.emulation == Mode::Supervisor {
            spec.remembered = remembered(workspace)?;
        }
        let context = ch_container::Context {
            executable: self.context.executable,
            user_namespace: self.mounter()?.user_namespace(),
            abilities: &self.processes.abilities,
            stop: &self.processes.stop,
            notify: &|notice| self.tell(&notice),
        };
        let stage = self.events.stage();
        let mut pass_on = self
            .context
            .output
            .map(|output| move |stream: Stream, bytes: &[u8]| output(stage, stream, bytes));
        let output = match &mut pass_on {
            Some(each) => Output::Each(each),
            None => Output::Inherit,
        };
        match ch_container::run(&context, workspace.root(), &spec, output) {
            Ok(outcome) => Ok(outcome),
            Err(RunError::Stopped) => Err(Problem::Stopped.into()),
            Err(error) => {
                let hint = error.hint();
                let problem = match error {
                    RunError::InitLost { .. } | RunError::Left { .. } => Problem::Container(error),
                    error => Problem::NotStarted(error),
                };
                Err(BuildError::from(problem).with_any_hint(hint))
            }
        }
    }

    fn tell(&self, notice: &Notice) {
        let text = notice.to_string();
        self.events.tell(if notice.is_warning() {
            Event::Warning(text)
        } else {
            Event::Note(text)
        });
    }

    fn mounter(&self) -> Result<&Mounter, BuildError> {
        self.processes.mounter()
    }
}

fn not_mounted(error: PrepareError) -> BuildError {
    let hint = error.hint().map(str::to_owned);
    let error = BuildError::from(Problem::files("can't mount the image")(error));
    error.with_any_hint(hint)
}

/// Whether a command did what it was to do.
fn judge(outcome: &Outcome, advice: Option<&str>) -> Result<(), BuildError> {
    let problem = match outcome.end {
        End::Exited(0) => return Ok(()),
        End::Exited(status) => Problem::Exited(status),
        End::Killed(signal) => Problem::Killed(Signal::from_raw(signal)),
    };
    let advice = if outcome.out_of_memory {
        Some("out of memory?")
    } else {
        advice
    };
    Err(BuildError::from(problem).with_any_hint(advice.map(str::to_owned)))
}

/// What the image's layers have beside their files, for the supervisor.
fn remembered(workspace: &Workspace) -> Result<Vec<Memory>, BuildError> {
    let kept = workspace.kept_beside();
    let kept = kept.map_err(Problem::files("can't read the owners of the image's files"))?;
    let memories = kept
        .iter()
        .filter_map(|(path, believed)| Memory::new(path, believed));
    Ok(memories.collect())
}

/// What the supervisor remembers, for the commit.
fn learned(memories: &[Memory]) -> Learned {
    let mut learned = Learned::default();
    for memory in memories {
        let path = Path::new(OsStr::from_bytes(memory.path.to_bytes()));
        let path = path.strip_prefix("/").unwrap_or(path);
        if let Ok(believed) = memory.believed.parse() {
            learned.add(memory.inode, path.to_owned(), believed);
        }
    }
    learned
}
