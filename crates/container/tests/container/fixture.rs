//! A small root, a process that mounts it, and a way to run commands in it.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use ch_container::{
    Abilities, Context, End, Mount, Notice, Outcome, Output, RunEnvironment, RunError, Spec, Stop,
    Stream, Surroundings, run,
};
use ch_emulation::Mode;
use ch_linux::mount::{self, Depth};
use ch_linux::namespace::{self, Identity};
use ch_linux::reexec::{Child, Executable, Invocation, Program, Start};
use ch_linux::socket::Socket;

/// What the mounter of a command does, as far as a container sees it.
pub(crate) const MOUNTER: Program = Program {
    name: "mounter",
    main: mounter,
};

/// For each request, a path: the user namespace and a detached mount of that directory.
fn mounter(invocation: Invocation) -> ExitCode {
    let socket = invocation.socket.expect("a socket");
    namespace::enter(Identity::ROOT).expect("a user namespace");
    let user_namespace = namespace::current_user().expect("open the user namespace");
    while let Some(request) = socket.receive().expect("a request") {
        let path = String::from_utf8(request.bytes).expect("a path");
        let place = mount::open_place(Path::new(&path)).expect("open the root");
        let root = mount::clone(place, Depth::One).expect("a detached mount");
        socket
            .send(b"root", &[user_namespace.as_fd(), root.as_fd()])
            .expect("send");
    }
    ExitCode::SUCCESS
}

/// All that the cases share.
pub(crate) struct Fixture {
    pub(crate) executable: Executable,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) abilities: Abilities,
    /// What was told since a command last ran to its end.
    pub(crate) notices: Mutex<Vec<Notice>>,
    mounter: Option<Child>,
    socket: Option<Mutex<Socket>>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) output: String,
    pub(crate) error: String,
    pub(crate) notices: Vec<Notice>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let executable = Executable::current().expect("this executable");
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("root")).expect("make the root");
        let root = directory.path().join("root");
        ch_test_support::small_root(&root);
        for name in ["dev", "proc", "sys", "mnt/0", "etc/links"] {
            fs::create_dir_all(root.join(name)).expect("make a mount point");
        }
        for name in ["etc/hosts", "etc/resolv.conf", "etc/motd"] {
            fs::write(root.join(name), "image\n").expect("make a file");
        }
        let (ours, theirs) = Socket::pair().expect("a socket");
        let start = Start {
            socket: Some(theirs.as_fd()),
            die_with_thread: true,
            ..Start::default()
        };
        let mounter = executable.start(&MOUNTER, &start).expect("the mounter");
        drop(theirs);
        Self {
            executable,
            directory,
            abilities: Abilities::default(),
            notices: Mutex::default(),
            mounter: Some(mounter),
            socket: Some(Mutex::new(ours)),
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// The user namespace and a detached mount of the root.
    pub(crate) fn mount(&self) -> (OwnedFd, OwnedFd) {
        let socket = self
            .socket
            .as_ref()
            .expect("the mounter lives")
            .lock()
            .expect("not poisoned");
        let root = self.root().into_os_string().into_string().expect("UTF-8");
        socket.send(root.as_bytes(), &[]).expect("ask the mounter");
        let answer = socket
            .receive()
            .expect("an answer")
            .expect("the mounter lives");
        let [namespace, root] = <[OwnedFd; 2]>::try_from(answer.descriptors).expect("descriptors");
        (namespace, root)
    }

    pub(crate) fn try_run(&self, spec: &Spec) -> Result<Ran, RunError> {
        self.try_run_until(spec, &Stop::new().expect("a pipe"))
    }

    /// Runs until the command ends or `stop` is requested.
    pub(crate) fn try_run_until(&self, spec: &Spec, stop: &Stop) -> Result<Ran, RunError> {
        let (namespace, root) = self.mount();
        let context = Context {
            executable: &self.executable,
            user_namespace: namespace.as_fd(),
            abilities: &self.abilities,
            stop,
            notify: &|notice| self.notices.lock().unwrap().push(notice),
        };
        let (mut output, mut error) = (Vec::new(), Vec::new());
        let mut each = |stream, bytes: &[u8]| match stream {
            Stream::Output => output.extend_from_slice(bytes),
            Stream::Error => error.extend_from_slice(bytes),
        };
        let outcome = run(&context, root.as_fd(), spec, Output::Each(&mut each))?;
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ok(Ran {
            outcome,
            output: text(output),
            error: text(error),
            notices: std::mem::take(&mut self.notices.lock().unwrap()),
        })
    }

    /// Runs and expects that the command is executed.
    pub(crate) fn run(&self, spec: &Spec) -> Ran {
        self.try_run(spec)
            .unwrap_or_else(|error| panic!("{error}: {error:?}"))
    }

    /// What a shell command prints, which must succeed without complaint.
    pub(crate) fn shell(&self, command: &str) -> String {
        let ran = self.run(&shell(command));
        assert_eq!(
            (ran.outcome.end, &*ran.error),
            (End::Exited(0), ""),
            "{command}: {ran:?}"
        );
        ran.output
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        drop(self.socket.take());
        if let Some(mounter) = self.mounter.take() {
            mounter
                .wait()
                .expect("the mounter ends when nobody asks any more");
        }
    }
}

/// A `RUN` of these words.
pub(crate) fn words(command: &[&str]) -> Spec {
    Spec {
        label: "2".to_owned(),
        command: command.iter().map(OsString::from).collect(),
        directory: "/".into(),
        environment: RunEnvironment::default(),
        user: String::new(),
        host_name: "buildkitsandbox".to_owned(),
        surroundings: Surroundings::default(),
        emulation: Mode::Seccomp,
        remembered: Vec::new(),
        mounts: Vec::<Mount>::new(),
    }
}

/// A `RUN` in shell form.
pub(crate) fn shell(command: &str) -> Spec {
    words(&["/bin/sh", "-c", command])
}
