//! The process in which a step's changes are made: joins the mounter's namespace, makes the root its
//! own with the mounts of a `RUN`, then does what it was asked to.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

use ch_linux::file::{self, OFlags};
use ch_linux::mount::{self, Attributes, Depth, FileSystem, Propagation};
use ch_linux::namespace::{self, Kinds};
use ch_linux::reexec::{Invocation, Program};
use ch_linux::{in_root, xattr};

pub(crate) const STEP: Program = Program { name: "step", main };

fn main(invocation: Invocation) -> ExitCode {
    let [user, root] = &invocation.descriptors[..] else {
        return ExitCode::FAILURE;
    };
    namespace::join_user(user).unwrap();
    namespace::unshare(Kinds::MOUNT).unwrap();
    mount::set_propagation(Propagation::Private).unwrap();
    mount::attach(root, mount::open_place("/tmp".as_ref()).unwrap()).unwrap();
    mount_all(root);
    mount::pivot(root).unwrap();
    act(std::str::from_utf8(&invocation.request).unwrap());
    ExitCode::SUCCESS
}

fn mount_all(root: impl AsFd) {
    let dev = FileSystem::open("tmpfs")
        .unwrap()
        .mount(Attributes::empty())
        .unwrap();
    put(&root, dev, "dev", OFlags::PATH);
    for name in ["proc", "sys"] {
        let host = mount::open_place(&Path::new("/").join(name)).unwrap();
        put(
            &root,
            mount::clone(host, Depth::Recursive).unwrap(),
            name,
            OFlags::PATH,
        );
    }
    for name in ["etc/hosts", "etc/resolv.conf"] {
        let host = mount::open_place("/etc/passwd".as_ref()).unwrap();
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        put(&root, mount::clone(host, Depth::One).unwrap(), name, flags);
    }
}

fn put(root: impl AsFd, mounted: impl AsFd, name: &str, flags: OFlags) {
    let place = in_root::open(root, name.as_ref(), flags).expect(name);
    mount::attach(mounted, place).expect(name);
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &str, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn act(step: &str) {
    match step {
        "true" => {}
        "chmod 700 /" => set_mode("/", 0o700),
        "stat / is 700" => assert_eq!(mode("/"), 0o700),
        "rm -rf /tmp; mkdir /tmp" => {
            fs::remove_dir_all("/tmp").unwrap();
            fs::create_dir("/tmp").unwrap();
        }
        "/tmp is empty" => assert_eq!(fs::read_dir("/tmp").unwrap().count(), 0),
        "mkdir -p /proc /sys" => {
            for name in ["/proc", "/sys"] {
                fs::create_dir_all(name).unwrap();
            }
        }
        "mkdir -p /tmp" => fs::create_dir_all("/tmp").unwrap(),
        "read /etc/resolv.conf" => {
            assert!(
                fs::read_to_string("/etc/resolv.conf")
                    .unwrap()
                    .contains("root")
            );
        }
        "read /etc/hosts" => {
            assert!(fs::read_to_string("/etc/hosts").unwrap().contains("root"));
        }
        "rm -f /etc/hosts || true" => {
            let error = fs::remove_file("/etc/hosts").unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
        }
        "umount /etc/hosts; rm /etc/hosts" => {
            mount::unmount("/etc/hosts".as_ref()).unwrap();
            fs::remove_file("/etc/hosts").unwrap();
        }
        "umount /dev; rmdir /dev" => {
            mount::unmount("/dev".as_ref()).unwrap();
            fs::remove_dir("/dev").unwrap();
        }
        "umount /dev; chmod 1777 /dev" => {
            mount::unmount("/dev".as_ref()).unwrap();
            set_mode("/dev", 0o1777);
        }
        "umount /etc/hosts; touch -d now /etc/hosts" => {
            mount::unmount("/etc/hosts".as_ref()).unwrap();
            fs::write("/etc/hosts", "").unwrap();
        }
        "chmod 000 d; chmod 0 f; chmod 4755 s" => {
            fs::create_dir("/d").unwrap();
            fs::write("/d/inside", "").unwrap();
            for (name, mode) in [("/f", 0), ("/s", 0o6755)] {
                fs::write(name, "").unwrap();
                set_mode(name, mode);
            }
            set_mode("/d", 0);
        }
        "echo >> /etc/x" => {
            use std::io::Write;
            fs::File::options()
                .append(true)
                .open("/etc/x")
                .unwrap()
                .write_all(b"two\n")
                .unwrap();
        }
        "print times" => {
            for name in ["/", "/etc"] {
                assert_eq!(fs::metadata(name).unwrap().mtime(), 1_000_000_000, "{name}");
            }
        }
        "write /file" => fs::write("/file", "content").unwrap(),
        "500 directories deep" => {
            for _ in 0..500 {
                fs::create_dir("d").unwrap();
                std::env::set_current_dir("d").unwrap();
            }
            fs::write("deepest", "").unwrap();
        }
        other => act_in_opt(other),
    }
}

fn act_in_opt(step: &str) {
    match step {
        "chmod 640 /opt/fifo" => set_mode("/opt/fifo", 0o640),
        "change all in /opt" => {
            set_mode("/opt/fifo", 0o600);
            set_mode("/opt/dir", 0o711);
            fs::write("/opt/full", "").unwrap();
            fs::write("/opt/big", "longer").unwrap();
            let big = fs::File::open("/opt/big").unwrap();
            xattr::set(big, b"user.other", b"new").unwrap();
            let opt = file::open_directory("/opt".as_ref()).unwrap();
            file::set_modified_at(opt, "link", file::Time::default()).unwrap();
        }
        "replace what is in /opt" => {
            for name in ["fifo", "link", "big"] {
                fs::remove_file(Path::new("/opt").join(name)).unwrap();
            }
            fs::write("/opt/fifo", "a file now").unwrap();
            std::os::unix::fs::symlink("elsewhere", "/opt/link").unwrap();
            fs::remove_dir("/opt/dir").unwrap();
            fs::create_dir("/opt/dir").unwrap();
        }
        other => panic!("unknown step {other:?}"),
    }
}
