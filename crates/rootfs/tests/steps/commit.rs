//! The vectors of commit.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use ch_linux::file::{self, Time};
use ch_linux::overlay::Naming;
use ch_rootfs::{Learned, MountPoints, PlaceKind};

use crate::fixture::{Fixture, get};
use ch_test_support::Case;

pub(crate) const CASES: &[Case<fn(Naming)>] = &[
    ("V-cm-1 a step that changes nothing makes no layer", nothing),
    ("V-cm-2 attributes of the root are a change", root_mode),
    (
        "V-cm-3 a directory removed and made again is opaque",
        opaque,
    ),
    (
        "V-cm-4 making what is a mount point is no change",
        mount_points_exist,
    ),
    (
        "V-cm-5 making what is missing in a scratch image is one",
        scratch,
    ),
    (
        "V-cm-6 a dangling resolv.conf is mounted over and stays",
        dangling,
    ),
    ("V-cm-7 a whiteout of hosts is covered", whited_out),
    (
        "V-cm-8 removing a mount point is refused and no change",
        busy,
    ),
    (
        "V-cm-8 leavings of removed mount points are no change",
        leavings,
    ),
    (
        "V-cm-8 the image's own names below mount points can be removed",
        own_names,
    ),
    (
        "V-cm-9 modes that lock out the owner are kept beside the files",
        locked_out,
    ),
    (
        "what is learned of new objects counts, not what was below",
        learned,
    ),
    (
        "V-cm-9 what lies beside objects goes with them when they are copied up",
        copied_up,
    ),
    (
        "V-cm-9 what lies beside objects stays when others take their names",
        replaced,
    ),
    ("V-cm-12 times of parents survive a change", times),
    ("a name of another kind is covered", other_kind),
    (
        "a mount point below a link is made where the link leads",
        below_link,
    ),
    (
        "changed attributes of a mount point are the image's",
        changed_mount_point,
    ),
    ("deep trees are walked", deep),
    ("layers add up", chain),
];

fn nothing(naming: Naming) {
    let fixture = Fixture::by(naming);
    assert_eq!(fixture.run(&[fixture.base()], "true"), None);
    assert_eq!(fixture.run(&[], "true"), None);
}

fn root_mode(naming: Naming) {
    let fixture = Fixture::by(naming);
    let base = fixture.base();
    let committed = fixture
        .run(std::slice::from_ref(&base), "chmod 700 /")
        .unwrap();
    assert_eq!(committed.meta.root.as_ref().unwrap().mode, 0o700);
    assert_eq!(committed.meta.entries, 0);
    assert_eq!(fixture.listing(&committed), [""; 0]);
    let layers = [base, committed.layer];
    assert_eq!(fixture.run(&layers, "stat / is 700"), None);
    // The next layer's own root directory must say it as well.
    let next = fixture.run(&layers, "write /file").unwrap();
    assert_eq!(next.meta.root.unwrap().mode, 0o700);
}

fn opaque(naming: Naming) {
    let fixture = Fixture::by(naming);
    let base = fixture.base();
    let committed = fixture
        .run(std::slice::from_ref(&base), "rm -rf /tmp; mkdir /tmp")
        .unwrap();
    assert_eq!(fixture.listing(&committed), ["tmp/!"]);
    assert_eq!((committed.meta.entries, committed.meta.opaque), (1, 1));
    assert_eq!(fixture.run(&[base, committed.layer], "/tmp is empty"), None);
}

fn mount_points_exist(naming: Naming) {
    let fixture = Fixture::by(naming);
    assert_eq!(fixture.run(&[], "mkdir -p /proc /sys"), None);
    assert_eq!(fixture.run(&[fixture.base()], "mkdir -p /proc /sys"), None);
}

fn scratch(naming: Naming) {
    let fixture = Fixture::by(naming);
    let busybox = fixture.layer(|root| fs::write(root.join("busybox"), "").unwrap());
    let committed = fixture.run(&[busybox], "mkdir -p /tmp").unwrap();
    assert_eq!(fixture.listing(&committed), ["tmp/"]);
}

