//! The environment of a command that `ch-run` becomes.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ch_linux::file;

use super::edit::{Edit, EnvironmentError, LARGEST, Separator, assign, parse_file};
use super::{set, value};
use crate::spec::Variables;

/// Variables that an image of flat form carries.
const IMAGE_FILE: &str = "/ch/environment";

/// What becomes of the environment that `ch-run` inherited.
#[derive(Clone, Debug, Default)]
pub struct InPlaceEnvironment {
    /// What was inherited.
    pub inherited: Variables,
    /// `HOME`, if it was chosen.
    pub home: Option<OsString>,
    /// `Env` of the image's config, if there is one.
    pub config: Option<Variables>,
    /// Changes, in the order of the command line.
    pub edits: Vec<Edit>,
    /// Keeps `$` in values as it is.
    pub literal: bool,
}

impl InPlaceEnvironment {
    /// The variables, and whether `PATH` was missing. The image's root must be this process' root. `HOME` is that of
    /// `home`; without one `/root`, or what there is.
    pub(crate) fn assemble(
        &self,
        home: Option<OsString>,
    ) -> Result<(Variables, bool), EnvironmentError> {
        let root_exists = Path::new("/root").is_dir();
        let usual = if root_exists { "/root" } else { "/" };
        let home = home.unwrap_or_else(|| usual.into());
        let (mut variables, path_missing) = basis(&self.inherited, home);
        for edit in &self.edits {
            match edit {
                Edit::Set(assignments) => assign(&mut variables, assignments, !self.literal),
                Edit::SetFromImage(separator) => {
                    let (assignments, expanding) = self.of_image(*separator)?;
                    assign(&mut variables, &assignments, expanding);
                }
                Edit::Unset(glob) => variables.retain(|(name, _)| !glob.matches(name)),
            }
        }
        set(
            &mut variables,
            "CH_RUNNING".into(),
            "Weird Al Yankovic".into(),
        );
        Ok((variables, path_missing))
    }

    /// The image's own variables, and whether they are to be expanded: a config's are final.
    fn of_image(&self, separator: Separator) -> Result<(Variables, bool), EnvironmentError> {
        let path = Path::new(IMAGE_FILE);
        match (file::read_regular(path, LARGEST), &self.config) {
            (Ok(content), _) => {
                parse_file(&content, path, separator).map(|variables| (variables, !self.literal))
            }
            (Err(error), Some(config)) if error.kind() == io::ErrorKind::NotFound => {
                Ok((config.clone(), false))
            }
            (Err(cause), _) => Err(EnvironmentError::Open {
                path: path.to_owned(),
                cause,
            }),
        }
    }
}

/// What was inherited, as it fits the container; and whether `PATH` was missing.
fn basis(inherited: &Variables, home: OsString) -> (Variables, bool) {
    let mut variables = inherited.clone();
    set(&mut variables, "HOME".into(), home);
    let path = value(&variables, "PATH".as_ref()).cloned();
    if let Some(path) = &path {
        set(&mut variables, "PATH".into(), with_bin(path));
    }
    variables.retain(|(name, _)| name != "TMPDIR");
    (variables, path.is_none())
}

/// `/bin` at the end of `path`, unless something there begins so.
fn with_bin(path: &OsString) -> OsString {
    let bytes = path.as_bytes();
    let has_bin = bytes.starts_with(b"/bin") || bytes.windows(5).any(|part| part == b":/bin");
    let mut path = path.clone();
    if !has_bin {
        path.push(":/bin");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Glob;

    fn variables(texts: &[(&str, &str)]) -> Variables {
        texts
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn v_run_5_bin_is_in_path() {
        let rows = [
            ("/usr/bin", "/usr/bin:/bin"),
            ("/bin:/x", "/bin:/x"),
            ("/x:/bin/y", "/x:/bin/y"),
            ("/x:/bin", "/x:/bin"),
            ("", ":/bin"),
        ];
        for (before, after) in rows {
            assert_eq!(with_bin(&before.into()), after, "V-run-5: {before}");
        }
    }

    #[test]
    fn home_is_the_containers_and_tmpdir_is_gone() {
        let inherited = variables(&[("HOME", "/home/u"), ("TMPDIR", "/x"), ("A", "1")]);
        let (found, path_missing) = basis(&inherited, "/root".into());
        assert_eq!(found, variables(&[("HOME", "/root"), ("A", "1")]));
        assert!(path_missing);
        let (found, _) = basis(&inherited, "/".into());
        assert_eq!(found, variables(&[("HOME", "/"), ("A", "1")]));
    }

    #[test]
    fn v_run_3_and_4_what_is_unset_is_gone() {
        let after = |glob: &str| {
            let environment = InPlaceEnvironment {
                inherited: variables(&[("PATH", "/bin"), ("W_A", "1"), ("B", "2")]),
                edits: vec![Edit::Unset(Glob::new(glob))],
                ..InPlaceEnvironment::default()
            };
            let (variables, _) = environment.assemble(None).expect("nothing is read");
            variables
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        assert_eq!(after("*"), ["CH_RUNNING"], "V-run-3");
        assert_eq!(after("!(W_*)"), ["W_A", "CH_RUNNING"], "V-run-4");
    }

    #[test]
    fn an_image_without_a_file_has_its_config() {
        let environment = InPlaceEnvironment {
            config: Some(variables(&[("A", "1")])),
            edits: vec![Edit::SetFromImage(Separator::Newline)],
            ..InPlaceEnvironment::default()
        };
        let (found, _) = environment
            .assemble(None)
            .expect("the machine has no /ch/environment");
        assert_eq!(value(&found, "A".as_ref()), Some(&OsString::from("1")));
        let without = InPlaceEnvironment {
            config: None,
            ..environment
        };
        let error = without
            .assemble(None)
            .expect_err("neither file nor config")
            .to_string();
        assert_eq!(
            error,
            "can't open: /ch/environment: No such file or directory"
        );
    }
}
