//! A small root filesystem out of this machine's own programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs of the small root.
const PROGRAMS: &[&str] = &[
    "sh", "cat", "chmod", "chown", "cp", "echo", "env", "false", "id", "ln", "ls", "mkdir",
    "mkfifo", "mknod", "mv", "pwd", "readlink", "rm", "rmdir", "seq", "sleep", "sort", "stat",
    "test", "touch", "true", "uname", "wc",
];

/// Fills `root` with `/bin/sh`, coreutils and the libraries they need, `/etc/passwd` and `/etc/group`.
///
/// # Panics
///
/// When the machine lacks one of the programs, or `root` can't be written to.
pub fn small_root(root: &Path) {
    for directory in ["bin", "etc", "tmp", "root", "usr/bin"] {
        fs::create_dir_all(root.join(directory)).expect("the root can be written to");
    }
    for name in PROGRAMS {
        let program = find(name);
        fs::copy(&program, root.join("bin").join(name)).expect("the program can be read");
        for library in libraries(&program) {
            let copy = root.join(
                library
                    .strip_prefix("/")
                    .expect("ldd prints absolute paths"),
            );
            if !copy.exists() {
                fs::create_dir_all(copy.parent().expect("a library lies in a directory"))
                    .expect("the root can be written to");
                fs::copy(&library, &copy).expect("the library can be read");
            }
        }
    }
    for (file, content) in [
        ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("group", "root:x:0:\n"),
    ] {
        fs::write(root.join("etc").join(file), content).expect("the root can be written to");
    }
}

/// The file of a program of this machine.
fn find(name: &str) -> PathBuf {
    ["/usr/bin", "/bin"]
        .iter()
        .map(|directory| Path::new(directory).join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("this machine has no program {name}; the tests need it"))
}

/// The shared libraries and the dynamic linker of a program, as ldd(1) finds them.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .expect("ldd can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}
