//! V-cm-10: the builder is killed at any instant.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use ch_linux::reexec::{Executable, Invocation, Program, Start};
use ch_rootfs::{MountPoints, Mounter, prepare};
use ch_storage::LayerId;

use crate::fixture::{Fixture, open};
use ch_test_support::Case;

pub(crate) const BUILDER: Program = Program {
    name: "builder",
    main: build,
};
pub(crate) const CASES: &[Case<fn()>] = &[(
    "V-cm-10 killed at any instant, the storage is whole and can be deleted",
    killed,
)];

/// How often a builder is started and killed.
const ROUNDS: u64 = 30;
/// A builder that has made nothing after so long never will.
const PATIENCE: Duration = Duration::from_secs(120);

/// Makes layers upon layers until it is killed.
fn build(invocation: Invocation) -> ExitCode {
    let path = String::from_utf8(invocation.request).unwrap();
    let storage = open(path.as_ref());
    let mounter = Mounter::spawn(&Executable::current().unwrap(), &storage).unwrap();
    let mut layers = Vec::new();
    loop {
        let workspace = prepare(&storage, &mounter, &layers, &MountPoints::run()).unwrap();
        let name = format!("file{}", layers.len());
        drop(ch_linux::file::create_at(workspace.root(), &name, 0o444).unwrap());
        ch_linux::file::make_directory_at(workspace.root(), format!("d{name}"), 0o700).unwrap();
        layers.push(workspace.commit().unwrap().unwrap().layer);
        if layers.len() == 20 {
            layers.clear();
        }
    }
}

/// Waits until there are more than `layers` entries in `directory`.
fn wait_for_more_than(layers: usize, directory: &Path) {
    let began = Instant::now();
    while std::fs::read_dir(directory).unwrap().count() <= layers {
        assert!(began.elapsed() < PATIENCE, "the builder makes no layers");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn killed() {
    let fixture = Fixture::new();
    let path = fixture.storage.path().to_owned();
    let mut layers = 0;
    for round in 0..ROUNDS {
        let request = path.to_str().unwrap();
        let start = Start {
            request: request.as_bytes(),
            ..Start::default()
        };
        let child = fixture.executable.start(&BUILDER, &start).unwrap();
        // Every second one is killed while it makes layers, however slow the machine is.
        if round % 2 == 1 {
            wait_for_more_than(layers, &path.join("layers"));
        }
        std::thread::sleep(Duration::from_micros(4_000 + round * 3_370));
        child.kill().unwrap();
        child.wait().unwrap();
        // Opening it sweeps; every layer that is visible is whole.
        let storage = open(&path);
        layers = 0;
        for entry in std::fs::read_dir(path.join("layers")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let id: LayerId = name.parse().unwrap();
            let layer = storage
                .layers()
                .get(&id)
                .unwrap()
                .expect("a visible layer exists");
            let files = std::fs::read_dir(path.join("layers").join(&name).join("fs")).unwrap();
            assert_eq!(
                files.count() as u64,
                layer.meta.entries,
                "round {round}, {name}"
            );
            layers += 1;
        }
    }
    let removed = Command::new("rm").arg("-rf").arg(&path).output().unwrap();
    assert!(
        removed.status.success(),
        "{}",
        String::from_utf8_lossy(&removed.stderr)
    );
}