fn dangling(naming: Naming) {
    let fixture = Fixture::by(naming);
    let link = fixture.layer(|root| {
        fs::create_dir(root.join("etc")).unwrap();
        symlink("../run/systemd/resolve/stub", root.join("etc/resolv.conf")).unwrap();
    });
    assert_eq!(fixture.run(&[link], "read /etc/resolv.conf"), None);
}

fn whiteout(path: &Path) {
    let parent = file::open_directory(path.parent().unwrap()).unwrap();
    file::make_whiteout_at(parent, path.file_name().unwrap()).unwrap();
}

fn whited_out(naming: Naming) {
    let fixture = Fixture::by(naming);
    let top = fixture.layer(|root| {
        fs::create_dir(root.join("etc")).unwrap();
        fs::set_permissions(root.join("etc"), fs::Permissions::from_mode(0o711)).unwrap();
        whiteout(&root.join("etc/hosts"));
    });
    let layers = [fixture.base(), top];
    assert_eq!(fixture.run(&layers, "read /etc/hosts"), None);
    // What is copied up through the cover has the attributes of the image's directory.
    let committed = fixture.run(&layers, "echo >> /etc/x").unwrap();
    assert_eq!(fixture.listing(&committed), ["etc/", "etc/x"]);
    let mode = fs::metadata(fixture.files(&committed).join("etc"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o711);
}

fn busy(naming: Naming) {
    let fixture = Fixture::by(naming);
    assert_eq!(
        fixture.run(&[fixture.base()], "rm -f /etc/hosts || true"),
        None
    );
    assert_eq!(fixture.run(&[], "rm -f /etc/hosts || true"), None);
}

fn leavings(naming: Naming) {
    let fixture = Fixture::by(naming);
    let busybox = fixture.layer(|root| fs::write(root.join("busybox"), "").unwrap());
    let with_etc = fixture.layer(|root| fs::create_dir(root.join("etc")).unwrap());
    for step in [
        "umount /etc/hosts; rm /etc/hosts",
        "umount /dev; rmdir /dev",
    ] {
        let committed = fixture.run(&[busybox.clone(), with_etc.clone()], step);
        let listing = committed.map(|committed| fixture.listing(&committed));
        // Removing a name in `/` itself changed the time of `/`, which is the image's.
        assert!(
            listing.as_ref().is_none_or(Vec::is_empty),
            "{step}: {listing:?}"
        );
    }
    assert_eq!(
        fixture.run(&[with_etc], "umount /etc/hosts; rm /etc/hosts"),
        None
    );
    assert_eq!(
        fixture.run(&[busybox], "umount /etc/hosts; rm /etc/hosts"),
        None
    );
}

fn own_names(naming: Naming) {
    let fixture = Fixture::by(naming);
    let committed = fixture
        .run(&[fixture.base()], "umount /etc/hosts; rm /etc/hosts")
        .unwrap();
    assert_eq!(fixture.listing(&committed), ["-etc/hosts", "etc/"]);
    assert_eq!(committed.meta.whiteouts, 1);
}

fn locked_out(naming: Naming) {
    let fixture = Fixture::by(naming);
    let committed = fixture
        .run(&[fixture.base()], "chmod 000 d; chmod 0 f; chmod 4755 s")
        .unwrap();
    let files = fixture.files(&committed);
    for (name, on_disk, remembered) in [
        ("d", 0o700, "0:0:00:dir"),
        ("f", 0o600, "0:0:00:file"),
        ("s", 0o755, "0:0:06755:file"),
    ] {
        let mode = fs::metadata(files.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, on_disk, "{name}");
        let value = get(&files.join(name), "user.containers.override_stat");
        assert_eq!(value.as_deref(), Some(remembered), "{name}");
    }
    let path = fixture.storage.path().to_owned();
    let status = std::process::Command::new("rm")
        .arg("-rf")
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success() && !path.exists());
}

