//! Roots to look at: from outside, and in a process that becomes the command.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::ExitCode;

use ch_linux::file::{self, OFlags};
use ch_linux::in_root;
use ch_linux::mount::{self, Propagation};
use ch_linux::namespace::{self, Identity};
use ch_linux::overlay::Naming;
use ch_linux::reexec::{Ended, Invocation, Program, Start};
use ch_linux::xattr;
use ch_rootfs::{MountPoints, PlaceKind, mount_directory_by, mount_image_by, view};

use crate::fixture::{Fixture, open};
use ch_test_support::Case;

pub(crate) const VIEWER: Program = Program {
    name: "viewer",
    main: look,
};
pub(crate) const CASES: &[Case<fn(Naming)>] = &[
    (
        "a view has the image's files and root, and cannot be written",
        from_outside,
    ),
    ("a file of an image is read without a mount", unmounted),
    ("an image is mounted in a process' own namespace", image),
    (
        "V-tar-72 nothing shows through a layer that is opaque as a whole",
        opaque_root,
    ),
    (
        "a directory is mounted with what it lacks, or bound as it is",
        directory,
    ),
];

fn from_outside(naming: Naming) {
    let fixture = Fixture::by(naming);
    let base = fixture.base();
    let top = fixture
        .run(std::slice::from_ref(&base), "chmod 700 /")
        .unwrap();
    let view = view(&fixture.storage, &fixture.mounter, &[base, top.layer]).unwrap();
    let root = file::open_directory_at(view.root(), ".").unwrap();
    assert_eq!(file::status(&root).unwrap().mode, 0o700);
    assert!(file::try_status_at(&root, "etc").unwrap().is_some());
    let error = file::make_directory_at(&root, "new", 0o755).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    // An image without a single layer can be looked at too.
    let nothing = ch_rootfs::view(&fixture.storage, &fixture.mounter, &[]).unwrap();
    let root = file::open_directory_at(nothing.root(), ".").unwrap();
    assert_eq!(file::entries(&root).unwrap(), []);
}

fn unmounted(naming: Naming) {
    let fixture = Fixture::by(naming);
    let base = fixture.base();
    let removed = fixture.run(
        std::slice::from_ref(&base),
        "umount /etc/hosts; rm /etc/hosts",
    );
    let secret = fixture.outside("secret");
    fs::write(&secret, "secret").unwrap();
    let top = fixture.layer(|root| {
        fs::create_dir_all(root.join("etc/dir")).unwrap();
        fs::write(root.join("etc/new"), "new").unwrap();
        let links = [
            ("up", "../../../../etc/x"),
            ("out", secret.to_str().unwrap()),
            ("round", "round"),
            ("gone", "hosts"),
            ("twice", "/lib/../../etc/up"),
        ];
        for (name, target) in links {
            symlink(target, root.join("etc").join(name)).unwrap();
        }
        symlink("usr/lib", root.join("lib")).unwrap();
        file::make_fifo_at(file::open_directory(root).unwrap(), "fifo", 0o644).unwrap();
    });
    let layers = [base, removed.unwrap().layer, top];
    for (path, want) in [
        ("/etc/new", Some("new")),
        ("/etc/x", Some("one\n")),
        ("/etc/up", Some("one\n")),
        ("/etc/twice", Some("one\n")),
        ("/etc/out", None),
        ("/etc/round", None),
        ("/etc/hosts", None),
        ("/etc/gone", None),
        ("/etc/dir", None),
        ("/etc/new/x", None),
        ("/fifo", None),
        ("/nothing", None),
        ("/", None),
    ] {
        let found = ch_rootfs::read_file(&fixture.storage, &layers, Path::new(path), 100).unwrap();
        assert_eq!(found.as_deref(), want.map(str::as_bytes), "{path}");
    }
    let nothing = ch_rootfs::read_file(&fixture.storage, &[], Path::new("/etc/x"), 100);
    assert_eq!(nothing.unwrap(), None);
}

fn opaque_root(naming: Naming) {
    let fixture = Fixture::by(naming);
    let top = fixture.layer(|root| {
        let root = file::open_directory(root).unwrap();
        xattr::set(&root, b"user.overlay.opaque", b"y").unwrap();
        file::make_directory_at(&root, "own", 0o755).unwrap();
    });
    let layers = [fixture.base(), top];
    let names = |root: BorrowedFd<'_>| -> Vec<_> {
        let root = file::open_directory_at(root, ".").unwrap();
        let entries = file::entries(&root).unwrap().into_iter();
        entries.map(|entry| entry.name).collect()
    };
    let shown = view(&fixture.storage, &fixture.mounter, &layers).unwrap();
    assert_eq!(names(shown.root()), ["own"]);
    let workspace = fixture.prepare(&layers, &MountPoints::none());
    assert_eq!(names(workspace.root()), ["own"]);
    // What is made again is a change, whatever lies below the mark.
    let root = file::open_directory_at(workspace.root(), ".").unwrap();
    file::make_directory_at(&root, "etc", 0o755).unwrap();
    drop(root);
    let committed = workspace.commit().unwrap().unwrap();
    assert_eq!(fixture.listing(&committed), ["etc/"]);
}

