//! [`TestEnv`]: one test's own directory, storage, home and environment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{Outcome, small_root};

/// A directory of one test, with the programs under test in it.
///
/// ```text
/// bin/       ch-image, ch-run, ch-convert: links to the executable under test
/// home/      $HOME
/// storage/   $CH_IMAGE_STORAGE
/// work/      the current directory; paths given to the methods are below it
/// ```
///
/// Programs see only the variables that [`TestEnv`] sets. Everything is removed at the end.
pub struct TestEnv {
    directory: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

/// With this variable all builds of tests that choose no root emulation have the one that it names.
const FORCE: &str = "CH_TEST_FORCE";

impl TestEnv {
    /// A fresh directory for the executable under test, `env!("CARGO_BIN_EXE_ch-image")`.
    pub fn new(executable: impl AsRef<Path>) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("ch-image-test.")
            .tempdir()
            .expect("TMPDIR can be written to");
        for name in ["bin", "home", "work"] {
            fs::create_dir(directory.path().join(name)).expect("the directory is new");
        }
        for name in ["ch-image", "ch-run", "ch-convert"] {
            symlink(executable.as_ref(), directory.path().join("bin").join(name))
                .expect("the directory is new");
        }
        let env = Self {
            directory,
            variables: BTreeMap::new(),
        };
        let text = |path: PathBuf| path.display().to_string();
        let variables = [
            ("PATH", std::env::var("PATH").expect("PATH is set")),
            ("HOME", text(env.root().join("home"))),
            ("TMPDIR", text(env.root().to_owned())),
            ("CH_IMAGE_STORAGE", text(env.storage())),
            ("LANG", "C.UTF-8".to_owned()),
            ("USER", "tester".to_owned()),
            ("RUST_BACKTRACE", "0".to_owned()),
        ];
        let mut variables: BTreeMap<_, _> = variables
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        if let Ok(mode) = std::env::var(FORCE) {
            variables.insert("CH_IMAGE_FORCE".to_owned(), mode);
        }
        Self { variables, ..env }
    }

    /// A fresh directory whose storage holds the image `base`: this machine's `sh` and coreutils.
    pub fn with_base_image(executable: impl AsRef<Path>) -> Self {
        let env = Self::new(executable);
        small_root(&env.path("base"));
        env.image(["import", "base", "base"]).success();
        env
    }

    /// The test's directory.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// The storage directory; the program creates it.
    pub fn storage(&self) -> PathBuf {
        self.root().join("storage")
    }

    /// `name` below the current directory of the programs.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join("work").join(name)
    }

    /// Writes a file below the current directory, with the directories that lead to it.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        let parent = path.parent().expect("the path has a directory");
        fs::create_dir_all(parent).expect("the test's directory can be written to");
        fs::write(&path, content).expect("the test's directory can be written to");
    }

    /// Sets a variable for all programs that are started from now on.
    pub fn set(&mut self, name: &str, value: impl AsRef<str>) {
        self.variables
            .insert(name.to_owned(), value.as_ref().to_owned());
    }

    /// Leaves the root emulation to the program, whatever the run of the tests is about.
    #[must_use = "it is another environment"]
    pub fn with_default_emulation(mut self) -> Self {
        self.variables.remove("CH_IMAGE_FORCE");
        self
    }

    /// A command with the environment of the test; `program` is `ch-image`, `ch-run` or another's name.
    pub fn command<I, S>(&self, program: &str, arguments: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let own = self.root().join("bin").join(program);
        let tool = !own.exists();
        let mut command = Command::new(if tool { program.into() } else { own });
        command
            .args(arguments)
            .current_dir(self.path(""))
            .stdin(Stdio::null())
            .env_clear();
        if tool && let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
            // Tools that lie in a directory of the user's have their libraries there, too.
            command.env("LD_LIBRARY_PATH", path);
        }
        command.envs(&self.variables);
        command
    }

    /// Runs a program to its end; standard output and standard error are kept apart.
    #[must_use = "a command that may fail is checked"]
    pub fn run<I, S>(&self, program: &str, arguments: I) -> Outcome
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = self.command(program, arguments);
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("can't run {program}: {error}"));
        Outcome::new(&command, &output)
    }

    /// Runs `ch-image`.
    #[must_use = "a command that may fail is checked"]
    pub fn image<I, S>(&self, arguments: I) -> Outcome
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.run("ch-image", arguments)
    }

    /// Runs `ch-run`.
    #[must_use = "a command that may fail is checked"]
    pub fn ch_run<I, S>(&self, arguments: I) -> Outcome
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.run("ch-run", arguments)
    }

    /// Starts a program without waiting; its output is thrown away.
    pub fn start<I, S>(&self, program: &str, arguments: I) -> Child
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.command(program, arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("can't run {program}: {error}"))
    }

    /// Runs a program and gives what a terminal would show: standard output and error in the order of their
    /// writing, then the exit status; the test's own paths are replaced by `$TEST`.
    pub fn transcript<I, S>(&self, program: &str, arguments: I) -> String
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let (mut reader, writer) = std::io::pipe().expect("a pipe can be made");
        let mut command = self.command(program, arguments);
        let again = writer.try_clone().expect("a descriptor is free");
        command.stdout(writer).stderr(again);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("can't run {program}: {error}"));
        // The command holds the write ends; the reader would wait for them.
        drop(command);
        let mut text = String::new();
        reader
            .read_to_string(&mut text)
            .expect("the program writes UTF-8");
        let status = child.wait().expect("the child is ours");
        let text = text.replace(&self.root().display().to_string(), "$TEST");
        format!("{text}[{status}]\n")
    }
}
