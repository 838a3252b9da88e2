//! Finding and executing a program, and finding out why it could not be executed.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ch_linux::process;

use crate::elf::{self, Elf};
use crate::error::{ExecError, Finding};
use crate::spec::Variables;

/// What executes a file that the kernel takes for no program.
const SHELL: &str = "/bin/sh";

/// Where programs are searched if `PATH` is not set, as by execvp(3).
const DEFAULT_SEARCH: &str = "/bin:/usr/bin";

const ENOENT: i32 = 2;
const E2BIG: i32 = 7;
const ENOEXEC: i32 = 8;
const EACCES: i32 = 13;
const ENOTDIR: i32 = 20;
const EINVAL: i32 = 22;

/// Executes `command` with exactly these variables in place of this process. Returns only why not.
pub(crate) fn execute(command: &[OsString], variables: &Variables) -> ExecError {
    let program = command.first().cloned().unwrap_or_default();
    let search = variables
        .iter()
        .rev()
        .find(|(name, _)| name == "PATH")
        .map(|(_, value)| value);
    let environment: Vec<OsString> = variables.iter().map(assignment).collect();
    let mut denied = None;
    for path in candidates(&program, search.map(OsString::as_os_str)) {
        let errno = execute_file(&path, command, &environment);
        match errno {
            // As execvp(3): look on, and remember what could have been it.
            ENOENT if path.is_file() => {}
            ENOENT | EACCES | ENOTDIR if !program.as_bytes().contains(&b'/') => {
                if errno == EACCES {
                    denied.get_or_insert(path);
                }
                continue;
            }
            _ => {}
        }
        return explain(program, errno, Some(&path), command, &environment);
    }
    let errno = if denied.is_some() { EACCES } else { ENOENT };
    explain(program, errno, denied.as_deref(), command, &environment)
}

fn assignment((name, value): &(OsString, OsString)) -> OsString {
    let mut text = name.clone();
    text.push("=");
    text.push(value);
    text
}

/// The files that `program` may mean.
fn candidates(program: &OsStr, search: Option<&OsStr>) -> Vec<PathBuf> {
    if program.is_empty() {
        return Vec::new();
    }
    if program.as_bytes().contains(&b'/') {
        return vec![PathBuf::from(program)];
    }
    let search = search.unwrap_or(OsStr::new(DEFAULT_SEARCH)).as_bytes();
    search
        .split(|&byte| byte == b':')
        .map(|directory| match directory {
            b"" => Path::new(".").join(program),
            _ => Path::new(OsStr::from_bytes(directory)).join(program),
        })
        .collect()
}

/// Executes the file `path`; by the shell if it is no program for the kernel. Returns `errno`.
fn execute_file(path: &Path, command: &[OsString], environment: &[OsString]) -> i32 {
    let errno = execute_once(path, command, environment);
    if errno != ENOEXEC || elf::is_elf(path) {
        return errno;
    }
    let mut by_shell = vec![OsString::from(SHELL), path.into()];
    by_shell.extend(command.iter().skip(1).cloned());
    match execute_once(Path::new(SHELL), &by_shell, environment) {
        ENOENT => ENOEXEC,
        errno => errno,
    }
}

fn execute_once(path: &Path, command: &[OsString], environment: &[OsString]) -> i32 {
    let texts = |texts: &[OsString]| -> Result<Vec<CString>, std::ffi::NulError> {
        texts
            .iter()
            .map(|text| CString::new(text.as_bytes()))
            .collect()
    };
    let path = CString::new(path.as_os_str().as_bytes());
    let (Ok(path), Ok(arguments), Ok(variables)) = (path, texts(command), texts(environment))
    else {
        return EINVAL;
    };
    let error = process::execute(&path, &arguments, &variables);
    error.errno().map_or(EINVAL, |errno| errno.raw_os_error())
}

/// Looks at the file after the fact.
fn explain(
    program: OsString,
    errno: i32,
    path: Option<&Path>,
    command: &[OsString],
    environment: &[OsString],
) -> ExecError {
    let finding = match (errno, path) {
        (ENOENT, Some(path)) => missing(path),
        (ENOENT, None) => None,
        (EACCES, Some(path)) => denied(path),
        (ENOEXEC, Some(path)) => foreign(path),
        (E2BIG, _) => {
            let texts = command.iter().chain(environment);
            Some(Finding::TooLong(texts.map(|text| text.len() + 1).sum()))
        }
        _ => None,
    };
    ExecError {
        program,
        errno,
        finding,
    }
}

/// What of `path` is missing: itself, or what it needs to run.
fn missing(path: &Path) -> Option<Finding> {
    if !path.exists() {
        return (path == Path::new(SHELL)).then_some(Finding::NoShell);
    }
    if let Some(interpreter) = script_interpreter(path) {
        return Some(Finding::NoInterpreter(interpreter));
    }
    Elf::read(path)?.loader.map(Finding::NoLoader)
}

/// The program that the first line of a script names.
fn script_interpreter(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(path)
        .ok()?
        .take(256)
        .read_to_end(&mut start)
        .ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|&byte| byte == b'\n')
        .next()?;
    let text = OsString::from_vec(line.to_vec())
        .to_string_lossy()
        .into_owned();
    text.split_whitespace().next().map(str::to_owned)
}

fn denied(path: &Path) -> Option<Finding> {
    let metadata = fs::metadata(path).ok()?;
    if metadata.is_dir() {
        return Some(Finding::Directory);
    }
    (metadata.permissions().mode() & 0o111 == 0).then_some(Finding::NotExecutable)
}

fn foreign(path: &Path) -> Option<Finding> {
    let machine = Elf::read(path)?.machine;
    let ours = std::env::consts::ARCH;
    (machine != ours).then(|| Finding::Machine(machine, ours.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_searched_as_execvp_does() {
        let rows: [(&str, Option<&str>, &[&str]); 7] = [
            ("ls", Some("/usr/bin:/bin"), &["/usr/bin/ls", "/bin/ls"]),
            (
                "ls",
                Some("/usr/bin::/bin"),
                &["/usr/bin/ls", "./ls", "/bin/ls"],
            ),
            ("ls", None, &["/bin/ls", "/usr/bin/ls"]),
            ("ls", Some(""), &["./ls"]),
            ("./ls", Some("/bin"), &["./ls"]),
            ("/x/ls", Some("/bin"), &["/x/ls"]),
            ("", Some("/bin"), &[]),
        ];
        for (program, search, expected) in rows {
            let found = candidates(OsStr::new(program), search.map(OsStr::new));
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(found, expected, "{program} in {search:?}");
        }
    }

    #[test]
    fn what_keeps_a_file_from_being_executed_is_found() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, content: &str| {
            let path = directory.path().join(name);
            fs::write(&path, content).expect("write");
            path
        };
        let script = write("script", "#! /no/such/shell -e\n");
        assert_eq!(
            missing(&script),
            Some(Finding::NoInterpreter("/no/such/shell".to_owned()))
        );
        assert_eq!(denied(&script), Some(Finding::NotExecutable));
        assert_eq!(denied(directory.path()), Some(Finding::Directory));
        assert_eq!(foreign(&script), None);
    }
}
