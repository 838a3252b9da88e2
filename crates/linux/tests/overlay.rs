//! What the program relies on overlayfs for, in a user namespace with one identity, on every way of
//! naming layers. A test with its own `main`: it makes the namespace itself, so it may have one thread.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test with its own main"
)]

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ch_linux::mount::{self, Propagation};
use ch_linux::namespace::{self, Identity};
use ch_linux::overlay::{self, Naming, Stack, Upper};

fn main() {
    namespace::enter(Identity::ROOT).expect("this kernel allows user namespaces");
    mount::set_propagation(Propagation::Private).unwrap();
    let best = Naming::probe(fs::File::open("/").unwrap());
    let known: Vec<_> = Naming::ALL.into_iter().filter(|way| *way >= best).collect();
    let cases: &[fn(Naming)] = &[
        kernel_changes_go_to_the_upper,
        kernel_removed_and_made_again_is_opaque,
        kernel_needs_two_lowers_without_an_upper,
        kernel_a_work_directory_is_good_once,
        kernel_takes_many_layers,
        leavings_can_be_deleted_while_mounted,
        an_error_says_what_the_kernel_said,
        the_working_directory_stays,
    ];
    for naming in &known {
        for case in cases {
            case(*naming);
        }
    }
    options_are_never_cut();
    println!("overlay: {} cases, each by {known:?}", cases.len());
}

/// Directories `lower1` (top) .. `lowerN`, `upper`, `work`.
struct Fixture {
    directory: tempfile::TempDir,
    lowers: usize,
}

impl Fixture {
    fn new(lowers: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for number in 1..=lowers {
            fs::create_dir(directory.path().join(format!("lower{number}"))).unwrap();
        }
        for name in ["upper", "work"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        Self { directory, lowers }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn mount(&self, writable: bool, naming: Naming) -> Result<PathBuf, ch_linux::SyscallError> {
        let open = |name: &str| overlay::open_layer(&self.path(name)).unwrap();
        let lowers: Vec<_> = (1..=self.lowers)
            .map(|n| open(&format!("lower{n}")))
            .collect();
        let (files, work) = (open("upper"), open("work"));
        let upper = writable.then(|| Upper {
            files: files.as_fd(),
            work: work.as_fd(),
        });
        let stack = Stack {
            lowers: lowers.iter().map(AsFd::as_fd).collect(),
            upper,
        };
        let mounted = overlay::mount(&stack, naming)?;
        let place = self.path("merged");
        fs::create_dir_all(&place).unwrap();
        mount::attach(mounted, mount::open_place(&place).unwrap()).unwrap();
        Ok(place)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = mount::unmount(&self.path("merged"));
    }
}

fn is_whiteout(path: &Path) -> bool {
    let metadata = fs::symlink_metadata(path).unwrap();
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

fn kernel_changes_go_to_the_upper(naming: Naming) {
    let fixture = Fixture::new(2);
    fs::write(fixture.path("lower1/both"), "upper of the two").unwrap();
    fs::write(fixture.path("lower2/both"), "lower of the two").unwrap();
    fs::write(fixture.path("lower2/gone"), "").unwrap();
    let merged = fixture.mount(true, naming).unwrap();
    assert_eq!(
        fs::read_to_string(merged.join("both")).unwrap(),
        "upper of the two"
    );
    fs::write(merged.join("both"), "changed").unwrap();
    fs::remove_file(merged.join("gone")).unwrap();
    assert_eq!(
        fs::read_to_string(fixture.path("upper/both")).unwrap(),
        "changed"
    );
    assert!(is_whiteout(&fixture.path("upper/gone")));
    assert_eq!(
        fs::read_to_string(fixture.path("lower1/both")).unwrap(),
        "upper of the two"
    );
}

fn kernel_removed_and_made_again_is_opaque(naming: Naming) {
    let fixture = Fixture::new(1);
    fs::create_dir(fixture.path("lower1/d")).unwrap();
    fs::write(fixture.path("lower1/d/old"), "").unwrap();
    let merged = fixture.mount(true, naming).unwrap();
    fs::remove_dir_all(merged.join("d")).unwrap();
    fs::create_dir(merged.join("d")).unwrap();
    assert_eq!(fs::read_dir(merged.join("d")).unwrap().count(), 0);
    let directory = fs::File::open(fixture.path("upper/d")).unwrap();
    let opaque = ch_linux::xattr::get(&directory, b"user.overlay.opaque").unwrap();
    assert_eq!(opaque.as_deref(), Some(&b"y"[..]));
}

fn kernel_needs_two_lowers_without_an_upper(naming: Naming) {
    assert!(Fixture::new(1).mount(false, naming).is_err());
    let fixture = Fixture::new(2);
    let merged = fixture.mount(false, naming).unwrap();
    let error = fs::write(merged.join("f"), "").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

fn kernel_a_work_directory_is_good_once(naming: Naming) {
    let fixture = Fixture::new(1);
    mount::unmount(&fixture.mount(true, naming).unwrap()).unwrap();
    assert!(fixture.mount(true, naming).is_err());
}

fn kernel_takes_many_layers(naming: Naming) {
    let fixture = Fixture::new(500);
    fs::write(fixture.path("lower500/lowest"), "seen").unwrap();
    let merged = fixture.mount(true, naming).unwrap();
    assert_eq!(fs::read_to_string(merged.join("lowest")).unwrap(), "seen");
    assert!(Fixture::new(501).mount(true, naming).is_err());
}

fn the_working_directory_stays(naming: Naming) {
    let fixture = Fixture::new(1);
    let before = std::env::current_dir().unwrap();
    fixture.mount(true, naming).unwrap();
    assert_eq!(std::env::current_dir().unwrap(), before);
}

/// The kernel would take the first 4095 bytes, and of the last name what is left of it.
fn options_are_never_cut() {
    let fixture = Fixture::new(1);
    let lower = overlay::open_layer(&fixture.path("lower1")).unwrap();
    let stack = Stack {
        lowers: vec![lower.as_fd(); 4096],
        upper: None,
    };
    let error = overlay::mount(&stack, Naming::Page).unwrap_err();
    assert_eq!(error.errno(), Some(rustix::io::Errno::TOOBIG));
    assert!(error.to_string().len() < 100, "{error}");
}

fn leavings_can_be_deleted_while_mounted(naming: Naming) {
    let fixture = Fixture::new(1);
    fs::write(fixture.path("lower1/f"), "").unwrap();
    let merged = fixture.mount(true, naming).unwrap();
    fs::set_permissions(merged.join("f"), fs::Permissions::from_mode(0o640)).unwrap();
    let status = std::process::Command::new("find")
        .args([
            &fixture.path("work"),
            Path::new("-type"),
            Path::new("d"),
            Path::new("!"),
        ])
        .args(["-perm", "-0700"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(status.stdout).unwrap(), "");
    fs::remove_dir_all(fixture.path("work")).unwrap();
}

fn an_error_says_what_the_kernel_said(naming: Naming) {
    if naming == Naming::Page {
        return;
    }
    let error = Fixture::new(501).mount(true, naming).unwrap_err();
    assert!(error.to_string().contains("limit is 500"), "{error}");
}