/// What `ch-run` mounts.
fn points() -> MountPoints {
    let mut points = MountPoints::run();
    points.add(Path::new("/mnt/bound"), PlaceKind::Directory);
    points
}

/// Is asked for `NAMING image STORAGE LAYER...` or `NAMING directory DIRECTORY`.
fn look(invocation: Invocation) -> ExitCode {
    let request = String::from_utf8(invocation.request).unwrap();
    let mut words = request.split(' ');
    let naming: usize = words.next().unwrap().parse().unwrap();
    let naming = Some(Naming::ALL[naming]);
    let (what, path) = (words.next().unwrap(), Path::new(words.next().unwrap()));
    let storage = (what == "image").then(|| open(path));
    namespace::enter(Identity {
        uid: 1000,
        gid: 1000,
    })
    .unwrap();
    mount::set_propagation(Propagation::Slave).unwrap();
    let root = match &storage {
        Some(storage) => {
            let layers: Vec<_> = words.map(|word| word.parse().unwrap()).collect();
            mount_image_by(naming, storage, &layers, &points()).unwrap()
        }
        None => match mount_directory_by(naming, path, &points()).unwrap() {
            Some(root) => root,
            None => return ExitCode::from(3),
        },
    };
    for name in ["dev", "proc", "sys", "mnt/bound", "usr/lib"] {
        let place = in_root::open(&root, name.as_ref(), OFlags::PATH | OFlags::DIRECTORY);
        place.unwrap();
    }
    let place = mount::open_place("/tmp".as_ref()).unwrap();
    mount::attach(root.as_fd(), place).unwrap();
    mount::pivot(&root).unwrap();
    assert!(fs::symlink_metadata("/etc/hosts").unwrap().is_file());
    assert!(fs::write("/usr/lib/new", "").is_err());
    assert_eq!(
        fs::metadata("/").unwrap().permissions().mode() & 0o7777,
        0o711
    );
    ExitCode::SUCCESS
}

fn ended(fixture: &Fixture, naming: Naming, request: &str) -> Ended {
    let request = format!("{} {request}", naming as u8);
    let start = Start {
        request: request.as_bytes(),
        ..Start::default()
    };
    fixture
        .executable
        .start(&VIEWER, &start)
        .unwrap()
        .wait()
        .unwrap()
}

fn image(naming: Naming) {
    let fixture = Fixture::by(naming);
    let bare = fixture.layer(|root| fs::create_dir_all(root.join("usr/lib")).unwrap());
    // Its root has a mode of its own, and it hides a mount point.
    let workspace = fixture.prepare(std::slice::from_ref(&bare), &MountPoints::none());
    let root = file::open_directory_at(workspace.root(), ".").unwrap();
    file::set_mode(&root, 0o711).unwrap();
    file::make_directory_at(&root, "etc", 0o755).unwrap();
    file::make_symlink_at("/nowhere", &root, "sys").unwrap();
    drop(root);
    let top = workspace.commit().unwrap().unwrap();
    let request = format!(
        "image {} {bare} {}",
        fixture.storage.path().display(),
        top.layer
    );
    assert_eq!(ended(&fixture, naming, &request), Ended::Exited(0));
    assert_eq!(fixture.listing(&top), ["etc/", "sys"]);
}

fn directory(naming: Naming) {
    let fixture = Fixture::by(naming);
    let root = fixture.outside("image");
    fs::create_dir_all(root.join("usr/lib")).unwrap();
    symlink("usr/lib", root.join("lib")).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o711)).unwrap();
    let request = format!("directory {}", root.display());
    assert_eq!(ended(&fixture, naming, &request), Ended::Exited(0));
    assert_eq!(
        fs::read_dir(&root).unwrap().count(),
        2,
        "nothing was made in it"
    );
    for name in ["dev", "proc", "sys", "etc", "mnt/bound"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    for name in ["etc/hosts", "etc/resolv.conf"] {
        fs::write(root.join(name), "").unwrap();
    }
    assert_eq!(ended(&fixture, naming, &request), Ended::Exited(3));
}