/// A layer with objects that cannot carry all that is believed of them.
fn with_owners(fixture: &Fixture) -> ch_storage::LayerId {
    let owners = "opt/fifo\t1000:50:0640:pipe\tuser.a=b\n\
                  opt/link\t1000:50:0777:symlink\n\
                  opt/big\t-\tuser.big=value\tuser.other=old\n\
                  opt/full\t1000:50:04755:file\n\
                  opt/dir\t-\tuser.d=e\n";
    fixture.owned_layer(owners, |root| {
        fs::create_dir_all(root.join("opt/dir")).unwrap();
        let opt = file::open_directory(&root.join("opt")).unwrap();
        file::make_fifo_at(&opt, "fifo", 0o640).unwrap();
        symlink("there", root.join("opt/link")).unwrap();
        for name in ["big", "full"] {
            fs::write(root.join("opt").join(name), "").unwrap();
        }
        fs::set_permissions(root.join("opt/full"), fs::Permissions::from_mode(0o755)).unwrap();
    })
}

fn copied_up(naming: Naming) {
    let fixture = Fixture::by(naming);
    let base = with_owners(&fixture);
    let first = fixture
        .run(std::slice::from_ref(&base), "change all in /opt")
        .unwrap();
    let kept = fixture.owners(&first);
    let mut kept: Vec<_> = kept.lines().collect();
    kept.sort_unstable();
    let expected = [
        "opt/big\t-\tuser.big=value",
        "opt/dir\t-\tuser.d=e",
        "opt/fifo\t1000:50:0600:pipe\tuser.a=b",
        "opt/link\t1000:50:0777:symlink",
    ];
    assert_eq!(kept, expected);
    // There is room for what is believed of this one now.
    let full = fixture.files(&first).join("opt/full");
    let value = get(&full, "user.containers.override_stat");
    assert_eq!(value.as_deref(), Some("1000:50:04755:file"));
    // And so on, from the layer above.
    let second = fixture
        .run(&[base, first.layer], "chmod 640 /opt/fifo")
        .unwrap();
    let kept = fixture.owners(&second);
    assert_eq!(kept, "opt/fifo\t1000:50:0640:pipe\tuser.a=b\n");
}

fn learned(naming: Naming) {
    let fixture = Fixture::by(naming);
    let base = with_owners(&fixture);
    let workspace = fixture.prepare(&[base], &MountPoints::none());
    let beside = workspace.beside().unwrap();
    let link = |uid| format!("{uid}:50:0777:symlink").parse().unwrap();
    for (path, want) in [
        ("opt/link", Some(link(1000))),
        ("opt/big", None),
        ("opt/none", None),
    ] {
        assert_eq!(beside.at(Path::new(path)).unwrap(), want, "{path}");
    }
    drop(beside);
    let root = workspace_root(&workspace);
    let opt = file::open_directory_at(&root, "opt").unwrap();
    file::remove_file_at(&opt, "link").unwrap();
    for name in ["link", "new", "root"] {
        file::make_symlink_at(Path::new("there"), &opt, name).unwrap();
    }
    drop((root, opt));
    let mut learned = Learned::default();
    for (name, believed) in [
        ("link", "0:0:0777:symlink"),
        ("new", "7:8:0777:symlink"),
        ("gone", "7:8:0777:symlink"),
        ("root", "7:8:0777:pipe"),
    ] {
        learned.add_at(Path::new("opt").join(name), believed.parse().unwrap());
    }
    let committed = workspace.commit_learned(&learned).unwrap().unwrap();
    let kept = fixture.owners(&committed);
    assert_eq!(kept, "opt/new\t7:8:0777:symlink\n");
}

fn replaced(naming: Naming) {
    let fixture = Fixture::by(naming);
    let base = with_owners(&fixture);
    let committed = fixture.run(&[base], "replace what is in /opt").unwrap();
    assert_eq!(
        fixture.listing(&committed),
        ["-opt/big", "opt/", "opt/dir/!", "opt/fifo", "opt/link"]
    );
    assert_eq!(fixture.owners(&committed), "");
}

