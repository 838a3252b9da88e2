//! A storage directory with an image called `base`, a context, and builds on them.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ch_builder::{
    BuildArgument, BuildError, Built, Cache, Context, Event, ForceCommand, IgnoreFile, Options,
    PullPolicy, UnusedArguments, build,
};
use ch_container::{Stop, Stream, Surroundings};
use ch_dockerfile::Source;
use ch_emulation::Mode;
use ch_linux::reexec::Executable;
use ch_oci::{ImageConfig, Platform, Reference};
use ch_storage::{
    ImageLayer, ImageOrigin, ImageRecord, LayerId, LayerMeta, Options as StorageOptions, Storage,
};
use ch_transfer::PullError;
use jiff::Timestamp;
use tempfile::TempDir;

/// Everything that a case works with; gone when it ends.
pub(crate) struct Fixture {
    directory: TempDir,
    pub(crate) storage: Storage,
    pub(crate) stop: Stop,
}

/// What came of a build.
pub(crate) struct Outcome {
    pub(crate) result: Result<Built, BuildError>,
    /// The lines that were told, and in between, what commands wrote.
    pub(crate) transcript: String,
    /// What commands wrote to standard output.
    pub(crate) output: String,
}

impl Outcome {
    /// The build must have succeeded.
    pub(crate) fn good(self) -> Self {
        if let Err(error) = &self.result {
            panic!("{error}\n{error:?}\n{}", self.transcript);
        }
        self
    }

    /// The build must have failed; its message.
    pub(crate) fn bad(&self) -> String {
        self.result
            .as_ref()
            .expect_err(&self.transcript)
            .to_string()
    }

    /// The config of the image.
    pub(crate) fn config(&self) -> ImageConfig {
        let image = self.result.as_ref().unwrap().image.as_ref().unwrap();
        ImageConfig::parse(&image.config).unwrap()
    }

    /// The lines of the image's history.
    pub(crate) fn history(&self) -> Vec<String> {
        let history = self.config().history.into_iter();
        history.filter_map(|entry| entry.created_by).collect()
    }

    /// The layers of the image.
    pub(crate) fn layers(&self) -> Vec<LayerId> {
        self.result
            .as_ref()
            .unwrap()
            .image
            .as_ref()
            .unwrap()
            .layer_ids()
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = StorageOptions {
            sync: false,
            ..StorageOptions::default()
        };
        let storage = Storage::open(&directory.path().join("storage"), options).unwrap();
        fs::create_dir(directory.path().join("context")).unwrap();
        let fixture = Self {
            directory,
            storage,
            stop: Stop::new().unwrap(),
        };
        fixture.make_base();
        fixture
    }

    /// A path of the context.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("context").join(name)
    }

    /// Writes a file of the context.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn make_base(&self) {
        let draft = self.storage.draft().unwrap();
        draft.layer().unwrap();
        let files = draft.relative_path() + "/layer/fs";
        ch_test_support::small_root(&self.storage.path().join(files));
        let id = LayerId::random();
        draft.publish_layer(&id, &LayerMeta::new()).unwrap();
        self.put_image("base", &ImageConfig::new(&platform()), id);
    }

    /// Stores an image of one layer.
    pub(crate) fn put_image(&self, name: &str, config: &ImageConfig, id: LayerId) {
        let record = ImageRecord {
            name: reference(name),
            origin: ImageOrigin::Import,
            identity: format!("imported:{id}"),
            config: config.to_bytes(),
            manifest: None,
            index: None,
            source: None,
            mirror: None,
            state: None,
            layers: vec![ImageLayer::made(id)],
            created: Timestamp::now(),
            incomplete: false,
        };
        self.storage.images().put(&record).unwrap();
    }

    /// Options of a build of `built` out of the context.
    pub(crate) fn options(&self) -> Options {
        Options {
            names: vec![reference("built")],
            store: true,
            context: Some(self.path("")),
            dockerfile: Some(self.path("Dockerfile")),
            ignore_file: IgnoreFile::Usual,
            build_arguments: Vec::new(),
            host_environment: Vec::new(),
            target: None,
            jobs: NonZeroUsize::MIN,
            cache: Cache::Enabled,
            rebuilt_stages: Vec::new(),
            pull: PullPolicy::Missing,
            labels: Vec::new(),
            unused_arguments: UnusedArguments::Refused,
            emulation: Mode::Seccomp,
            force_commands: ForceCommand::defaults(),
            advise_force: true,
            binds: Vec::new(),
            surroundings: Surroundings::default(),
            dry_run: false,
            created: None,
            platform: platform(),
        }
    }

    /// Builds with the usual options.
    pub(crate) fn build(&self, dockerfile: &str) -> Outcome {
        self.build_with(dockerfile, &self.options())
    }

    pub(crate) fn build_with(&self, dockerfile: &str, options: &Options) -> Outcome {
        self.build_by(&Executable::current().unwrap(), dockerfile, options)
    }

    /// Builds with processes of `executable`.
    pub(crate) fn build_by(
        &self,
        executable: &Executable,
        dockerfile: &str,
        options: &Options,
    ) -> Outcome {
        self.build_while(executable, dockerfile, options, &|_| ())
    }

    /// Builds while `watch` is told each event as soon as it happens.
    pub(crate) fn build_while(
        &self,
        executable: &Executable,
        dockerfile: &str,
        options: &Options,
        watch: &(dyn Fn(&Event) + Sync),
    ) -> Outcome {
        let source = Source::new("Dockerfile", dockerfile);
        let file = ch_dockerfile::parse(&source).unwrap();
        let transcript = Mutex::new(String::new());
        let output = Mutex::new(String::new());
        let context = Context {
            storage: Some(&self.storage),
            executable,
            pull: &|_| Err(PullError::ArchitectureUnaware),
            stop: &self.stop,
            output: Some(&|_, stream: Stream, bytes: &[u8]| {
                let text = String::from_utf8_lossy(bytes);
                transcript.lock().unwrap().push_str(&text);
                if stream == Stream::Output {
                    output.lock().unwrap().push_str(&text);
                }
            }),
        };
        let events = |_, event: Event| {
            watch(&event);
            // What the machine can't do is no part of what is tested.
            if !matches!(event, Event::Note(_)) {
                transcript.lock().unwrap().push_str(&format!("{event}\n"));
            }
        };
        let result = build(&context, &file, options, &events);
        Outcome {
            result,
            transcript: transcript.into_inner().unwrap(),
            output: output.into_inner().unwrap(),
        }
    }

    /// What a command prints in the image `built`.
    pub(crate) fn inside(&self, command: &str) -> String {
        let options = Options {
            names: vec![reference("throw-away")],
            cache: Cache::Disabled,
            ..self.options()
        };
        let dockerfile = format!("FROM built\nRUN {command}\n");
        self.build_with(&dockerfile, &options).good().output
    }
}

pub(crate) fn argument(name: &str, value: &str) -> BuildArgument {
    BuildArgument {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

pub(crate) fn platform() -> Platform {
    Platform::new("linux", "amd64", None)
}

pub(crate) fn reference(name: &str) -> Reference {
    name.parse().unwrap()
}

/// What lies below a directory of the host.
pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
