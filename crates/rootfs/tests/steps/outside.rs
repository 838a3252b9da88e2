//! What is written below the root's descriptor by a process outside the namespace.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use ch_linux::file::{self, OFlags};
use ch_linux::in_root;
use ch_linux::overlay::Naming;
use ch_rootfs::MountPoints;

use crate::fixture::Fixture;
use ch_test_support::Case;

pub(crate) const CASES: &[Case<fn(Naming)>] = &[
    ("the kernel merges, whites out and makes opaque", merged),
    ("V-hw-7 no link of the image leads out", no_way_out),
    ("changes survive the mounter", without_mounter),
    ("several workspaces at once, from several threads", threads),
];

fn merged(naming: Naming) {
    let fixture = Fixture::by(naming);
    let workspace = fixture.prepare(&[fixture.base()], &MountPoints::none());
    let root = file::open_directory_at(workspace.root(), ".").unwrap();
    let etc = file::open_directory_at(&root, "etc").unwrap();
    let new = file::create_at(&etc, "new", 0o644).unwrap();
    fs::File::from(new).write_all(b"new").unwrap();
    file::remove_file_at(&etc, "x").unwrap();
    let tmp = file::open_directory_at(&root, "tmp").unwrap();
    file::remove_file_at(&tmp, "old").unwrap();
    file::remove_directory_at(&root, "tmp").unwrap();
    file::make_directory_at(&root, "tmp", 0o755).unwrap();
    drop((root, etc, tmp));
    let committed = workspace.commit().unwrap().unwrap();
    assert_eq!(
        fixture.listing(&committed),
        ["-etc/x", "etc/", "etc/new", "tmp/!"]
    );
}

fn no_way_out(naming: Naming) {
    let fixture = Fixture::by(naming);
    fs::write(fixture.outside("secret"), "").unwrap();
    let target = fixture.outside("secret");
    let evil = fixture.layer(|root| {
        symlink("/etc", root.join("absolute")).unwrap();
        symlink("../../../../../../etc", root.join("upwards")).unwrap();
        symlink(&target, root.join("secret")).unwrap();
    });
    let workspace = fixture.prepare(&[evil], &MountPoints::none());
    for path in ["absolute/passwd", "upwards/passwd", "secret"] {
        let opened = in_root::open(workspace.root(), path.as_ref(), OFlags::PATH);
        assert_eq!(
            opened.unwrap_err().kind(),
            std::io::ErrorKind::NotFound,
            "{path}"
        );
    }
}

fn without_mounter(naming: Naming) {
    let fixture = Fixture::by(naming);
    let mounter =
        ch_rootfs::Mounter::spawn_by(Some(naming), &fixture.executable, &fixture.storage).unwrap();
    let layers = [fixture.base()];
    let workspace =
        ch_rootfs::prepare(&fixture.storage, &mounter, &layers, &MountPoints::none()).unwrap();
    drop(mounter);
    file::make_directory_at(workspace.root(), "made", 0o755).unwrap();
    let committed = workspace.commit().unwrap().unwrap();
    assert_eq!(fixture.listing(&committed), ["made/"]);
}

fn threads(naming: Naming) {
    let fixture = Fixture::by(naming);
    let base = fixture.base();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (fixture, base) = (&fixture, base.clone());
            scope.spawn(move || {
                let name = format!("of-thread-{number}");
                let workspace = fixture.prepare(&[base], &MountPoints::run());
                file::make_directory_at(workspace.root(), &name, 0o755).unwrap();
                let committed = workspace.commit().unwrap().unwrap();
                assert_eq!(fixture.listing(&committed), [format!("{name}/")]);
            });
        }
    });
}
