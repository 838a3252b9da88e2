//! Where the storage directory is: by option, by variable, or in the default place.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::environment::{CH_GROW_STORAGE, CH_IMAGE_STORAGE, Environment, USER};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// The storage directory's absolute path. It need not exist, and nothing looks whether it does.
pub(crate) fn storage_location(
    option: Option<&Path>,
    environment: &Environment,
    terminal: &Terminal,
) -> Result<PathBuf, Failure> {
    let variable = environment.path(CH_IMAGE_STORAGE);
    if variable.is_none() && environment.get(CH_GROW_STORAGE).is_some() {
        terminal.warning(format_args!(
            "${CH_GROW_STORAGE} is not used; set ${CH_IMAGE_STORAGE}"
        ));
    }
    let path = match (option, variable) {
        (Some(path), _) if path.as_os_str().is_empty() => {
            return Err(Failure::usage("argument -s/--storage: path is empty"));
        }
        (Some(path), _) if path.is_absolute() => path.to_owned(),
        (Some(path), _) => env::current_dir()
            .map_err(|error| Failure::caused("can't find the current directory", &error))?
            .join(path),
        (None, Some(path)) if path.is_absolute() => path,
        (None, Some(path)) => {
            let path = path.display();
            return Err(Failure::new(format_args!(
                "${CH_IMAGE_STORAGE}: not absolute path: {path}"
            )));
        }
        (None, None) => default_location(environment),
    };
    Ok(tidy(&path))
}

/// `/var/tmp/$USER/ch-image`.
fn default_location(environment: &Environment) -> PathBuf {
    let user = environment
        .get(USER)
        .filter(|name| !name.as_bytes().contains(&b'/'))
        .map_or_else(own_name, OsStr::to_owned);
    Path::new("/var/tmp").join(user).join("ch-image")
}

/// The effective user's name, else the number. The program has no name service but the file.
fn own_name() -> OsString {
    let uid = ch_linux::boot::effective_user().to_string();
    let accounts = fs::read("/etc/passwd").unwrap_or_default();
    accounts
        .split(|byte| *byte == b'\n')
        .find_map(|line| {
            let mut fields = line.split(|byte| *byte == b':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            (fields.nth(1)? == uid.as_bytes()).then(|| OsString::from_vec(name.to_vec()))
        })
        .unwrap_or_else(|| uid.into())
}

/// `path` without `.`, `//` and trailing `/`; `..` and links stay, because they mean what they mean.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Settings;

    fn location(option: Option<&str>, variables: &[(&str, &str)]) -> Result<String, Failure> {
        let terminal = Terminal::on_standard_error(&Settings::default());
        let environment = variables.iter().copied().collect();
        storage_location(option.map(Path::new), &environment, &terminal)
            .map(|path| path.display().to_string())
    }

    #[test]
    fn the_option_wins_then_the_variable_then_the_default() {
        let here = env::current_dir().unwrap().display().to_string();
        let cases: [(Option<&str>, &[(&str, &str)], String); 7] = [
            (Some("/a"), &[("CH_IMAGE_STORAGE", "/b")], "/a".into()),
            (Some("a/./b//c/"), &[], format!("{here}/a/b/c")),
            (
                None,
                &[("CH_IMAGE_STORAGE", "/b/"), ("USER", "u")],
                "/b".into(),
            ),
            (
                None,
                &[("CH_IMAGE_STORAGE", ""), ("USER", "u")],
                "/var/tmp/u/ch-image".into(),
            ),
            (None, &[("USER", "u")], "/var/tmp/u/ch-image".into()),
            (Some("/x/../y/"), &[], "/x/../y".into()),
            (Some("/x/. /y"), &[], "/x/. /y".into()),
        ];
        for (option, variables, expected) in cases {
            assert_eq!(
                location(option, variables),
                Ok(expected),
                "{option:?} {variables:?}"
            );
        }
    }

    #[test]
    fn a_user_name_that_is_a_path_is_not_one() {
        let path = location(None, &[("USER", "../x")]).unwrap();
        assert!(
            path.starts_with("/var/tmp/") && !path.contains(".."),
            "{path}"
        );
        assert_eq!(location(None, &[("USER", "")]), Ok(path));
    }

    #[test]
    fn a_relative_variable_is_refused() {
        let failure = location(None, &[("CH_IMAGE_STORAGE", "a")]).unwrap_err();
        assert_eq!(failure.message(), "$CH_IMAGE_STORAGE: not absolute path: a");
    }

    #[test]
    fn an_empty_option_is_a_usage_error() {
        let failure = location(Some(""), &[]).unwrap_err();
        assert_eq!(failure.status(), std::process::ExitCode::from(2));
    }
}
