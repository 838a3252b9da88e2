//! Surroundings in which the kernel refuses, made for real: the message names the cause.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use ch_linux::mount::{self, Depth, Propagation};
use ch_linux::namespace::{self, Identity};
use ch_linux::reexec::{Ended, Executable, Invocation, Program, Start};
use ch_rootfs::{MountPoints, Mounter, SpawnError, prepare};

use crate::fixture::{Fixture, open};
use ch_test_support::Case;

pub(crate) const REFUSED: Program = Program {
    name: "refused",
    main,
};
pub(crate) const CASES: &[Case<fn()>] = &[
    ("storage on an overlay can't hold changes", || {
        ask("overlay")
    }),
    ("no user namespace is allowed", || ask("limit")),
    ("in a chroot", || ask("chroot")),
    ("a layer that is gone is named", missing_layer),
    ("a storage directory in memory works", in_memory),
];

fn ask(what: &str) {
    let fixture = Fixture::new();
    let workspace = fixture.prepare(&[fixture.base()], &MountPoints::run());
    let start = Start {
        request: what.as_bytes(),
        descriptors: &[fixture.mounter.user_namespace(), workspace.root()],
        ..Start::default()
    };
    let child = fixture.executable.start(&REFUSED, &start).unwrap();
    assert_eq!(child.wait().unwrap(), Ended::Exited(0), "{what}");
}

/// Enters the workspace, changes the surroundings and tries to build in them.
fn main(invocation: Invocation) -> ExitCode {
    let executable = Executable::current().unwrap();
    namespace::enter(Identity::ROOT).unwrap();
    mount::set_propagation(Propagation::Private).unwrap();
    let root = &invocation.descriptors[1];
    mount::attach(root, mount::open_place("/tmp".as_ref()).unwrap()).unwrap();
    bind_proc(Path::new("/tmp/proc"));
    mount::pivot(root).unwrap();
    let storage = open("/storage".as_ref());
    match &invocation.request[..] {
        b"overlay" => {
            let mounter = Mounter::spawn(&executable, &storage).unwrap();
            let error = prepare(&storage, &mounter, &[], &MountPoints::run()).unwrap_err();
            let expected = "not yet supported: storage directory /storage on a file system that";
            assert!(error.to_string().starts_with(expected), "{error}");
            assert!(error.hint().unwrap().contains("tmpfs"));
        }
        b"limit" => {
            fs::write("/proc/sys/user/max_user_namespaces", "0").unwrap();
            let error = Mounter::spawn(&executable, &storage).unwrap_err();
            expect(
                &error,
                "can't create a user namespace",
                Some("max_user_namespaces"),
            );
        }
        _ => {
            fs::create_dir_all("/inner/proc").unwrap();
            bind_proc(Path::new("/inner/proc"));
            std::os::unix::fs::chroot("/inner").unwrap();
            std::env::set_current_dir("/").unwrap();
            let error = Mounter::spawn(&executable, &storage).unwrap_err();
            expect(
                &error,
                "can't create a user namespace inside a chroot",
                None,
            );
        }
    }
    ExitCode::SUCCESS
}

fn bind_proc(place: &Path) {
    let proc = mount::clone(
        mount::open_place("/proc".as_ref()).unwrap(),
        Depth::Recursive,
    );
    mount::attach(proc.unwrap().as_fd(), mount::open_place(place).unwrap()).unwrap();
}

fn expect(error: &SpawnError, message: &str, hint: Option<&str>) {
    assert!(error.to_string().starts_with(message), "{error}");
    assert!(
        std::error::Error::source(error).is_some(),
        "the kernel's answer is kept"
    );
    assert_eq!(error.hint().is_some(), hint.is_some(), "{:?}", error.hint());
    if let (Some(found), Some(wanted)) = (error.hint(), hint) {
        assert!(found.contains(wanted), "{found}");
    }
}

fn missing_layer() {
    let fixture = Fixture::new();
    let gone = ch_storage::LayerId::random();
    let layers = [gone.clone()];
    let error = prepare(
        &fixture.storage,
        &fixture.mounter,
        &layers,
        &MountPoints::run(),
    );
    let expected = format!("storage: layer {gone} is missing");
    assert_eq!(error.unwrap_err().to_string(), expected);
}

fn in_memory() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let storage = open(&directory.path().join("storage"));
    let mounter = Mounter::spawn(&Executable::current().unwrap(), &storage).unwrap();
    let workspace = prepare(&storage, &mounter, &[], &MountPoints::run()).unwrap();
    ch_linux::file::make_directory_at(workspace.root(), "made", 0o755).unwrap();
    assert_eq!(workspace.commit().unwrap().unwrap().meta.entries, 1);
}