fn times(naming: Naming) {
    let fixture = Fixture::by(naming);
    let then = Time {
        seconds: 1_000_000_000,
        nanoseconds: 0,
    };
    let base = fixture.layer(|root| {
        fs::create_dir(root.join("etc")).unwrap();
        fs::write(root.join("etc/x"), "one\n").unwrap();
        let etc = file::open_directory(&root.join("etc")).unwrap();
        file::set_modified(etc, then).unwrap();
    });
    // A root of that time, as a pulled layer has it.
    let workspace = fixture.prepare(std::slice::from_ref(&base), &MountPoints::none());
    file::set_modified(workspace_root(&workspace), then).unwrap();
    let root = workspace.commit().unwrap().unwrap();
    assert_eq!(root.meta.root.as_ref().unwrap().mtime, then.seconds);
    let mut layers = vec![base, root.layer];
    let changed = fixture.run(&layers, "echo >> /etc/x").unwrap();
    assert_eq!(fixture.listing(&changed), ["etc/", "etc/x"]);
    assert_eq!(changed.meta.root, None);
    layers.push(changed.layer);
    assert_eq!(fixture.run(&layers, "print times"), None);
}

fn workspace_root(workspace: &ch_rootfs::Workspace) -> std::os::fd::OwnedFd {
    file::open_directory_at(workspace.root(), ".").unwrap()
}

fn other_kind(naming: Naming) {
    let fixture = Fixture::by(naming);
    let odd = fixture.layer(|root| {
        fs::write(root.join("dev"), "a file").unwrap();
        fs::create_dir_all(root.join("etc/hosts")).unwrap();
        fs::write(root.join("etc/hosts/inside"), "").unwrap();
        symlink("/nowhere", root.join("proc")).unwrap();
    });
    assert_eq!(fixture.run(&[odd], "read /etc/hosts"), None);
}

fn below_link(naming: Naming) {
    let fixture = Fixture::by(naming);
    let linked = fixture.layer(|root| {
        fs::create_dir(root.join("run")).unwrap();
        fs::create_dir(root.join("var")).unwrap();
        symlink("../run", root.join("var/run")).unwrap();
    });
    let mut points = MountPoints::none();
    points.add(Path::new("/var/run/socket/s"), PlaceKind::File);
    let workspace = fixture.prepare(&[linked], &points);
    let place = ch_linux::in_root::open(
        workspace.root(),
        "var/run/socket/s".as_ref(),
        file::OFlags::PATH,
    );
    assert_eq!(file::status(place.unwrap()).unwrap().kind, file::Kind::File);
    let link = file::open_directory_at(workspace.root(), "var").unwrap();
    assert_eq!(
        file::status_at(link, "run").unwrap().kind,
        file::Kind::Symlink
    );
    assert_eq!(workspace.commit().unwrap(), None);
}

fn changed_mount_point(naming: Naming) {
    let fixture = Fixture::by(naming);
    let committed = fixture.run(&[], "umount /dev; chmod 1777 /dev").unwrap();
    assert_eq!(fixture.listing(&committed), ["dev/"]);
    let committed = fixture
        .run(&[], "umount /etc/hosts; touch -d now /etc/hosts")
        .unwrap();
    assert_eq!(fixture.listing(&committed), ["etc/", "etc/hosts"]);
}

fn deep(naming: Naming) {
    let fixture = Fixture::by(naming);
    let committed = fixture.run(&[], "500 directories deep").unwrap();
    assert_eq!(committed.meta.entries, 501);
}

fn chain(naming: Naming) {
    let fixture = Fixture::by(naming);
    let mut layers = vec![fixture.base()];
    let first = fixture.run(&layers, "write /file").unwrap();
    assert_eq!(fixture.listing(&first), ["file"]);
    assert_eq!((first.meta.entries, first.meta.bytes), (1, 7));
    layers.push(first.layer);
    let second = fixture.run(&layers, "rm -rf /tmp; mkdir /tmp").unwrap();
    layers.push(second.layer);
    assert_eq!(fixture.run(&layers, "/tmp is empty"), None);
}
