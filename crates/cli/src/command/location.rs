//! Where the storage directory is: what [`ch_storage::location`] decides is read here.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use ch_storage::location::{LocationError, Wishes, choose};

use crate::environment::{CH_GROW_STORAGE, CH_IMAGE_STORAGE, Environment, USER};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// The storage directory's absolute path. It need not exist, and nothing looks whether it does.
pub(crate) fn storage_location(
    option: Option<&Path>,
    environment: &Environment,
    terminal: &Terminal,
) -> Result<PathBuf, Failure> {
    let variable = environment.get(CH_IMAGE_STORAGE);
    if variable.is_none() && environment.get(CH_GROW_STORAGE).is_some() {
        terminal.warning(format_args!(
            "${CH_GROW_STORAGE} is not used; set ${CH_IMAGE_STORAGE}"
        ));
    }
    let wishes = Wishes {
        option: option.map(Path::as_os_str),
        environment: variable,
        user: environment.get(USER),
    };
    let here = if option.is_some_and(Path::is_relative) {
        env::current_dir()
            .map_err(|error| Failure::caused("can't find the current directory", &error))?
    } else {
        PathBuf::new()
    };
    choose(&wishes, &here, own_name).map_err(|error| match error {
        LocationError::EmptyOption => Failure::usage(error),
        LocationError::NotAbsolute { .. } => Failure::new(error),
    })
}

/// The effective user's name, else the number. The program has no name service but the file.
fn own_name() -> OsString {
    let accounts = fs::read("/etc/passwd").unwrap_or_default();
    name_in(&accounts, &ch_linux::boot::effective_user().to_string())
}

/// The name of user `uid` in the text of `/etc/passwd`.
fn name_in(accounts: &[u8], uid: &str) -> OsString {
    let names = accounts.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)? == uid.as_bytes()).then(|| OsString::from_vec(name.to_vec()))
    });
    names
        .into_iter()
        .next()
        .unwrap_or_else(|| OsStr::new(uid).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Settings;

    fn location(option: Option<&str>, variables: &[(&str, &str)]) -> Result<PathBuf, Failure> {
        let terminal = Terminal::on_standard_error(&Settings::default());
        let environment = variables.iter().copied().collect();
        storage_location(option.map(Path::new), &environment, &terminal)
    }

    #[test]
    fn option_variable_and_user_are_read() {
        let here = env::current_dir().unwrap();
        let cases: [(Option<&str>, &[(&str, &str)], PathBuf); 4] = [
            (Some("/a"), &[("CH_IMAGE_STORAGE", "/b")], "/a".into()),
            (Some("a//b/"), &[], here.join("a/b")),
            (
                None,
                &[("CH_IMAGE_STORAGE", "/b/"), ("USER", "u")],
                "/b".into(),
            ),
            (None, &[("USER", "u")], "/var/tmp/u/ch-image".into()),
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
    fn an_empty_option_is_a_usage_error_and_a_relative_variable_a_failure() {
        let failure = location(Some(""), &[]).unwrap_err();
        assert_eq!(failure.status(), 2.into());
        let failure = location(None, &[("CH_IMAGE_STORAGE", "a")]).unwrap_err();
        assert_eq!(failure.status(), 1.into());
    }

    #[test]
    fn a_user_without_a_name_is_a_number() {
        let accounts = b"root:x:0:0::/:/bin/sh\nann:x:1000:7::/:/bin/sh\n:x:5:5::/:\nbroken\n";
        for (uid, name) in [("0", "root"), ("1000", "ann"), ("7", "7"), ("5", "5")] {
            assert_eq!(name_in(accounts, uid), name);
        }
    }
}
