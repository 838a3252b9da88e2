//! A storage directory with a mounter, and layers made by hand.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ch_linux::overlay::Naming;
use ch_linux::reexec::{Ended, Executable, Start};
use ch_linux::xattr;
use ch_rootfs::{Committed, MountPoints, Mounter, Workspace, prepare};
use ch_storage::{LayerId, LayerMeta, Options, Storage};

use crate::step::STEP;

pub(crate) struct Fixture {
    // Dropped in this order.
    pub(crate) mounter: Mounter,
    pub(crate) storage: Storage,
    pub(crate) executable: Executable,
    directory: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    /// As it is on a kernel that knows no better way of naming layers.
    pub(crate) fn by(naming: Naming) -> Self {
        Self::with(Some(naming))
    }

    fn with(naming: Option<Naming>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let storage = open(&directory.path().join("storage"));
        let executable = Executable::current().unwrap();
        let mounter = Mounter::spawn_by(naming, &executable, &storage).unwrap();
        Self {
            mounter,
            storage,
            executable,
            directory,
        }
    }

    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A layer with what `fill` puts into it.
    pub(crate) fn layer(&self, fill: impl FnOnce(&Path)) -> LayerId {
        let draft = self.storage.draft().unwrap();
        let layer = draft.layer().unwrap();
        fill(
            &self
                .storage
                .path()
                .join(draft.relative_path())
                .join("layer/fs"),
        );
        drop(layer);
        let id = LayerId::random();
        draft.publish_layer(&id, &LayerMeta::new()).unwrap();
        id
    }

    /// A layer with what `fill` puts into it, and `owners` beside it.
    pub(crate) fn owned_layer(&self, owners: &str, fill: impl FnOnce(&Path)) -> LayerId {
        self.layer(|root| {
            fs::write(root.with_file_name("owners"), owners).unwrap();
            fill(root);
        })
    }

    /// What lies beside the files of a committed layer.
    pub(crate) fn owners(&self, committed: &Committed) -> String {
        let file = self.files(committed).with_file_name("owners");
        fs::read_to_string(file).unwrap_or_default()
    }

    /// A small image: the directories every image has, and something in them.
    pub(crate) fn base(&self) -> LayerId {
        self.layer(|root| {
            for directory in ["etc", "tmp", "dev", "proc", "sys", "usr/lib"] {
                fs::create_dir_all(root.join(directory)).unwrap();
            }
            for (file, content) in [
                ("etc/hosts", ""),
                ("etc/resolv.conf", ""),
                ("tmp/old", "old"),
                ("etc/x", "one\n"),
            ] {
                fs::write(root.join(file), content).unwrap();
            }
        })
    }

    pub(crate) fn prepare(&self, layers: &[LayerId], points: &MountPoints) -> Workspace {
        prepare(&self.storage, &self.mounter, layers, points).unwrap()
    }

    /// Runs `step` on `layers` as `RUN` does.
    pub(crate) fn run(&self, layers: &[LayerId], step: &str) -> Option<Committed> {
        let workspace = self.prepare(layers, &MountPoints::run());
        self.work(&workspace, step);
        workspace.commit().unwrap()
    }

    /// Does what `step` names in a process whose root is the workspace's.
    pub(crate) fn work(&self, workspace: &Workspace, step: &str) {
        let start = Start {
            request: step.as_bytes(),
            descriptors: &[self.mounter.user_namespace(), workspace.root()],
            ..Start::default()
        };
        let child = self.executable.start(&STEP, &start).unwrap();
        assert_eq!(child.wait().unwrap(), Ended::Exited(0), "{step}");
    }

    /// Where the files of a committed layer are.
    pub(crate) fn files(&self, committed: &Committed) -> PathBuf {
        self.storage
            .path()
            .join(format!("layers/{}/fs", committed.layer))
    }

    /// The files of a committed layer, sorted; whiteouts as `-NAME`, opaque directories as `NAME/!`.
    pub(crate) fn listing(&self, committed: &Committed) -> Vec<String> {
        let root = self.files(committed);
        let mut found = Vec::new();
        list(&root, Path::new(""), &mut found);
        found.sort();
        found
    }
}

pub(crate) fn open(path: &Path) -> Storage {
    Storage::open(
        path,
        Options {
            sync: false,
            ..Options::default()
        },
    )
    .unwrap()
}

fn list(root: &Path, below: &Path, found: &mut Vec<String>) {
    use std::os::unix::fs::FileTypeExt;
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        let shown = path.display();
        if kind.is_dir() {
            let opaque = get(&root.join(&path), "user.overlay.opaque").is_some();
            found.push(if opaque {
                format!("{shown}/!")
            } else {
                format!("{shown}/")
            });
            list(root, &path, found);
        } else if kind.is_char_device() {
            found.push(format!("-{shown}"));
        } else {
            found.push(shown.to_string());
        }
    }
}

pub(crate) fn get(path: &Path, name: &str) -> Option<String> {
    let file = fs::File::open(path).unwrap();
    let value = xattr::get(file.as_fd(), name.as_bytes()).unwrap();
    value.map(|value| String::from_utf8(value).unwrap())
}
